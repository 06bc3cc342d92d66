//! Registered clients at the front door.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cambio::judgement::client::secret::SecretHash;
use cambio::words::secret::Secret;
use http::StatusCode;
use serde_json::json;

use crate::support::files::BACK_END_API;
use crate::support::world::{ACCESS_TOKEN, Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{client, form, token};

const REALM: &str = "    subjectIssuers: [corp, partner]\n";

/// front-end-app is registered with its secret at the identity provider, and others with none.
async fn start() -> World {
    let hash = SecretHash::sha256(&Secret::new("front-end-secret"));
    let clients = format!(
        "    clients:\n      front-end-app: [{{ method: client_secret, secretHash: '{hash}' }}]\n      \
         single-page-app: [{{ method: none }}]\n"
    );
    Plan::new().await.configure(REALM, &format!("{REALM}{clients}")).start().await
}

/// An exchange by Basic.
async fn by_basic(world: &World, token: &str, pair: &str) -> client::Answer {
    let body = form::changed(&exchange_fields(token), &[("client_id", "-"), ("client_secret", "-")]);
    let basic = format!("Basic {}", STANDARD.encode(pair));
    let mut request = client::form_request(TOKEN_PATH, &body);
    request.headers_mut().insert("authorization", basic.parse().unwrap());
    client::send(world.address(), request).await
}

#[tokio::test]
async fn a_registered_client_is_held_to_its_registry() {
    let world = start().await;
    let token = world.alice().await;
    let exchanged = world.idp.faults().exchanged();
    for (name, changes, status, reason) in [
        ("right", &[][..], StatusCode::OK, ""),
        ("wrong", &[("client_secret", "gue55")], StatusCode::UNAUTHORIZED, "client_unauthenticated"),
        ("without", &[("client_secret", "-")], StatusCode::UNAUTHORIZED, "client_unauthenticated"),
    ] {
        let before = world.audit_so_far();
        let answer = world.exchange(&token, changes).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"].as_str().unwrap_or_default(), reason, "{name}: {line}");
        assert_eq!(answer.header("www-authenticate"), "", "{name}: it did not use the Authorization header");
        assert!(!line.to_string().contains("gue55") && !line.to_string().contains("front-end-secret"), "{line}");
    }
    assert_eq!(world.idp.faults().exchanged(), exchanged + 1, "only the right one went upstream");
    let labels = "method=\"client_secret\",outcome=\"allowed\",realm=\"corp\"";
    assert!((world.metric(&format!("cambio_client_authentications_total{{{labels}}}")).await - 1.0).abs() < 0.1);
}

/// Keycloak ignores what a public client sends as its secret. A client that has another method is not public.
#[tokio::test]
async fn a_public_clients_secret_is_ignored_where_keycloaks_page_is_followed() {
    let hash = SecretHash::sha256(&Secret::new("right"));
    let permission = "permissions: [{ clients: [single-page-app], issuance: mint, scopes: [email], delegation: { actor: optional } }]\n";
    for (dialect, ignored) in [
        ("keycloak", true),
        ("cern", true),
        ("terradue", true),
        ("rfc8693", false),
        ("key-bridge", false),
        ("forgerock", false),
    ] {
        for (methods, secret, accepted) in [
            ("{ method: none }".to_owned(), "any", ignored),
            ("{ method: none }".to_owned(), "-", true),
            (format!("{{ method: none }}, {{ method: client_secret, secretHash: '{hash}' }}"), "any", false),
            (format!("{{ method: none }}, {{ method: client_secret, secretHash: '{hash}' }}"), "right", true),
            (format!("{{ method: client_secret, secretHash: '{hash}' }}"), "any", false),
            (format!("{{ method: client_secret, secretHash: '{hash}' }}"), "-", false),
        ] {
            let clients = format!("    dialect: {dialect}\n    clients: {{ single-page-app: [{methods}] }}\n");
            let world = Plan::new()
                .await
                .configure(REALM, &format!("{REALM}{clients}"))
                .audience("back-end-api", &format!("{BACK_END_API}{permission}"))
                .start()
                .await;
            let mut claims = token::claims(&world.alice().await);
            claims["azp"] = json!("single-page-app");
            if dialect == "forgerock" {
                claims["may_act"] = json!({ "client_id": "single-page-app" });
            }
            let subject = world.sign(&claims);
            let changes = [("client_id", "single-page-app"), ("client_secret", secret)];
            let expected = if accepted { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            let answer = world.exchange(&subject, &changes).await;
            assert_eq!(answer.status, expected, "{dialect}, {methods}, {secret}: {}", answer.text());
            if secret != "-" {
                let by_basic = by_basic(&world, &subject, &format!("single-page-app:{secret}")).await;
                assert_eq!(by_basic.status, expected, "{dialect}, {methods}, {secret}: {}", by_basic.text());
            }
        }
    }
}

/// Whoever has been given a token could call himself by a public client's id.
#[tokio::test]
async fn a_public_client_exchanges_the_tokens_of_its_own_logins_only() {
    let clients = "    clients: { single-page-app: [{ method: none }] }\n";
    let permission = "permissions: [{ clients: [single-page-app], issuance: mint, scopes: [email], subjectClients: [front-end-app] }]\n";
    let world = Plan::new()
        .await
        .configure(REALM, &format!("{REALM}{clients}"))
        .audience("back-end-api", &format!("{BACK_END_API}{permission}"))
        .start()
        .await;
    let alice = token::claims(&world.alice().await);
    let public = [("client_id", "single-page-app"), ("client_secret", "-")];
    for (name, azp, aud, reason) in [
        ("its own", "single-page-app", "account", ""),
        ("another's that names it in aud", "front-end-app", "single-page-app", "subject_token_audience"),
        ("another's that the owner lets others come with", "front-end-app", "account", "subject_token_audience"),
    ] {
        let mut claims = alice.clone();
        claims["azp"] = json!(azp);
        claims["aud"] = json!([aud]);
        let before = world.audit_so_far();
        world.exchange(&world.sign(&claims), &public).await;
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"].as_str().unwrap_or_default(), reason, "{name}: {line}");
    }
}

/// The same of the token of whoever is to act.
#[tokio::test]
async fn a_public_client_comes_with_actors_of_its_own_logins_only() {
    let clients = "    clients: { single-page-app: [{ method: none }] }\n";
    let permission = "permissions: [{ clients: [single-page-app], issuance: mint, delegation: { withoutMayAct: true, condition: \"true\" } }]\n";
    let world = Plan::new()
        .await
        .configure(REALM, &format!("{REALM}{clients}"))
        .audience("back-end-api", &format!("{BACK_END_API}{permission}"))
        .start()
        .await;
    let for_public = |token: String, azp: &str| {
        let mut claims = token::claims(&token);
        claims["azp"] = json!(azp);
        claims["aud"] = json!(["single-page-app"]);
        world.sign(&claims)
    };
    let alice = for_public(world.alice().await, "single-page-app");
    for (azp, reason) in [("single-page-app", ""), ("front-end-app", "actor_token_invalid")] {
        let bob = for_public(world.login("front-end-app", "front-end-secret", "bob").await, azp);
        let before = world.audit_so_far();
        let changes = [
            ("client_id", "single-page-app"),
            ("client_secret", "-"),
            ("actor_token", &bob),
            ("actor_token_type", ACCESS_TOKEN),
        ];
        world.exchange(&alice, &changes).await;
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"].as_str().unwrap_or_default(), reason, "{azp}: {line}");
    }
}

#[tokio::test]
async fn who_came_with_basic_is_challenged() {
    let world = start().await;
    let token = world.alice().await;
    assert_eq!(by_basic(&world, &token, "front-end-app:front-end-secret").await.status, StatusCode::OK);
    let encoded = by_basic(&world, &token, "front%2Dend-app:front%2Dend-secret").await;
    assert_eq!(encoded.status, StatusCode::OK, "RFC 6749 section 2.3.1");
    for pair in ["front-end-app:wrong", "front-end-app:"] {
        let answer = by_basic(&world, &token, pair).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{pair}");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"corp\"", "{pair}");
        assert_eq!(answer.json()["error"], "invalid_client", "{pair}");
    }
}

#[tokio::test]
async fn a_registry_is_reloaded_with_its_files() {
    let world = Plan::new().await;
    let hash = |secret: &str| SecretHash::sha256(&Secret::new(secret));
    world.folder.write("front-end.hash", &hash("another"));
    let clients = "    clients: { front-end-app: [{ method: client_secret, secretHashFile: front-end.hash }] }\n";
    let world = world.configure(REALM, &format!("{REALM}{clients}")).start().await;
    let token = world.alice().await;
    assert_eq!(world.exchange(&token, &[]).await.status, StatusCode::UNAUTHORIZED);
    world.rewrite("front-end.hash", &hash("front-end-secret")).await;
    assert_eq!(world.exchange(&token, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_assertion_is_good_for_one_exchange() {
    let plan = Plan::new().await;
    let key = plan.idp.signing_key("partner").unwrap();
    plan.folder.write("front-end.jwks", &json!({ "keys": [key.jwk()] }).to_string());
    let method = "{ method: private_key_jwt, jwksFile: front-end.jwks, algorithms: [RS256] }";
    let clients = format!("    clients: {{ front-end-app: [{method}] }}\n");
    let world = plan.configure(REALM, &format!("{REALM}{clients}")).start().await;
    let token = world.alice().await;
    let claims = |jti: &str, aud: &str| {
        json!({
            "iss": "front-end-app", "sub": "front-end-app", "aud": aud, "jti": jti,
            "exp": world.now() + 60, "iat": world.now(),
        })
    };
    let issuer = "http://sso.example.org/realms/corp";
    // The demo's identity provider takes no assertions: that it was asked shows that ours took it.
    for (name, jti, aud, reason) in [
        ("first", "1", issuer, "upstream_refused"),
        ("again", "1", issuer, "client_assertion_replayed"),
        ("another", "2", issuer, "upstream_refused"),
        ("for another", "3", "https://other.example.org", "client_unauthenticated"),
    ] {
        let before = world.audit_so_far();
        let jwt = key.sign(claims(jti, aud).as_object().unwrap()).unwrap();
        let answer = world.exchange(&token, &form::by_assertion(&jwt)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{name}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
}

#[tokio::test]
async fn without_a_clients_keys_nobody_is_believed() {
    let method = "{ method: private_key_jwt, jwksURL: 'http://127.0.0.1:9/jwks', algorithms: [RS256] }";
    let clients = format!("    clients: {{ front-end-app: [{method}] }}\n");
    let world = Plan::new().await.configure(REALM, &format!("{REALM}{clients}")).start().await;
    let token = world.alice().await;
    let claims = json!({ "iss": "front-end-app", "sub": "front-end-app", "exp": world.now() + 60, "jti": "1" });
    let jwt = world.idp.signing_key("partner").unwrap().sign(claims.as_object().unwrap()).unwrap();
    let before = world.audit_so_far();
    let answer = world.exchange(&token, &form::by_assertion(&jwt)).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text());
    assert_eq!(world.audit_after(before).await["reason"], "client_authentication_unavailable");
}

/// A library that adds its user's token to every request says nothing about the client (RFC 6749 section 2.3).
#[tokio::test]
async fn a_token_beside_the_credentials_is_ignored_and_not_sent_on() {
    let world = World::start().await;
    let alice = world.alice().await;
    let fields = exchange_fields(&alice);
    let send = async |authorization: &[String], changes: &[(&str, &str)]| {
        let mut request = client::form_request(TOKEN_PATH, &[]);
        *request.body_mut() = form::encode(&form::changed(&fields, changes)).into();
        for value in authorization {
            request.headers_mut().append("authorization", value.parse().unwrap());
        }
        world.idp.faults().forget();
        client::send(world.address(), request).await
    };
    let basic = format!("Basic {}", STANDARD.encode("front-end-app:front-end-secret"));
    for scheme in ["Bearer", "bearer", "DPoP", "Negotiate", "Unheard-Of"] {
        let answer = send(&[format!("{scheme} {alice}")], &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{scheme}: {}", answer.text());
        let received = world.idp.faults().received();
        let exchanges: Vec<_> = received.iter().filter(|request| request.method == "POST").collect();
        assert_eq!(exchanges.len(), 1, "{scheme}");
        assert!(!exchanges[0].headers.contains_key("authorization"), "{scheme}");
        // A refusal is told to an authentic client only, and the question about it has no such header either.
        let answer = send(&[format!("{scheme} {alice}")], &[("audience", "other-api")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{scheme}: {}", answer.text());
        assert!(world.idp.faults().received().iter().all(|request| !request.headers.contains_key("authorization")));
    }
    for (name, authorization, changes, reason) in [
        ("Basic as well", vec![basic.clone()], &[][..], "credentials_ambiguous"),
        ("Bearer and Basic", vec![format!("Bearer {alice}"), basic.clone()], &[], "credentials_ambiguous"),
        ("Bearer twice", vec![format!("Bearer {alice}"), format!("Bearer {alice}")], &[], "credentials_ambiguous"),
        (
            "Bearer alone",
            vec![format!("Bearer {alice}")],
            &[("client_id", "-"), ("client_secret", "-")],
            "client_missing",
        ),
    ] {
        let before = world.audit_so_far();
        let answer = send(&authorization, changes).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
}

/// Keycloak's clients may send id and secret raw; RFC 6749 section 2.3.1 wants them encoded.
#[tokio::test]
async fn a_secret_that_is_not_encoded_is_refused_with_a_hint() {
    let hash = Secret::new("S3+cr%et").sha256();
    let registry = format!(
        "{REALM}    clients: {{ front-end-app: [{{ method: client_secret, secretHash: \"sha256:{hash}\" }}] }}\n"
    );
    let world = Plan::new().await.configure(REALM, &registry).start().await;
    let alice = world.alice().await;
    for (name, pair, status, detail) in [
        ("encoded", "front-end-app:S3%2Bcr%25et", StatusCode::OK, ""),
        ("raw percent", "front-end-app:S3%2Bcr%et", StatusCode::UNAUTHORIZED, "raw `%`: percent-encode"),
        ("raw plus", "front-end-app:S3+cr%25et", StatusCode::UNAUTHORIZED, "stands for a space"),
        ("wrong", "front-end-app:other", StatusCode::UNAUTHORIZED, "the client secret is wrong"),
    ] {
        let before = world.audit_so_far();
        let answer = by_basic(&world, &alice, pair).await;
        // The identity provider has another secret, and judges the client after Cambio.
        if status == StatusCode::OK {
            let line = world.audit_after(before).await;
            assert_ne!(line["reason"], "client_unauthenticated", "{name}: {line}");
            continue;
        }
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        let line = world.audit_after(before).await;
        assert!(line["detail"].as_str().unwrap().contains(detail), "{name}: {line}");
        assert!(!line.to_string().contains("S3"), "{name}");
    }
}

/// As other servers do, Cambio takes any number of spaces between and around scope tokens.
#[tokio::test]
async fn spaces_in_a_scope_do_not_matter() {
    let minted = format!(
        "{BACK_END_API}permissions:\n  - {{ clients: [front-end-app], issuance: mint, scopes: [email, profile] }}\n"
    );
    let world = Plan::new().await.audience("back-end-api", &minted).start().await;
    let mut claims = token::claims(&world.alice().await);
    for held in ["email profile", "email  profile", " email profile ", "email   profile"] {
        claims["scope"] = json!(held);
        let subject = world.sign(&claims);
        for (asked, expected) in [
            ("email profile", "email profile"),
            ("email  profile", "email profile"),
            (" profile", "profile"),
            ("profile ", "profile"),
            ("  email   profile  ", "email profile"),
        ] {
            let answer = world.exchange(&subject, &[("scope", asked)]).await;
            let claims = token::claims(&answer.access_token());
            assert_eq!(claims["scope"], expected, "{asked:?} of {held:?}");
        }
        let all = token::claims(&world.exchange(&subject, &[("scope", "  ")]).await.access_token());
        let none = token::claims(&world.exchange(&subject, &[]).await.access_token());
        assert_eq!(all["scope"], none["scope"], "a scope of spaces is omitted");
    }
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&world.sign(&claims), &[("scope", "email\tprofile")]).await.status, 400);
    assert_eq!(world.audit_after(before).await["reason"], "scope_malformed");
}
