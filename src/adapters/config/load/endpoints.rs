//! `realms.*.endpoints`: a realm whose identity provider is not Keycloak.

use std::collections::BTreeMap;

use super::problem::At;
use crate::adapters::config::file::client::Unregistered;
use crate::adapters::config::file::realm::Realm;
use crate::judgement::dialect::RealmPath;
use crate::judgement::dialect::endpoints::Endpoints;

/// The endpoints of a realm; `None` if they are Keycloak's.
pub(super) fn endpoints(file: &Realm) -> Option<Endpoints> {
    let file = file.endpoints.as_ref()?;
    Some(Endpoints {
        token: file.token.clone(),
        jwks: file.jwks.clone(),
        introspection: file.introspection.clone(),
        revocation: file.revocation.clone(),
        userinfo: file.userinfo.clone(),
        end_session: file.end_session.clone(),
    })
}

/// Reports what does not fit an identity provider that is not Keycloak. `at` is the realm.
pub(super) fn check(file: &Realm, place: RealmPath<'_>, at: &At<'_>) {
    let Some(endpoints) = place.endpoints else { return };
    one_endpoint_per_path(endpoints, place, &at.field("endpoints"));
    if file.directory.is_some() {
        let message = "needs the admin API of Keycloak, and `endpoints` says that the upstream is not Keycloak";
        at.field("directory").problem(message);
    }
    if endpoints.introspection.is_none() {
        if file.introspection.is_some() {
            at.field("introspection").problem("needs `endpoints.introspection`: the path where Cambio asks");
        }
        let asks = file.client_authentication.as_ref().is_some_and(|one| one.unregistered == Unregistered::Upstream);
        if asks {
            at.field("clientAuthentication").problem(
                "`unregistered: upstream` needs `endpoints.introspection`, where Cambio asks about a client; write \
                 `unregistered: refuse`, and list the clients under `clients`",
            );
        }
    }
    let refused = file.client_authentication.as_ref().is_none_or(|one| one.unregistered == Unregistered::Refuse);
    if refused && file.clients.is_empty() {
        at.field("clients").warning(
            "is empty: no client can exchange tokens here. List the clients; or, if the upstream's introspection endpoint \
             authenticates its callers, write `clientAuthentication: { unregistered: upstream }`",
        );
    }
    if file.can_sign() {
        at.field("endpoints").warning(
            "Cambio can't ask this upstream about sessions: tokens that Cambio signed stay active after a logout, until they \
             expire or are revoked",
        );
    }
}

/// Each path is one endpoint. Cambio tells them apart by the path alone.
fn one_endpoint_per_path(endpoints: &Endpoints, place: RealmPath<'_>, at: &At<'_>) {
    let bare = |path: &str| path.strip_suffix('/').unwrap_or(path).to_owned();
    let documents = place.discovery_paths();
    let documents = documents.into_iter().map(|path| (path, "a discovery document"));
    let mut seen: BTreeMap<String, &str> = documents.collect();
    for (_, key, path) in endpoints.named() {
        let Some(path) = path else { continue };
        if let Some(other) = seen.insert(bare(path), key) {
            at.field(key).problem(format!("{path} is also the path of {other}"));
        }
    }
}
