//! The report: what the files leave out, and what is left to do.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::export::{ExportedClient, ExportedRealm};
use super::finding::{FindingKind, MigrationFinding, quoted_names};
use super::permissions::V1Grants;
use super::policies::{V1Answer, V1Grant};
use super::write::{audience_obstacle, caller_obstacle, callers};

/// All findings, sorted.
pub(super) fn findings(
    realm: &ExportedRealm,
    grants: &V1Grants,
    of_documents: Vec<MigrationFinding>,
) -> Vec<MigrationFinding> {
    let mut findings: BTreeSet<_> = of_documents.into_iter().collect();
    if let Some(reason) = grants.void {
        add(&mut findings, FindingKind::NotCarriedOver, "the realm".to_owned(), reason.to_owned());
    }
    for name in &grants.orphans {
        let text = "is not about one client or identity provider of the export".to_owned();
        add(&mut findings, FindingKind::NotCarriedOver, format!("permission {name:?}"), text);
    }
    for (audience, grant) in &grants.audiences {
        of_audience(realm, audience, grant, &mut findings);
    }
    for (alias, grant) in &grants.providers {
        of_provider(realm, alias, grant, &mut findings);
    }
    if let Some(grant) = &grants.impersonation {
        of_impersonation(realm, grant, grants.users_restricted, &mut findings);
    }
    of_clients(realm, grants, &mut findings);
    of_keycloaks_own(realm, grants, &mut findings);
    findings.into_iter().collect()
}

/// The report: what was carried over, then the findings by kind.
pub(super) fn text(realm: &ExportedRealm, name: &str, grants: &V1Grants, findings: &[MigrationFinding]) -> String {
    let mut text = format!("realm {:?} of Keycloak, realm {name:?} of cambio.yaml\n\ncarried over\n", realm.name);
    let mut none = true;
    for audience in grants.audiences.keys() {
        let callers = callers(realm, audience, grants);
        if !callers.is_empty() {
            none = false;
            let names = quoted_names(callers.iter().map(|one| one.name.as_str()));
            let _ = writeln!(text, "  for {audience:?}: {names}");
        }
    }
    if none {
        text.push_str("  nothing\n");
    }
    for (kind, title) in [
        (FindingKind::NotCarriedOver, "not carried over"),
        (FindingKind::ToDo, "to do"),
        (FindingKind::Note, "to know"),
    ] {
        let mut of_kind = findings.iter().filter(|one| one.kind == kind).peekable();
        if of_kind.peek().is_some() {
            let _ = writeln!(text, "\n{title}");
        }
        for one in of_kind {
            let _ = writeln!(text, "  {}: {}", one.about, one.text);
        }
    }
    text
}

fn of_audience(realm: &ExportedRealm, audience: &str, grant: &V1Grant, findings: &mut BTreeSet<MigrationFinding>) {
    let about = || format!("audience {audience:?}");
    if let Some(obstacle) = audience_obstacle(realm, audience) {
        let kind = if enabled(realm, audience) { FindingKind::NotCarriedOver } else { FindingKind::Note };
        add(findings, kind, about(), obstacle.to_owned());
        return;
    }
    if grant.clients.is_empty() {
        add(findings, FindingKind::Note, about(), "its permission allows nobody".to_owned());
    }
    for client in realm.clients.iter().filter(|one| grant.clients.get(&one.name) == Some(&V1Answer::Granted)) {
        // Keycloak's own clients are in every realm: nobody needs to know that they can't exchange.
        if let Some(obstacle) = caller_obstacle(client).filter(|_| client.name != audience && !client.is_built_in()) {
            let kind =
                if client.enabled() && !client.bearer_only() { FindingKind::NotCarriedOver } else { FindingKind::Note };
            add(findings, kind, about(), format!("client {:?}: {obstacle}", client.name));
        }
    }
    of_doubts(realm, grant, audience, &about(), findings);
}

