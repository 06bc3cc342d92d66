//! Tokens of a foreign issuer that shares a secret with Cambio.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::client;
use crate::support::files::BACK_END_API;
use crate::support::world::{Plan, World};

const SECRET: &str = "a-secret-of-thirty-two-characters";
const PERMISSIONS: &str = "permissions:
  - { clients: [front-end-app], issuers: [corp, partner], issuance: mint, scopes: [email] }
";

/// A partner with `algorithms`; with a secret, if `secret` is given.
async fn plan(algorithms: &str, secret: Option<&str>) -> Plan {
    let plan = Plan::new().await.audience("back-end-api", &format!("{BACK_END_API}{PERMISSIONS}"));
    let Some(secret) = secret else { return plan };
    plan.folder.write("partner.secret", secret);
    let url = format!("    jwksURL: http://{}/realms/partner/protocol/openid-connect/certs", plan.idp.address());
    plan.configure(&url, &format!("    hmacSecretFile: partner.secret\n    algorithms: [{algorithms}]"))
}

fn claims(world: &World, issuer: &str) -> Value {
    json!({
        "iss": format!("http://sso.example.org/realms/{issuer}"), "aud": "https://sso.example.org", "sub": "u-1", "jti": "j",
        "iat": world.now() - 10, "exp": world.now() + 60, "scope": "email", "typ": "Bearer", "azp": "front-end-app",
    })
}

/// A token with an HMAC.
fn sealed(algorithm: &str, claims: &Value, secret: &[u8]) -> String {
    let hash = match algorithm {
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": algorithm, "typ": "JWT"})), part(claims));
    let code = hmac::sign(&hmac::Key::new(hash, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(code.as_ref()))
}

async fn outcome(world: &World, token: &str) -> String {
    let before = world.audit_so_far();
    let status = world.exchange(token, &[]).await.status;
    let line = world.audit_after(before).await;
    if status == 200 { "allowed".to_owned() } else { line["reason"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn a_secret_verifies_the_tokens_of_its_issuer_and_nothing_else() {
    let strict = plan("", None).await.start().await;
    let token = sealed("HS256", &claims(&strict, "partner"), SECRET.as_bytes());
    assert_eq!(outcome(&strict, &token).await, "subject_token_algorithm", "by default");

    let world = plan("HS256", Some(&format!("{SECRET}\n"))).await.start().await;
    let (good, secret) = (claims(&world, "partner"), SECRET.as_bytes());
    let mut expired = good.clone();
    expired["exp"] = json!(world.now() - 60);
    let mut elsewhere = good.clone();
    elsewhere["aud"] = json!("https://other.example");
    let signed = world.idp.signing_key("partner").unwrap().sign(good.as_object().unwrap()).unwrap();
    let (head, rest) = signed.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).unwrap()).unwrap();
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), rest.split_once('.').unwrap().0);
    for (name, token, expected) in [
        ("good", sealed("HS256", &good, secret), "allowed"),
        ("another secret", sealed("HS256", &good, b"another-secret-of-32-characters-x"), "subject_token_signature"),
        (
            "the secret with its line end",
            sealed("HS256", &good, format!("{SECRET}\n").as_bytes()),
            "subject_token_signature",
        ),
        ("an empty secret", sealed("HS256", &good, b""), "subject_token_signature"),
        ("another HMAC", sealed("HS384", &good, secret), "subject_token_algorithm"),
        ("a private key", signed.clone(), "subject_token_algorithm"),
        ("no signature", unsigned, "subject_token_algorithm"),
        ("expired", sealed("HS256", &expired, secret), "subject_token_expired"),
        ("for another audience", sealed("HS256", &elsewhere, secret), "subject_token_audience"),
        ("the realm's", sealed("HS256", &claims(&world, "corp"), secret), "subject_token_algorithm"),
    ] {
        assert_eq!(outcome(&world, &token).await, expected, "{name}");
    }
    assert_eq!(header["alg"], "RS256", "the partner's own keys");
    let ready = client::get(world.cambio.admin, "/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    let certs = "/realms/partner/protocol/openid-connect/certs";
    assert!(!world.idp.faults().received().iter().any(|one| one.target == certs), "no keys are fetched");
}

/// CVE-2026-11800 and its kind: everybody knows a public key, so a public key is never a secret.
#[tokio::test]
async fn a_public_key_is_never_a_secret() {
    let world = plan("", None).await.start().await;
    let certs = client::get(world.idp.address(), "/realms/partner/protocol/openid-connect/certs").await;
    let jwk = certs.json()["keys"][0].clone();
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for algorithm in ["HS256", "HS384", "HS512"] {
        for (name, secret) in [
            ("the key set", certs.body.to_vec()),
            ("the JWK", jwk.to_string().into_bytes()),
            ("n as text", jwk["n"].as_str().unwrap().as_bytes().to_vec()),
            ("n as bytes", modulus.clone()),
            ("nothing", Vec::new()),
        ] {
            for issuer in ["partner", "corp"] {
                let token = sealed(algorithm, &claims(&world, issuer), &secret);
                assert_eq!(outcome(&world, &token).await, "subject_token_algorithm", "{issuer}: {name}, {algorithm}");
            }
        }
    }
}

#[tokio::test]
async fn longer_hashes_take_longer_secrets() {
    let secret = "0123456789abcdef".repeat(4);
    let world = plan("HS384, HS512", Some(&secret)).await.start().await;
    for (algorithm, expected) in [("HS384", "allowed"), ("HS512", "allowed"), ("HS256", "subject_token_algorithm")] {
        let token = sealed(algorithm, &claims(&world, "partner"), secret.as_bytes());
        assert_eq!(outcome(&world, &token).await, expected, "{algorithm}");
    }
}

#[tokio::test]
async fn a_new_secret_replaces_the_old_one_and_is_shown_nowhere() {
    let world = plan("HS256", Some(SECRET)).await.start().await;
    let new = SECRET.to_uppercase();
    let tokens = [SECRET, &new].map(|secret| sealed("HS256", &claims(&world, "partner"), secret.as_bytes()));
    assert_eq!(outcome(&world, &tokens[0]).await, "allowed");
    assert_eq!(outcome(&world, &tokens[1]).await, "subject_token_signature");
    world.rewrite("partner.secret", &new).await;
    assert_eq!(outcome(&world, &tokens[0]).await, "subject_token_signature");
    assert_eq!(outcome(&world, &tokens[1]).await, "allowed");
    world.rewrite("partner.secret", "short").await;
    assert_eq!(outcome(&world, &tokens[1]).await, "allowed", "the last good configuration stays in force");
    let config = client::get_by_address(world.cambio.admin, "/config").await.text();
    assert!(config.contains("a shared secret"), "{config}");
    for text in [config, world.folder.read("audit.jsonl")] {
        assert!(!text.contains(&new) && !text.contains(SECRET), "{text}");
    }
}
