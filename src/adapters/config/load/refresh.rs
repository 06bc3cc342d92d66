//! `realms.*.refreshTokens`.

use std::sync::Arc;

use super::files::{read_noted, warn_if_public};
use super::problem::{At, ProblemList};
use crate::adapters::config::file::realm as file;
use crate::adapters::config::settings::realm::RefreshTokens;
use crate::adapters::seal::{Seal, SealError};

pub(super) fn refresh_tokens(
    file: &file::RefreshTokens,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<RefreshTokens> {
    let at = at.field("keyFiles");
    let mut keys = Vec::with_capacity(file.key_files.len());
    for (index, path) in file.key_files.iter().enumerate() {
        let at = at.item(index);
        let resolved = report.resolve(path);
        match read_noted(&resolved, report) {
            Ok(bytes) => {
                if Seal::from_texts([bytes.as_slice()]).is_err() {
                    let message = "does not have 32 random bytes in base64: `cambio seal-key` makes such a file";
                    at.problem(report, format!("the file {} {message}", at.shown(path)));
                }
                warn_if_public(&resolved, &format!("the key {}", at.shown(path)), &at, report);
                keys.push(bytes);
            }
            Err(error) => at.problem(report, format!("the file {} {error}", at.shown(path))),
        }
    }
    if keys.len() < file.key_files.len() {
        return None;
    }
    match Seal::from_texts(keys.iter().map(|key| key.as_slice())) {
        Ok(seal) => Some(RefreshTokens { seal: Arc::new(seal) }),
        Err(SealError::Keys) => {
            at.problem(report, "has the same key twice");
            None
        }
        Err(_) => None,
    }
}
