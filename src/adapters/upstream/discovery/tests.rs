use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::*;
use crate::adapters::config::load::load;

const ENDPOINTS: &str = "
    endpoints: { token: /token, jwks: /jwks, introspection: /token/introspection, userinfo: /me }";

/// A realm with these lines beside its issuer.
fn realm(lines: &str) -> Realm {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("cambio-discovery-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(folder.join("audiences")).unwrap();
    let text = format!(
        "upstream: {{ url: 'http://127.0.0.1:8180' }}\nlisten: {{ address: '127.0.0.1:8080' }}\nrealms:\n  corp:\n    issuer: \
         https://id.example.org/realms/corp\n    publicOrigins: ['https://id.internal.example.org']\n    subjectIssuers: [corp]{lines}\n"
    );
    fs::write(folder.join("cambio.yaml"), text).unwrap();
    let config = load(&folder.join("cambio.yaml"), &()).map_err(|problems| format!("{problems:?}"));
    fs::remove_dir_all(&folder).unwrap();
    config.unwrap().realms["corp"].clone()
}

/// What the configuration says, with members changed; `null` takes one out.
fn document(changes: &Value) -> Map<String, Value> {
    let mut document = json!({
        "issuer": "https://id.example.org/realms/corp",
        "authorization_endpoint": "https://id.example.org/auth",
        "token_endpoint": "https://id.example.org/token",
        "jwks_uri": "https://id.example.org/jwks",
        "introspection_endpoint": "https://id.example.org/token/introspection",
        "userinfo_endpoint": "https://id.example.org/me",
    });
    for (name, value) in changes.as_object().unwrap() {
        document[name] = value.clone();
    }
    let mut members = document.as_object().unwrap().clone();
    members.retain(|_, value| !value.is_null());
    members
}

fn said(realm: &Realm, changes: &Value) -> Vec<String> {
    compare(realm, &document(changes)).iter().map(ToString::to_string).collect()
}

#[test]
fn the_effect_of_a_difference() {
    let realm = realm(ENDPOINTS);
    for (changes, key, effect) in [
        (json!({"issuer": "https://id.example.org"}), "realms.corp.issuer", DifferenceEffect::ExchangesFail),
        (
            json!({"token_endpoint": "https://x.example.net/token"}),
            "realms.corp.endpoints.token",
            DifferenceEffect::GoesPast,
        ),
        (
            json!({"jwks_uri": "https://id.example.org/keys"}),
            "realms.corp.endpoints.jwks",
            DifferenceEffect::ExchangesFail,
        ),
        (
            json!({"userinfo_endpoint": "https://id.example.org/u"}),
            "realms.corp.endpoints.userinfo",
            DifferenceEffect::Lesser,
        ),
    ] {
        let found = compare(&realm, &document(&changes));
        assert_eq!(found.iter().map(|one| (one.key.as_str(), one.effect)).collect::<Vec<_>>(), [(key, effect)]);
    }
}

#[test]
fn every_difference_names_the_key_to_change() {
    let realm = realm(ENDPOINTS);
    for (name, changes, expected) in [
        ("none", json!({}), vec![]),
        ("another listed origin", json!({"token_endpoint": "https://id.internal.example.org/token"}), vec![]),
        ("the default port", json!({"token_endpoint": "https://ID.example.org:443/token"}), vec![]),
        (
            "the issuer",
            json!({"issuer": "https://id.example.org"}),
            vec![
                "the discovery document has the issuer https://id.example.org instead of https://id.example.org/realms/corp: set realms.corp.issuer to it",
            ],
        ),
        (
            "another path",
            json!({"token_endpoint": "https://id.example.org/oauth2/token"}),
            vec![
                "token_endpoint is https://id.example.org/oauth2/token: set realms.corp.endpoints.token to /oauth2/token instead \
                 of /token",
            ],
        ),
        (
            "a query",
            json!({"jwks_uri": "https://id.example.org/jwks?x=1"}),
            vec![
                "jwks_uri is https://id.example.org/jwks?x=1: set realms.corp.endpoints.jwks to /jwks?x=1 instead of /jwks",
            ],
        ),
        (
            "not configured",
            json!({"revocation_endpoint": "https://id.example.org/token/revocation"}),
            vec![
                "revocation_endpoint is https://id.example.org/token/revocation: add realms.corp.endpoints.revocation: \
                 /token/revocation",
            ],
        ),
        (
            "not in the document",
            json!({"userinfo_endpoint": null}),
            vec!["the discovery document has no userinfo_endpoint, and realms.corp.endpoints.userinfo is /me"],
        ),
        (
            "another host",
            json!({"token_endpoint": "https://oauth2.example.net/token"}),
            vec![
                "token_endpoint is https://oauth2.example.net/token, which is at none of the realm's origins: a caller who follows \
                 it goes past Cambio",
            ],
        ),
        (
            "no URL",
            json!({"token_endpoint": "/token"}),
            vec![
                "token_endpoint is /token, which is at none of the realm's origins: a caller who follows it goes past Cambio",
            ],
        ),
        (
            "an alias with a certificate",
            json!({"mtls_endpoint_aliases": {"token_endpoint": "https://mtls.example.org/token"}}),
            vec![
                "mtls_endpoint_aliases.token_endpoint is https://mtls.example.org/token: a caller who follows it is not at \
                 realms.corp.endpoints.token, and may go past Cambio",
            ],
        ),
        (
            "the same alias",
            json!({"mtls_endpoint_aliases": {"token_endpoint": "https://id.example.org/token"}}),
            vec![],
        ),
    ] {
        assert_eq!(said(&realm, &changes), expected, "{name}");
    }
}

#[test]
fn a_realm_without_endpoints_is_keycloaks() {
    let realm = realm("");
    let token = "https://id.example.org/realms/corp/protocol/openid-connect/token";
    assert_eq!(said(&realm, &json!({"token_endpoint": token})), [""; 0]);
    let past = said(&realm, &json!({"token_endpoint": token.replace("id.example.org", "keycloak.example.org")}));
    assert!(past.len() == 1 && past[0].contains("goes past Cambio"), "{past:?}");
    let found = said(&realm, &json!({}));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("write realms.corp.endpoints (token, jwks, introspection"), "{found:?}");
}
