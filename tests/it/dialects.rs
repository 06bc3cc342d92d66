//! Every dialect as its callers know it: where they call, what they leave out, what they are told, and what they get.

use serde_json::{Value, json};

use crate::support::files::BACK_END_API;
use crate::support::world::{ACCESS_TOKEN, ID_TOKEN, Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{client, form, golden, token};

mod examples;
mod limits;
mod pace;

const CERN: &str = "/auth/realms/corp/protocol/openid-connect/token";
const PACE: &str = "/protocol/openid-connect/token";
const KEY_BRIDGE: &str = "/token/oauth2";
const FORGEROCK: &str = "/oauth2/realms/root/realms/mySubRealm/access_token";
const OPENAM: &str = "/openam/oauth2/realms/root/realms/mySubRealm/access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Whatever is asked for, front-end-app may have it for back-end-api and for itself.
const MINTED: &str = "permissions:
  - clients: [front-end-app]
    issuers: [corp, partner]
    issuance: mint
    scopes: [email, profile]
    subjectTokens: [access_token, id_token, jwt]
    requestedTokens: [access_token, id_token]
";

async fn world(dialect: &str, more: &str) -> World {
    let realm = format!("    signingKey: corp.pem\n    dialect: {dialect}\n{more}");
    Plan::new()
        .await
        .configure("    signingKey: corp.pem\n", &realm)
        .configure("audiences: [\"https://sso.example.org\"]", "audiences: [sso.example.org]")
        .audience("back-end-api", &format!("{BACK_END_API}{MINTED}"))
        .audience("front-end-app", &format!("audience: front-end-app\nowner: front-end-team\n{MINTED}"))
        .start()
        .await
}

/// Carol's token of another issuer, for the host that the suite calls.
fn carol(world: &World, changes: &[(&str, Value)]) -> String {
    let now = world.now();
    let mut claims = json!({
        "iss": "http://sso.example.org/realms/partner", "aud": "sso.example.org", "iat": now - 10, "exp": now + 300,
        "sub": "03836e1f-58ed-4d67-baa0-a73bf77b9d5d", "email": "carol@partner.example", "jti": "j",
        "typ": "Bearer", "name": "Carol",
    });
    for (name, value) in changes {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
            value => claims[*name] = value.clone(),
        }
    }
    world.idp.signing_key("partner").unwrap().sign(claims.as_object().unwrap()).unwrap()
}

/// A user's token with the claim that ForgeRock's page needs: front-end-app may exchange it.
fn named(world: &World, token: &str) -> String {
    let mut claims = token::claims(token);
    claims["may_act"] = json!({"client_id": "front-end-app"});
    world.sign(&claims)
}

/// Changes to the fields of an exchange, by name.
type Row = (&'static str, &'static [(&'static str, &'static str)]);

