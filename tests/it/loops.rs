//! An upstream that leads back to Cambio, by itself or through others (RFC 9110 section 7.6.3, RFC 5842 section 7.2).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Request;
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::support::client::{self, Answer};
use crate::support::echo::Echo;
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, TOKEN_PATH, World};

/// A balancer that gives each connection to the next of its targets.
struct Balancer {
    address: SocketAddr,
    targets: Arc<Mutex<Vec<SocketAddr>>>,
    connections: Arc<AtomicUsize>,
}

impl Balancer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let balancer =
            Self { address: listener.local_addr().unwrap(), targets: Arc::default(), connections: Arc::default() };
        let (targets, connections) = (Arc::clone(&balancer.targets), Arc::clone(&balancer.connections));
        tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let number = connections.fetch_add(1, Ordering::Relaxed);
                let target = {
                    let targets = targets.lock().unwrap();
                    targets[number % targets.len()]
                };
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = copy_bidirectional(&mut caller, &mut server).await;
                });
            }
        });
        balancer
    }

    fn to(&self, targets: &[SocketAddr]) {
        *self.targets.lock().unwrap() = targets.to_vec();
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Replicas whose upstream is the balancer before them.
async fn circle(replicas: usize) -> (Balancer, Vec<World>) {
    let balancer = Balancer::start().await;
    // Cambio fetches keys as soon as it runs.
    balancer.to(&[SocketAddr::from(([127, 0, 0, 1], 9))]);
    let mut worlds = Vec::new();
    for _ in 0..replicas {
        worlds.push(Plan::new().await.before(balancer.address).start().await);
    }
    balancer.to(&worlds.iter().map(World::address).collect::<Vec<_>>());
    (balancer, worlds)
}

fn assert_looped(name: &str, answer: &Answer) {
    assert_eq!(answer.status, 508, "{name}: {}", answer.text());
    assert_eq!(answer.json(), json!({"error": "server_error", "error_description": "Loop detected"}), "{name}");
}

#[tokio::test]
async fn a_request_that_comes_back_is_answered_at_the_first_time() {
    let (balancer, worlds) = circle(1).await;
    let world = &worlds[0];
    let empty = |method: &str, path: &str| Request::builder().method(method).uri(path).body(Bytes::new()).unwrap();
    let fields = [("grant_type", "password"), ("client_id", "front-end-app"), ("username", "alice")];
    let upload = Request::post("/upload").header("content-type", "application/octet-stream");
    for (name, request) in [
        ("GET", empty("GET", "/x")),
        ("OPTIONS", empty("OPTIONS", "/x")),
        ("DELETE", empty("DELETE", "/admin/realms/corp/users/1")),
        ("upload", upload.body(Bytes::from(vec![b'x'; 1_000_000])).unwrap()),
        ("login", client::form_request(TOKEN_PATH, &fields)),
        ("form elsewhere", client::form_request("/realms/corp/login-actions/authenticate", &fields)),
        ("web socket", {
            let request = Request::get("/ws").header("connection", "upgrade").header("upgrade", "websocket");
            request.header("sec-websocket-version", "13").body(Bytes::new()).unwrap()
        }),
        // It would hide an earlier entry.
        ("Connection: via", Request::get("/x").header("connection", "via").body(Bytes::new()).unwrap()),
    ] {
        let before = balancer.connections();
        assert_looped(name, &client::send(world.address(), request).await);
        // One, besides fetches of keys in the background.
        assert!(balancer.connections() <= before + 3, "{name}: {} connections", balancer.connections() - before);
    }
    let line = world.audit(1).await.swap_remove(0);
    assert_eq!((&line["reason"], &line["status"]), (&json!("loop_detected"), &json!(508)), "{line}");
    assert!(line["detail"].as_str().unwrap().contains("upstream.url leads back"), "{line}");
    assert!(world.metric("cambio_rejected_requests_total{reason=\"loop_detected\"}").await > 0.0);
}

#[tokio::test]
async fn what_cambio_asks_itself_makes_no_loop() {
    let (balancer, worlds) = circle(1).await;
    let before = balancer.connections();
    for _ in 0..3 {
        let ready = client::get(worlds[0].cambio.admin, "/readyz?include=upstream").await;
        assert_eq!(ready.status, 503);
        assert!(ready.text().contains("upstream: upstream.url leads back to Cambio"), "{}", ready.text());
    }
    for path in [CERTS_PATH, DISCOVERY_PATH] {
        let answer = client::get(worlds[0].address(), path).await;
        assert!(answer.status.is_server_error(), "{path}: {}", answer.status);
    }
    assert!(balancer.connections() < before + 12, "{} connections", balancer.connections() - before);
}

#[tokio::test]
async fn replicas_behind_a_balancer_are_a_loop_too() {
    for replicas in [2, 3, 9] {
        let (balancer, worlds) = circle(replicas).await;
        let before = balancer.connections();
        for name in ["first", "second"] {
            let answer = client::get(worlds[0].address(), "/x").await;
            assert_looped(&format!("{replicas} replicas, {name}"), &answer);
        }
        // Four hops at most, and each replica's fetches of keys meanwhile.
        let made = balancer.connections() - before;
        assert!(made <= 2 * 4 + 4 * replicas, "{replicas} replicas: {made} connections");
    }
}

#[tokio::test]
async fn a_chain_of_cambios_is_no_loop() {
    let last = World::start().await;
    let alice = last.alice().await;
    let mut upstream = last.address();
    let mut worlds = vec![last];
    for _ in 0..3 {
        let next = Plan::new().await.before(upstream).start().await;
        upstream = next.address();
        worlds.push(next);
    }
    let first = worlds.last().unwrap();
    let userinfo = Request::get("/realms/corp/protocol/openid-connect/userinfo");
    let userinfo = userinfo.header("authorization", format!("Bearer {alice}")).body(Bytes::new()).unwrap();
    assert_eq!(client::send(first.address(), userinfo.clone()).await.status, 200);
    assert_eq!(client::get(first.address(), CERTS_PATH).await.status, 200);
    assert_eq!(client::get(first.cambio.admin, "/readyz?include=upstream").await.status, 200);
    first.alice().await;

    let next = Plan::new().await.before(upstream).start().await;
    assert_looped("a fifth", &client::send(next.address(), userinfo).await);
}

#[tokio::test]
async fn requests_say_which_way_they_came() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    let via = async |request: Request<Bytes>, http2: bool| {
        let answer = if http2 {
            client::send_http2(TcpStream::connect(world.address()).await.unwrap(), "http", request).await
        } else {
            client::send(world.address(), request).await
        };
        assert_eq!(answer.header("via"), "", "an answer is as the identity provider gave it");
        let said = answer.json();
        let pairs = said["headers"].as_array().unwrap().iter().filter(|pair| pair[0] == "via");
        pairs.map(|pair| pair[1].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let plain = || Request::get("/echo").body(Bytes::new()).unwrap();
    let first = via(plain(), false).await;
    let own = first[0].strip_prefix("1.1 ").unwrap();
    assert!(first.len() == 1 && own.starts_with("cambio-") && own.len() == 23, "{first:?}");
    assert_eq!(via(plain(), true).await, [format!("2.0 {own}")]);

    let mut passed = plain();
    passed.headers_mut().append("via", "1.0 fred, 1.1 p.example.net (a, b)".parse().unwrap());
    passed.headers_mut().append("via", "2.0 cambio-0123456789abcdef".parse().unwrap());
    passed.headers_mut().append("connection", "via".parse().unwrap());
    let expected = ["1.0 fred, 1.1 p.example.net (a, b)", "2.0 cambio-0123456789abcdef", &format!("1.1 {own}")];
    assert_eq!(via(passed, false).await, expected, "earlier entries stay");
}

/// Whoever writes another's entries gets a refusal, and nobody else notices.
#[tokio::test]
async fn a_forged_entry_harms_nobody_else() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    let said = client::get(world.address(), "/echo").await.json();
    let own = said["headers"].as_array().unwrap().iter().find(|pair| pair[0] == "via").unwrap()[1].clone();
    let many = (0..4).map(|n| format!("1.1 cambio-{n:016}")).collect::<Vec<_>>().join(",");
    for forged in [own.as_str().unwrap(), &many] {
        let request = Request::get("/echo").header("via", forged).body(Bytes::new()).unwrap();
        assert_looped(forged, &client::send(world.address(), request).await);
        assert_eq!(client::get(world.address(), "/echo").await.status, 200);
    }
    let long = "1.1 a, ".repeat(5000);
    let request = Request::get("/echo").header("via", long.trim_end_matches(", ")).body(Bytes::new()).unwrap();
    assert_eq!(client::send(world.address(), request).await.status, 200);
}

#[tokio::test]
async fn max_forwards_ends_at_cambio() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    let ask = async |method: &str, hops: &str| {
        let request = Request::builder().method(method).uri("/echo").header("max-forwards", hops);
        let request = request.header("authorization", "Bearer s3cret").body(Bytes::new()).unwrap();
        client::send(world.address(), request).await
    };
    for (method, status) in [("OPTIONS", 204), ("TRACE", 405)] {
        let answer = ask(method, "0").await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, ""), "{method}");
        assert!(answer.header("allow").contains("OPTIONS"), "{method}");
        assert!(!format!("{:?}", answer.headers).contains("s3cret"), "{method}");
    }
    for (method, sent, received) in
        [("OPTIONS", "1", "0"), ("TRACE", "7", "6"), ("GET", "0", "0"), ("OPTIONS", "x", "x")]
    {
        let said = ask(method, sent).await.json();
        let found = said["headers"].as_array().unwrap().iter().find(|pair| pair[0] == "max-forwards").unwrap();
        assert_eq!((&said["method"], &found[1]), (&json!(method), &json!(received)), "{method} {sent}");
    }
}
