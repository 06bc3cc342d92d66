//! Whether a realm's endpoints are where the configuration says.
//!
//! Cambio routes by the configuration alone, so that no answer of the identity provider can open a door. The discovery
//! document only says whether the configuration is right: every difference is named, with the key to change.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderValue};
use http::{HeaderMap, Request, StatusCode, Uri};
use serde_json::{Map, Value};

use super::client::UpstreamClient;
use crate::adapters::config::Realm;
use crate::adapters::config::problem::shortened;
use crate::adapters::net::outgoing::AnswerLimits;
use crate::adapters::net::url::{PublicAddress, same_origin};
use crate::judgement::dialect::endpoints::Endpoints;
use crate::words::oauth::json;

/// Limits of the document.
const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(5), bytes: 256 * 1024 };

/// A discovery document, as the identity provider sent it.
#[derive(Debug)]
pub struct DiscoveryDocument {
    /// Its members.
    pub members: Map<String, Value>,
    /// The header of the answer.
    pub headers: HeaderMap,
}

/// A difference between the configuration of a realm and its discovery document. `Display` is a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Difference {
    /// The key of `cambio.yaml` to change.
    pub key: String,
    /// What follows from the difference.
    pub effect: DifferenceEffect,
    /// What differs, and what to do.
    pub text: String,
}

/// What follows from a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceEffect {
    /// Exchanges fail.
    ExchangesFail,
    /// Callers who follow the document send exchanges past Cambio.
    GoesPast,
    /// An endpoint that exchanges do not need is elsewhere.
    Lesser,
}

/// Reads the discovery document of a realm, from the identity provider and under the realm's public address.
///
/// # Errors
/// The document can't be read. The text says why.
pub async fn discover(upstream: &UpstreamClient, realm: &Realm) -> Result<DiscoveryDocument, String> {
    let [path, ..] = realm.place().discovery_paths();
    let public = PublicAddress::of(&realm.issuer).map_err(|error| error.to_string())?;
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse().map_err(|_| format!("{path} is no path"))?;
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    public.write(request.headers_mut());
    let response = upstream.ask(request, LIMITS).await.map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(format!("{path} answers with status {}", response.status().as_u16()));
    }
    let members = json::object(response.body()).map_err(|error| format!("{path}: {error}"))?;
    Ok(DiscoveryDocument { members, headers: response.into_parts().0.headers })
}

/// What differs between the configuration of a realm and its discovery document. Nothing is looked at that only passes.
///
/// # Errors
/// The document can't be read.
pub async fn differences(upstream: &UpstreamClient, realm: &Realm) -> Result<Vec<Difference>, String> {
    Ok(compare(realm, &discover(upstream, realm).await?.members))
}

/// The differences from this document.
pub fn compare(realm: &Realm, document: &Map<String, Value>) -> Vec<Difference> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let mut found = Vec::new();
    if let Some(issuer) = text("issuer").filter(|issuer| *issuer != realm.issuer) {
        let key = format!("realms.{}.issuer", realm.name);
        let issuer = shortened(issuer);
        let text =
            format!("the discovery document has the issuer {issuer} instead of {}: set {key} to it", realm.issuer);
        found.push(Difference { key, effect: DifferenceEffect::ExchangesFail, text });
    }
    let Some(endpoints) = &realm.endpoints else {
        found.extend(not_keycloak(realm, text("token_endpoint")));
        return found;
    };
    for (member, key, path) in endpoints.named() {
        found.extend(endpoint(realm, Named { member, key, path, url: text(member) }));
    }
    let alias = document.get("mtls_endpoint_aliases").and_then(|aliases| aliases.get("token_endpoint"));
    let elsewhere = |url: &&str| placed(realm, url).as_ref() != Some(&endpoints.token);
    if let Some(url) = alias.and_then(Value::as_str).filter(elsewhere) {
        let key = format!("realms.{}.endpoints.token", realm.name);
        let url = shortened(url);
        let text = format!(
            "mtls_endpoint_aliases.token_endpoint is {url}: a caller who follows it is not at {key}, and may go past Cambio"
        );
        found.push(Difference { key, effect: DifferenceEffect::Lesser, text });
    }
    found
}

/// An endpoint in the document and in the configuration.
#[derive(Clone, Copy)]
struct Named<'a> {
    member: &'a str,
    key: &'a str,
    path: Option<&'a str>,
    url: Option<&'a str>,
}

fn endpoint(realm: &Realm, named: Named<'_>) -> Option<Difference> {
    let Named { member, key, path, url } = named;
    let setting = format!("realms.{}.endpoints.{key}", realm.name);
    let decides = matches!(key, "token" | "jwks");
    let misplaced = if decides { DifferenceEffect::ExchangesFail } else { DifferenceEffect::Lesser };
    let (effect, text) = match (url, path) {
        (None, None) => return None,
        (None, Some(path)) => {
            (DifferenceEffect::Lesser, format!("the discovery document has no {member}, and {setting} is {path}"))
        }
        (Some(url), path) => match (placed(realm, url), path) {
            (None, _) => (if key == "token" { DifferenceEffect::GoesPast } else { misplaced }, strays(member, url)),
            (Some(there), Some(path)) if there == path => return None,
            (Some(there), Some(path)) => {
                let (url, there) = (shortened(url), shortened(&there));
                (misplaced, format!("{member} is {url}: set {setting} to {there} instead of {path}"))
            }
            (Some(there), None) => {
                let (url, there) = (shortened(url), shortened(&there));
                (misplaced, format!("{member} is {url}: add {setting}: {there}"))
            }
        },
    };
    Some(Difference { key: setting, effect, text })
}

fn strays(member: &str, url: &str) -> String {
    let url = shortened(url);
    format!("{member} is {url}, which is at none of the realm's origins: a caller who follows it goes past Cambio")
}

/// The path of a URL at one of the realm's origins.
fn placed(realm: &Realm, url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let origins = std::iter::once(&realm.issuer).chain(&realm.public_origins);
    let mut origins = origins.filter_map(|origin| origin.parse::<Uri>().ok());
    let at_origin = url.authority().is_some() && origins.any(|origin| same_origin(&origin, &url));
    at_origin.then(|| url.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string))
}

/// What to write for a realm without `endpoints` whose token endpoint is not Keycloak's, or is at another origin.
fn not_keycloak(realm: &Realm, token_endpoint: Option<&str>) -> Option<Difference> {
    let url = token_endpoint?;
    let Some(there) = placed(realm, url) else {
        let key = format!("realms.{}.publicOrigins", realm.name);
        return Some(Difference { key, effect: DifferenceEffect::GoesPast, text: strays("token_endpoint", url) });
    };
    // The issuer's path differs from the realm's at Keycloak where a proxy in front of Cambio changes paths.
    if there == realm.place().token() || realm.issuer.parse::<Uri>().is_ok_and(|issuer| issuer.path() != realm.path) {
        return None;
    }
    let keys = Endpoints::default().named().map(|(_, key, _)| key).join(", ");
    let key = format!("realms.{}.endpoints", realm.name);
    let url = shortened(url);
    let text = format!(
        "token_endpoint is {url}, which is not Keycloak's path: write {key} ({keys}); docs/other-upstreams.md says what works"
    );
    Some(Difference { key, effect: DifferenceEffect::ExchangesFail, text })
}

#[cfg(test)]
mod tests;