#[rustfmt::skip]
const REFUSED: &[Row] = &[
    ("no subject token", &[("subject_token", "-")]),
    ("a parameter twice", &[("scope", "email"), ("scope", "email")]),
    ("an unknown parameter", &[("x_custom", "1")]),
    ("no token", &[("subject_token", "x.y.z")]),
    ("an unsigned token", &[("subject_token", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwOi8vc3NvLmV4YW1wbGUub3JnL3JlYWxtcy9jb3JwIn0.")]),
    ("an untrusted issuer", &[("subject_token", "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL290aGVyLmV4YW1wbGUifQ.c2ln")]),
    ("a SAML assertion", &[("subject_token_type", "urn:ietf:params:oauth:token-type:saml2")]),
    ("SAML is asked for", &[("requested_token_type", "urn:ietf:params:oauth:token-type:saml2")]),
    ("an unknown audience", &[("audience", "other-api")]),
    ("an unknown resource", &[("audience", "-"), ("resource", "https://other.example")]),
    ("a scope too many", &[("scope", "email admin")]),
    ("a wrong secret", &[("client_secret", "wrong")]),
    ("no client", &[("client_id", "-"), ("client_secret", "-")]),
    ("a client that nobody knows", &[("client_id", "nobody"), ("client_secret", "x")]),
    ("a client without permission", &[("client_id", "reporting-app"), ("client_secret", "reporting-secret")]),
    ("another spelling of the grant", &[("grant_type", " urn:ietf:params:oauth:grant-type:token-exchange")]),
    ("a closed door", &[("grant_type", "urn:ietf:params:oauth:grant-type:uma-ticket")]),
];

/// What a caller is told, line by line, and what a successful answer has.
async fn tells(world: &World, path: &str, token: &str, usual: &[(&str, &str)]) -> String {
    let fields = exchange_fields(token);
    let fields = form::changed(&fields, usual);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let answer = client::post(world.address(), path, &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut lines = vec![format!("allowed: {}\n", shape(&answer))];
    for (name, changes) in REFUSED {
        let answer = client::post(world.address(), path, &form::changed(&fields, changes)).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.text());
        let challenge = match answer.header("www-authenticate") {
            "" => String::new(),
            challenge => format!(" [{challenge}]"),
        };
        lines.push(format!("{name}: {} {}{challenge}\n", answer.status.as_u16(), answer.text()));
    }
    lines.concat()
}

/// The members of an answer in their order, texts that don't vary with their value.
fn shape(answer: &client::Answer) -> String {
    let text = answer.text();
    let members = answer.json();
    let mut members: Vec<_> = members.as_object().unwrap().iter().collect();
    members.sort_by_key(|(name, _)| text.find(&format!("\"{name}\":")));
    let told = members.into_iter().map(|(name, value)| match name.as_str() {
        "access_token" | "session_state" => name.clone(),
        _ => format!("{name}={value}"),
    });
    format!("{} [{}]", told.collect::<Vec<_>>().join(" "), answer.header("cache-control"))
}

/// Every dialect: its settings, its path, and what its callers send otherwise than Keycloak's.
type Usual = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);
const PARTNER: (&str, &str) = ("subject_issuer", "http://sso.example.org/realms/partner");
const FORGEROCK_REALM: &str = "    pathParameters: { realm: mySubRealm }\n";
const DIALECTS: [Usual; 7] = [
    ("keycloak", "", TOKEN_PATH, &[]),
    ("cern", "", CERN, &[("subject_token_type", "-")]),
    ("terradue", "", TOKEN_PATH, &[("subject_token_type", "-"), ("audience", "-")]),
    ("pace", "", PACE, &[PARTNER, ("audience", "")]),
    ("key-bridge", "", KEY_BRIDGE, &[("audience", "-"), ("resource", "https://api.example.org")]),
    ("forgerock", FORGEROCK_REALM, FORGEROCK, &[("requested_token_type", ACCESS_TOKEN), ("audience", "-")]),
    ("rfc8693", "", TOKEN_PATH, &[]),
];

/// A subject token as the dialect's callers have it.
async fn subject_token(world: &World, dialect: &str) -> String {
    match dialect {
        "pace" => carol(world, &[]),
        "forgerock" => named(world, &world.alice().await),
        _ => world.alice().await,
    }
}

#[tokio::test]
async fn every_dialect_tells_as_its_page_does() {
    for (dialect, more, path, usual) in DIALECTS {
        let world = world(dialect, more).await;
        let token = subject_token(&world, dialect).await;
        let text = tells(&world, path, &token, usual).await;
        golden::check(&format!("dialects/{dialect}.txt"), &text);
    }
}

/// The page's own request has no scope, and its token has the scope `api`.
#[tokio::test]
async fn key_bridge_gives_the_default_scope() {
    for (lines, asked, expected) in [
        ("scopes: [api, write], defaultScopes: [api]", "-", Some("api")),
        ("scopes: [api, write], defaultScopes: [api]", "", Some("api")),
        ("scopes: [api, write], defaultScopes: [api]", "write", Some("write")),
        ("scopes: [api, write]", "-", None),
    ] {
        let permissions = format!("permissions: [{{ clients: [front-end-app], issuance: mint, {lines} }}]\n");
        let world = Plan::new()
            .await
            .configure("    signingKey: corp.pem\n", "    signingKey: corp.pem\n    dialect: key-bridge\n")
            .audience("back-end-api", &format!("{BACK_END_API}{permissions}"))
            .start()
            .await;
        let alice = world.alice().await;
        let fields = form::changed(&exchange_fields(&alice), &[("scope", asked)]);
        let answer = client::post(world.address(), KEY_BRIDGE, &fields).await;
        let scope = token::claims(&answer.access_token()).get("scope").cloned();
        assert_eq!(scope, expected.map(Value::from), "{lines} {asked}");
        assert_eq!(answer.json().get("scope").cloned(), scope, "an empty scope is left out");
    }
}

#[tokio::test]
async fn key_bridge_takes_http_basic() {
    let world = world("key-bridge", "").await;
    let alice = world.alice().await;
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("resource", "https://api.example.org"),
        ("subject_token", &alice),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    let mut request = client::form_request(KEY_BRIDGE, &fields);
    let basic = "Basic ZnJvbnQtZW5kLWFwcDpmcm9udC1lbmQtc2VjcmV0";
    request.headers_mut().insert("authorization", basic.parse().unwrap());
    let answer = client::send(world.address(), request).await;
    assert_eq!(token::claims(&answer.access_token())["aud"], "back-end-api");
    assert_eq!(answer.header("cache-control"), "no-cache, no-store");
    assert_eq!(answer.json()["issued_token_type"], JWT);
}

#[tokio::test]
async fn pace_needs_the_issuer_of_the_subject_token() {
    let world = world("pace", "").await;
    let before = world.audit_so_far();
    let answer = world.exchange(&carol(&world, &[]), &[]).await;
    assert_eq!(world.audit_after(before).await["reason"], "subject_issuer_missing");
    assert_eq!(answer.status, 422, "{}", answer.text());
}

/// RFC 6749 section 5.2: 401 for a client that nobody knows, before what it may.
#[tokio::test]
async fn who_the_client_is_comes_before_what_it_may() {
    for dialect in ["rfc8693", "pace", "keycloak"] {
        let world = world(dialect, "").await;
        let token = carol(&world, &[]);
        let issuer = ("subject_issuer", "http://sso.example.org/realms/partner");
        let fields = if dialect == "pace" { vec![issuer] } else { vec![] };
        let nobody = [&fields[..], &[("client_id", "nobody")]].concat();
        assert_eq!(world.exchange(&token, &nobody).await.json()["error"], "invalid_client", "{dialect}");
    }
}

#[tokio::test]
async fn forgerock_is_called_in_two_places_and_tells_of_its_tokens() {
    let world = world("forgerock", "    pathParameters: { realm: mySubRealm }\n").await;
    let alice = named(&world, &world.alice().await);
    let changes = [("audience", "-"), ("requested_token_type", ID_TOKEN)];
    let fields = form::changed(&exchange_fields(&alice), &changes);
    let answer = client::post(world.address(), OPENAM, &fields).await;
    let told = answer.json();
    assert_eq!(token::claims(&answer.access_token())["aud"], "front-end-app");
    assert_eq!(
        (&told["token_type"], &told["refresh_token"], &told["issued_token_type"]),
        (&json!("Bearer"), &Value::Null, &json!(ID_TOKEN))
    );

    let missing = form::changed(&exchange_fields(&alice), &[("subject_token_type", "-")]);
    let answer = client::post(world.address(), FORGEROCK, &missing).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.json(),
        json!({"error": "invalid_request", "error_description": "Subject token type is required."})
    );

    let fields = form::changed(&exchange_fields(&alice), &[("audience", "-")]);
    let issued = client::post(world.address(), FORGEROCK, &fields).await.access_token();
    for path in [FORGEROCK, OPENAM].map(|path| path.replace("access_token", "introspect")) {
        let ask = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", &issued)];
        let told = client::post(world.address(), &path, &ask).await.json();
        assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!("front-end-app")), "{path}: {told}");
        assert_eq!(told["token_type"], "Bearer");
        // What is not ours goes to the identity provider, under its own path.
        world.idp.faults().forget();
        let ask = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", &alice)];
        let there = format!("{TOKEN_PATH}/introspect");
        let directly = client::post(world.idp.address(), &there, &ask).await;
        assert_eq!(client::post(world.address(), &path, &ask).await.body, directly.body, "{path}");
        let targets: Vec<_> = world.idp.faults().received().iter().map(|one| one.target.clone()).collect();
        assert_eq!(targets, [there.clone(), there]);
    }
}

