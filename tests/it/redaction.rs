//! No token and no secret stands where it could be read later: audit, metrics, /config, log, Debug.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use cambio::tools::demo::Received;
use http::Request;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::support::client::{self, Answer};
use crate::support::faults::{Endpoint, Fault};
use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::tamper::Tamper;
use crate::support::world::{EXCHANGE_GRANT, Plan, TOKEN_PATH, World, exchange_fields, login};

/// Parameters whose values are secret.
const SECRET: [&str; 9] = [
    "actor_token",
    "assertion",
    "client_assertion",
    "client_secret",
    "code",
    "code_verifier",
    "password",
    "refresh_token",
    "subject_token",
];

#[tokio::test]
async fn nothing_that_cambio_writes_holds_a_secret() {
    let log = Log::default();
    let filter = tracing_subscriber::EnvFilter::new("trace");
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer({
        let log = log.clone();
        move || log.clone()
    });
    // One thread runs all of the scenario, Cambio and the identity provider included.
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let owner = format!("{BACK_END_API}{PERMITTED}");
    let world = Plan::new().await.audience("back-end-api", &owner).start().await;
    let mut secrets = BTreeSet::new();
    let answers = scenario(&world).await;
    for answer in &answers {
        of_answer(answer, &mut secrets);
    }
    for request in &world.idp.faults().received() {
        of_request(request, &mut secrets);
    }
    // What Cambio refused never reached the identity provider.
    secrets.extend(["garbage", "actor", "parameter", "grant", "basic", "answer"].map(|s| format!("secret-{s}")));
    assert!(secrets.len() > 15, "{}", secrets.len());
    assert!(secrets.contains("front-end-secret") && secrets.contains("alice-password"));

    let mut written = vec![("audit", world.folder.read("audit.jsonl"))];
    for path in ["/metrics", "/config", "/page.json"] {
        written.push((path, client::get_by_address(world.cambio.admin, path).await.text()));
    }
    written.push(("Debug", format!("{:?} {:?}", world.cambio, world.cambio.shared())));
    written.push(("log", log.text()));
    for (place, text) in written {
        assert!(!text.is_empty(), "{place}");
        for secret in &secrets {
            if let Some(at) = text.find(secret.as_str()) {
                let around = text[..at].lines().last().unwrap_or_default();
                panic!("{place} holds {secret} after {around}");
            }
        }
    }
}

/// Every kind of request that bears a secret, and each way to fail, which has its own words.
async fn scenario(world: &World) -> Vec<Answer> {
    let mut answers = Vec::new();
    let session = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    let alice = session.access_token();
    let refresh = session.json()["refresh_token"].as_str().unwrap().to_owned();
    answers.push(session);
    answers.push(world.exchange(&alice, &[]).await);
    let client = [("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
    for (name, fields) in [
        ("token", [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())]),
        ("token/introspect", [("token", alice.as_str()), ("token_type_hint", "access_token")]),
        ("logout", [("refresh_token", refresh.as_str()), ("x", "y")]),
    ] {
        let path = format!("/realms/corp/protocol/openid-connect/{name}");
        answers.push(client::post(world.address(), &path, &[&client[..], &fields[..]].concat()).await);
    }
    let userinfo = Request::get("/realms/corp/protocol/openid-connect/userinfo");
    let userinfo = userinfo.header("authorization", format!("Bearer {alice}")).body(Bytes::new()).unwrap();
    answers.push(client::send(world.address(), userinfo.clone()).await);
    for request in [userinfo, client::form_request(TOKEN_PATH, &exchange_fields(&alice))] {
        let stream = TcpStream::connect(world.address()).await.unwrap();
        answers.push(client::send_http2(stream, "http", request).await);
    }
    for changes in [
        vec![("client_secret", "wrong-secret")],
        vec![("subject_token", "secret-garbage.secret-garbage.secret-garbage")],
        vec![("audience", "other-api")],
        vec![("actor_token", "secret-actor")],
        vec![("x_custom", "secret-parameter")],
        vec![("scope", "secret  scope")],
        vec![("grant_type", EXCHANGE_GRANT), ("grant_type", "secret-grant")],
    ] {
        answers.push(world.exchange(&alice, &changes).await);
    }
    let mut basic = client::form_request(TOKEN_PATH, &exchange_fields(&alice));
    basic.headers_mut().insert("authorization", "Basic secret-basic".parse().unwrap());
    answers.push(client::send(world.address(), basic).await);
    // The identity provider out of its mind, each time with a token in what it says.
    let body = r#"{"error":"secret-answer","access_token":"secret-answer","issued_token_type":"secret-answer"}"#;
    for (status, kind) in
        [(200, "application/json"), (400, "application/json"), (500, "application/json"), (200, "text/html")]
    {
        world.idp.faults().set(Endpoint::Token, Fault::Answer(status, kind, body.into()));
        answers.push(world.exchange(&alice, &[]).await);
        answers.push(login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await);
    }
    world.idp.faults().clear();
    for tamper in [Tamper::Audience("other-api"), Tamper::ForeignKey, Tamper::RefreshToken] {
        world.idp.faults().tamper(tamper);
        answers.push(world.exchange(&alice, &[]).await);
    }
    world.idp.faults().clear();
    for fault in [Fault::CloseAtOnce, Fault::CloseMidBody] {
        world.idp.faults().set(Endpoint::Token, fault);
        answers.push(world.exchange(&alice, &[]).await);
    }
    answers
}

fn of_answer(answer: &Answer, secrets: &mut BTreeSet<String>) {
    let Ok(Value::Object(members)) = serde_json::from_slice(&answer.body) else { return };
    for name in ["access_token", "refresh_token", "id_token"] {
        if let Some(token) = members.get(name).and_then(Value::as_str) {
            of_token(token, secrets);
        }
    }
}

fn of_request(request: &Received, secrets: &mut BTreeSet<String>) {
    if let Some(authorization) = request.headers.get("authorization") {
        of_token(authorization.to_str().unwrap().split(' ').nth(1).unwrap_or_default(), secrets);
    }
    let body = String::from_utf8_lossy(&request.body);
    for (name, value) in body.split('&').filter_map(|field| field.split_once('=')) {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        if SECRET.contains(&decode(name).as_str()) {
            of_token(&decode(value), secrets);
        }
    }
}

/// A secret; of a JWT, its claims and its signature each by itself.
fn of_token(secret: &str, secrets: &mut BTreeSet<String>) {
    let parts: Vec<&str> = secret.split('.').collect();
    match parts.as_slice() {
        [_, claims, signature] => secrets.extend([(*claims).to_owned(), (*signature).to_owned()]),
        _ => drop(secrets.insert(secret.to_owned())),
    }
    secrets.retain(|secret| secret.len() > 4);
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
