//! deploy/examples of the dialects, as far as the demo's identity provider knows what they need: each starts as it stands
//! there, but for hosts and names, and is called as its page does. `tests/keycloak/test_seed_examples.py` has the rest.

use std::path::Path;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use super::{CERN, KEY_BRIDGE, PACE, carol};
use crate::support::world::{ACCESS_TOKEN, EXCHANGE_GRANT, Plan, World};
use crate::support::{client, token};

const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";
const REALM: &str = "http://sso.example.org/realms/corp";
const PARTNER: &str = "http://sso.example.org/realms/partner";

const INTROSPECTION: &str = "    introspection: { url: https://as.example.com/introspect, clientId: cambio, \
    clientSecretFile: introspection.secret }\n";

/// Starts an example with these texts changed, each of which stands in one of its files.
async fn example(name: &str, changes: &[(&str, &str)]) -> World {
    let plan = Plan::new().await;
    plan.folder.remove("audiences/back-end-api.yaml");
    plan.folder.write("directory.secret", "cambio-secret\n");
    let key = cambio::adapters::seal::generate().unwrap();
    plan.folder.write("seal.key", &format!("{}\n", key.expose()));
    let (upstream, partner) = (
        format!("http://{}", plan.idp.address()),
        format!("jwksURL: http://{}/realms/partner/protocol/openid-connect/certs", plan.idp.address()),
    );
    let usual = [
        ("http://127.0.0.1:8180", upstream.as_str()),
        ("0.0.0.0:8080", "127.0.0.1:0"),
        ("127.0.0.1:9090", "127.0.0.1:0"),
        ("output: stdout", "output: audit.jsonl"),
        ("signingKeys: keys", "signingKey: corp.pem"),
        ("jwksFile: as.jwks", partner.as_str()),
        ("jwksURL: https://as.example.com/jwks", partner.as_str()),
    ];
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples").join(name);
    let audiences = std::fs::read_dir(example.join("audiences")).unwrap();
    let audiences = audiences.map(|entry| format!("audiences/{}", entry.unwrap().file_name().into_string().unwrap()));
    let files: Vec<_> = audiences.chain([String::from("cambio.yaml")]).collect();
    let texts: Vec<_> = files.iter().map(|file| std::fs::read_to_string(example.join(file)).unwrap()).collect();
    for (old, _) in changes {
        assert!(texts.iter().any(|text| text.contains(old)), "{old}");
    }
    for (file, text) in files.iter().zip(texts) {
        let text = changes.iter().chain(&usual).fold(text, |text, (old, new)| text.replace(old, new));
        plan.folder.write(file, &text);
    }
    plan.start().await
}

/// The page's single-page application, which has no secret.
#[tokio::test]
async fn the_example_of_cern_serves_the_public_client() {
    let world = example("cern", &[("https://auth.cern.ch/auth/realms/cern", REALM)]).await;
    let alice = world.alice().await;
    let fields = [
        ("client_id", "front-end-app"),
        ("grant_type", EXCHANGE_GRANT),
        ("subject_token", &alice),
        ("requested_token_type", REFRESH_TOKEN),
        ("audience", "back-end-api"),
    ];
    let mut request = client::form_request(CERN, &fields);
    request.headers_mut().insert("origin", "https://front-end-app.web.cern.ch".parse().unwrap());
    let answer = client::send(world.address(), request).await;
    let claims = token::claims(&answer.access_token());
    assert_eq!(claims["aud"], "back-end-api");
    assert_eq!(claims["resource_access"].as_object().unwrap().keys().collect::<Vec<_>>(), ["back-end-api"]);
    assert_eq!(claims.get("realm_access"), None);
    assert!(answer.json()["refresh_token"].is_string());
    assert_eq!(answer.header("access-control-allow-origin"), "https://front-end-app.web.cern.ch");
}

#[tokio::test]
async fn the_example_of_pace_serves_its_page() {
    let url = format!("url: \"{PARTNER}\"");
    let changes = [
        ("https://api.dev.pace.cloud/realms/pace", REALM),
        ("[api.dev.pace.cloud]", "[sso.example.org]"),
        ("url: https://as.example.com", url.as_str()),
        ("@as.example.com", "@partner.example"),
        ("awesome-app", "front-end-app"),
    ];
    let world = example("pace", &changes).await;
    let account = "03836e1f-58ed-4d67-baa0-a73bf77b9d5d";
    for (email, expected) in [(format!("{account}@partner.example"), 200), (format!("{account}@bank.example"), 422)] {
        let subject = carol(&world, &[("email", json!(email))]);
        let document = json!({
            "client_id": "front-end-app", "client_secret": "front-end-secret", "grant_type": EXCHANGE_GRANT,
            "subject_token": format!("{subject}\n"), "subject_issuer": PARTNER, "subject_token_type": ACCESS_TOKEN,
            "audience": "front-end-app", "scope": "string",
        });
        let request = Request::post(PACE).header("content-type", "application/json");
        let answer = client::send(world.address(), request.body(Bytes::from(document.to_string())).unwrap()).await;
        assert_eq!(answer.status, expected, "{}", answer.text());
        if expected == 200 {
            let claims = token::claims(&answer.access_token());
            assert_eq!((&claims["scope"], &claims["email_verified"]), (&json!("string"), &json!(true)));
            assert_eq!(claims["sub"], "900d5d4a-607b-5407-b6e1-19de3465689a");
        }
    }
}

#[tokio::test]
async fn the_example_of_key_bridge_serves_its_page() {
    let url = format!("url: \"{PARTNER}\", audiences");
    let changes = [
        ("https://sts.example.com/realms/key-bridge", REALM),
        ("url: https://as.example.com, audiences", url.as_str()),
        // The demo's provider has no opaque tokens.
        (INTROSPECTION, ""),
        ("rs08", "front-end-app"),
    ];
    let world = example("key-bridge", &changes).await;
    let subject = carol(&world, &[("aud", json!(REALM))]);
    let fields = [
        ("grant_type", EXCHANGE_GRANT),
        ("resource", "https://backend.example.com/api"),
        ("subject_token", &subject),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let mut request = client::form_request(KEY_BRIDGE, &fields);
    let basic = "Basic ZnJvbnQtZW5kLWFwcDpmcm9udC1lbmQtc2VjcmV0";
    request.headers_mut().insert("authorization", basic.parse().unwrap());
    let answer = client::send(world.address(), request).await;
    let claims = token::claims(&answer.access_token());
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!("https://backend.example.com"), &json!("api")));
    assert_eq!((&answer.json()["scope"], &answer.json()["expires_in"]), (&json!("api"), &json!(60)));
}
