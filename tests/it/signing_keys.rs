//! The life of our signing keys: published before they sign, and until the last token that they signed has expired.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use cambio::judgement::issue::key::SigningKey;
use cambio::judgement::jose::keys::KeySet;
use cambio::judgement::jose::verify::{Expectations, verify};
use cambio::tools::keys::{KeysArguments, run_at};
use cambio::words::secret::Secret;
use clap::Parser as _;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;
use serde_json::Value;

use crate::support::client::{self, Answer};
use crate::support::faults::{Endpoint, Fault};
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, World, until};

const ISSUER: &str = "http://sso.example.org/realms/corp";

/// Runs `cambio keys` on the folder of a world, at a time of its clock.
fn keys(folder: &std::path::Path, now: i64, words: &str) -> String {
    let words = format!("keys {words} --dir {}", folder.display());
    let arguments = KeysArguments::parse_from(words.split(' '));
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let now = Timestamp::from_second(now).unwrap();
    run_at(&arguments, now, &mut output, &mut notes).unwrap();
    String::from_utf8(output).unwrap()
}

/// A world whose realm signs with a folder of keys, made at its first moment.
async fn world(kind: &str) -> World {
    let plan = Plan::new().await.configure("signingKey: corp.pem", "signingKeys: ./keys");
    let start = "2026-11-02T08:00:00Z".parse::<Timestamp>().unwrap().as_second();
    keys(&plan.folder.path("keys"), start, &format!("generate --type {kind}"));
    plan.start().await
}

/// Rotates and waits until the rotation is in force.
async fn rotate(world: &World, words: &str) {
    let before = world.reloads().await;
    keys(&world.folder.path("keys"), world.now(), words);
    until("a reload", async || (world.reloads().await != before).then_some(())).await;
}

/// Our kids and their states, by the metric.
async fn states(world: &World) -> BTreeSet<(String, String)> {
    let text = client::get(world.cambio.admin, "/metrics").await.text();
    let label = |line: &str, name: &str| {
        line.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap().to_owned()
    };
    let lines = text.lines().filter(|line| line.starts_with("cambio_signing_key_info{"));
    lines.map(|line| (label(line, "state"), label(line, "kid"))).collect()
}

async fn certs(world: &World) -> Answer {
    client::get(world.address(), CERTS_PATH).await
}

fn kids(certs: &Answer) -> Vec<String> {
    let keys = certs.json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn key_set(certs: &Answer) -> KeySet {
    KeySet::parse(&certs.body).unwrap()
}

/// Verifies as a resource server does, and says which key signed.
fn verified(token: String, keys: &KeySet, now: i64) -> Result<String, String> {
    let expect = Expectations { issuer: ISSUER, algorithms: &[Algorithm::ES256], leeway: SignedDuration::ZERO };
    let now = Timestamp::from_second(now).unwrap();
    let token = verify(&Secret::new(token), keys, &expect, now).map_err(|error| error.to_string())?;
    Ok(token.kid().unwrap().to_owned())
}

/// Resource servers that fetched the keys before a rotation, and those that fetch them after it, verify every token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_fails_no_verification() {
    let world = Arc::new(world("p256").await);
    let at_first = states(&world).await;
    let kid = |states: &BTreeSet<(String, String)>, state: &str| {
        states.iter().find(|(one, _)| one == state).unwrap().1.clone()
    };
    let (first, second) = (kid(&at_first, "active"), kid(&at_first, "next"));
    let fetched = certs(&world).await;
    assert!([&second, &first].iter().all(|kid| kids(&fetched).contains(kid)));
    let before = Arc::new(key_set(&fetched));
    world.clock.advance(SignedDuration::from_mins(10));
    let alice = world.alice().await;

    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (world, before, stop, alice) =
                (Arc::clone(&world), Arc::clone(&before), Arc::clone(&stop), alice.clone());
            tokio::spawn(async move {
                let mut tokens = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let token = world.exchange(&alice, &[]).await.access_token();
                    let kid = verified(token.clone(), &before, world.now()).unwrap();
                    tokens.push((kid, token));
                }
                tokens
            })
        })
        .collect();

    rotate(&world, "rotate").await;
    until("a token of the new key", async || {
        let token = world.exchange(&alice, &[]).await.access_token();
        (verified(token, &before, world.now()).unwrap() == second).then_some(())
    })
    .await;
    let after = key_set(&certs(&world).await);
    stop.store(true, Ordering::Relaxed);
    let mut signers = BTreeSet::new();
    for caller in callers {
        for (kid, token) in caller.await.unwrap() {
            assert_eq!(verified(token, &after, world.now()).as_ref(), Ok(&kid));
            signers.insert(kid);
        }
    }
    assert!(signers.contains(&first) && signers.is_subset(&[first.clone(), second.clone()].into()));

    let turned = states(&world).await;
    assert_eq!((kid(&turned, "retired"), kid(&turned, "active")), (first, second));
    assert_eq!(turned.len(), 3, "the new next one is published, too");
    assert!(world.metric("cambio_config_last_reload_successful").await > 0.0);
}

