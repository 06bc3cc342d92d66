//! One realm: its discovery document, its token endpoint, its keys, and what the directory says.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::lookup_host;

use super::gathered::{Gathered, Severity};
use super::inquiry::{Inquiry, LIMITS};
use super::probe::{self, Arrival};
use super::{doors, keys, objects, public};
use crate::adapters::config::Realm;
use crate::adapters::jwks::fetch::Fetcher;
use crate::adapters::net::url::bare_host;
use crate::adapters::upstream::discovery::{Difference, DifferenceEffect, DiscoveryDocument, compare, discover};
use crate::judgement::policy::model::Issuance;
use crate::words::oauth::urn::{GRANT_JWT_BEARER, GRANT_TOKEN_EXCHANGE};

/// Looks at the realm of this name, which the configuration has.
pub(super) async fn ask(asked: Arc<Inquiry>, name: String) -> Gathered {
    let mut found = Gathered::default();
    let Some(realm) = asked.config.realms.get(&name) else { return found };
    let document = match discover(&asked.upstream, realm).await {
        Ok(document) => document,
        Err(error) => {
            let key = format!("realms.{name}.{}", if realm.is_elsewhere() { "endpoints" } else { "issuer" });
            let message = format!(
                "the discovery document of this realm can't be read: {error}: nothing else of the realm was looked at"
            );
            found.add(Severity::Problem, asked.at(&key, message));
            return found;
        }
    };
    for Difference { key, effect, text } in compare(realm, &document.members) {
        let severity = match effect {
            DifferenceEffect::ExchangesFail | DifferenceEffect::GoesPast => Severity::Problem,
            DifferenceEffect::Lesser => Severity::Warning,
        };
        found.add(severity, asked.at(&key, text));
    }
    doors::look(&asked, realm, &document, &mut found);
    grants(&asked, realm, &document, &mut found);
    let straight = straight(&asked, realm, &mut found).await;
    match Fetcher::realm(&asked.config.upstream, realm) {
        Ok(fetcher) => {
            let owner = keys::KeyOwner::realm(realm);
            keys::look(&asked, &owner, &fetcher, &mut found).await;
        }
        Err(error) => found.add(Severity::Problem, asked.at("upstream", error.to_string())),
    }
    public::look(&asked, realm, straight.as_ref(), &mut found).await;
    objects::look(&asked, realm, &mut found).await;
    found
}

/// Whether the identity provider offers the grants that the audiences' issuances need.
fn grants(asked: &Inquiry, realm: &Realm, document: &DiscoveryDocument, found: &mut Gathered) {
    let Some(offered) = document.members.get("grant_types_supported").and_then(Value::as_array) else { return };
    let lacks = |grant: &str| !offered.iter().any(|one| one == grant);
    let audiences = asked.config.policy.realms.get(&realm.name).into_iter().flat_map(|audiences| audiences.values());
    let ways: Vec<Issuance> = audiences.flat_map(|one| one.issuances()).collect();
    let key = format!("realms.{}", realm.name);
    for (grant, needed) in [
        (GRANT_TOKEN_EXCHANGE, ways.iter().any(|one| *one != Issuance::Mint)),
        (GRANT_JWT_BEARER, ways.contains(&Issuance::Translate)),
    ] {
        if needed && lacks(grant) {
            let message = format!(
                "the identity provider does not offer the grant {grant}: issuances that need it fail; enable the feature at \
                 Keycloak's start, or use issuance: mint"
            );
            found.add(Severity::Problem, asked.at(&key, message));
        }
    }
}

/// Sends the probe to the identity provider. Returns the answer.
async fn straight(asked: &Inquiry, realm: &Realm, found: &mut Gathered) -> Option<Arrival> {
    let path = realm.place().token();
    let key = format!("realms.{}", realm.name);
    let arrival = match probe::straight(asked, realm, &path).await {
        Ok(arrival) => arrival,
        Err(error) => {
            let message = format!("the token endpoint {path} does not answer: {error}");
            found.add(Severity::Problem, asked.at(&key, message));
            return None;
        }
    };
    let status = arrival.status;
    if !matches!(status, 400 | 401) {
        let message = format!(
            "the token endpoint {path} answers an exchange without a client with status {status}, and not with 400 or 401: the \
             identity provider has no token endpoint there, or something in between answers"
        );
        found.add(Severity::Problem, asked.at(&key, message));
        return Some(arrival);
    }
    if !is_loopback(asked).await {
        let message = format!(
            "{} answers exchanges that come straight from here. Cambio needs this. Whoever else can send requests there goes past \
             Cambio: let a NetworkPolicy admit Cambio alone, or let the identity provider listen on 127.0.0.1 beside Cambio \
             (deploy/kubernetes/README.md)",
            asked.config.upstream.authority
        );
        found.add(Severity::Note, asked.at("upstream.url", message));
    }
    Some(arrival)
}

/// Whether only this machine reaches the identity provider.
async fn is_loopback(asked: &Inquiry) -> bool {
    let host = bare_host(asked.config.upstream.authority.host());
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.is_loopback();
    }
    match tokio::time::timeout(LIMITS.time, lookup_host((host, 0))).await {
        Ok(Ok(mut addresses)) => addresses.all(|address| address.ip().is_loopback()),
        Ok(Err(_)) | Err(_) => false,
    }
}
