//! Audience files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::export::{Client, Realm};
use super::permissions::{Grant, Grants};
use crate::words::oauth::scope::Scope;

/// Who answers for a file until somebody is named.
pub(super) const OWNER: &str = "to be named";

/// One file for each audience for which somebody is certainly allowed to exchange.
pub(super) fn files(realm: &Realm, name: &str, owner: &str, grants: &Grants) -> BTreeMap<String, String> {
    let permitted = grants.audiences.iter().filter_map(|(audience, grant)| {
        let callers = callers(realm, audience, grants);
        if callers.is_empty() {
            return None;
        }
        let file = file_name(audience)?;
        Some((file, text(realm, (name, owner), audience, &grant.permission, &callers)))
    });
    permitted.collect()
}

/// The clients that are listed for an audience: V1 allows them, and they can exchange at all.
pub(super) fn callers<'a>(realm: &'a Realm, audience: &str, grants: &Grants) -> Vec<&'a Client> {
    if audience_obstacle(realm, audience).is_some() {
        return Vec::new();
    }
    let allowed: BTreeSet<&str> =
        grants.audiences.get(audience).into_iter().flat_map(Grant::allowed).collect();
    let mut clients: Vec<_> = realm
        .clients
        .iter()
        .filter(|one| allowed.contains(one.name.as_str()) && caller_obstacle(one).is_none())
        // V1 never asks a permission of a client that exchanges for itself.
        .filter(|one| one.name != audience)
        .collect();
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    clients
}

/// Why a client can't be an audience, though a permission speaks of it.
pub(super) fn audience_obstacle(realm: &Realm, audience: &str) -> Option<&'static str> {
    let client = realm.clients.iter().find(|one| one.name == audience)?;
    if !client.enabled {
        Some("the client is disabled: V1 refused every exchange for it")
    } else if !client.is_openid() {
        Some("the client does not speak OpenID Connect")
    } else if !can_be_named(audience) || file_name(audience).is_none() {
        Some("its client id can't be the name of an audience or of a file")
    } else {
        None
    }
}

/// Why a client can't be listed, though a permission allows it.
pub(super) fn caller_obstacle(client: &Client) -> Option<&'static str> {
    if !client.enabled {
        Some("the client is disabled: V1 refused it")
    } else if !client.is_openid() {
        Some("the client does not speak OpenID Connect")
    } else if client.bearer_only {
        Some("a bearer-only client can't ask for tokens")
    } else if client.public {
        Some(
            "V1 let a public client exchange its own tokens; Keycloak's standard exchange refuses it: make it confidential",
        )
    } else if !can_be_named(&client.name) {
        Some("its client id can't be written into a list of clients")
    } else {
        None
    }
}

/// Whether a name can stand in an audience file.
pub(super) fn can_be_named(name: &str) -> bool {
    let odd = |letter: char| {
        letter.is_control()
            || matches!(letter, '*' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    !name.is_empty() && name.trim() == name && !name.contains(odd)
}

fn text(
    realm: &Realm,
    (name, owner): (&str, &str),
    audience: &str,
    permission: &str,
    callers: &[&Client],
) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# By `cambio migrate keycloak` from an export of the realm {}: who could exchange for it by V1's\n\
         # {}.\n\
         audience: {}\nowner: {}\nrealm: {}\npermissions:",
        ascii(&realm.name),
        ascii(permission),
        quoted(audience),
        quoted(owner),
        quoted(name)
    );
    let mut alike: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for caller in callers {
        alike.entry(scopes(realm, caller)).or_default().push(&caller.name);
    }
    for (scopes, clients) in alike {
        let _ = writeln!(text, "  - clients: [{}]\n    scopes: [{}]", list(&clients), list(&scopes));
    }
    text.push_str("roles:\n  own: true\n");
    text
}

/// The scopes that a client's tokens can name, in alphabetical order. Never empty.
fn scopes<'a>(realm: &Realm, client: &'a Client) -> Vec<&'a str> {
    let all = client.default_client_scopes.iter().chain(&client.optional_client_scopes);
    let named = all.filter(|scope| realm.names_in_tokens(scope)).map(String::as_str);
    let plain =
        |scope: &&str| !scope.contains([' ', '*']) && can_be_named(scope) && Scope::parse(scope).is_ok();
    let distinct: BTreeSet<&str> = named.filter(plain).chain(["openid"]).collect();
    distinct.into_iter().collect()
}

/// A file's name: letters, digits, `.`, `-` and `_` of the client id as they are, other bytes as `%XX`, so that no two
/// clients share one and none leaves the folder.
fn file_name(audience: &str) -> Option<String> {
    let mut name = String::new();
    for (at, byte) in audience.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || byte == b'.' && at > 0 {
            name.push(char::from(byte));
        } else {
            let _ = write!(name, "%{byte:02X}");
        }
    }
    name.push_str(".yaml");
    (name.len() <= 255).then_some(name)
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
}

/// A YAML string that means this text: a JSON string, with the one mark escaped that audience files give a meaning.
fn quoted(text: &str) -> String {
    json(&text.replace("${", "$${"))
}

/// A text in a comment: some YAML readers end a line, and with it the comment, at characters that JSON leaves as they are.
fn ascii(text: &str) -> String {
    format!("\"{}\"", text.escape_default())
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