#[tokio::test]
async fn forgerock_carries_what_is_about_the_subject() {
    let world = world("forgerock", "    pathParameters: { realm: mySubRealm }\n").await;
    let mut claims = token::claims(&world.alice().await);
    for (name, value) in [("auth_level", json!(10)), ("user_id", json!("alice")), ("auditTrackingId", json!("x"))] {
        claims[name] = value;
    }
    claims["may_act"] = json!({"client_id": "front-end-app"});
    let fields = exchange_fields("");
    let subject = world.sign(&claims);
    let fields = form::changed(&fields, &[("subject_token", subject.as_str()), ("audience", "-")]);
    let answer = client::post(world.address(), FORGEROCK, &fields).await;
    let issued = token::claims(&answer.access_token());
    assert_eq!((&issued["auth_level"], &issued["user_id"]), (&json!(10), &json!("alice")));
    assert_eq!((&issued["auditTrackingId"], &issued["subname"]), (&Value::Null, &Value::Null));
    assert_eq!((&issued["sub"], &issued["azp"]), (&claims["sub"], &json!("front-end-app")));
}

/// A world in which front-end-app's exchanges are the identity provider's, and may have refresh tokens.
async fn reissued(dialect: &str) -> World {
    const PERMITTED: &str = "permissions:
  - { clients: [front-end-app], scopes: [email], requestedTokens: [access_token, refresh_token] }
";
    let realm =
        format!("    signingKey: corp.pem\n    dialect: {dialect}\n    refreshTokens: {{ keyFiles: [seal.key] }}\n");
    let plan = Plan::new().await.configure("    signingKey: corp.pem\n", &realm);
    plan.folder.write("seal.key", cambio::adapters::seal::generate().unwrap().expose());
    plan.audience("back-end-api", &format!("{BACK_END_API}{PERMITTED}")).start().await
}

