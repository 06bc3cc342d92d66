//! Guessing client secrets: `realms.*.clientLockout`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use cambio::judgement::client::secret::SecretHash;
use cambio::words::secret::Secret;
use http::Request;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::faults::{Endpoint, Fault};
use crate::support::files::BACK_END_API;
use crate::support::world::{Plan, TOKEN_PATH, World, exchange_fields, until};
use crate::support::{client, form};

const REALM: &str = "    subjectIssuers: [corp, partner]\n";
const LOCKOUT: &str = "    clientLockout: { wrongSecrets: 3, longest: 4s }\n";
const MINTED: &str = "permissions: [{ clients: [front-end-app], issuance: mint, scopes: [email] }]\n";
const INTROSPECT: &str = "/realms/corp/protocol/openid-connect/token/introspect";
const REVOKE: &str = "/realms/corp/protocol/openid-connect/revoke";
const GUESSER: &str = "192.0.2.66";
const OWN: &str = "192.0.2.1";
const LOCKED_OUT: &str = "cambio_limited_requests_total{limit=\"wrongSecrets\",realm=\"corp\"}";

/// Behind a proxy that names its callers.
async fn plan(realm: &str, permissions: Option<&str>) -> Plan {
    let plan = Plan::new()
        .await
        .configure("listen:\n", "listen:\n  trustedProxies: [127.0.0.1]\n")
        .configure(REALM, &format!("{REALM}{realm}"));
    match permissions {
        Some(permissions) => plan.audience("back-end-api", &format!("{BACK_END_API}{permissions}")),
        None => plan,
    }
}

async fn world(realm: &str, permissions: Option<&str>) -> World {
    plan(realm, permissions).await.start().await
}

/// front-end-app, registered with its secret at the identity provider.
fn registered() -> String {
    let hash = SecretHash::sha256(&Secret::new("front-end-secret"));
    format!("    clients: {{ front-end-app: [{{ method: client_secret, secretHash: '{hash}' }}] }}\n")
}

async fn send(world: &World, peer: &str, mut request: Request<Bytes>) -> client::Answer {
    request.headers_mut().insert("x-forwarded-for", peer.parse().unwrap());
    client::send(world.address(), request).await
}

async fn exchange(world: &World, peer: &str, token: &str, changes: &[(&str, &str)]) -> client::Answer {
    let fields = form::changed(&exchange_fields(token), changes);
    send(world, peer, client::form_request(TOKEN_PATH, &fields)).await
}

/// `count` different wrong secrets.
async fn guess(world: &World, token: &str, count: usize) {
    for number in 0..count {
        let answer = exchange(world, GUESSER, token, &[("client_secret", &format!("guess-{number}"))]).await;
        assert_eq!(answer.status, 401, "{number}: {}", answer.text());
    }
}

fn wait(world: &World, milliseconds: i64) {
    world.clock.advance(SignedDuration::from_millis(milliseconds));
}

/// Whoever authenticates the client, and however slow its hash is.
#[tokio::test]
async fn further_secrets_of_the_guesser_are_not_checked_and_the_client_goes_on_elsewhere() {
    let slow = SecretHash::argon2id(&Secret::new("front-end-secret"), b"0123456789abcdef").unwrap();
    let slow = format!("    clients: {{ front-end-app: [{{ method: client_secret, secretHash: '{slow}' }}] }}\n");
    for (name, realm, permissions) in [
        ("registered", registered(), None),
        ("registered, minted", registered(), Some(MINTED)),
        ("registered with a slow hash", slow, Some(MINTED)),
        ("judged in the exchange", String::new(), None),
        ("asked about at the identity provider", String::new(), Some(MINTED)),
    ] {
        let world = world(&format!("{LOCKOUT}{realm}"), permissions).await;
        let token = world.alice().await;
        guess(&world, &token, 3).await;
        world.idp.faults().forget();
        for (what, changes) in [("the right secret", &[][..]), ("a wrong secret", &[("client_secret", "wrong")])] {
            let before = world.audit_so_far();
            let answer = exchange(&world, GUESSER, &token, changes).await;
            assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"), "{name}, {what}");
            let line = world.audit_after(before).await;
            let told = json!([line["outcome"], line["reason"], line["client"], line["peer"], line["detail"]]);
            let detail = format!(
                "realms.corp.clientLockout.wrongSecrets: 3 is reached: 3 wrong secrets for this client from {GUESSER}/32; free \
                 again in 1.000 s"
            );
            assert_eq!(
                told,
                json!(["denied", "client_locked_out", "front-end-app", GUESSER, detail]),
                "{name}, {what}"
            );
        }
        let asked: Vec<_> = world.idp.faults().received().into_iter().map(|one| one.target).collect();
        assert_eq!(asked, [""; 0], "{name}: nobody checked a secret");
        exchange(&world, OWN, &token, &[]).await.access_token();
        let other = [("client_id", "reporting-app"), ("client_secret", "reporting-secret")];
        let answer = exchange(&world, GUESSER, &token, &other).await;
        assert_eq!(answer.status, 403, "{name}: another client of the same peer: {}", answer.text());
        let metric = "cambio_limited_requests_total{limit=\"wrongSecrets\",realm=\"corp\"}";
        assert!((world.metric(metric).await - 2.0).abs() < 0.1, "{name}");
    }
}

