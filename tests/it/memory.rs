//! One budget of memory: what callers make Cambio hold is bounded, and whoever holds most is refused first.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Frame;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::client::{self, PUBLIC_HOST};
use crate::support::echo::Echo;
use crate::support::raw;
use crate::support::world::{CERTS_PATH, Plan, TOKEN_PATH, World, until};

const FORM: &str = "application/x-www-form-urlencoded";
const HELD: &str = "cambio_memory_held_bytes";
const SHED: &str = "cambio_shed_requests_total";
const BUDGET: f64 = 16.0 * 1024.0 * 1024.0;

/// A budget of 16 MiB, and a listed proxy that tells the callers apart. Nothing but memory ends an open form.
async fn small() -> Plan {
    let plan =
        Plan::new().await.configure("  bodyTimeout: 1s\n", "  bodyTimeout: 60s\n  trustedProxies: [127.0.0.1]\n");
    let plan = plan.configure("  maxFormBytes: 64KiB\n", "  maxFormBytes: 1MiB\n");
    plan.configure("audiences: ./audiences\n", "audiences: ./audiences\nruntime: { memory: 48MiB }\n")
}

fn head(path: &str, caller: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {PUBLIC_HOST}\r\nX-Forwarded-For: {caller}\r\nContent-Type: {FORM}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// Opens forms that lack their last byte, until one is refused. Returns the open ones, and the refusal.
async fn hog(world: &World, path: &str, caller: &str) -> (Vec<TcpStream>, raw::RawAnswer) {
    let mut open = Vec::new();
    loop {
        let before = world.metric(HELD).await;
        let mut stream = TcpStream::connect(world.address()).await.unwrap();
        // Cambio may answer and close before it has read everything.
        let body = vec![b'a'; 999_999];
        let _ = stream.write_all(&[head(path, caller, 1_000_000).as_bytes(), &body].concat()).await;
        let held = until("the form is held or refused", async || {
            let mut byte = [0];
            let answered = tokio::time::timeout(std::time::Duration::from_millis(1), stream.peek(&mut byte)).await;
            match answered {
                Ok(_) => Some(false),
                Err(_) => (world.metric(HELD).await >= before + 1_000_000.0).then_some(true),
            }
        })
        .await;
        if !held {
            return (open, raw::read(&mut stream).await);
        }
        open.push(stream);
        assert!(open.len() < 100, "no end");
    }
}

async fn post(world: &World, path: &str, caller: &str, form: &str) -> raw::RawAnswer {
    raw::send(world.address(), format!("{}{form}", head(path, caller, form.len())).as_bytes()).await
}

/// The rule of the shares, on every path where a form is read.
#[tokio::test]
async fn the_peer_that_holds_most_is_refused_and_the_others_are_served() {
    const REALM: &str = "/realms/corp/protocol/openid-connect";
    let echo = Echo::start().await;
    let world = small().await.before(echo.address).start().await;
    let [introspection, userinfo] = ["token/introspect", "userinfo"].map(|endpoint| format!("{REALM}/{endpoint}"));
    for path in ["/x", TOKEN_PATH, &introspection, &userinfo] {
        let (before, shed) = (world.audit_so_far(), world.metric(SHED).await);
        let (open, refused) = hog(&world, path, "192.0.2.1").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{path}: {}", refused.text());
        assert!(refused.text().contains("temporarily_unavailable"), "{path}: {}", refused.text());
        let line = world.audit_after(before).await;
        assert_eq!((&line["reason"], &line["peer"]), (&"overloaded".into(), &"192.0.2.1".into()), "{path}");
        assert!((shed + 1.0 - world.metric(SHED).await).abs() < f64::EPSILON, "{path}");
        assert!(open.len() >= 5 && world.metric(HELD).await <= BUDGET / 2.0, "{path}: {} forms", open.len());
        // A login of that peer, and a large form of another.
        assert_eq!(post(&world, TOKEN_PATH, "192.0.2.1", "grant_type=password&username=a").await.status, 200, "{path}");
        let large = format!("grant_type=password&a={}", "a".repeat(500_000));
        assert_eq!(post(&world, path, "192.0.2.2", &large).await.status, 200, "{path}");
        // Once the others have gone, so may that peer.
        drop(open);
        until("everything is released", async || (world.metric(HELD).await < 1.0).then_some(())).await;
        assert_eq!(post(&world, path, "192.0.2.1", &large).await.status, 200, "{path}");
    }
    assert_eq!(client::get(world.cambio.admin, "/livez").await.status, 200);
}

/// A body that never ends.
struct Open(Option<Bytes>);

impl http_body::Body for Open {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |data| Poll::Ready(Some(Ok(Frame::data(data)))))
    }
}

