//! Proxies in front of Cambio: which of them are believed, and what they may say about their callers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client::{self, DEADLINE};
use crate::support::echo::Echo;
use crate::support::files::BACK_END_API;
use crate::support::world::{ACCESS_TOKEN, Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{form, raw, token};

const LISTEN: &str = "listen:\n";
const REALM: &str = "    subjectIssuers: [corp, partner]\n";
const MINT: &str = "permissions: [{ clients: [front-end-app], issuance: mint, scopes: [email, profile] }]\n";

/// A plan whose proxies are at 127.0.0.1, with further keys of `listen`.
async fn behind(keys: &str) -> Plan {
    Plan::new().await.configure(LISTEN, &format!("{LISTEN}  trustedProxies: [127.0.0.1]\n{keys}"))
}

/// The header lines that the echo server received, in lower case.
fn received(said: &Value) -> Vec<String> {
    let pairs = said["headers"].as_array().unwrap().iter();
    pairs.map(|pair| format!("{}: {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect()
}

/// A client's certificate in PEM and in DER.
fn certificate() -> (String, Vec<u8>) {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, "batch");
    let made = parameters.self_signed(&KeyPair::generate().unwrap()).unwrap();
    (made.pem(), made.der().to_vec())
}

fn thumbprint(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    digest.as_ref().iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}

/// An exchange of front-end-app, which shows a certificate by a header instead of a secret.
async fn exchange_with(world: &World, token: &str, header: &str, value: &str) -> client::Answer {
    let fields = form::changed(&exchange_fields(token), &[("client_secret", "-")]);
    let mut request = client::form_request(TOKEN_PATH, &fields);
    request.headers_mut().insert(http::HeaderName::try_from(header).unwrap(), value.parse().unwrap());
    client::send(world.address(), request).await
}

#[tokio::test]
async fn certificates_come_in_the_form_of_every_usual_proxy() {
    let (pem, der) = certificate();
    let (other_pem, _) = certificate();
    let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let (base64, hash) = (STANDARD.encode(&der), thumbprint(&der));
    let aws = escape(&pem).replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let envoy = format!("By=spiffe://a;Hash={hash};Cert=\"{}\";Subject=\"CN=batch\";URI=", escape(&pem));
    let forged = format!("By=x;Cert=\"{}\"", escape(&other_pem));
    let forms = [
        ("RFC 9440", "Client-Cert", format!(":{base64}:")),
        ("nginx", "X-SSL-Client-Cert", escape(&pem)),
        ("nginx, with tabs", "X-SSL-Client-Cert", pem.trim().replace('\n', " \t")),
        ("Apache", "X-SSL-Client-Cert", pem.trim().replace('\n', " ")),
        ("AWS", "X-Amzn-Mtls-Clientcert", aws),
        ("HAProxy", "X-SSL-Client-Cert", base64.clone()),
        ("Traefik", "X-Forwarded-Tls-Client-Cert", escape(&base64)),
        ("Traefik, a chain", "X-Forwarded-Tls-Client-Cert", format!("{base64},{base64}")),
        ("Envoy", "X-Forwarded-Client-Cert", envoy.clone()),
        ("Envoy, after a forged element", "X-Forwarded-Client-Cert", format!("{forged},{envoy}")),
    ];
    let method = format!("{{ method: self_signed_tls_client_auth, thumbprints: ['{hash}'] }}");
    let clients = format!("    clients: {{ front-end-app: [{method}] }}\n");
    for header in [
        "Client-Cert",
        "X-SSL-Client-Cert",
        "X-Amzn-Mtls-Clientcert",
        "X-Forwarded-Tls-Client-Cert",
        "X-Forwarded-Client-Cert",
    ] {
        let world = behind(&format!("  clientCertificateHeader: {{ name: {header} }}\n")).await;
        let world = world.configure(REALM, &format!("{REALM}{clients}"));
        let world = world.audience("back-end-api", &format!("{BACK_END_API}{MINT}")).start().await;
        let token = world.alice().await;
        for (name, _, value) in forms.iter().filter(|(_, own, _)| *own == header) {
            let answer = exchange_with(&world, &token, header, value).await;
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        }
        for (name, value) in [("a name", "CN=batch"), ("another's", &escape(&other_pem)), ("none", "(null)")] {
            let before = world.audit_so_far();
            let answer = exchange_with(&world, &token, header, value).await;
            assert_eq!(answer.status, 401, "{header}, {name}: {}", answer.text());
            let line = world.audit_after(before).await;
            let told = line["detail"].as_str().unwrap().contains("Cambio reads RFC 9440");
            assert_eq!(told, name == "a name", "{header}, {name}: {line}");
        }
    }
}

/// Names of every family, as the products write them.
const FORGED: &[&str] = &[
    "X-SSL-Client-Cert",
    "X-SSL-Client-Verify",
    "X-SSL-Cert",
    "SSL-Client-Cert",
    "SSL_CLIENT_VERIFY",
    "SSL_CLIENT_S_DN_CN",
    "CERT_CHAIN_0",
    "Cert-Chain-1",
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Mtls-Clientcert-Subject",
    "X-Amzn-Oidc-Data",
    "X-Amzn-Oidc-Identity",
    "X-ARR-ClientCert",
    "X-MS-CLIENT-PRINCIPAL",
    "X-MS-CLIENT-PRINCIPAL-NAME",
    "X-Auth-Request-User",
    "X-Auth-Request-Access-Token",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-Iap-Jwt-Assertion",
    "X-Envoy-External-Address",
    "X-Envoy-Original-Path",
    "X-Azure-ClientIP",
    "Fastly-Client-IP",
    "CF-Connecting-IP",
    "True-Client-IP",
    "X-Appengine-User-Ip",
    "X-Client-Cert",
    "X-Client-Certificate",
    "Client-Cert",
    "X-Real-IP",
    "X-Forwarded-User",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Client-Cert",
    "X_Forwarded_For",
    "X-Remote-User",
    "Remote-User",
    "X-Caller-DN",
    "x_caller_dn",
];

#[tokio::test]
async fn nobody_but_a_listed_proxy_describes_callers() {
    let echo = Echo::start().await;
    let own = "  identityHeaders: [X-Caller-DN, SSL_CLIENT_VERIFY]\n";
    let world = Plan::new().await.configure(LISTEN, &format!("{LISTEN}{own}")).before(echo.address).start().await;
    let names = FORGED.join(": spoof\r\n") + ": spoof\r\n";
    let (dashes, lows) = (names.replace('_', "-"), names.replace('-', "_"));
    let announced = format!("x-sum, {}, {}", FORGED.join(", "), FORGED.join(", ").replace('_', "-"));
    let announced = format!("{announced}, {}", FORGED.join(", ").replace('-', "_"));
    for lines in [&names, &dashes, &lows] {
        let get = format!("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Custom: kept\r\n{lines}\r\n");
        let said = raw::send(world.address(), get.as_bytes()).await.text();
        assert!(said.contains("kept") && !said.contains("spoof"), "{said}");
        let trailers = format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\
             Trailer: {announced}\r\n\r\n3\r\nabc\r\n0\r\nx-sum: kept\r\n{lines}\r\n"
        );
        let said = raw::send(world.address(), trailers.as_bytes()).await.text();
        assert!(said.contains(r#""trailers":[["x-sum","kept"]]"#), "{said}");
    }
    let mut request = Request::get("/echo");
    for name in FORGED {
        request = request.header(*name, "spoof");
    }
    let stream = TcpStream::connect(world.address()).await.unwrap();
    let said = client::send_http2(stream, "http", request.body(Bytes::new()).unwrap()).await.text();
    assert!(said.contains("/echo") && !said.contains("spoof"), "over HTTP/2: {said}");
}

#[tokio::test]
async fn a_listed_proxys_own_headers_pass_in_their_own_spelling() {
    let echo = Echo::start().await;
    let world =
        behind("  identityHeaders: [X-Caller-DN, SSL_CLIENT_VERIFY]\n").await.before(echo.address).start().await;
    let mut request = Request::get("/echo");
    for name in FORGED {
        request = request.header(*name, "its word");
    }
    let said = received(&client::send(world.address(), request.body(Bytes::new()).unwrap()).await.json());
    for name in FORGED {
        let passes = !name.contains('_') || *name == "SSL_CLIENT_VERIFY";
        let line = format!("{}: its word", name.to_ascii_lowercase());
        assert_eq!(said.contains(&line), passes, "{name}: {said:?}");
    }
}

/// The address of the caller in an audit line, for an exchange with these header lines.
async fn audited_peer(world: &World, start: &[u8], lines: &str) -> Value {
    let before = world.audit_so_far();
    let content = format!("Content-Type: application/x-www-form-urlencoded\r\n{lines}");
    let request = raw::post(TOKEN_PATH, &content, &form::encode(&exchange_fields("no-token")));
    raw::send(world.address(), &[start, &request].concat()).await;
    world.audit_after(before).await["peer"].clone()
}

#[tokio::test]
async fn the_audit_names_the_caller_and_not_the_proxy() {
    let forwarded = "X-Forwarded-For: 1.1.1.1, 203.0.113.9\r\n";
    let world = World::start().await;
    assert_eq!(audited_peer(&world, b"", forwarded).await, "127.0.0.1", "the caller's own word");
    let world = behind("").await.start().await;
    for (lines, peer) in [
        ("", "127.0.0.1"),
        (forwarded, "203.0.113.9"),
        ("X-Forwarded-For: 203.0.113.9, 127.0.0.1\r\n", "203.0.113.9"),
        ("X-Forwarded-For: 203.0.113.9, unknown\r\n", "127.0.0.1"),
        ("Forwarded: for=1.1.1.1, for=\"[2001:db8::9]:80\"\r\n", "2001:db8::9"),
    ] {
        assert_eq!(audited_peer(&world, b"", lines).await, peer, "{lines}");
    }
    // A withheld answer has its line after the headers have gone upstream.
    let echo = Echo::start().await;
    let world = behind("").await.before(echo.address).start().await;
    let request = Request::post("/marks").header("x-forwarded-for", "203.0.113.9");
    let request = request.header("content-type", "application/x-tar").body(Bytes::new()).unwrap();
    client::send(world.address(), request).await;
    let line = world.audit_after(0).await;
    assert_eq!((&line["event"], &line["peer"]), (&"answer_withheld".into(), &"203.0.113.9".into()));
}

/// A header of version 2 with `block` after the head.
fn version_2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &length, block].concat()
}

#[tokio::test]
async fn a_proxy_protocol_header_names_the_caller() {
    let echo = Echo::start().await;
    let world = behind("  proxyProtocol: true\n").await.before(echo.address).start().await;
    let four = [203, 0, 113, 9, 192, 0, 2, 1, 0x12, 0x67, 0x1f, 0x90];
    let spoof = "X-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n";
    let rows = [
        ("version 1", b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 80\r\n".to_vec(), "203.0.113.9", false),
        ("version 1, IPv6", b"PROXY TCP6 2001:db8::9 ::1 4711 80\r\n".to_vec(), "2001:db8::9", false),
        ("version 1, unknown", b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1", false),
        ("version 2", version_2(0x21, 0x11, &four), "203.0.113.9", false),
        ("version 2, TLVs", version_2(0x21, 0x11, &[&four[..], &[3, 0, 1, 0]].concat()), "203.0.113.9", false),
        ("version 2, a UNIX socket", version_2(0x21, 0x31, &[0; 216]), "127.0.0.1", false),
        ("version 2, LOCAL", version_2(0x20, 0, &[]), "1.1.1.1, 127.0.0.1", true),
        (
            "from a listed proxy behind it",
            b"PROXY TCP4 127.0.0.1 192.0.2.1 4711 80\r\n".to_vec(),
            "1.1.1.1, 127.0.0.1",
            true,
        ),
    ];
    for (name, start, expected, believed) in rows {
        let get = format!("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{spoof}\r\n");
        let answer = raw::send(world.address(), &[&start[..], get.as_bytes()].concat()).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.head);
        let said = received(&serde_json::from_slice(&answer.body).unwrap());
        assert!(said.contains(&format!("x-forwarded-for: {expected}")), "{name}: {said:?}");
        assert_eq!(said.contains(&"x-real-ip: 1.1.1.1".to_owned()), believed, "{name}: {said:?}");
    }
    assert_eq!(audited_peer(&world, b"PROXY TCP4 203.0.113.9 192.0.2.1 1 2\r\n", spoof).await, "203.0.113.9");
    // HTTP/2 after the header, and two requests on one connection.
    let mut stream = TcpStream::connect(world.address()).await.unwrap();
    stream.write_all(&version_2(0x21, 0x11, &four)).await.unwrap();
    let request = Request::get("/echo").body(Bytes::new()).unwrap();
    let said = received(&client::send_http2(stream, "http", request).await.json());
    assert!(said.contains(&"x-forwarded-for: 203.0.113.9".to_owned()), "{said:?}");
}

#[tokio::test]
async fn a_listed_proxy_without_a_proxy_protocol_header_is_closed() {
    let echo = Echo::start().await;
    let world = behind("  proxyProtocol: true\n").await.before(echo.address).start().await;
    let get = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";
    let long = format!("PROXY UNKNOWN {}\r\n{get}", "x".repeat(100));
    for start in
        [get, "PROXY TCP4 a b c d\r\nGET / HTTP/1.1\r\n\r\n", &long, "PROXY TCP4 1.1.1.1", "\r\n\r\n\0\r\nQUIT\nabcd"]
    {
        let mut stream = TcpStream::connect(world.address()).await.unwrap();
        stream.write_all(start.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Either end is one. A header that does not go on is not waited for.
        let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("closed in time");
        assert_eq!(answer, b"", "{start}");
    }
    // From everybody else, and where the protocol is off, such a header is no request.
    let world = Plan::new().await.before(echo.address).start().await;
    let answer = raw::send(world.address(), format!("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n{get}").as_bytes()).await;
    assert_eq!(answer.status, 400, "{}", answer.head);
    let elsewhere = "listen:\n  trustedProxies: [192.0.2.1]\n  proxyProtocol: true\n";
    let world = Plan::new().await.configure(LISTEN, elsewhere).before(echo.address).start().await;
    let answer = raw::send(world.address(), format!("PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n{get}").as_bytes()).await;
    assert_eq!(answer.status, 400, "{}", answer.head);
    assert_eq!(raw::send(world.address(), get.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn many_header_lines_pass_in_both_directions() {
    let echo = Echo::start().await;
    let world = Plan::new().await.before(echo.address).start().await;
    for count in [110, 500, 900] {
        let mut request = Request::get("/many-headers");
        for number in 0..count {
            request = request.header(format!("x-h{number}"), "1");
        }
        let request = request.body(Bytes::new()).unwrap();
        let answer = client::send(world.address(), request.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, format!("{count}")));
        assert_eq!(answer.headers.keys().filter(|name| name.as_str().starts_with("x-a")).count(), 300);
        let stream = TcpStream::connect(world.address()).await.unwrap();
        let answer = client::send_http2(stream, "http", request).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (200, format!("{count}")), "HTTP/2");
    }
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    // Not a byte more than is read, because a reset would overtake the answer.
    let long = format!("{start}X: {}", "1".repeat(65_536 - start.len() - 3));
    for (name, request) in [("too many", format!("{start}{}\r\n", "X: 1\r\n".repeat(1100))), ("too long", long)] {
        let answer = raw::send(world.address(), request.as_bytes()).await;
        assert_eq!((answer.status, answer.text().as_str()), (431, ""), "{name}: {}", answer.head);
    }
}

#[tokio::test]
async fn a_token_of_1800_groups_is_judged_up_to_a_limit_of_its_own() {
    let groups: Value = (0..1800).map(|number| format!("/g/{number:05}/members")).collect();
    let delegation = "delegation: { withoutMayAct: true, condition: \"true\" }";
    let file = format!("{BACK_END_API}{MINT}").replace("issuance: mint", &format!("issuance: mint, {delegation}"));
    for (limit, allowed) in [("", true), ("  maxTokenBytes: 32KiB\n", false)] {
        let plan = Plan::new().await.configure("  maxFormBytes: 64KiB\n", &format!("  maxFormBytes: 256KiB\n{limit}"));
        let world = plan.audience("back-end-api", &file).start().await;
        let mut claims = token::claims(&world.alice().await);
        claims["groups"] = groups.clone();
        let token = world.sign(&claims);
        assert!((45_000..64_000).contains(&token.len()), "{}", token.len());
        let before = world.audit_so_far();
        let answer = world.exchange(&token, &[]).await;
        let line = world.audit_after(before).await;
        if allowed {
            assert_eq!(answer.status, 200, "{line}");
            continue;
        }
        assert_eq!((answer.status.as_u16(), &line["reason"]), (400, &"subject_token_too_long".into()), "{line}");
        let detail = line["detail"].as_str().unwrap();
        let parts = ["too long", &token.len().to_string(), "32768", "listen.maxTokenBytes"];
        assert!(parts.iter().all(|part| detail.contains(part)), "{detail}");
        let changes = [("actor_token", token.as_str()), ("actor_token_type", ACCESS_TOKEN)];
        let before = world.audit_so_far();
        world.exchange(&world.alice().await, &changes).await;
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], "actor_token_invalid", "{line}");
        // An opaque token is held to the limit, too, before its issuer is asked.
        let before = world.audit_so_far();
        world.exchange(&"x".repeat(33_000), &[]).await;
        assert_eq!(world.audit_after(before).await["reason"], "subject_token_too_long");
    }
}
