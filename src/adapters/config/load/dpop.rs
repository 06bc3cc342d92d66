//! `realms.*.dpop`.

use super::files::{Holds, named, read};
use super::problem::{At, ProblemList, optional};
use super::value::algorithms;
use crate::adapters::config::file::dpop as file;
use crate::adapters::config::settings::dpop::{Dpop, NonceSource};
use crate::judgement::token::dpop::nonce::NonceKey;

pub(super) fn dpop(file: &file::Dpop, at: &At<'_>, report: &mut ProblemList) -> Option<Dpop> {
    let key_at = at.field("nonceKeyFile");
    let key = optional(file.nonce_key_file.as_ref(), |path| {
        let path = named(path, Holds::Anything, &key_at, report)?;
        let usable = read(&path).is_ok_and(|bytes| NonceKey::new(&bytes).is_some());
        if !usable {
            key_at.problem(report, "has fewer than 32 bytes");
        }
        usable.then_some(path)
    });
    let nonce = match (file.nonce, key?) {
        (file::Nonce::Off, None) => None,
        (file::Nonce::Off, Some(_)) => {
            key_at.problem(report, "has no effect: Cambio demands no nonce (set `nonce: required`)");
            return None;
        }
        (file::Nonce::Required, None) => Some(NonceSource::Random),
        (file::Nonce::Required, Some(path)) => Some(NonceSource::File(path)),
    };
    Some(Dpop { algorithms: algorithms(&file.algorithms)?, window: file.window.signed()?, nonce })
}
