//! `realms.*.clients` and `realms.*.clientAuthentication`.

mod method;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::method::method;
use super::problem::At;
use crate::adapters::config::file::client as file;
use crate::adapters::config::file::issuer::TrustedIssuer;
use crate::adapters::config::file::platform::Listen;
use crate::adapters::config::file::realm::Realm;
use crate::judgement::client::registry::{Clients, Method, Unregistered, Workloads};
use crate::judgement::dialect::Dialect;

/// The clients of one realm. `at` is the realm, `token_paths` are the paths of its token endpoint.
pub(super) fn clients(
    realm: &Realm,
    token_paths: &[String],
    issuers: &BTreeMap<String, TrustedIssuer>,
    at: &At<'_>,
) -> Option<Clients> {
    let unregistered = unregistered(realm);
    let registered = at.field("clients").entries(&realm.clients, |_, methods, at| {
        let methods = at.all(methods, |one, at| method(one, issuers, at))?;
        if methods.len() > 1 && methods.iter().any(|method| matches!(method, Method::Public)) {
            at.warning("`none` makes the other methods pointless: whoever knows the client id can act as the client");
        }
        Some(methods)
    })?;
    let others = realm.public_origins.iter();
    Some(Clients {
        workloads: Arc::new(Workloads::of(&registered)),
        registered,
        unregistered: unregistered?,
        audiences: std::iter::once(realm.issuer.clone())
            .chain(token_paths.iter().map(|path| at_host_of(&realm.issuer, path)))
            .chain(others.flat_map(|origin| token_paths.iter().map(move |path| format!("{origin}{path}"))))
            .collect(),
        public_secrets_ignored: Dialect::from(realm.dialect).rules().public_secrets_ignored,
    })
}

/// Refuses methods that need certificates if the listener never gets one.
pub(super) fn certificates_come(realms: &BTreeMap<String, Realm>, listen: &Listen, at: &At<'_>) {
    let asked = listen.tls.as_ref().and_then(|tls| tls.client_certificates.as_ref());
    let header = listen.client_certificate_header.as_ref();
    let vouched = asked.is_some_and(|asked| asked.ca.is_some()) || header.is_some_and(|header| header.ca.is_some());
    for (name, realm) in realms {
        let at = at.field(name).field("clients");
        for (id, methods) in &realm.clients {
            for (at, method) in at.field(id).items(methods) {
                let message = match method.method {
                    file::AuthenticationMethod::TlsClientAuth if !vouched => {
                        "needs listen.tls.clientCertificates.ca or listen.clientCertificateHeader.ca, which vouch for names"
                    }
                    file::AuthenticationMethod::SelfSignedTlsClientAuth if asked.is_none() && header.is_none() => {
                        "needs listen.tls.clientCertificates or listen.clientCertificateHeader, which bring certificates"
                    }
                    _ => continue,
                };
                at.field("method").problem(message);
            }
        }
    }
}

/// The public URL of a path.
fn at_host_of(issuer: &str, path: &str) -> String {
    let after_scheme = issuer.find("://").map_or(0, |at| at + 3);
    let end = issuer.get(after_scheme..).and_then(|rest| rest.find('/')).map_or(issuer.len(), |at| after_scheme + at);
    format!("{}{path}", issuer.get(..end).unwrap_or_default())
}

/// Who authenticates the clients that are not registered. Keycloak's introspection endpoint authenticates its callers; of
/// another identity provider's the platform's team must say so.
fn unregistered(realm: &Realm) -> Option<Unregistered> {
    if realm.endpoints.is_some() && realm.client_authentication.is_none() {
        return Some(Unregistered::Refused);
    }
    let file = realm.client_authentication.clone().unwrap_or_default();
    Some(match file.unregistered {
        file::Unregistered::Upstream => Unregistered::Upstream { cache_for: file.cache_for.duration()? },
        file::Unregistered::Refuse => Unregistered::Refused,
    })
}