fn of_provider(realm: &ExportedRealm, alias: &str, grant: &V1Grant, findings: &mut BTreeSet<MigrationFinding>) {
    let about = || format!("identity provider {alias:?}");
    let allowed = possible(realm, grant);
    if !allowed.is_empty() {
        let text = format!(
            "V1 let {} exchange its tokens (subject_issuer), and exchange for its tokens (requested_issuer). To allow the \
             first, add the issuer to `issuers` and to the realm's `subjectIssuers` in cambio.yaml, and write \
             `- {{ clients: […], issuers: [NAME], issuance: translate }}` (or mint) into each audience's file. The second \
             is refused unless `doors.requestedIssuer` allows it",
            quoted_names(allowed.into_iter())
        );
        add(findings, FindingKind::NotCarriedOver, about(), text);
    }
    of_doubts(realm, grant, "", &about(), findings);
}

fn of_impersonation(
    realm: &ExportedRealm,
    grant: &V1Grant,
    restricted: bool,
    findings: &mut BTreeSet<MigrationFinding>,
) {
    let about = || "impersonation".to_owned();
    let allowed = possible(realm, grant);
    if !allowed.is_empty() {
        let whom = if restricted { ", if user-impersonated.permission.users allows the user" } else { "" };
        let text = format!(
            "V1 let {} ask for tokens of other users (requested_subject){whom}. To allow it, write `impersonation` with \
             `who` and `whom` into the permissions that need it, and `doors.requestedSubject: judged` in cambio.yaml",
            quoted_names(allowed.into_iter())
        );
        add(findings, FindingKind::NotCarriedOver, about(), text);
    }
    of_doubts(realm, grant, "", &about(), findings);
}

/// Findings about the switches of the standard exchange (V2).
fn of_clients(realm: &ExportedRealm, grants: &V1Grants, findings: &mut BTreeSet<MigrationFinding>) {
    let mut listed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for audience in grants.audiences.keys() {
        for client in callers(realm, audience, grants) {
            listed.entry(&client.name).or_default().insert(audience);
        }
    }
    for client in realm.clients.iter().filter(|one| caller_obstacle(one).is_none()) {
        let about = || format!("client {:?}", client.name);
        let carried = listed.get(client.name.as_str());
        if carried.is_some() && client.public() {
            let text = "is public, and Keycloak's standard exchange refuses public clients. Its permissions have `issuance: mint`. \
                        Register it at Cambio: under the realm's `clients` in cambio.yaml, with `method: none`. As with V1, it \
                        can exchange the tokens that were issued to it";
            add(findings, FindingKind::ToDo, about(), text.to_owned());
        } else if carried.is_some() && !client.exchanges() {
            let text = "switch on Standard token exchange for it in Keycloak, or write `issuance: mint`".to_owned();
            add(findings, FindingKind::ToDo, about(), text);
        }
        if client.exchanges() && !client.public() {
            let others = audiences(realm)
                .filter(|name| *name != client.name && !carried.is_some_and(|carried| carried.contains(name)));
            let others: Vec<_> = others.collect();
            if !others.is_empty() {
                let text = format!(
                    "its Standard token exchange (V2) needs no permission: it can exchange for every audience in which \
                     the user has a role. List it in the file of every audience whose owner permits it. Candidates: {}",
                    quoted_names(others.into_iter())
                );
                add(findings, FindingKind::NotCarriedOver, about(), text);
            }
        }
        if client.exchanges() && client.refreshes() {
            let text = "may request refresh tokens: set `refreshTokens` of the realm in cambio.yaml, and write \
                        `requestedTokens: [access_token, refresh_token]` for it";
            add(findings, FindingKind::NotCarriedOver, about(), text.to_owned());
        }
    }
    let text = "a client that V1 let exchange its own token for itself, or without `audience`, needed no permission. \
                Cambio requires one: list the client in the file of its own name, and name the audience in the request";
    add(findings, FindingKind::Note, "every client".to_owned(), text.to_owned());
}

