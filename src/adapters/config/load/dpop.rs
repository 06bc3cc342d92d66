//! `realms.*.dpop`.

use std::time::Duration;

use jiff::SignedDuration;

use super::files::{Holds, named, read};
use super::issuers::algorithm;
use super::platform::{all, optional};
use super::problem::{At, ProblemList};
use super::value::period;
use crate::adapters::config::file::dpop as file;
use crate::adapters::config::settings::dpop::{Dpop, NonceSource};
use crate::judgement::token::dpop::nonce::NonceKey;

/// A shorter window leaves no time to send a proof, a longer one too much to steal it.
const WINDOW: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(600);

pub(super) fn dpop(file: &file::Dpop, at: &At<'_>, report: &mut ProblemList) -> Option<Dpop> {
    let names = at.field("algorithms");
    if file.algorithms.is_empty() {
        names.problem(report, "is empty: no proof would ever be accepted");
    }
    let algorithms =
        all(file.algorithms.iter().enumerate().map(|(i, name)| algorithm(name, &names.item(i), report)));
    let window = period(&file.window, WINDOW, &at.field("window"), report);
    let key_at = at.field("nonceKeyFile");
    let key = optional(file.nonce_key_file.as_ref(), |path| {
        let path = named(path, Holds::Anything, &key_at, report)?;
        let usable = read(&path).is_ok_and(|bytes| NonceKey::new(&bytes).is_some());
        if !usable {
            key_at.problem(report, "holds fewer than 32 bytes");
        }
        usable.then_some(path)
    });
    let nonce = match (file.nonce, key?) {
        (file::Nonce::Off, None) => None,
        (file::Nonce::Off, Some(_)) => {
            key_at.problem(report, "has no meaning: no nonce is demanded (nonce: required)");
            return None;
        }
        (file::Nonce::Required, None) => Some(NonceSource::Random),
        (file::Nonce::Required, Some(path)) => Some(NonceSource::File(path)),
    };
    Some(Dpop { algorithms: algorithms?, window: SignedDuration::try_from(window?).ok()?, nonce })
}
