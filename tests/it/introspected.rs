//! Opaque tokens of a foreign issuer whose introspection answers lack what RFC 7662 makes optional.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::client;
use crate::support::files::BACK_END_API;
use crate::support::token;
use crate::support::world::{Plan, TOKEN_PATH, World, until};

const ENDPOINT: &str = "/introspect";

/// A partner who describes opaque tokens. `settings` are further settings of its introspection.
async fn world(settings: &str, permission: &str) -> World {
    let plan = Plan::new().await;
    plan.folder.write("partner.secret", "s3cret");
    plan.folder.write("seal.key", cambio::adapters::seal::generate().unwrap().expose());
    let endpoint = format!("http://{}{ENDPOINT}", plan.idp.address());
    let introspection = format!(
        "    introspection: {{ clientId: cambio, clientSecretFile: partner.secret, url: \"{endpoint}\", {settings} }}\n    jwksURL:"
    );
    let audience = BACK_END_API.replace("lifetime: 5m", "lifetime: 1h, withinSubject: false");
    let permissions = format!(
        "permissions:\n  - {{ clients: [front-end-app], issuers: [partner], issuance: mint, scopes: [email], {permission} }}\n"
    );
    plan.configure("    jwksURL:", &introspection)
        .configure("    signingKey: corp.pem", "    signingKey: corp.pem\n    refreshTokens: { keyFiles: [seal.key] }")
        .audience("back-end-api", &format!("{audience}{permissions}"))
        .start()
        .await
}

