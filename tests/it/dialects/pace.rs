//! PACE, as its callers know it: JSON, foreign tokens, ids of its own, and the statuses of its page.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{JWT, MINTED, PACE, carol, world};
use crate::support::world::{ACCESS_TOKEN, Plan, TOKEN_PATH, World, exchange_fields, login};
use crate::support::{client, form, token};

async fn json(world: &World, body: &Value) -> client::Answer {
    let body = Bytes::from(body.to_string());
    let request = Request::post(PACE).header("content-type", "application/json").body(body).unwrap();
    client::send(world.address(), request).await
}

fn pace_request(token: &str) -> Value {
    json!({
        "client_id": "front-end-app", "client_secret": "front-end-secret",
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": format!("{token}\n"),
        "subject_issuer": "http://sso.example.org/realms/partner", "subject_token_type": ACCESS_TOKEN,
        "audience": "front-end-app", "scope": "email",
    })
}

#[tokio::test]
async fn pace_takes_json_for_exchanges_alone() {
    let world = world("pace", "").await;
    let carol = carol(&world, &[]);
    let answer = json(&world, &pace_request(&carol)).await;
    let claims = token::claims(&answer.access_token());
    assert_eq!(claims["aud"], "front-end-app");
    let carried = ["name", "email", "locale", "zoneinfo", "given_name"].map(|name| claims[name].clone());
    let expected = json!(["Carol", "carol@partner.example", "en", "Europe/Berlin", null]);
    assert_eq!(json!(carried), expected, "carried over, or as the page says");
    let told = answer.json();
    assert_eq!(told.as_object().unwrap().len(), 4, "{told}");
    assert_eq!((&told["issued_token_type"], &told["token_type"]), (&json!(JWT), &json!(ACCESS_TOKEN)));
    assert!(told["expires_in"].is_u64());
    assert_eq!((&claims["acr"], &claims["email_verified"]), (&json!("0"), &json!(false)), "nobody vouches for more");

    world.idp.faults().forget();
    let before = world.audit_so_far();
    let password = json!({"grant_type": "password", "client_id": "front-end-app", "client_secret": "front-end-secret",
        "username": "alice", "password": "alice-password"});
    let answer = json(&world, &password).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (422, &json!("unsupported_grant_type")));
    assert_eq!(world.audit_after(before).await["reason"], "grant_type_unsupported");
    assert!(world.idp.faults().received().is_empty(), "nothing of it went upstream");

    // The same as a form is the identity provider's, under its own path.
    let alice = login(world.address(), PACE, "front-end-app", "front-end-secret", "alice").await;
    assert_eq!(token::claims(&alice.access_token())["iss"], "http://sso.example.org/realms/corp");
    assert_eq!(world.idp.faults().received()[0].target, TOKEN_PATH);
}

#[tokio::test]
async fn pace_wants_its_claims_its_host_and_the_issuer_by_name() {
    let world = world("pace", "").await;
    for (name, changes, status, code) in [
        ("no e-mail", vec![("email", Value::Null)], 422, "invalid_grant"),
        ("no iat", vec![("iat", Value::Null)], 422, "invalid_grant"),
        ("expired", vec![("exp", json!(world.now() - 60))], 422, "invalid_grant"),
        ("another host", vec![("aud", json!("api.example.org"))], 422, "invalid_grant"),
        ("another issuer", vec![("iss", json!("https://other.example"))], 403, "invalid_grant"),
    ] {
        let answer = json(&world, &pace_request(&carol(&world, &changes))).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (status, &json!(code)), "{name}");
    }
    // The host is the configured one, whatever the caller says.
    let elsewhere = carol(&world, &[("aud", json!(["https://sso.example.org", "evil.example"]))]);
    let body = Bytes::from(pace_request(&elsewhere).to_string());
    let request = Request::post(PACE).header("content-type", "application/json").header("host", "evil.example");
    let answer = client::send(world.address(), request.body(body).unwrap()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (422, &json!("invalid_grant")));
    let carol = carol(&world, &[]);
    for (name, value) in
        [("subject_issuer", "https://other.example"), ("subject_issuer", ""), ("subject_token_type", JWT)]
    {
        let mut request = pace_request(&carol);
        request[name] = json!(value);
        let answer = json(&world, &request).await;
        assert_eq!(answer.status, 422, "{name} {value}: {}", answer.text());
    }
}

