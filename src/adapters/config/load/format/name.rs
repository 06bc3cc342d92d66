//! Names of roles, clients, teams and scopes.

use crate::adapters::config::load::misfit::{Misfit, alone, quoted};
use crate::words::oauth::scope::Scope;

pub(super) fn aud_value(text: &str) -> Result<(), Misfit> {
    alone(!matches!(text, "" | "*"), "must be the value of an `aud` claim")
}

/// A name that becomes a metric label.
pub(super) fn label(text: &str) -> Result<(), Misfit> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    alone(
        (1..=64).contains(&text.len()) && text.bytes().all(letter),
        "the name must be 1 to 64 letters, digits, '.', '_' or '-'",
    )
}

pub(super) fn client_id(text: &str) -> Result<(), Misfit> {
    let fits = !text.is_empty() && !text.chars().any(char::is_control);
    alone(fits, "the client id is empty or has control characters")
}

pub(super) fn team(text: &str) -> Result<(), Misfit> {
    alone(!text.trim().is_empty(), "is empty: name the team that owns this file")
}

pub(super) fn name(text: &str) -> Result<(), Misfit> {
    let spaced = text.chars().any(char::is_control) || text.trim() != text;
    alone(!text.is_empty() && !spaced, "must be a name: not empty, no control characters, no spaces around it")?;
    alone(!text.contains('*'), "patterns are not supported: only a list of \"*\" alone means all")
}

pub(super) fn name_or_star(text: &str) -> Result<(), Misfit> {
    if text == "*" { Ok(()) } else { name(text) }
}

pub(super) fn scope(text: &str) -> Result<(), Misfit> {
    if text == "*" {
        return Ok(());
    }
    let token = !text.contains(' ') && !text.is_empty() && Scope::parse(text).is_ok();
    quoted(token, "is not a scope token (RFC 6749 section 3.3)")?;
    name(text)
}

pub(super) fn role_source(text: &str) -> Result<(), Misfit> {
    let (kind, rest) = text.split_once(':').unwrap_or(("", text));
    match kind {
        "realm" | "group" => name(rest),
        "scope" => {
            name(rest)?;
            quoted(!rest.contains(' '), "is not a scope token (RFC 6749 section 3.3)")
        }
        "client" => match rest.split_once('/') {
            Some((client, role)) => name(client).and_then(|()| name(role)),
            None => alone(false, "must be client:ID/ROLE"),
        },
        _ => name(text),
    }
}