#[tokio::test]
async fn lock_outs_grow_up_to_the_longest_and_end() {
    let world = world(&format!("{LOCKOUT}{}", registered()), Some(MINTED)).await;
    let token = world.alice().await;
    guess(&world, &token, 3).await;
    for seconds in [1, 2, 4, 4] {
        let answer = exchange(&world, GUESSER, &token, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, &*seconds.to_string()));
        wait(&world, seconds * 1000 - 1);
        assert_eq!(exchange(&world, GUESSER, &token, &[]).await.status, 429, "{seconds}: not yet");
        wait(&world, 1);
        guess(&world, &token, 1).await;
    }
    wait(&world, 4000);
    exchange(&world, GUESSER, &token, &[]).await.access_token();
    // A right secret forgets the wrong ones.
    guess(&world, &token, 2).await;
    exchange(&world, GUESSER, &token, &[]).await.access_token();
    guess(&world, &token, 2).await;
    exchange(&world, GUESSER, &token, &[]).await.access_token();
}

/// Every place where Cambio checks a client's secret, and every way to show the secret, has one count.
#[tokio::test]
async fn there_is_no_other_door_for_guesses() {
    let world = world(&format!("{LOCKOUT}{}", registered()), Some(MINTED)).await;
    let token = world.alice().await;
    let issued = exchange(&world, OWN, &token, &[]).await.access_token();
    let about = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", &*issued)];
    let basic = || {
        let fields = form::changed(&exchange_fields(&token), &[("client_id", "-"), ("client_secret", "-")]);
        let mut request = client::form_request(TOKEN_PATH, &fields);
        let pair = STANDARD.encode("front-end-app:front-end-secret");
        request.headers_mut().insert("authorization", format!("Basic {pair}").parse().unwrap());
        request
    };
    for path in [INTROSPECT, REVOKE, TOKEN_PATH] {
        let fields = form::changed(&about, &[("client_secret", "guess")]);
        let fields = if path == TOKEN_PATH {
            form::changed(&exchange_fields(&token), &[("client_secret", "guess")])
        } else {
            fields
        };
        assert_eq!(send(&world, GUESSER, client::form_request(path, &fields)).await.status, 401, "{path}");
    }
    for (name, request) in [
        ("introspection", client::form_request(INTROSPECT, &about)),
        ("revocation", client::form_request(REVOKE, &about)),
        ("a form", client::form_request(TOKEN_PATH, &exchange_fields(&token))),
        ("Basic", basic()),
    ] {
        let answer = send(&world, GUESSER, request).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"), "{name}: {}", answer.text());
    }
    let answer = send(&world, OWN, client::form_request(INTROSPECT, &about)).await;
    assert_eq!(answer.status, 200, "the client itself");
}

fn assertion(key: &[u8], jti: usize, now: i64) -> String {
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({ "alg": "HS256", "typ": "JWT" }));
    let claims = encode(json!({
        "iss": "front-end-app", "sub": "front-end-app", "aud": "http://sso.example.org/realms/corp",
        "iat": now, "exp": now + 60, "jti": format!("j{jti}"),
    }));
    let message = format!("{header}.{claims}");
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(aws_lc_rs::hmac::sign(&key, message.as_bytes())))
}

