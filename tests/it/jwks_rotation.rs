//! Keys come and go; error pages and empty sets never replace them.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambio::tools::demo::RealmKey;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::faults::{Endpoint, Fault};
use crate::support::files::BACK_END_API;
use crate::support::tamper::sign_as;
use crate::support::world::{CERTS_PATH, Plan, TOKEN_PATH, World, login};
use crate::support::{client, form, token};

const PARTNER_CERTS: &str = "/realms/partner/protocol/openid-connect/certs";
const COOLDOWN: SignedDuration = SignedDuration::from_secs(11);

fn certs_fetches(world: &World) -> usize {
    fetches(world, CERTS_PATH)
}

fn fetches(world: &World, path: &str) -> usize {
    let received = world.idp.faults().received();
    received.iter().filter(|request| request.target == path).count()
}

/// A world that mints for the realm and for partner, the path of the keys of one of the two, and the claims of its
/// user. Nothing but its keys is asked about a token.
async fn minting(issuer: &'static str) -> (World, &'static str, Value) {
    let permission = "permissions:\n  - { clients: [front-end-app], issuers: [corp, partner], issuance: mint, \
                      scopes: [email, profile], subjectTokens: [access_token] }\n";
    let world = Plan::new().await.audience("back-end-api", &format!("{BACK_END_API}{permission}")).start().await;
    let path = if issuer == "corp" { CERTS_PATH } else { PARTNER_CERTS };
    let token = if issuer == "corp" {
        world.alice().await
    } else {
        let path = "/realms/partner/protocol/openid-connect/token";
        login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token()
    };
    world.exchange(&token, &[]).await.access_token();
    (world, path, token::claims(&token))
}

/// From now on these are the issuer's keys, each with its kid or none.
fn publish(world: &World, path: &str, keys: &[(&RealmKey, Option<&str>)]) {
    let jwks = keys.iter().map(|(key, kid)| {
        let mut jwk = key.jwk();
        jwk["kid"] = json!(kid);
        jwk
    });
    world.idp.faults().answer_at(path, 200, &json!({ "keys": jwks.collect::<Vec<_>>() }).to_string());
}

