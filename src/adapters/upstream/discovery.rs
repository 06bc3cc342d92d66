//! Whether a realm's endpoints are where the configuration says.
//!
//! Cambio routes by the configuration alone, so that no answer of the identity provider can open a door. The discovery
//! document only says whether the configuration is right: every difference is named, with the key to change.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HeaderValue};
use http::{Request, StatusCode, Uri};
use serde_json::{Map, Value};

use super::client::UpstreamClient;
use crate::adapters::config::Realm;
use crate::adapters::net::outgoing::AnswerLimits;
use crate::adapters::net::url::{PublicAddress, same_origin};
use crate::judgement::dialect::endpoints::Endpoints;
use crate::words::oauth::json;

/// Limits of the document.
const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(5), bytes: 256 * 1024 };

/// What differs between the configuration of a realm and its discovery document, one sentence each. Nothing is looked at that
/// only passes.
///
/// # Errors
/// The document can't be read.
pub async fn differences(upstream: &UpstreamClient, realm: &Realm) -> Result<Vec<String>, String> {
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
    let document = json::object(response.body()).map_err(|error| format!("{path}: {error}"))?;
    Ok(compare(realm, &document))
}

/// The differences from this document.
fn compare(realm: &Realm, document: &Map<String, Value>) -> Vec<String> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    let mut found = Vec::new();
    if let Some(issuer) = text("issuer").filter(|issuer| *issuer != realm.issuer) {
        found.push(format!("the discovery document has the issuer {issuer}: set realms.{}.issuer to it", realm.name));
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
        found.push(format!(
            "mtls_endpoint_aliases.token_endpoint is {url}: a caller who follows it is not at realms.{}.endpoints.token, and may \
             go past Cambio",
            realm.name
        ));
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

fn endpoint(realm: &Realm, named: Named<'_>) -> Option<String> {
    let Named { member, key, path, url } = named;
    let setting = format!("realms.{}.endpoints.{key}", realm.name);
    match (url, path) {
        (None, None) => None,
        (None, Some(path)) => Some(format!("the discovery document has no {member}, and {setting} is {path}")),
        (Some(url), path) => match (placed(realm, url), path) {
            (None, _) => Some(format!(
                "{member} is {url}, which is at none of the realm's origins: a caller who follows it goes past Cambio"
            )),
            (Some(there), Some(path)) if there == path => None,
            (Some(there), Some(path)) => Some(format!("{member} is {url}: set {setting} to {there} instead of {path}")),
            (Some(there), None) => Some(format!("{member} is {url}: add {setting}: {there}")),
        },
    }
}

/// The path of a URL at one of the realm's origins.
fn placed(realm: &Realm, url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    let origins = std::iter::once(&realm.issuer).chain(&realm.public_origins);
    let mut origins = origins.filter_map(|origin| origin.parse::<Uri>().ok());
    let at_origin = url.authority().is_some() && origins.any(|origin| same_origin(&origin, &url));
    at_origin.then(|| url.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string))
}

/// What to write for a realm without `endpoints` whose token endpoint is not Keycloak's.
fn not_keycloak(realm: &Realm, token_endpoint: Option<&str>) -> Option<String> {
    let url = token_endpoint?;
    let there = placed(realm, url)?;
    if there == realm.place().token() {
        return None;
    }
    let keys = Endpoints::default().named().map(|(_, key, _)| key).join(", ");
    Some(format!(
        "token_endpoint is {url}, which is not Keycloak's path: write realms.{}.endpoints ({keys}); docs/other-upstreams.md says \
         what works",
        realm.name
    ))
}

#[cfg(test)]
mod tests;