#[tokio::test]
async fn a_refresh_token_comes_where_the_page_has_one() {
    for (dialect, path, comes) in [
        ("keycloak", TOKEN_PATH, false),
        ("terradue", TOKEN_PATH, true),
        ("forgerock", "/oauth2/realms/root/realms/corp/access_token", true),
        ("rfc8693", TOKEN_PATH, false),
    ] {
        let world = reissued(dialect).await;
        let alice = named(&world, &world.alice().await);
        let answer = client::post(world.address(), path, &exchange_fields(&alice)).await;
        let told = answer.json();
        let refresh = told["refresh_token"].as_str();
        assert_eq!(refresh.is_some_and(|token| token.starts_with("cambio_rt_")), comes, "{dialect}: {told}");
        assert_eq!(told["issued_token_type"], ACCESS_TOKEN, "{dialect}");
        let Some(refresh) = refresh else { continue };
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "front-end-app"),
            ("client_secret", "front-end-secret"),
            ("refresh_token", refresh),
        ];
        let renewed = client::post(world.address(), path, &fields).await;
        assert_eq!(token::claims(&renewed.access_token())["aud"], "back-end-api", "{dialect}");
        let used = client::post(world.address(), path, &fields).await;
        assert_eq!((used.status.as_u16(), &used.json()["error"]), (400, &json!("invalid_grant")), "{dialect}");
    }
}