/// Findings about what Keycloak makes itself: its own clients, and the permissions of V2.
fn of_keycloaks_own(realm: &ExportedRealm, grants: &V1Grants, findings: &mut BTreeSet<MigrationFinding>) {
    let allowed = |client: &&ExportedClient| {
        let granted = |grant: &V1Grant| grant.clients.get(&client.name) == Some(&V1Answer::Granted);
        client.is_built_in() && client.enabled() && !client.bearer_only() && grants.audiences.values().any(granted)
    };
    let own: Vec<&str> = realm.clients.iter().filter(allowed).map(|one| one.name.as_str()).collect();
    if !own.is_empty() {
        let text = format!("are allowed by permissions, and are not listed: {}", quoted_names(own.into_iter()));
        add(findings, FindingKind::Note, "Keycloak's own clients".to_owned(), text);
    }
    let has_v2 = |client: &ExportedClient| {
        client.name == "admin-permissions"
            && client.authorization_settings.as_ref().is_some_and(|settings| !settings.policies.is_empty())
    };
    if realm.clients.iter().any(has_v2) {
        let text = "are about what administrators may do with users, groups, clients, roles and organizations. None of them is \
                    about token exchange, and Keycloak's standard exchange asks none of them: nothing is lost";
        add(
            findings,
            FindingKind::Note,
            "the permissions V2 (client \"admin-permissions\")".to_owned(),
            text.to_owned(),
        );
    }
}

/// Enabled clients that have roles: the audiences of V2.
fn audiences(realm: &ExportedRealm) -> impl Iterator<Item = &str> {
    let with_roles = realm
        .roles
        .client
        .iter()
        .filter(|(_, roles)| roles.as_ref().is_some_and(|roles| !roles.is_empty()))
        .map(|(client, _)| client.as_str());
    with_roles.filter(|name| {
        realm.clients.iter().any(|one| one.name == *name && one.enabled() && one.is_openid() && !one.is_built_in())
    })
}

fn enabled(realm: &ExportedRealm, name: &str) -> bool {
    realm.clients.iter().any(|one| one.name == name && one.enabled())
}

/// Clients that are certainly allowed and can send requests.
fn possible<'a>(realm: &'a ExportedRealm, grant: &V1Grant) -> Vec<&'a str> {
    let granted = |one: &&ExportedClient| {
        grant.clients.get(&one.name) == Some(&V1Answer::Granted)
            && one.enabled()
            && !one.bearer_only()
            && !one.is_built_in()
    };
    realm.clients.iter().filter(granted).map(|one| one.name.as_str()).collect()
}

/// Findings about the clients for which the answer is unknown. Clients that can't send requests are left out.
fn of_doubts(
    realm: &ExportedRealm,
    grant: &V1Grant,
    audience: &str,
    about: &str,
    findings: &mut BTreeSet<MigrationFinding>,
) {
    let mut doubts: BTreeMap<&BTreeSet<String>, Vec<&str>> = BTreeMap::new();
    for client in realm.clients.iter().filter(|one| one.enabled() && !one.bearer_only() && !one.is_built_in()) {
        if let Some(V1Answer::Unknown(reasons)) = grant.clients.get(&client.name)
            && client.name != audience
        {
            doubts.entry(reasons).or_default().push(&client.name);
        }
    }
    for (reasons, clients) in doubts {
        let reasons = reasons.iter().map(String::as_str).collect::<Vec<_>>().join("; ");
        let text = format!("V1 may have allowed {}: {reasons}", quoted_names(clients.into_iter()));
        add(findings, FindingKind::NotCarriedOver, about.to_owned(), text);
    }
}

fn add(findings: &mut BTreeSet<MigrationFinding>, kind: FindingKind, about: String, text: String) {
    findings.insert(MigrationFinding { kind, about, text });
}