fn nameless(key: &RealmKey, claims: &Value) -> String {
    key.sign_raw(r#"{"alg":"RS256","typ":"JWT"}"#, &claims.to_string()).unwrap()
}

#[tokio::test]
async fn new_material_under_an_old_kid_is_found_within_one_refetch() {
    for issuer in ["corp", "partner"] {
        let (world, path, claims) = minting(issuer).await;
        let (old, new) = (world.idp.signing_key(issuer).unwrap(), RealmKey::generate().unwrap());
        publish(&world, path, &[(&new, Some(old.kid()))]);
        let signed = |key: &RealmKey| sign_as(key, old.kid(), claims.as_object().unwrap()).unwrap();
        world.clock.advance(COOLDOWN);
        let before = fetches(&world, path);
        // A client that is not proven makes Cambio ask no other issuer.
        let unproven = world.exchange(&signed(&new), &[("client_secret", "wrong")]).await;
        assert_eq!(unproven.status, 401, "{issuer}");
        let asked_for_nobody = fetches(&world, path) - before;
        assert_eq!(asked_for_nobody, usize::from(issuer == "corp"), "{issuer}");
        world.exchange(&signed(&new), &[]).await.access_token();
        let audited = world.audit_so_far();
        assert_eq!(world.exchange(&signed(&old), &[]).await.status, 400, "{issuer}");
        assert_eq!(world.audit_after(audited).await["reason"], "subject_token_signature", "{issuer}");
        assert_eq!(fetches(&world, path) - before, 1, "{issuer}: one fetch within the cool-down");
    }
}

#[tokio::test]
async fn forged_signatures_do_not_hammer_the_issuer() {
    for issuer in ["corp", "partner"] {
        let (world, path, claims) = minting(issuer).await;
        let (kid, stranger) = (world.idp.signing_key(issuer).unwrap().kid().to_owned(), RealmKey::generate().unwrap());
        world.clock.advance(COOLDOWN);
        let before = fetches(&world, path);
        for _ in 0..20 {
            let forged = sign_as(&stranger, &kid, claims.as_object().unwrap()).unwrap();
            assert_eq!(world.exchange(&forged, &[]).await.status, 400);
        }
        assert_eq!(fetches(&world, path) - before, 1, "{issuer}");
    }
}

#[tokio::test]
async fn tokens_without_kid_across_a_rotation() {
    for issuer in ["corp", "partner"] {
        let (world, path, claims) = minting(issuer).await;
        let old = world.idp.signing_key(issuer).unwrap();
        let (next, last) = (RealmKey::generate().unwrap(), RealmKey::generate().unwrap());
        publish(&world, path, &[(&old, None), (&next, None)]);
        world.clock.advance(COOLDOWN);
        let before = fetches(&world, path);
        world.exchange(&nameless(&next, &claims), &[]).await.access_token();
        assert_eq!(fetches(&world, path) - before, 1, "{issuer}: fetched once");
        world.exchange(&nameless(&old, &claims), &[]).await.access_token();
        assert_eq!(fetches(&world, path) - before, 1, "{issuer}: each of the two is tried");
        publish(&world, path, &[(&last, None)]);
        assert_eq!(world.exchange(&nameless(&last, &claims), &[]).await.status, 400, "{issuer}: not due");
        world.clock.advance(COOLDOWN);
        world.exchange(&nameless(&last, &claims), &[]).await.access_token();
        assert_eq!(world.exchange(&nameless(&old, &claims), &[]).await.status, 400, "{issuer}: withdrawn");
        assert_eq!(fetches(&world, path) - before, 2, "{issuer}");
    }
}

#[tokio::test]
async fn a_kid_that_the_issuer_does_not_have_is_asked_for_once() {
    for issuer in ["corp", "partner"] {
        let (world, path, claims) = minting(issuer).await;
        let stranger = RealmKey::generate().unwrap();
        let before = fetches(&world, path);
        for _ in 0..3 {
            world.clock.advance(COOLDOWN);
            let forged = stranger.sign(claims.as_object().unwrap()).unwrap();
            let audited = world.audit_so_far();
            assert_eq!(world.exchange(&forged, &[]).await.status, 400);
            assert_eq!(world.audit_after(audited).await["reason"], "subject_token_key_unknown");
        }
        assert_eq!(fetches(&world, path) - before, 1, "{issuer}");
    }
}

/// A login whose answer has these tokens.
async fn login_with(world: &World, answer: &Value) -> Duration {
    world.idp.faults().answer_at(TOKEN_PATH, 200, &answer.to_string());
    let begun = Instant::now();
    let fields = [("grant_type", "password"), ("client_id", "x"), ("username", "a"), ("password", "b")];
    let answered = client::post(world.address(), TOKEN_PATH, &fields).await;
    assert_eq!(answered.json(), *answer);
    begun.elapsed()
}

fn unsigned(header: &Value) -> String {
    format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[tokio::test]
async fn a_login_does_not_wait_for_keys_that_nobody_publishes() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    let kid = token::header(&alice)["kid"].clone();
    world.clock.advance(COOLDOWN);
    world.idp.faults().set(Endpoint::Certs, Fault::Hang);
    let before = certs_fetches(&world);
    for (name, token) in [
        ("a shared secret", unsigned(&json!({"alg": "HS256", "kid": "h"}))),
        ("none", unsigned(&json!({"alg": "none", "kid": "n"}))),
        ("encrypted", format!("{}.AA.AA", unsigned(&json!({"alg": "RSA-OAEP", "enc": "A128GCM", "kid": "e"})))),
        ("no kid", unsigned(&json!({"alg": "RS256"}))),
        ("a known kid", unsigned(&json!({"alg": "RS256", "kid": kid}))),
        ("opaque", "2YotnFZFEjr1zCsicMWpAA".to_owned()),
    ] {
        login_with(&world, &json!({"access_token": token, "id_token": token, "token_type": "Bearer"})).await;
        assert_eq!(certs_fetches(&world), before, "{name}");
    }
    // A key that somebody may publish is fetched, and the answer leaves though the keys don't come.
    for (name, member, alg, most) in [
        ("RS256", "access_token", "RS256", Duration::from_secs(4)),
        // One answer waits in vain; the next ones don't wait.
        ("an ID token", "id_token", "ES512", Duration::from_millis(900)),
    ] {
        let token = unsigned(&json!({"alg": alg, "kid": name}));
        let took = login_with(&world, &json!({ member: token, "token_type": "Bearer" })).await;
        assert!(took < most, "{name}: {took:?}");
    }
    assert_eq!(certs_fetches(&world), before + 1, "and only once at a time");
    world.idp.faults().clear();
}

#[tokio::test]
async fn a_login_fetches_a_key_once() {
    let world = World::start().await;
    world.exchange(&world.alice().await, &[]).await.access_token();
    let before = certs_fetches(&world);
    for _ in 0..3 {
        world.clock.advance(COOLDOWN);
        let token = unsigned(&json!({"alg": "ES512", "kid": "of a key that certs lack"}));
        login_with(&world, &json!({"id_token": token})).await;
    }
    assert_eq!(certs_fetches(&world), before + 1);
}

#[tokio::test]
async fn a_clients_keys_may_change_under_an_old_kid() {
    let plan = Plan::new().await;
    let (old, new) = (plan.idp.signing_key("partner").unwrap(), RealmKey::generate().unwrap());
    let url = format!("http://{}{PARTNER_CERTS}", plan.idp.address());
    let method = format!("{{ method: private_key_jwt, jwksURL: '{url}', algorithms: [RS256] }}");
    let clients = format!("    clients: {{ front-end-app: [{method}] }}\n");
    let realm = "    signingKey: corp.pem\n";
    let world = plan.configure(realm, &format!("{realm}{clients}")).start().await;
    let subject = world.alice().await;
    let present = async |key: &RealmKey, jti: &str| {
        let claims = json!({
            "iss": "front-end-app", "sub": "front-end-app", "aud": "http://sso.example.org/realms/corp", "jti": jti,
            "exp": world.now() + 60, "iat": world.now(),
        });
        let jwt = sign_as(key, old.kid(), claims.as_object().unwrap()).unwrap();
        let before = world.audit_so_far();
        world.exchange(&subject, &form::by_assertion(&jwt)).await;
        world.audit_after(before).await["reason"].as_str().unwrap().to_owned()
    };
    // The demo's identity provider takes no assertions: that it was asked shows that Cambio took it.
    assert_eq!(present(&old, "1").await, "upstream_refused");
    assert_eq!(present(&new, "2").await, "client_unauthenticated");
    publish(&world, PARTNER_CERTS, &[(&new, Some(old.kid()))]);
    world.clock.advance(COOLDOWN);
    assert_eq!(present(&new, "3").await, "upstream_refused");
    assert_eq!(present(&old, "4").await, "client_unauthenticated");
}

#[tokio::test]
async fn a_new_key_is_found_by_its_kid_within_one_refetch() {
    let world = World::start().await;
    world.exchange(&world.alice().await, &[]).await.access_token();
    world.clock.advance(SignedDuration::from_secs(11));
    world.idp.rotate("corp", true).unwrap();
    let before = certs_fetches(&world);
    world.exchange(&world.alice().await, &[]).await.access_token();
    assert_eq!(certs_fetches(&world) - before, 1);
}

#[tokio::test]
async fn unknown_kids_do_not_hammer_the_identity_provider() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    let foreign = world.idp.signing_key("partner").unwrap();
    let claims = crate::support::token::claims(&alice);
    let before = certs_fetches(&world);
    for index in 0..20 {
        let forged = sign_as(&foreign, &format!("unknown-{index}"), claims.as_object().unwrap()).unwrap();
        let answer = world.exchange(&forged, &[]).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    assert!(certs_fetches(&world) - before <= 1, "at most one fetch within the cool-down");
}

#[tokio::test]
async fn bad_answers_never_replace_keys() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    for (name, fault) in [
        ("500", Fault::Answer(500, "application/json", "{}".into())),
        ("an HTML page", Fault::Answer(200, "text/html", "<h1>Maintenance</h1>".into())),
        ("an empty set", Fault::Answer(200, "application/json", r#"{"keys":[]}"#.into())),
        (
            "encryption keys only",
            Fault::Answer(200, "application/json", r#"{"keys":[{"kty":"RSA","use":"enc"}]}"#.into()),
        ),
        ("garbage", Fault::Answer(200, "application/json", "{".into())),
        ("closed", Fault::CloseAtOnce),
        ("cut", Fault::CloseMidBody),
        ("a redirect", Fault::Answer(302, "text/html", String::new())),
        ("5 MB", Fault::Answer(200, "application/json", format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(5 << 20)))),
    ] {
        world.idp.faults().set(Endpoint::Certs, fault);
        // Past the cool-down, an unknown kid makes it ask again.
        world.clock.advance(SignedDuration::from_secs(11));
        let forged = world.idp.signing_key("partner").unwrap();
        let claims = crate::support::token::claims(&alice);
        let before = certs_fetches(&world);
        world.exchange(&forged.sign(claims.as_object().unwrap()).unwrap(), &[]).await;
        assert!(certs_fetches(&world) > before, "{name}: was asked");
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn without_keys_nothing_is_exchanged_and_they_are_found_when_they_come() {
    let plan = Plan::new().await;
    plan.idp.faults().set(Endpoint::Certs, Fault::Answer(500, "text/plain", String::new()));
    let world = plan.start().await;
    let alice = world.alice().await;
    let answer = world.exchange(&alice, &[]).await;
    assert!(answer.status.is_server_error(), "{}", answer.text());
    assert_eq!(world.audit(1).await[0]["reason"], "keys_unavailable");
    world.idp.faults().clear();
    world.clock.advance(SignedDuration::from_secs(11));
    crate::support::world::until("an exchange", async || {
        (world.exchange(&alice, &[]).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn stale_keys_are_used_for_a_bounded_time() {
    let limits = "    signingKey: corp.pem\n    jwks: { refreshInterval: 5m, maxStale: 1h }";
    let world = Plan::new().await.configure("    signingKey: corp.pem", limits).start().await;
    world.exchange(&world.alice().await, &[]).await.access_token();
    world.idp.faults().set(Endpoint::Certs, Fault::Answer(500, "text/plain", String::new()));
    world.clock.advance(SignedDuration::from_mins(50));
    world.exchange(&world.alice().await, &[]).await.access_token();
    world.clock.advance(SignedDuration::from_mins(20));
    let answer = world.exchange(&world.alice().await, &[]).await;
    assert!(answer.status.is_server_error(), "{}", answer.text());
    // What needs no keys works all the same.
    assert_eq!(client::get(world.address(), "/admin/master/console/").await.status, 200);
}