/// A whole answer, with these changes; null removes a member.
fn answer(world: &World, changes: &Value) -> Value {
    let mut answer = json!({
        "active": true, "sub": "u-1", "aud": "https://sso.example.org", "exp": world.now() + 1800, "token_type": "Bearer",
        "scope": "email", "client_id": "app", "username": "uma", "jti": "j-1",
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => answer.as_object_mut().unwrap().remove(name),
            value => answer.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    answer
}

async fn exchange(world: &World, token: &str, answer: &Value) -> (client::Answer, Value) {
    world.idp.faults().answer_at(ENDPOINT, 200, &answer.to_string());
    let before = world.audit_so_far();
    let answer = world.exchange(&token.replace(' ', "-"), &[]).await;
    (answer, world.audit_after(before).await)
}

/// Each member that may be missing, and what the refusal is by default.
const MEMBERS: [(&str, &str, &str); 4] = [
    ("token_type", "subject_token_kind", "no token_type, and introspection.mayLack"),
    ("aud", "subject_token_audience", ""),
    ("sub", "subject_token_without_sub", "no sub, and introspection.mayLack"),
    ("exp", "subject_token_claims", "no exp, and introspection.mayLack"),
];

#[tokio::test]
async fn a_member_may_be_missing_only_if_the_issuers_settings_name_it() {
    let strict = world("cacheFor: 0s", "").await;
    let (whole, line) = exchange(&strict, "whole", &answer(&strict, &json!({}))).await;
    assert_eq!(whole.status, 200, "{line}");
    for (member, reason, detail) in MEMBERS {
        let (refused, line) = exchange(&strict, member, &answer(&strict, &json!({ member: null }))).await;
        assert_eq!((refused.status == 200, &line["reason"]), (false, &json!(reason)), "{member}: {line}");
        assert!(line["detail"].as_str().unwrap().contains(detail), "{line}");
        let lenient = world(&format!("cacheFor: 0s, mayLack: [{member}]"), "").await;
        for (other, reason, _) in MEMBERS {
            let lacking = answer(&lenient, &json!({ other: null }));
            let (answer, line) = exchange(&lenient, other, &lacking).await;
            let expected = if other == member { (true, &Value::Null) } else { (false, &json!(reason)) };
            assert_eq!(
                (answer.status == 200, &line["reason"]),
                expected,
                "{member} may be missing, {other} is: {line}"
            );
        }
    }
}

#[tokio::test]
async fn what_says_nothing_counts_as_missing_and_what_says_something_else_is_refused() {
    let strict = world("cacheFor: 0s", "").await;
    let lenient = world("cacheFor: 0s, mayLack: [token_type, aud, sub, exp]", "").await;
    let urn = |name: &str| format!("urn:ietf:params:oauth:token-type:{name}");
    let null = |world: &World, name: &str| {
        let mut answer = answer(world, &json!({}));
        answer[name] = Value::Null;
        answer
    };
    for (name, changes, accepted) in [
        ("exp 0", json!({"exp": 0}), true),
        ("exp as text", json!({"exp": "1893456000"}), false),
        ("exp in the past", json!({"exp": 1}), false),
        ("exp of another type", json!({"exp": []}), false),
        ("token_type as a URN", json!({"token_type": urn("access_token")}), true),
        ("token_type of a refresh token", json!({"token_type": urn("refresh_token")}), false),
        ("token_type N_A", json!({"token_type": "N_A"}), false),
        ("token_type of another type", json!({"token_type": 1}), false),
        ("another aud", json!({"aud": "https://other.example"}), false),
        ("an empty aud", json!({"aud": []}), false),
        ("an empty sub", json!({"sub": ""}), false),
        ("sub of another type", json!({"sub": 1}), false),
        ("neither sub nor username", json!({"sub": null, "username": null}), false),
        ("an empty username", json!({"sub": null, "username": ""}), false),
        ("neither token_type nor exp", json!({"token_type": null, "exp": null}), false),
        ("a refresh token by token_use", json!({"token_type": null, "token_use": "refresh_token"}), false),
        ("an ID token by at_hash", json!({"token_type": null, "at_hash": "x"}), false),
        ("a refresh token by typ", json!({"token_type": null, "typ": "Refresh"}), false),
    ] {
        let (refused, _) = exchange(&strict, name, &answer(&strict, &changes)).await;
        assert_ne!(refused.status, 200, "{name}");
        let (answer, line) = exchange(&lenient, name, &answer(&lenient, &changes)).await;
        assert_eq!(answer.status == 200, accepted, "{name}: {line}");
    }
    for (member, _, _) in MEMBERS {
        let (refused, line) = exchange(&strict, member, &null(&strict, member)).await;
        assert_ne!(refused.status, 200, "{member} is null: {line}");
        let (accepted, line) = exchange(&lenient, member, &null(&lenient, member)).await;
        assert_eq!(accepted.status, 200, "{member} is null: {line}");
    }
}

#[tokio::test]
async fn without_token_type_the_issuers_expression_decides() {
    let expression = "mayLack: [token_type] }\n    accessTokens: { expression: \"claims.scope == 'email'\"";
    let world = world(&format!("cacheFor: 0s, {expression}"), "").await;
    for (scope, status) in [("email", 200), ("offline_access", 400)] {
        let (answer, line) =
            exchange(&world, scope, &answer(&world, &json!({"token_type": null, "scope": scope}))).await;
        assert_eq!(answer.status.as_u16(), status, "{scope}: {line}");
    }
}

#[tokio::test]
async fn username_stands_in_for_sub() {
    let world = world("mayLack: [sub]", "").await;
    let (answer, line) = exchange(&world, "a", &answer(&world, &json!({"sub": null}))).await;
    let claims = token::claims(&answer.access_token());
    assert!(claims["sub"].as_str().unwrap().contains("uma"), "{claims}");
    assert!(line["subject"].to_string().contains("uma"), "{line}");
}

/// `withinSubject: false` changes nothing: a foreign token always ends the new one.
#[tokio::test]
async fn a_token_without_exp_gives_five_minutes_and_is_asked_about_again() {
    let world = world("cacheFor: 30s, mayLack: [exp]", "").await;
    let asked = || world.idp.faults().received().iter().filter(|one| one.target == ENDPOINT).count();
    for (advance, questions) in [(0, 1), (29, 1), (2, 2), (31, 3)] {
        world.clock.advance(SignedDuration::from_secs(advance));
        let (answer, _) = exchange(&world, "endless", &answer(&world, &json!({"exp": null}))).await;
        let claims = token::claims(&answer.access_token());
        assert_eq!(claims["exp"].as_i64().unwrap() - world.now(), 300, "{claims}");
        assert_eq!(asked(), questions);
    }
    let with_exp = answer(&world, &json!({}));
    let (answer, _) = exchange(&world, "ends", &with_exp).await;
    assert_eq!(token::claims(&answer.access_token())["exp"], with_exp["exp"]);
}

#[tokio::test]
async fn a_token_without_exp_can_not_be_used_up() {
    let world = world("cacheFor: 0s, mayLack: [exp]", "oneTime: true").await;
    let (refused, line) = exchange(&world, "endless", &answer(&world, &json!({"exp": null}))).await;
    assert_eq!((refused.status.as_u16(), &line["reason"]), (400, &json!("subject_token_claims")), "{line}");
    assert!(line["detail"].as_str().unwrap().contains("no exp"), "{line}");
    let (once, line) = exchange(&world, "ends", &answer(&world, &json!({}))).await;
    assert_eq!(once.status, 200, "{line}");
}

#[tokio::test]
async fn a_refresh_holds_to_what_may_be_missing_now() {
    let permission = "requestedTokens: [access_token, refresh_token]";
    let world = world("mayLack: [aud, sub, exp]", permission).await;
    // A refresh would make a token that lives longer than the issuer vouches for.
    let lacking = answer(&world, &json!({"aud": null, "sub": null, "exp": null}));
    world.idp.faults().answer_at(ENDPOINT, 200, &lacking.to_string());
    let before = world.audit_so_far();
    let requested = ("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token");
    assert_ne!(world.exchange("without-exp", &[requested]).await.status, 200);
    assert_eq!(world.audit_after(before).await["reason"], "refresh_token_refused");
    let lacking = answer(&world, &json!({"aud": null, "sub": null}));
    world.idp.faults().answer_at(ENDPOINT, 200, &lacking.to_string());
    let first = world.exchange("opaque", &[requested]).await;
    assert_eq!(first.status, 200, "{}", first.text());
    let refresh = async |token: &str| {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "front-end-app"),
            ("client_secret", "front-end-secret"),
            ("refresh_token", token),
        ];
        client::post(world.address(), TOKEN_PATH, &fields).await
    };
    let second = refresh(first.json()["refresh_token"].as_str().unwrap()).await;
    assert_eq!(second.status, 200, "{}", second.text());
    let text = world.folder.read("cambio.yaml");
    world.rewrite("cambio.yaml", &text.replace("mayLack: [aud, sub, exp]", "mayLack: [sub, exp]")).await;
    until("the new configuration", async || {
        let config = client::get_by_address(world.cambio.admin, "/config").await.json();
        (config["issuers"]["partner"]["mayLack"] == json!(["sub", "exp"])).then_some(())
    })
    .await;
    let before = world.audit_so_far();
    assert_eq!(refresh(second.json()["refresh_token"].as_str().unwrap()).await.status, 400);
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_audience");
}