#[tokio::test]
async fn offline_access_that_nobody_permits_is_dropped_or_refused_as_the_page_has_it() {
    for (dialect, path, told) in [
        ("keycloak", TOKEN_PATH, Err("not_allowed")),
        ("cern", CERN, Err("not_allowed")),
        ("rfc8693", TOKEN_PATH, Err("invalid_scope")),
        ("key-bridge", KEY_BRIDGE, Err("invalid_scope")),
        ("terradue", TOKEN_PATH, Ok("email")),
        ("forgerock", "/oauth2/realms/root/realms/corp/access_token", Ok("email")),
    ] {
        let world = world(dialect, "").await;
        let alice = named(&world, &world.alice().await);
        let fields = form::changed(&exchange_fields(&alice), &[("scope", "email offline_access")]);
        let answer = client::post(world.address(), path, &fields).await;
        match told {
            Err(code) => assert_eq!(answer.json()["error"], code, "{dialect}: {}", answer.text()),
            Ok(scope) => assert_eq!(token::claims(&answer.access_token())["scope"], scope, "{dialect}"),
        }
    }
}

/// The identity provider's refusals have its words where the dialect is its own, and the page's elsewhere.
#[tokio::test]
async fn a_refusal_of_the_identity_provider_is_told_as_the_page_does() {
    for (dialect, path, wrong_secret, no_role) in [
        ("cern", CERN, (401, "unauthorized_client"), None),
        ("rfc8693", TOKEN_PATH, (401, "invalid_client"), Some((400, "invalid_target"))),
        ("key-bridge", KEY_BRIDGE, (401, "invalid_client"), Some((400, "invalid_target"))),
        (
            "forgerock",
            "/oauth2/realms/root/realms/corp/access_token",
            (401, "invalid_client"),
            Some((400, "invalid_request")),
        ),
    ] {
        let world = reissued(dialect).await;
        let bob = named(&world, &world.login("front-end-app", "front-end-secret", "bob").await);
        let before = world.audit_so_far();
        let fields = form::changed(&exchange_fields(&bob), &[("client_secret", "wrong")]);
        let answer = client::post(world.address(), path, &fields).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str().unwrap()), wrong_secret, "{dialect}");
        assert_eq!(answer.header("www-authenticate").is_empty(), dialect != "key-bridge", "{dialect}");
        // Where the page speaks of clients first, they are proven first.
        let reason = if dialect == "cern" { "upstream_refused" } else { "client_unauthenticated" };
        assert_eq!(world.audit_after(before).await["reason"], reason, "{dialect}");

        let fields = exchange_fields(&bob);
        let answer = client::post(world.address(), path, &fields).await;
        let directly = client::post(world.idp.address(), TOKEN_PATH, &fields).await;
        match no_role {
            None => assert_eq!((answer.status, answer.body), (directly.status, directly.body), "{dialect}"),
            Some(expected) => {
                let told = (answer.status.as_u16(), answer.json()["error"].as_str().unwrap().to_owned());
                assert_eq!(told, (expected.0, expected.1.to_owned()), "{dialect}: {}", directly.text());
                assert_eq!(answer.header("content-type"), "application/json", "{dialect}");
            }
        }
    }
}

/// The request lock knows the dialects' doors.
#[tokio::test]
async fn a_dialects_door_has_one_spelling() {
    for (dialect, more, path) in [
        ("key-bridge", "", KEY_BRIDGE),
        ("pace", "", PACE),
        ("forgerock", "    pathParameters: { realm: mySubRealm }\n", FORGEROCK),
        ("cern", "", CERN),
    ] {
        let world = world(dialect, more).await;
        let alice = world.alice().await;
        let expected = if dialect == "pace" { 422 } else { 400 };
        world.idp.faults().forget();
        for disguised in [
            format!("{path}/"),
            format!("/{path}"),
            format!("{path};x"),
            format!("/x/..{path}"),
            path.replace("token", "%74oken"),
            path.replace("token", "TOKEN"),
            path.replacen('/', "/./", 2),
        ] {
            let answer = client::post(world.address(), &disguised, &exchange_fields(&alice)).await;
            assert_eq!(answer.status, expected, "{disguised}: {}", answer.text());
        }
        let answer = client::post(world.address(), &format!("{path}?a=b"), &exchange_fields(&alice)).await;
        assert_eq!(answer.status, expected, "{}", answer.text());
        assert!(world.idp.faults().received().is_empty(), "{dialect}");
    }
}
