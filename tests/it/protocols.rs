//! An exchange over every protocol of the listener, and WebSocket through the whole gate.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http_body_util::StreamBody;
use hyper::body::Frame;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::{self, DEADLINE};
use crate::support::world::{CERTS_PATH, Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{token, world};

fn login_request() -> Request<Bytes> {
    let fields = [
        ("grant_type", "password"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("username", "alice"),
        ("password", "alice-password"),
    ];
    client::form_request(TOKEN_PATH, &fields)
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let world = World::start().await;
    let connect = async || TcpStream::connect(world.address()).await.unwrap();
    let alice = client::send_http2(connect().await, "http", login_request()).await.access_token();
    let request = client::form_request(TOKEN_PATH, &exchange_fields(&alice));
    let answer = client::send_http2(connect().await, "http", request).await;
    let issued = token::claims(&answer.access_token());
    assert_eq!(token::client_roles(&issued, "back-end-api"), ["backend_user"]);
    assert_eq!(token::realm_roles(&issued), [""; 0]);

    let forbidden = client::form_request(TOKEN_PATH, &world::exchange_fields(&alice));
    world.permit(false).await;
    let answer = client::send_http2(connect().await, "http", forbidden).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(world.audit(2).await[1]["reason"], "client_not_permitted");

    let certs = Request::get(CERTS_PATH).body(Bytes::new()).unwrap();
    let certs = client::send_http2(connect().await, "http", certs).await.json();
    assert_eq!(certs, client::get(world.address(), CERTS_PATH).await.json());
}

/// HTTP/2 names its end in frames, so a body may come without a length, and with trailers.
#[tokio::test]
async fn http2_does_not_open_a_door_that_http1_has_closed() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.permit(false).await;
    let before = world.idp.faults().exchanged();
    let fields = exchange_fields(&alice);
    let form = || client::form_request(TOKEN_PATH, &fields);
    let mut elsewhere = form();
    *elsewhere.uri_mut() = "/realms/corp/account".parse().unwrap();
    let mut query = form();
    *query.uri_mut() = format!("{TOKEN_PATH}?a=b").parse().unwrap();
    let mut get = form();
    *get.method_mut() = http::Method::GET;
    let mut slash = form();
    *slash.uri_mut() = format!("{TOKEN_PATH}/").parse().unwrap();
    let mut host = form();
    host.headers_mut().insert("host", "other.example".parse().unwrap());
    for (name, request) in
        [("elsewhere", elsewhere), ("query", query), ("GET", get), ("slash", slash), ("Host", host), ("plain", form())]
    {
        let stream = TcpStream::connect(world.address()).await.unwrap();
        let answer = client::send_http2(stream, "http", request).await;
        assert!(answer.status.is_client_error(), "{name}: {} {}", answer.status, answer.text());
        assert!(!answer.text().contains("access_token"), "{name}");
    }
    assert_eq!(world.idp.faults().exchanged(), before);
}

/// What Cambio can't read, another server might. A method without a body gets none to a token endpoint.
#[tokio::test]
async fn http2_carries_no_body_to_a_token_endpoint_but_with_post() {
    let world = World::start().await;
    for method in [http::Method::GET, http::Method::HEAD, http::Method::OPTIONS] {
        for (name, body) in [("unreadable", &b"\x1f\x8b\x08"[..]), ("one byte", b"x"), ("none", b"")] {
            // A stream of frames has no length in the head.
            let frame = Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from_static(body)));
            let body_of_frames = StreamBody::new(futures_util::stream::iter([frame]));
            let request = Request::builder().method(&method).uri(TOKEN_PATH).body(body_of_frames).unwrap();
            let stream = TcpStream::connect(world.address()).await.unwrap();
            let before = world.audit_so_far();
            let status = client::send_http2_body(stream, "http", request).await.status.as_u16();
            if body.is_empty() {
                assert_eq!(world.audit_so_far(), before, "{method} {name}: {status}");
            } else {
                assert_eq!(
                    (status, world.audit_after(before).await["reason"].as_str()),
                    (405, Some("method_not_allowed"))
                );
            }
        }
    }
}

/// A world that listens with TLS, and the way to connect to it.
async fn behind_tls() -> (World, RootCertStore) {
    let plan = Plan::new().await;
    let made = rcgen::generate_simple_self_signed(["sso.example.org".to_owned()]).unwrap();
    plan.folder.write("tls.crt", &made.cert.pem());
    plan.folder.write("tls.key", &made.signing_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap()).unwrap();
    let world = plan
        .configure("  headerTimeout: 2s", "  headerTimeout: 2s\n  tls: { certificate: tls.crt, key: tls.key }")
        .configure("issuer: http://sso.example.org/realms/corp", "issuer: https://sso.example.org/realms/corp")
        .start()
        .await;
    (world, roots)
}

async fn connect(world: &World, roots: &RootCertStore, protocol: &str) -> TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.into()];
    let stream = TcpStream::connect(world.address()).await.unwrap();
    let name = ServerName::try_from(client::PUBLIC_HOST).unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = tokio::time::timeout(DEADLINE, connecting).await.unwrap().unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
    stream
}

#[tokio::test]
async fn tls_with_either_protocol() {
    let (world, roots) = behind_tls().await;
    let alice = client::send_over(connect(&world, &roots, "http/1.1").await, login_request()).await;
    let alice = alice.access_token();
    assert_eq!(token::claims(&alice)["iss"], "https://sso.example.org/realms/corp", "the scheme is passed on");
    let request = || client::form_request(TOKEN_PATH, &exchange_fields(&alice));
    let first = client::send_over(connect(&world, &roots, "http/1.1").await, request()).await;
    let second = client::send_http2(connect(&world, &roots, "h2").await, "https", request()).await;
    for answer in [first, second] {
        let issued = token::claims(&answer.access_token());
        assert_eq!(issued["iss"], "https://sso.example.org/realms/corp");
        assert_eq!(token::client_roles(&issued, "back-end-api"), ["backend_user"]);
    }
    // Without TLS there is nothing to be had here.
    assert!(client::try_send(world.address(), request()).await.is_err());
    assert_eq!(world.audit(2).await.len(), 2);
}

#[tokio::test]
async fn a_web_socket_speaks_through_the_gate() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let mut sockets = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            sockets.spawn(async move {
                // Requests for keys come here, too, and are no handshakes.
                let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                while let Some(Ok(message)) = socket.next().await {
                    let bye = message.is_text() && message.to_text().unwrap() == "bye";
                    if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                        return;
                    }
                    if bye {
                        let _ = socket.close(None).await;
                    }
                }
            });
        }
    });
    let world = Plan::new().await.before(upstream).start().await;
    let talk = async {
        let url = format!("ws://{}/realms/corp/live", world.address());
        let (mut socket, response) = tokio_tungstenite::connect_async(url).await.unwrap();
        assert_eq!(response.status(), 101);
        for message in [Message::text("hello"), Message::binary(vec![7; 1 << 20]), Message::text("")] {
            socket.send(message.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), message);
        }
        socket.send(Message::Ping("are you there".into())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
        // What is in the tunnel is no request, whatever it looks like.
        let fields = world::exchange_fields("x.y.z").map(|(name, value)| format!("{name}={value}")).join("&");
        socket.send(Message::text(fields.clone())).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(fields));
        socket.send(Message::text("bye")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("bye"));
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_)))));
        assert!(socket.next().await.is_none_or(|end| end.is_err()));
    };
    tokio::time::timeout(DEADLINE, talk).await.unwrap();
    assert_eq!(world.audit_so_far(), 0);
    serving.abort();
}