#[tokio::test]
async fn a_retired_key_goes_when_its_time_is_over_without_a_reload() {
    let world = world("p256").await;
    let direct = kids(&client::get(world.idp.address(), CERTS_PATH).await);
    rotate(&world, "rotate --now").await;
    let listed: Value = serde_json::from_str(&keys(&world.folder.path("keys"), world.now(), "list --json")).unwrap();
    let ours: Vec<String> =
        listed.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect();
    let expected = |ours: &[String]| [direct.clone(), ours.to_vec()].concat();
    assert_eq!(kids(&certs(&world).await), expected(&ours), "next, active, retired, after the realm's");
    let reloads = world.reloads().await;
    for (hours, seconds, published) in [(23, 59 * 60, 3), (0, 119, 3), (0, 1, 2), (1, 0, 2)] {
        world.clock.advance(SignedDuration::from_secs(hours * 3600 + seconds));
        assert_eq!(kids(&certs(&world).await), expected(&ours[..published]), "after {hours}h {seconds}s");
        assert_eq!(states(&world).await.len(), published, "after {hours}h {seconds}s");
    }
    assert_eq!(world.reloads().await, reloads);
}

/// Whoever finds an old key's private half later can make tokens that expire tomorrow: they are nobody's.
#[tokio::test]
async fn what_a_retired_key_signs_after_its_time_is_not_taken() {
    let plan = Plan::new().await.configure("signingKey: corp.pem", "signingKeys: ./keys");
    let plan = plan.audience(
        "back-end-api",
        "audience: back-end-api\nowner: a\npermissions:\n  - { clients: [front-end-app], issuance: mint, exchangedTokens: true }\n",
    );
    let start = "2026-11-02T08:00:00Z".parse::<Timestamp>().unwrap().as_second();
    keys(&plan.folder.path("keys"), start, "generate --type p256");
    let world = plan.start().await;
    let active = states(&world).await.into_iter().find(|(state, _)| state == "active").unwrap().1;
    let folder = std::fs::read_dir(world.folder.path("keys")).unwrap();
    let stolen = folder
        .filter_map(|entry| SigningKey::from_pem(&std::fs::read(entry.unwrap().path()).unwrap()).ok())
        .find(|key| key.kid() == active)
        .unwrap();
    let forged = |world: &World| {
        let claims = serde_json::json!({
            "iss": ISSUER, "sub": "root", "azp": "front-end-app", "aud": "front-end-app", "typ": "Bearer",
            "jti": "1", "iat": world.now(), "exp": world.now() + 300,
        });
        stolen.sign(claims.as_object().unwrap(), "JWT").unwrap()
    };
    rotate(&world, "rotate --now").await;
    world.exchange(&forged(&world), &[]).await.access_token();
    world.clock.advance(SignedDuration::from_hours(25));
    let before = world.audit_so_far();
    let answer = world.exchange(&forged(&world), &[]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_algorithm", "no key of the realm");
    let introspect = "/realms/corp/protocol/openid-connect/token/introspect";
    let token = forged(&world);
    let fields = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", token.as_str())];
    let told = client::post(world.address(), introspect, &fields).await.json();
    assert_eq!(told["active"], false, "{told}");
}

/// A folder that can't be used changes nothing; the next good one does.
#[tokio::test]
async fn a_broken_folder_keeps_the_last_good_keys() {
    let world = world("p256").await;
    let (before, alice) = (states(&world).await, world.alice().await);
    let manifest = world.folder.read("keys/keys.yaml");
    world.rewrite("keys/keys.yaml", &manifest.replace("state: next", "state: active")).await;
    let shown = client::get_by_address(world.cambio.admin, "/config").await.json();
    let error = shown["last_reload_error"].as_str().unwrap().to_owned();
    assert!(error.contains("keys.yaml") && error.contains("2 keys are active"), "{error}");
    assert_eq!(states(&world).await, before);
    world.exchange(&alice, &[]).await.access_token();
    world.rewrite("keys/keys.yaml", &manifest).await;
    assert!(world.metric("cambio_config_last_reload_successful").await > 0.0);
}

/// An identity provider that publishes our kid: nothing is signed with our key, and its key is the one in `certs`.
#[tokio::test]
async fn a_kid_of_ours_at_the_identity_provider_is_refused() {
    let plan = Plan::new().await;
    let ours = SigningKey::from_pem(plan.folder.read("corp.pem").as_bytes()).unwrap();
    let mut published = client::get(plan.idp.address(), CERTS_PATH).await.json();
    let theirs = SigningKey::from_pem(crate::support::files::signing_key_pem().as_bytes()).unwrap();
    let mut namesake = theirs.jwk().clone();
    namesake["kid"] = ours.kid().into();
    published["keys"].as_array_mut().unwrap().push(namesake.clone());
    plan.idp.faults().set(Endpoint::Certs, Fault::Answer(200, "application/json", published.to_string()));
    let world = plan.start().await;

    let alice = world.alice().await;
    let answer = world.exchange(&alice, &[]).await;
    assert!(answer.status.is_server_error(), "{}", answer.text());
    let line = &world.audit(1).await[0];
    assert_eq!(line["reason"], "key_collision");
    assert!(line["detail"].as_str().unwrap().contains(ours.kid()), "{line}");
    let merged = certs(&world).await.json();
    let named: Vec<&Value> = merged["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == ours.kid()).collect();
    assert_eq!(named, [&namesake]);
    assert!(world.metric("cambio_signing_key_collisions{realm=\"corp\"}").await > 0.0);

    // The identity provider turns its key: all is well again, once the keys are fetched anew.
    world.idp.faults().clear();
    world.clock.advance(SignedDuration::from_secs(3601));
    let alice = world.alice().await;
    world.exchange(&alice, &[]).await.access_token();
    assert!(world.metric("cambio_signing_key_collisions{realm=\"corp\"}").await < 1.0);
}

/// What is signed here is announced here; the rest of the document is the identity provider's, byte for byte.
#[tokio::test]
async fn discovery_announces_our_algorithms() {
    for (kind, expected) in [("rsa", vec!["RS256"]), ("p384", vec!["RS256", "ES384"])] {
        let world = world(kind).await;
        let ask = |address| {
            let request = Request::get(DISCOVERY_PATH).header("host", "sso.example.org").body(Bytes::new());
            client::send(address, request.unwrap())
        };
        let (direct, through) = (ask(world.idp.address()).await, ask(world.address()).await);
        let algorithms = through.json()["id_token_signing_alg_values_supported"].clone();
        assert_eq!(algorithms, Value::from(expected.clone()), "{kind}");
        let written = |values: &[&str]| serde_json::to_string(values).unwrap();
        let amended = direct.text().replace(
            &format!("\"id_token_signing_alg_values_supported\":{}", written(&["RS256"])),
            &format!("\"id_token_signing_alg_values_supported\":{}", written(&expected)),
        );
        assert_eq!(through.text(), amended, "{kind}");
    }
}