/// Opens streams with open forms on one connection, and returns the statuses and `Retry-After` of those that are answered.
async fn streams(world: &World, count: usize, lines: usize, body: &Bytes) -> (JoinSet<()>, Vec<(StatusCode, String)>) {
    let stream = TcpStream::connect(world.address()).await.unwrap();
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..count {
        let mut request = Request::post(format!("http://{PUBLIC_HOST}/x")).header("content-type", FORM);
        request = request.header("x-forwarded-for", "192.0.2.1");
        for line in 0..lines {
            request = request.header(format!("x-{line}"), "v".repeat(1000));
        }
        sender.ready().await.unwrap();
        let answer =
            sender.send_request(request.body(Open(Some(body.clone()).filter(|body| !body.is_empty()))).unwrap());
        let answers = answers.clone();
        tasks.spawn(async move {
            let answer = match answer.await {
                Ok(answer) => {
                    let after = answer.headers().get("retry-after").map_or("", |value| value.to_str().unwrap());
                    (answer.status(), after.to_owned())
                }
                Err(error) => (StatusCode::IM_A_TEAPOT, format!("{error:?}")),
            };
            let _ = answers.send(answer);
        });
    }
    // Every stream is either answered, or counts in full.
    let mut refused = Vec::new();
    until("every stream is held or refused", async || {
        while let Ok(answer) = answered.try_recv() {
            refused.push(answer);
        }
        let open = count - refused.len();
        let each = body.len() + lines * 1000 + 80 * 1024;
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        (world.metric(HELD).await >= (open * each) as f64).then_some(())
    })
    .await;
    (tasks, refused)
}

#[tokio::test]
async fn streams_of_http2_count_like_connections() {
    let echo = Echo::start().await;
    let world = small().await.before(echo.address).start().await;
    for (name, count, lines, body, most) in [
        ("forms of 900 kB", 20, 0, 900_000, 8),
        ("open forms with long heads", 120, 40, 0, 70),
        ("open forms with short heads", 120, 0, 0, 100),
    ] {
        let (tasks, refused) = streams(&world, count, lines, &Bytes::from(vec![b'a'; body])).await;
        let open = count - refused.len();
        assert!((2..=most).contains(&open), "{name}: {open} of {count} are open, {refused:?}");
        let expected = (StatusCode::SERVICE_UNAVAILABLE, "1".to_owned());
        assert!(refused.iter().all(|answer| *answer == expected), "{name}: {refused:?}");
        assert!(world.metric(HELD).await <= BUDGET / 2.0, "{name}");
        assert_eq!(post(&world, TOKEN_PATH, "192.0.2.1", "grant_type=password").await.status, 200, "{name}");
        assert_eq!(post(&world, "/x", "192.0.2.2", "a=b").await.status, 200, "{name}");
        drop(tasks);
        until("everything is released", async || (world.metric(HELD).await < 1.0).then_some(())).await;
    }
}

/// A refusal has the shape of the realm's dialect.
#[tokio::test]
async fn every_dialect_has_an_answer_for_too_many_requests() {
    // PACE has no other code.
    for (dialect, code) in
        [("keycloak", "temporarily_unavailable"), ("pace", "invalid_request"), ("rfc8693", "temporarily_unavailable")]
    {
        let plan = small().await.configure(
            "    issuer: http://sso.example.org/realms/corp\n",
            &format!("    issuer: http://sso.example.org/realms/corp\n    dialect: {dialect}\n"),
        );
        let world = plan.start().await;
        let (_open, refused) = hog(&world, TOKEN_PATH, "192.0.2.1").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, "1"), "{dialect}");
        let body: BTreeMap<String, String> = serde_json::from_slice(&refused.body).unwrap();
        assert_eq!(body["error"], code, "{dialect}: {body:?}");
        assert_eq!(client::get(world.address(), CERTS_PATH).await.status, 200, "{dialect}");
    }
}

/// An identity provider that sends all but the last byte of its answers at once, and the last byte when it is told to.
async fn slow_answers(kind: &'static str, length: usize) -> (std::net::SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (finish, finished) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut finished = finished.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 16_384];
                let _ = stream.read(&mut buffer).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
                let _ = stream.write_all(&[head.as_bytes(), &vec![b' '; length - 1]].concat()).await;
                let _ = finished.wait_for(|finished| *finished).await;
                let _ = stream.write_all(b" ").await;
            });
        }
    });
    (address, finish)
}

/// Answers that the answer lock holds count, and so does what is buffered of those that stream.
#[tokio::test]
async fn answers_that_come_slowly_are_bounded() {
    const CALLERS: usize = 60;
    for (kind, length, most) in [("application/json", 250_000, 30), ("text/html", 250_000, CALLERS)] {
        let (upstream, finish) = slow_answers(kind, length).await;
        let world = small().await.configure("  responseTimeout: 2s\n  idleTimeout: 2s\n", "  idleTimeout: 60s\n");
        let world = world.before(upstream).start().await;
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let address = world.address();
            callers.spawn(async move {
                raw::send(address, b"GET /x HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n").await
            });
        }
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        until("every answer is held or refused", async || {
            let open = CALLERS as f64 - world.metric(SHED).await;
            let each = if most == CALLERS { 65_536 } else { length } as f64;
            (world.metric(HELD).await >= open * each).then_some(())
        })
        .await;
        assert!(world.metric(HELD).await <= BUDGET / 2.0, "{kind}");
        finish.send_replace(true);
        let (mut whole, mut refused) = (0, 0);
        for answer in callers.join_all().await {
            match answer.status {
                200 if answer.body.len() == length => whole += 1,
                503 if answer.header("retry-after") == "1" => refused += 1,
                _ => panic!("{kind}: {} {} bytes", answer.head, answer.body.len()),
            }
        }
        assert!((10..=most).contains(&whole), "{kind}: {whole} whole, {refused} refused");
        until("everything is released", async || (world.metric(HELD).await < 1.0).then_some(())).await;
    }
}
