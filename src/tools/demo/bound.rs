//! Sender-constrained tokens in an exchange, as Keycloak 26.7 issues them. Only the key of a `DPoP` proof is read.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use serde_json::{Map, Value, json};

use crate::judgement::jose::keys::thumbprint;
use crate::judgement::token::dpop;
use crate::tools::demo::answer::ProviderAnswer;

/// The thumbprint of the key of a request's proof.
pub(super) fn key(headers: &HeaderMap) -> Option<String> {
    let header = headers.get(dpop::HEADER)?.to_str().ok()?.split('.').next()?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    thumbprint(header.get("jwk")?)
}

/// Whether the caller may use a subject token that is bound to a key.
pub(super) fn check(claims: &Map<String, Value>, key: Option<&str>) -> Result<(), ProviderAnswer> {
    let bound = claims.get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str);
    match (bound, key) {
        (None, _) => Ok(()),
        (Some(bound), Some(key)) if bound == key => Ok(()),
        (Some(_), None) => Err(ProviderAnswer::error(400, "invalid_request", "DPoP proof is missing")),
        (Some(_), Some(_)) => {
            let text = "DPoP confirmation doesn't match DPoP proof";
            Err(ProviderAnswer::error(400, "invalid_request", text))
        }
    }
}

/// Binds an access token to a key.
pub(super) fn bind(claims: &mut Map<String, Value>, key: &str) {
    claims.insert("typ".to_owned(), json!("DPoP"));
    claims.insert("cnf".to_owned(), json!({"jkt": key, "kc-jkt-type": "DPoP"}));
}

/// `token_type` of an access token.
pub(super) fn token_type(claims: &Map<String, Value>) -> &'static str {
    if claims.contains_key("cnf") { "DPoP" } else { "Bearer" }
}
