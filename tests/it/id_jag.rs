//! ID-JAG (draft-ietf-oauth-identity-assertion-authz-grant): an identity provider lets its client act for a user here.

use cambio::judgement::issue::key::SigningKey;
use serde_json::{Value, json};

use crate::support::files::{BACK_END_API, signing_key_pem};
use crate::support::world::{Plan, TOKEN_PATH, World};
use crate::support::{client, form, token};

const ISSUER: &str = "https://idp.wiki.example";
const TYP: &str = "oauth-id-jag+jwt";
const AUDIENCE: &str = "http://sso.example.org/realms/corp";

/// A world that trusts the identity provider whose key is returned.
async fn world() -> (World, SigningKey) {
    let key = SigningKey::from_pem(signing_key_pem().as_bytes()).unwrap();
    let plan = Plan::new().await;
    plan.folder.write("wiki.jwks", &json!({"keys": [key.jwk()]}).to_string());
    let issuers = format!(
        "issuers:\n  wiki:\n    issuer: {{ url: {ISSUER}, audiences: [\"{AUDIENCE}\"] }}\n    jwksFile: wiki.jwks\n    algorithms: [ES256]\n"
    );
    let permissions = "permissions:
  - { clients: [front-end-app], issuers: [wiki], issuance: mint, subjectTokens: [id_jag], scopes: [email, profile] }
";
    let world = plan
        .configure("subjectIssuers: [corp, partner]", "subjectIssuers: [corp, partner, wiki]")
        .configure("    signingKey: corp.pem", "    signingKey: corp.pem\n    doors: { jwtBearer: judged }")
        .configure("issuers:\n", &issuers)
        .audience("back-end-api", &format!("{BACK_END_API}{permissions}"))
        .start()
        .await;
    (world, key)
}

/// An assertion as the identity provider makes it, with `changes`: null takes a claim away.
fn assertion(world: &World, changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "U019488227", "aud": AUDIENCE, "client_id": "front-end-app", "jti": "9e43f81b64a3",
        "iat": world.now(), "exp": world.now() + 300, "resource": "https://api.example.org", "scope": "email",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

async fn present(world: &World, signed: &str, changes: &[(&str, &str)]) -> client::Answer {
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", signed),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
    ];
    client::post(world.address(), TOKEN_PATH, &form::changed(&fields, changes)).await
}

#[tokio::test]
async fn it_names_its_resource_and_scope_itself() {
    let (world, key) = world().await;
    let claims = assertion(&world, &json!({}));
    let signed = key.sign(claims.as_object().unwrap(), TYP).unwrap();
    let answer = present(&world, &signed, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let issued = token::claims(&answer.access_token());
    assert_eq!((&issued["sub"], &issued["aud"]), (&json!("wiki#U019488227"), &json!("back-end-api")));
    assert_eq!(issued["scope"], "email", "no more than the assertion grants");
    assert!(answer.json().get("issued_token_type").is_none());
}

#[tokio::test]
async fn what_is_not_one_is_refused() {
    let (world, key) = world().await;
    let more = [("scope", "email profile")];
    let elsewhere = [("resource", "https://other.example.org")];
    let rows: [(&str, &str, Value, &[(&str, &str)], &str); 8] = [
        ("an ordinary JWT", "JWT", json!({}), &[("audience", "back-end-api")], "subject_token_type_not_permitted"),
        ("another client's", TYP, json!({"client_id": "back-end-api"}), &[], "subject_token_audience"),
        ("nobody's", TYP, json!({"client_id": null}), &[], "subject_token_audience"),
        ("for another server", TYP, json!({"aud": "https://other.example"}), &[], "subject_token_audience"),
        ("without jti", TYP, json!({"jti": null}), &[], "subject_token_claims"),
        ("more scope than it grants", TYP, json!({}), &more, "scope_not_permitted"),
        ("a resource that it does not name", TYP, json!({}), &elsewhere, "resource_unknown"),
        ("no target at all", TYP, json!({"resource": null}), &[], "audience_missing"),
    ];
    for (name, typ, changes, fields, reason) in rows {
        let claims = assertion(&world, &changes);
        let signed = key.sign(claims.as_object().unwrap(), typ).unwrap();
        let before = world.audit_so_far();
        let answer = present(&world, &signed, fields).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
}
