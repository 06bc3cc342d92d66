//! What is no exchange goes through as if Cambio were not there.

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::{self, Answer, DEADLINE};
use crate::support::echo::Echo;
use crate::support::world::{CERTS_PATH, Plan, TOKEN_PATH, World, login};
use crate::support::{raw, token};

/// A world whose upstream is the echo server.
async fn before_echo() -> (World, Echo) {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    (world, echo)
}

/// A header's values in what the echo server said.
fn received<'a>(said: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = said["headers"].as_array().unwrap();
    headers.iter().filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
}

/// An answer's header without what may differ between a direct answer and one through a proxy.
fn end_to_end(answer: &Answer) -> Vec<(String, String)> {
    let hop = ["connection", "keep-alive", "transfer-encoding", "date", "content-length"];
    let kept = answer.headers.iter().filter(|(name, _)| !hop.contains(&name.as_str()));
    let mut kept: Vec<_> = kept.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    kept.sort();
    kept
}

#[tokio::test]
async fn grants_and_endpoints_answer_as_without_cambio() {
    let world = World::start().await;
    let direct = world.idp.address();
    let client = [("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
    let session = login(direct, TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await.json();
    let (access, refresh) = (session["access_token"].as_str().unwrap(), session["refresh_token"].as_str().unwrap());
    let at = |name: &str| format!("/realms/corp/protocol/openid-connect/{name}");
    let form = |path: &str, fields: &[(&str, &str)]| client::form_request(path, &[&client[..], fields].concat());
    let bearer =
        |path: &str| Request::get(path).header("authorization", format!("Bearer {access}")).body(Bytes::new()).unwrap();
    let rows = [
        ("wrong password", form(&at("token"), &[("grant_type", "password"), ("username", "alice")])),
        ("unknown grant type", form(&at("token"), &[("grant_type", "x")])),
        ("introspection", form(&at("token/introspect"), &[("token", access)])),
        ("introspection without a token", form(&at("token/introspect"), &[])),
        ("userinfo", bearer(&at("userinfo"))),
        ("userinfo without a token", Request::get(at("userinfo")).body(Bytes::new()).unwrap()),
        ("login page", bearer(&at("auth?client_id=front-end-app&redirect_uri=http://127.0.0.1/&response_type=code"))),
        ("admin console", bearer("/admin/master/console/")),
        ("not found", bearer("/nothing/here")),
        ("logout", form(&at("logout"), &[("refresh_token", refresh)])),
        ("logout again", form(&at("logout"), &[("refresh_token", refresh)])),
    ];
    for (name, request) in rows {
        // The direct one goes second: a logout that worked twice would show.
        let through = client::send(world.address(), request.clone()).await;
        let expected = if name == "logout" { through.clone() } else { client::send(direct, request).await };
        assert_eq!(through.status, expected.status, "{name}: {}", through.text());
        assert_eq!(through.body, expected.body, "{name}");
        assert_eq!(end_to_end(&through), end_to_end(&expected), "{name}");
    }
    assert_eq!(world.audit_so_far(), 0, "none of these is an exchange");
}

#[tokio::test]
async fn login_by_code_with_pkce_refresh_and_service_account() {
    let world = World::start().await;
    // RFC 7636 appendix B.
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    let login = [
        ("client_id", "front-end-app"),
        ("redirect_uri", "http://127.0.0.1/callback"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("state", "s1"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("username", "alice"),
        ("password", "alice-password"),
    ];
    let page = client::post(world.address(), "/realms/corp/protocol/openid-connect/auth", &login).await;
    assert_eq!(page.status, 302, "{}", page.text());
    let location = page.header("location").to_owned();
    assert!(location.ends_with("&state=s1"), "{location}");
    let code = location.split(['?', '&']).find_map(|part| part.strip_prefix("code=")).unwrap().replace("%2D", "-");
    let redeem = [
        ("grant_type", "authorization_code"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("redirect_uri", "http://127.0.0.1/callback"),
        ("code", &code),
        ("code_verifier", verifier),
    ];
    let tokens = client::post(world.address(), TOKEN_PATH, &redeem).await;
    assert_eq!(token::claims(&tokens.access_token())["iss"], "http://sso.example.org/realms/corp");
    assert!(tokens.json()["id_token"].is_string());

    let refresh = tokens.json()["refresh_token"].as_str().unwrap().to_owned();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("refresh_token", &refresh),
    ];
    client::post(world.address(), TOKEN_PATH, &fields).await.access_token();
    let fields =
        [("grant_type", "client_credentials"), ("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
    client::post(world.address(), TOKEN_PATH, &fields).await.access_token();
}

#[tokio::test]
async fn a_token_request_of_another_grant_goes_on_with_its_original_bytes() {
    let world = World::start().await;
    world.idp.faults().forget();
    let body = "&grant_type=%70assword&client_id=front-end-app&client_secret=front-end-secret&username=alice&x=%7E~";
    let content = "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n";
    let answer = raw::send(world.address(), &raw::post(TOKEN_PATH, content, body)).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    let received = world.idp.faults().received();
    assert_eq!(received.last().unwrap().body, body, "as sent");
}

#[tokio::test]
async fn forwarding_headers_are_ours_and_hop_by_hop_headers_stop_here() {
    let (world, _echo) = before_echo().await;
    let request = Request::get("/echo?a=%20b")
        .header("x-forwarded-for", "203.0.113.9")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil.example")
        .header("forwarded", "for=203.0.113.9")
        .header("connection", "x-secret-hop")
        .header("x-secret-hop", "1")
        .header("te", "trailers")
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("x-custom", "kept")
        .body(Bytes::new())
        .unwrap();
    let said = client::send(world.address(), request).await.json();
    assert_eq!(said["target"], "/echo?a=%20b");
    assert_eq!(received(&said, "host"), ["sso.example.org"]);
    assert_eq!(received(&said, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(received(&said, "x-forwarded-proto"), ["http"]);
    assert_eq!(received(&said, "x-forwarded-host"), ["sso.example.org"]);
    assert!(received(&said, "forwarded").iter().all(|value| !value.contains("203.0.113.9")));
    assert_eq!(received(&said, "x-secret-hop"), [""; 0]);
    assert_eq!(received(&said, "x-custom"), ["kept"]);
    let trace = received(&said, "traceparent");
    assert!(trace.len() == 1 && trace[0].contains("4bf92f3577b34da6a3ce929d0e0e4736"), "{trace:?}");

    let answer = client::get(world.address(), "/hop").await;
    assert_eq!((answer.header("x-hop"), answer.header("keep-alive"), answer.header("x-end")), ("", "", "1"));
}

#[tokio::test]
async fn bodies_methods_and_trailers_pass() {
    let (world, _echo) = before_echo().await;
    let blob = client::get(world.address(), "/blob").await;
    assert_eq!(blob.body.len(), 4 * 1024 * 1024);
    assert!((0..64).all(|n| blob.body[usize::from(n) * 65536] == n));

    let long = "x".repeat(3_000_000);
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let body = if method == "GET" { String::new() } else { long.clone() };
        let request = Request::builder().method(method).uri("/echo").header("content-type", "application/x-tar");
        let request = request.body(Bytes::from(body.clone())).unwrap();
        let said = client::send(world.address(), request).await.json();
        assert_eq!((&said["method"], &said["length"]), (&json!(method), &json!(body.len())));
    }
    // A body that does not say what it is may be a form to some server: it is read, up to maxFormBytes.
    for (size, status) in [(60_000, 200), (70_000, 413)] {
        let request = Request::post("/echo").body(Bytes::from("x".repeat(size))).unwrap();
        assert_eq!(client::send(world.address(), request).await.status, status, "{size}");
    }
    let request = Request::head("/echo").body(Bytes::new()).unwrap();
    assert_eq!(client::send(world.address(), request).await.body, "");

    let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n";
    let said = raw::send(world.address(), chunked.as_bytes()).await;
    assert!(said.text().contains(r#""trailers":[["x-sum","6"]]"#), "{}", said.text());

    let trailers = "GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n";
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    stream.write_all(trailers.as_bytes()).await.unwrap();
    let mut all = String::new();
    tokio::time::timeout(DEADLINE, stream.read_to_string(&mut all)).await.unwrap().unwrap();
    assert!(all.contains("x-checksum: abc"), "{all}");
}

/// A server that merges trailers into the head must not find there what Cambio removed or judged in the head.
#[tokio::test]
async fn trailers_carry_no_identity_and_nothing_that_was_judged() {
    let (world, _echo) = before_echo().await;
    let names = [
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "x-real-ip",
        "client-cert",
        "ssl-client-cert",
        "x_forwarded_for",
        "authorization",
        "cookie",
        "dpop",
        "host",
        "content-type",
        "transfer-encoding",
        "connection",
        "upgrade",
        "x-http-method-override",
    ];
    let mut trailers = HeaderMap::new();
    for name in names {
        trailers.insert(name, "evil".parse().unwrap());
    }
    trailers.insert("x-sum", "6".parse().unwrap());
    let announced = names.join(", ") + ", x-sum";
    // A form is read whole, and everything else streams.
    for kind in ["application/x-www-form-urlencoded", "application/octet-stream"] {
        let lines = names.map(|name| format!("{name}: evil\r\n")).concat();
        let request = format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\nTrailer: {announced}\r\n\r\n3\r\nabc\r\n0\r\n{lines}x-sum: 6\r\n\r\n"
        );
        let said = raw::send(world.address(), request.as_bytes()).await.text();
        assert!(said.contains(r#""trailers":[["x-sum","6"]]"#), "{kind} over HTTP/1.1: {said}");

        let mut sent = trailers.clone();
        // HTTP/2 has no such fields.
        for name in ["transfer-encoding", "connection", "upgrade"] {
            sent.remove(name);
        }
        let body = Full::new(Bytes::from("abc")).with_trailers(std::future::ready(Some(Ok(sent))));
        let request = Request::post("http://sso.example.org/echo").header("content-type", kind);
        let request = request.header("trailer", &announced).body(body).unwrap();
        let stream = TokioIo::new(TcpStream::connect(world.address()).await.unwrap());
        let talk = async {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            let connection = tokio::spawn(connection);
            let answer = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
            connection.abort();
            String::from_utf8(answer.to_vec()).unwrap()
        };
        let said = tokio::time::timeout(DEADLINE, talk).await.unwrap();
        assert!(said.contains(r#""body":"abc""#) && !said.contains("evil"), "{kind} over HTTP/2: {said}");
    }
}

#[tokio::test]
async fn a_body_streams_before_it_ends() {
    let (world, echo) = before_echo().await;
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let reading = async {
        let (mut got, mut buffer) = (String::new(), [0; 1024]);
        while !got.contains("first") {
            let count = stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "ended early: {got}");
            got.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        assert!(!got.contains("second"));
        echo.release();
        stream.read_to_string(&mut got).await.unwrap();
        assert!(got.contains("second"));
    };
    tokio::time::timeout(DEADLINE, reading).await.unwrap();
}

#[tokio::test]
async fn expect_continue_is_answered_and_a_web_socket_is_a_tunnel() {
    let (world, _echo) = before_echo().await;
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    let head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
    let talk = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 100");
        stream.write_all(b"body").await.unwrap();
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert!(rest.contains(r#""length":4"#), "{rest}");
    };
    tokio::time::timeout(DEADLINE, talk).await.unwrap();

    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    let head = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let talk = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(raw::read(&mut stream).await.status, 101);
        for word in ["ping", "pong"] {
            stream.write_all(word.as_bytes()).await.unwrap();
            let mut back = [0; 4];
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(&back, word.as_bytes());
        }
    };
    tokio::time::timeout(DEADLINE, talk).await.unwrap();

    for offer in ["h2c", "TLS/1.2", "TLS/1.2, HTTP/1.1"] {
        let request = format!(
            "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: {offer}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        );
        let answer = raw::send(world.address(), request.as_bytes()).await;
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert!(!answer.text().to_lowercase().contains("upgrade"), "the upgrade stops here: {}", answer.text());
    }
}

/// Apache `HttpClient` 5.4, and with it Spring Boot 3.4, offers `TLS/1.2` with every request (RFC 2817).
#[tokio::test]
async fn logins_of_clients_that_offer_tls_pass() {
    let world = World::start().await;
    let fields = "grant_type=password&client_id=front-end-app&client_secret=front-end-secret&username=alice&password=alice-password";
    let send = |method: &str, path: &str, offer: &str, body: &str| {
        let request = Request::builder().method(method).uri(path).header("connection", "Upgrade");
        let request = request.header("upgrade", offer).header("content-type", "application/x-www-form-urlencoded");
        client::send(world.address(), request.body(Bytes::from(body.to_owned())).unwrap())
    };
    for offer in ["TLS/1.2", "TLS/1.2, HTTP/1.1", "h2c", "websocket"] {
        send("POST", TOKEN_PATH, offer, fields).await.access_token();
    }
    assert_eq!(send("GET", TOKEN_PATH, "websocket", "").await.status, 405, "no tunnel where Cambio answers");
    assert_eq!(send("GET", CERTS_PATH, "TLS/1.2", "").await.status, 200);
}

/// A body in which no reading finds a governed grant is the identity provider's to judge, however it is written.
#[tokio::test]
async fn ordinary_requests_pass_byte_for_byte() {
    const FORM: &str = "application/x-www-form-urlencoded";
    let world = World::start().await;
    let many = "&a=b".repeat(2_000);
    let login =
        |rest: &[u8]| [&b"grant_type=password&client_id=front-end-app&username=alice&password="[..], rest].concat();
    let typed = |text: &str| format!("Content-Type: {text}\r\n");
    #[rustfmt::skip]
    let rows = [
        ("semicolon", "", typed(FORM), login(b"pa;ss")),
        ("percent", "", typed(FORM), login(b"100%sure")),
        ("CRLF at the end", "", typed(FORM), login(b"x\r\n")),
        ("LF at the end", "", typed(FORM), login(b"x\n")),
        ("Latin-1", "", typed(FORM), login(b"gar\xE7on")),
        ("escaped Latin-1", "", typed(FORM), login(b"gar%E7on")),
        ("NUL", "", typed(FORM), login(b"a\0b")),
        ("no name", "", typed(FORM), login(b"x&=y")),
        ("twice", "", typed(FORM), login(b"x&a=1&a=2")),
        ("many", "", typed(FORM), login(many.as_bytes())),
        ("Latin-1 by name", "", typed("application/x-www-form-urlencoded; charset=ISO-8859-1"), login(b"%E7")),
        ("utf8", "", typed("application/x-www-form-urlencoded;charset=utf8"), login(b"x")),
        ("quoted", "", typed("application/x-www-form-urlencoded; charset=\"UTF-8\""), login(b"x;")),
        ("unknown charset", "", typed("application/x-www-form-urlencoded; charset=nonsense"), login(b"x")),
        ("two types", "", typed(FORM).repeat(2), login(b"x")),
        ("a list of types", "", typed("application/x-www-form-urlencoded, application/x-www-form-urlencoded"), login(b"x")),
        ("no type", "", String::new(), login(b"x")),
        ("text", "", typed("text/plain"), login(b"x")),
        ("JSON", "", typed("application/json"), br#"{"grant_type":"password"}"#.to_vec()),
        ("query", "?a=b&c", typed(FORM), login(b"x")),
        ("empty query", "?", typed(FORM), login(b"x")),
        ("method override", "", typed(FORM) + "X-HTTP-Method-Override: PUT\r\n", login(b"x")),
        ("empty coding", "", typed(FORM) + "Content-Encoding:\r\n", login(b"x")),
    ];
    for (name, query, headers, body) in rows {
        world.idp.faults().forget();
        let length = body.len();
        let head = format!(
            "POST {TOKEN_PATH}{query} HTTP/1.1\r\nHost: sso.example.org\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        let answer = raw::send(world.address(), &[head.as_bytes(), &body].concat()).await;
        assert_ne!(answer.status, 0, "{name}");
        let received = world.idp.faults().received();
        let received: Vec<_> = received.iter().filter(|request| request.target.starts_with(TOKEN_PATH)).collect();
        assert_eq!(received.len(), 1, "{name}: {}", answer.text());
        assert_eq!(received[0].body, body, "{name}");
        assert_eq!(received[0].target, format!("{TOKEN_PATH}{query}"), "{name}");
        let kinds: Vec<_> = received[0].headers.get_all("content-type").iter().collect();
        let sent: Vec<_> = headers.lines().filter_map(|line| line.strip_prefix("Content-Type: ")).collect();
        assert_eq!(kinds, sent, "{name}");
    }
    assert_eq!(world.audit_so_far(), 0, "nothing was judged");
}

/// What clients in Java send with every request (RFC 9110 section 7.8 lets a server ignore it).
#[tokio::test]
async fn offers_of_an_upgrade_change_nothing_at_any_endpoint() {
    let world = World::start().await;
    let alice = world.alice().await;
    let id = [("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
    let at = |name: &str| format!("/realms/corp/protocol/openid-connect/{name}");
    for offer in ["h2c", "TLS/1.2", "TLS/1.2, HTTP/1.1"] {
        let own = world.exchange(&alice, &[("scope", "email")]).await.access_token();
        let form = |path: &str, fields: &[(&str, &str)]| client::form_request(path, &[&id[..], fields].concat());
        let rows = [
            (
                "login",
                form(TOKEN_PATH, &[("grant_type", "password"), ("username", "alice"), ("password", "alice-password")]),
                200,
            ),
            ("exchange", client::form_request(TOKEN_PATH, &crate::support::world::exchange_fields(&alice)), 200),
            ("introspection", form(&at("token/introspect"), &[("token", &*own)]), 200),
            ("revocation", form(&at("revoke"), &[("token", &*own)]), 200),
            (
                "userinfo",
                Request::get(at("userinfo"))
                    .header("authorization", format!("Bearer {alice}"))
                    .body(Bytes::new())
                    .unwrap(),
                200,
            ),
            ("keys", Request::get(CERTS_PATH).body(Bytes::new()).unwrap(), 200),
            (
                "discovery",
                Request::get("/realms/corp/.well-known/openid-configuration").body(Bytes::new()).unwrap(),
                200,
            ),
            ("door", form(TOKEN_PATH, &[("grant_type", "urn:ietf:params:oauth:grant-type:uma-ticket")]), 403),
        ];
        for (name, mut request, expected) in rows {
            let headers = request.headers_mut();
            headers.insert("connection", "Upgrade, HTTP2-Settings".parse().unwrap());
            headers.insert("upgrade", offer.parse().unwrap());
            headers.insert("http2-settings", "AAMAAABkAAQAAP__".parse().unwrap());
            world.idp.faults().forget();
            let answer = client::send(world.address(), request).await;
            assert_eq!(answer.status, expected, "{offer}, {name}: {}", answer.text());
            for received in world.idp.faults().received() {
                assert!(!received.headers.contains_key("upgrade"), "{offer}, {name}");
                assert!(!received.headers.contains_key("http2-settings"), "{offer}, {name}");
            }
        }
    }
}