/// PACE's page has the statuses 200, 401, 403, 422 and 500.
#[tokio::test]
async fn pace_answers_with_the_statuses_of_its_page() {
    let world = world("pace", "").await;
    let carol = carol(&world, &[]);
    let issuer = ("subject_issuer", "http://sso.example.org/realms/partner");
    let fields = form::changed(&exchange_fields(&carol), &[issuer]);
    let unsupported = json!("unsupported_grant_type");
    world.idp.faults().forget();
    for grant in ["urn:example:grant", "Password", "", "token-exchange", "urn:openid:params:grant-type:ciba"] {
        let fields = form::changed(&exchange_fields(&carol), &[issuer, ("grant_type", grant)]);
        let answer = client::post(world.address(), PACE, &fields).await;
        let code = answer.json()["error"].clone();
        let missing = grant.is_empty() && code == "invalid_request";
        assert!(answer.status == 422 && (code == unsupported || missing), "{grant}: {}", answer.text());
    }
    for path in [
        "/protocol/openid-connect/token/",
        "//protocol/openid-connect/token",
        "/protocol//openid-connect/token",
        "/Protocol/openid-connect/token",
        "/protocol/openid-connect/%74oken",
        "/protocol/openid-connect/token;x",
        "/x/../protocol/openid-connect/token",
        "/./protocol/openid-connect/token",
        "/protocol/openid-connect/token?client_id=x",
    ] {
        let answer = client::post(world.address(), path, &fields).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (422, &json!("invalid_request")), "{path}");
    }
    for kind in
        ["", "text/plain", "multipart/form-data; boundary=x", "application/xml", "application/json; charset=utf-16"]
    {
        let mut request = Request::post(PACE).body(Bytes::from_static(b"{}")).unwrap();
        if !kind.is_empty() {
            request.headers_mut().insert("content-type", kind.parse().unwrap());
        }
        let answer = client::send(world.address(), request).await;
        assert_eq!(answer.status, 422, "{kind}: {}", answer.text());
    }
    assert!(world.idp.faults().received().iter().all(|one| !one.target.ends_with("/token")), "nothing was passed");
    // At Keycloak's own path, the identity provider answers what it does not know.
    let fields = form::changed(&exchange_fields(&carol), &[("grant_type", "urn:example:grant")]);
    assert_eq!(client::post(world.address(), TOKEN_PATH, &fields).await.status, 400);
    assert_eq!(world.idp.faults().received().last().unwrap().target, TOKEN_PATH);
}

#[tokio::test]
async fn pace_wants_optional_claims_of_their_type() {
    let world = world("pace", "").await;
    for (name, value) in [
        ("name", json!(7)),
        ("given_name", json!(["Carol"])),
        ("family_name", json!({"a": "b"})),
        ("locale", json!(false)),
        ("locale", json!("english")),
        ("zoneinfo", json!(1)),
        ("zoneinfo", json!("Europe Paris")),
    ] {
        let before = world.audit_so_far();
        let answer = json(&world, &pace_request(&carol(&world, &[(name, value.clone())]))).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["error"]),
            (422, &json!("invalid_grant")),
            "{name}: {value}"
        );
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], "subject_token_claims");
        assert!(line["detail"].as_str().unwrap().contains(name), "{line}");
    }
    let answer = json(&world, &pace_request(&carol(&world, &[("locale", json!("en-US"))]))).await;
    assert_eq!(token::claims(&answer.access_token())["locale"], "en-US");
}

/// `sub` is an id of PACE's own: the same for each token of an account, in every process.
#[tokio::test]
async fn a_foreign_account_has_a_stable_uuid() {
    let plan = |lines: &'static str| async move {
        let realm = "    signingKey: corp.pem\n    dialect: pace\n    identityClaims: [email_verified]\n";
        Plan::new()
            .await
            .configure("    signingKey: corp.pem\n", realm)
            .configure("audiences: [\"https://sso.example.org\"]", "audiences: [sso.example.org]")
            .audience("front-end-app", &format!("audience: front-end-app\nowner: team\n{MINTED}{lines}"))
    };
    let lines = "token: { subject: uuid, set: { email_verified: 'true' } }\n";
    let mut subjects = Vec::new();
    for _ in 0..2 {
        let world = plan(lines).await.start().await;
        for changes in [&[][..], &[("jti", json!("k")), ("email", json!("other@partner.example"))]] {
            let claims = token::claims(&json(&world, &pace_request(&carol(&world, changes))).await.access_token());
            assert_eq!(claims["email_verified"], true);
            subjects.push(claims["sub"].as_str().unwrap().to_owned());
        }
        let other = carol(&world, &[("sub", json!("03836e1f-58ed-4d67-baa0-a73bf77b9d5e"))]);
        let claims = token::claims(&json(&world, &pace_request(&other)).await.access_token());
        assert_ne!(claims["sub"], json!(subjects[0]));
    }
    subjects.dedup();
    assert_eq!(subjects, ["900d5d4a-607b-5407-b6e1-19de3465689a"]);
}
