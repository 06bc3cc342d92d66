//! Audience files.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::export::{ExportedClient, ExportedRealm};
use super::permissions::V1Grants;
use super::policies::V1Grant;
use crate::tools::audience_drafts::{ascii, can_be_named, file_name, list, quoted};
use crate::words::oauth::scope::Scope;

/// One file for each audience for which somebody is certainly allowed to exchange.
pub(super) fn files(realm: &ExportedRealm, name: &str, owner: &str, grants: &V1Grants) -> BTreeMap<String, String> {
    let permitted = grants.audiences.iter().filter_map(|(audience, grant)| {
        let callers = callers(realm, audience, grants);
        if callers.is_empty() {
            return None;
        }
        let file = file_of(realm, audience)?;
        Some((file, text(realm, name, owner, audience, &grant.permission, &callers)))
    });
    permitted.collect()
}

/// The clients that are listed for an audience: V1 allows them, and nothing else stops them.
pub(super) fn callers<'a>(realm: &'a ExportedRealm, audience: &str, grants: &V1Grants) -> Vec<&'a ExportedClient> {
    if audience_obstacle(realm, audience).is_some() {
        return Vec::new();
    }
    let allowed: BTreeSet<&str> = grants.audiences.get(audience).into_iter().flat_map(V1Grant::allowed).collect();
    let mut clients: Vec<_> = realm
        .clients
        .iter()
        .filter(|one| allowed.contains(one.name.as_str()) && caller_obstacle(one).is_none() && !one.is_built_in())
        // V1 requires no permission of a client that exchanges for itself.
        .filter(|one| one.name != audience)
        .collect();
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    clients
}

/// Why a client can't be an audience, although it has a permission.
pub(super) fn audience_obstacle(realm: &ExportedRealm, audience: &str) -> Option<&'static str> {
    let client = realm.clients.iter().find(|one| one.name == audience)?;
    if !client.enabled() {
        Some("the client is disabled: V1 refused every exchange for it")
    } else if !client.is_openid() {
        Some("the client does not use OpenID Connect")
    } else if !can_be_named(audience) || file_of(realm, audience).is_none() {
        Some("its client id can't be the name of an audience or a file")
    } else {
        None
    }
}

/// Why a client can't be listed, although a permission allows it.
pub(super) fn caller_obstacle(client: &ExportedClient) -> Option<&'static str> {
    if !client.enabled() {
        Some("the client is disabled: V1 refused it")
    } else if !client.is_openid() {
        Some("the client does not use OpenID Connect")
    } else if client.bearer_only() {
        Some("a bearer-only client can't ask for tokens")
    } else if !can_be_named(&client.name) {
        Some("its client id can't be written into a list of clients")
    } else {
        None
    }
}

fn text(
    realm: &ExportedRealm,
    name: &str,
    owner: &str,
    audience: &str,
    permission: &str,
    callers: &[&ExportedClient],
) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "# Written by `cambio migrate keycloak` from an export of the realm {}: the clients that V1 allows with\n\
         # {}.\n\
         audience: {}\nowner: {}\nrealm: {}\npermissions:",
        ascii(&realm.name),
        ascii(permission),
        quoted(audience),
        quoted(owner),
        quoted(name)
    );
    let mut alike: BTreeMap<(bool, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for caller in callers {
        alike.entry((caller.public(), scopes(realm, caller))).or_default().push(&caller.name);
    }
    for ((public, scopes), clients) in alike {
        let _ = writeln!(text, "  - clients: [{}]\n    scopes: [{}]", list(&clients), list(&scopes));
        // Keycloak's standard exchange refuses public clients. Cambio takes those that it authenticates itself: nobody can
        // use the permission before the client is registered with `method: none`, and then for the client's own tokens only.
        if public {
            text.push_str("    issuance: mint\n");
        }
    }
    text.push_str("roles:\n  own: true\n");
    text
}

/// The scopes that a client's tokens can name, in alphabetical order. Never empty.
fn scopes<'a>(realm: &ExportedRealm, client: &'a ExportedClient) -> Vec<&'a str> {
    let all = client.default_client_scopes.iter().chain(&client.optional_client_scopes);
    let named = all.filter(|scope| realm.names_in_tokens(scope)).map(String::as_str);
    let plain = |scope: &&str| !scope.contains([' ', '*']) && can_be_named(scope) && Scope::parse(scope).is_ok();
    let distinct: BTreeSet<&str> = named.filter(plain).chain(["openid"]).collect();
    distinct.into_iter().collect()
}

/// The name of an audience's file, among the files of the realm's other clients.
fn file_of(realm: &ExportedRealm, audience: &str) -> Option<String> {
    file_name(audience, realm.clients.iter().map(|client| client.name.as_str()))
}