/// An assertion that was made with a secret is a guess at the secret.
#[tokio::test]
async fn assertions_with_a_secret_are_guesses() {
    const SHARED: &str = "0123456789abcdef0123456789abcdef";
    let methods = "    clients: { front-end-app: [{ method: client_secret_jwt, secret: '${SHARED}' }] }\n";
    let world = Plan::new()
        .await
        .variable("SHARED", SHARED)
        .configure("listen:\n", "listen:\n  trustedProxies: [127.0.0.1]\n")
        .configure(REALM, &format!("{REALM}{LOCKOUT}{methods}"))
        .audience("back-end-api", &format!("{BACK_END_API}{MINTED}"))
        .start()
        .await;
    let (token, now) = (world.alice().await, world.now());
    let status = async |peer: &str, key: &str, jti: usize| {
        let jwt = assertion(key.as_bytes(), jti, now);
        exchange(&world, peer, &token, &form::by_assertion(&jwt)).await.status.as_u16()
    };
    let guesses =
        [status(GUESSER, "guess-1", 1).await, status(GUESSER, "guess-2", 2).await, status(GUESSER, "guess-3", 3).await];
    assert_eq!(guesses, [401, 401, 401]);
    assert_eq!(status(GUESSER, SHARED, 4).await, 429);
    assert_eq!(status(OWN, SHARED, 5).await, 200);
}

/// What can't be guessed is no guess: no secret, a secret for a public client, and a client that nobody would accept.
#[tokio::test]
async fn failures_without_a_guess_lock_nobody_out() {
    let hash = SecretHash::sha256(&Secret::new("front-end-secret"));
    let realm = format!(
        "{LOCKOUT}    clientAuthentication: {{ unregistered: refuse }}\n    clients: {{ front-end-app: [{{ method: client_secret, secretHash: '{hash}' }}], single-page-app: [{{ method: none }}] }}\n"
    );
    let world = world(&realm, Some(MINTED)).await;
    let token = world.alice().await;
    for (name, changes) in [
        ("no secret", &[("client_secret", "-")][..]),
        ("nobody", &[("client_id", "nobody"), ("client_secret", "x")]),
        ("a public client", &[("client_id", "single-page-app"), ("client_secret", "x")]),
    ] {
        for number in 0..10 {
            let answer = exchange(&world, GUESSER, &token, changes).await;
            assert_ne!(answer.status, 429, "{name}, {number}");
        }
    }
    exchange(&world, GUESSER, &token, &[]).await.access_token();
}

#[tokio::test]
async fn spraying_over_all_clients_is_bounded_for_a_peer() {
    let lockout = "    clientLockout: { wrongSecretsPerPeer: 6/h }\n";
    let world = world(&format!("{lockout}{}", registered()), Some(MINTED)).await;
    let token = world.alice().await;
    for client in ["front-end-app", "reporting-app", "back-end-api", "other-api", "nobody", "nobody-else"] {
        let changes = [("client_id", client), ("client_secret", "wrong")];
        assert_eq!(exchange(&world, GUESSER, &token, &changes).await.status, 401, "{client}");
    }
    let before = world.audit_so_far();
    let answer = exchange(&world, GUESSER, &token, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "600"), "{}", answer.text());
    assert_eq!(world.audit_after(before).await["reason"], "client_locked_out");
    exchange(&world, OWN, &token, &[]).await.access_token();
    let metric = "cambio_limited_requests_total{limit=\"wrongSecretsPerPeer\",realm=\"corp\"}";
    assert!((world.metric(metric).await - 1.0).abs() < 0.1);
}

/// On by default, and off on demand; a login of the locked-out client passes, as everything does that only passes.
#[tokio::test]
async fn lock_out_is_on_by_default_and_can_be_turned_off() {
    for (realm, last) in [(String::new(), 429), ("    clientLockout: { wrongSecrets: 0 }\n".to_owned(), 200)] {
        let world = world(&format!("{realm}{}", registered()), Some(MINTED)).await;
        let token = world.alice().await;
        guess(&world, &token, 30).await;
        assert_eq!(exchange(&world, GUESSER, &token, &[]).await.status, last, "{realm}");
        let login = [
            ("grant_type", "password"),
            ("client_id", "front-end-app"),
            ("client_secret", "front-end-secret"),
            ("username", "alice"),
            ("password", "alice-password"),
        ];
        let answer = send(&world, GUESSER, client::form_request(TOKEN_PATH, &login)).await;
        assert_eq!(answer.status, 200, "{realm}");
    }
}

