//! `introspection` of a realm and of an issuer.

use super::files::{Holds, named, read};
use super::problem::{At, ProblemList};
use super::value::is_plain_and_remote;
use crate::adapters::config::file::introspection as file;
use crate::adapters::config::settings::introspection::{Introspection, OwnClient, SecretMethod};
use crate::words::secret::Secret;

pub(super) fn issuer(file: &file::IssuerIntrospection, at: &At<'_>, report: &mut ProblemList) -> Option<Introspection> {
    let endpoint = file.url.parse().ok();
    if endpoint.as_ref().is_some_and(is_plain_and_remote) {
        at.field("url").warning(
            report,
            "Cambio asks over plain http: whoever controls the network sees the tokens and can answer that any token is active",
        );
    }
    let client = client(&file.client_id, &file.client_secret_file, at, report);
    let method = match file.method {
        file::SecretMethod::Basic => SecretMethod::Basic,
        file::SecretMethod::Post => SecretMethod::Post,
    };
    Some(Introspection { url: endpoint?, client: client?, method, cache_for: file.cache_for.duration()? })
}

pub(super) fn realm(file: &file::RealmIntrospection, at: &At<'_>, report: &mut ProblemList) -> Option<OwnClient> {
    client(&file.client_id, &file.client_secret_file, at, report)
}

pub(super) fn client(id: &str, secret_file: &str, at: &At<'_>, report: &mut ProblemList) -> Option<OwnClient> {
    let secret = secret(secret_file, &at.field("clientSecretFile"), report);
    Some(OwnClient { id: id.to_owned(), secret: secret? })
}

/// The one line of a file. Cambio watches the file, and loads the configuration again with a new secret.
fn secret(path: &str, at: &At<'_>, report: &mut ProblemList) -> Option<Secret> {
    let file = named(path, Holds::Anything, at, report)?;
    let message = match read(&file).map(|bytes| line(&bytes).map(Secret::new)) {
        Ok(Some(secret)) => return Some(secret),
        Ok(None) => "must hold the secret in one line of text".to_owned(),
        Err(error) => format!("can't be read: {error}"),
    };
    at.problem(report, format!("the file {} {message}", at.shown(path)));
    None
}

fn line(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    (!text.is_empty() && !text.contains(char::is_control)).then_some(text)
}