/// Slow hashes wait for their turn. What comes of those that waited while the pair was locked out is not told.
#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_get_no_further() {
    let slow = SecretHash::argon2id(&Secret::new("front-end-secret"), b"0123456789abcdef").unwrap();
    let slow = format!("    clients: {{ front-end-app: [{{ method: client_secret, secretHash: '{slow}' }}] }}\n");
    let world = Arc::new(world(&format!("{LOCKOUT}{slow}"), Some(MINTED)).await);
    let token = world.alice().await;
    let guesses: Vec<_> = (0..40)
        .map(|number| {
            let (world, token) = (Arc::clone(&world), token.clone());
            tokio::spawn(async move {
                let secret = format!("guess-{number}");
                exchange(&world, GUESSER, &token, &[("client_secret", &secret)]).await.status.as_u16()
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for guess in guesses {
        statuses.push(guess.await.unwrap());
    }
    let checked = statuses.iter().filter(|status| **status == 401).count();
    assert!((3..=7).contains(&checked), "three, and those that were answered meanwhile: {statuses:?}");
    // For the others there was no place in the queue, or their answer came too late to tell anything.
    let untold = statuses.iter().filter(|status| matches!(status, 429 | 503)).count();
    assert_eq!(untold, 40 - checked, "{statuses:?}");
    let locked_out = statuses.iter().filter(|status| **status == 429).count();
    let counted = world.metric(LOCKED_OUT).await;
    assert!((counted - f64::from(u32::try_from(locked_out).unwrap())).abs() < 0.1, "{counted}, {statuses:?}");
}

/// The identity provider judges the client, slowly. What it says of guesses that were on their way when the lock-out began
/// is not told, and the right secret among them looks like the wrong ones.
#[tokio::test]
async fn guesses_at_once_learn_nothing_from_a_slow_identity_provider() {
    const WRONG: usize = 8;
    const REFUSAL: &str =
        r#"{"error":"invalid_client","error_description":"Invalid client or Invalid client credentials"}"#;
    for (name, permissions, endpoint, path, changes) in [
        ("judged in the exchange", None, Endpoint::Token, TOKEN_PATH, &[][..]),
        ("judged for a refusal", None, Endpoint::Token, TOKEN_PATH, &[("audience", "nobodys-api")]),
        ("asked about", Some(MINTED), Endpoint::Introspect, INTROSPECT, &[]),
    ] {
        let plan = plan(LOCKOUT, permissions).await.configure("responseTimeout: 2s", "responseTimeout: 15s");
        let world = Arc::new(plan.start().await);
        let (token, faults) = (world.alice().await, world.idp.faults().clone());
        faults.forget();
        faults.set(endpoint, Fault::Hang);
        let secrets = (0..WRONG).map(|number| format!("on-its-way-{number}")).chain(["front-end-secret".to_owned()]);
        let guesses: Vec<_> = secrets
            .map(|secret| {
                let (world, token) = (Arc::clone(&world), token.clone());
                tokio::spawn(async move {
                    let mut changes: Vec<(&str, &str)> = changes.to_vec();
                    changes.push(("client_secret", secret.as_str()));
                    exchange(&world, GUESSER, &token, &changes).await
                })
            })
            .collect();
        until("all guesses at the identity provider", async || {
            (faults.received().iter().filter(|one| one.target == path).count() == WRONG + 1).then_some(())
        })
        .await;
        // Later guesses are answered at once, and lock the pair out.
        faults.answer_at(path, 401, REFUSAL);
        guess(&world, &token, 3).await;
        faults.clear();
        for guess in guesses {
            let answer = guess.await.unwrap();
            let told = (answer.status.as_u16(), answer.header("retry-after"));
            assert_eq!(told, (429, "1"), "{name}: {}", answer.text());
        }
        let lines = world.audit(3 + WRONG + 1).await;
        let locked_out = lines.iter().filter(|line| line["reason"] == "client_locked_out").count();
        assert_eq!(locked_out, WRONG + 1, "{name}: {lines:#?}");
        assert!(lines.iter().all(|line| line["outcome"] != "allowed"), "{name}: {lines:#?}");
        assert!((world.metric(LOCKED_OUT).await - 9.0).abs() < 0.1, "{name}: each is counted once");
        // None of them made the lock-out longer.
        wait(&world, 1000);
        exchange(&world, GUESSER, &token, &[]).await.access_token();
    }
}
