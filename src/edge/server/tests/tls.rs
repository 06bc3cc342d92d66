use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{Request, Version};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::harness::*;
use crate::adapters::tls::KeyPair;
use crate::edge::server::tls::{Certificate, Reload};

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("cambio-tls-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A self-signed certificate for `localhost` and its key.
    fn pair(&self, name: &str) -> KeyPair {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        KeyPair {
            certificate: self.write(&format!("{name}.crt"), &made.cert.pem()),
            key: self.write(&format!("{name}.key"), &made.signing_key.serialize_pem()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn roots(certificate: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificate).unwrap()).unwrap();
    roots
}

async fn connect(
    address: std::net::SocketAddr,
    roots: RootCertStore,
    protocol: &[u8],
) -> std::io::Result<client::TlsStream<TcpStream>> {
    handshake(TcpStream::connect(address).await.unwrap(), roots, protocol).await
}

async fn handshake(
    stream: TcpStream,
    roots: RootCertStore,
    protocol: &[u8],
) -> std::io::Result<client::TlsStream<TcpStream>> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

#[tokio::test]
async fn both_protocols_by_alpn() {
    let folder = Folder::new();
    let mut listen = listen_config();
    let pair = folder.pair("tls");
    listen.tls = Some(pair.clone());
    let (upstream, mut received) = answering(OK).await;
    let gate = gate_with(&upstream_config(upstream), &listen);

    let mut stream = connect(gate.address, roots(&pair.certificate), b"http/1.1").await.unwrap();
    stream.write_all(b"GET /1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = soon(stream.read_to_string(&mut answer)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    let request = received.recv().await.unwrap();
    assert_eq!(header(&request, "x-forwarded-proto"), Some("https"));
    assert_eq!(header(&request, "x-forwarded-port"), Some("443"));

    let stream = connect(gate.address, roots(&pair.certificate), b"h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .handshake::<_, Empty<bytes::Bytes>>(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/2").body(Empty::new()).unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "ok");
}

#[tokio::test]
async fn the_scanner_looks_inside_tls() {
    let folder = Folder::new();
    let mut listen = listen_config();
    let pair = folder.pair("tls");
    listen.tls = Some(pair.clone());
    let (upstream, _received) = answering(OK).await;
    let gate = gate_with(&upstream_config(upstream), &listen);
    let mut stream = connect(gate.address, roots(&pair.certificate), b"http/1.1").await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na").await.unwrap();
    let mut answer = String::new();
    let _ = soon(stream.read_to_string(&mut answer)).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_parked_connection_keeps_its_tls() {
    let folder = Folder::new();
    let mut listen = listen_config();
    let pair = folder.pair("tls");
    listen.tls = Some(pair.clone());
    let (upstream, _received) = answering(OK).await;
    let (gate, _awake) = crowded(upstream, &listen);
    let mut stream = connect(gate.address, roots(&pair.certificate), b"http/1.1").await.unwrap();
    let (first, rest) = ("GET / HTTP/1.1\r\nHo", "st: a\r\n\r\n");
    for _ in 0..3 {
        for piece in [first, rest] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = vec![0; 1024];
        let count = soon(stream.read(&mut answer)).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let draining = tokio::spawn(gate.drain.drain(std::time::Duration::ZERO, LIMIT));
    let mut rest = Vec::new();
    // TLS ends in order, or this is an error.
    soon(stream.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
    drop(stream);
    soon(draining).await.unwrap();
}

#[tokio::test]
async fn a_proxy_protocol_header_precedes_tls() {
    let folder = Folder::new();
    let mut listen = listen_config();
    let pair = folder.pair("tls");
    listen.tls = Some(pair.clone());
    listen.trusted_proxies = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
    listen.proxy_protocol = true;
    let (upstream, mut received) = answering(OK).await;
    let gate = gate_with(&upstream_config(upstream), &listen);
    let mut stream = TcpStream::connect(gate.address).await.unwrap();
    stream.write_all(b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n").await.unwrap();
    let mut stream = handshake(stream, roots(&pair.certificate), b"http/1.1").await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let request = soon(received.recv()).await.unwrap();
    assert_eq!(header(&request, "x-forwarded-for"), Some("203.0.113.9"));
    assert_eq!(header(&request, "x-forwarded-proto"), Some("https"));
    assert!(
        connect(gate.address, roots(&pair.certificate), b"http/1.1").await.is_err(),
        "TLS without a header before it"
    );
}

#[test]
fn a_new_certificate_is_used_and_a_bad_one_is_not() {
    let folder = Folder::new();
    let pair = folder.pair("tls");
    let certificate = Certificate::load(&pair, None).unwrap();
    assert!(matches!(certificate.reload(), Reload::Unchanged));
    for (name, spoil) in [("no PEM", "rubbish"), ("empty", "")] {
        std::fs::write(&pair.certificate, spoil).unwrap();
        assert!(matches!(certificate.reload(), Reload::Rejected(_)), "{name}");
        assert!(matches!(certificate.reload(), Reload::Unchanged), "{name} is told once");
    }
    std::fs::remove_file(&pair.key).unwrap();
    assert!(matches!(certificate.reload(), Reload::Rejected(_)));
    assert!(matches!(certificate.reload(), Reload::Unchanged));
    folder.pair("tls");
    assert!(matches!(certificate.reload(), Reload::Used));
    let other = folder.pair("other");
    std::fs::copy(other.key, &pair.key).unwrap();
    assert!(matches!(certificate.reload(), Reload::Rejected(_)), "a key that does not fit");
    assert!(Certificate::load(&pair, None).is_err());
}

#[tokio::test]
async fn a_handshake_after_a_reload_sees_the_new_certificate() {
    let folder = Folder::new();
    let pair = folder.pair("tls");
    let old = roots(&pair.certificate);
    let certificate = Arc::new(Certificate::load(&pair, None).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepting = Arc::clone(&certificate);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = accepting.acceptor();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await.unwrap();
                }
            });
        }
    });
    let mut open = connect(address, old.clone(), b"http/1.1").await.unwrap();
    folder.pair("tls");
    assert!(matches!(certificate.reload(), Reload::Used));
    assert!(connect(address, old, b"http/1.1").await.is_err());
    connect(address, roots(&pair.certificate), b"http/1.1").await.unwrap();
    open.write_all(b"x").await.unwrap();
    assert_eq!(soon(open.read_u8()).await.unwrap(), b'x', "the open connection goes on");
}

#[tokio::test]
async fn the_upstream_may_ask_for_a_certificate() {
    let folder = Folder::new();
    let (server, client) = (folder.pair("server"), folder.pair("client"));
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&client.certificate)), provider()).build().unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(&server.certificate).unwrap()],
            PrivateKeyDer::from_pem_file(&server.key).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let address = upstream(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut buffer = [0; 4096];
            while let Ok(1..) = stream.read(&mut buffer).await {
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let mut config = upstream_config(address);
    config.scheme = http::uri::Scheme::HTTPS;
    config.authority = format!("localhost:{}", address.port()).parse().unwrap();
    // By default, a caller's request arrives without Cambio's certificate, which is for Cambio's own requests.
    for (name, ca, identity, own_calls_only, answer) in [
        ("all is well", Some(&server), Some(&client), false, "ok"),
        ("for own calls only", Some(&server), Some(&client), true, "upstream_unavailable"),
        ("no certificate of ours", Some(&server), None, false, "upstream_unavailable"),
        ("another CA", Some(&client), Some(&client), false, "upstream_unavailable"),
    ] {
        config.ca = ca.map(|pair| pair.certificate.clone());
        config.client_certificate = identity.cloned();
        config.certificate_for_own_calls_only = own_calls_only;
        let own = crate::adapters::upstream::client::UpstreamClient::new(&config).unwrap().is_reachable().await;
        let shows = identity.is_some() && ca == Some(&server);
        assert_eq!(own.is_ok(), shows, "{name}: a request on Cambio's own behalf");
        let gate = gate_with(&config, &listen_config());
        let mut caller = Caller::new(gate.address).await;
        let received = caller.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(received.ends_with(answer), "{name}: {received}");
    }
    config.ca = Some(folder.write("empty.pem", ""));
    assert!(crate::adapters::upstream::client::UpstreamClient::new(&config).is_err());
}

/// Says who showed what.
struct Telling;

impl crate::edge::server::Handler for Telling {
    async fn handle(
        &self,
        _: Request<hyper::body::Incoming>,
        connection: &Arc<crate::edge::server::Connection>,
    ) -> http::Response<crate::adapters::net::body::Body> {
        let told = connection.client_certificate().map_or_else(
            || "nobody".to_owned(),
            |shown| format!("{} {}", shown.subject().as_str(), if shown.is_trusted() { "trusted" } else { "strange" }),
        );
        http::Response::new(crate::adapters::net::body::Body::full(told))
    }
}

/// A certificate by `issuer`, or by itself, and its key.
fn identity(
    name: &str,
    issuer: Option<&rcgen::Issuer<'_, &rcgen::KeyPair>>,
    change: impl FnOnce(&mut rcgen::CertificateParams),
) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name = rcgen::DistinguishedName::new();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    change(&mut parameters);
    let made = match issuer {
        Some(issuer) => parameters.signed_by(&key, issuer).unwrap(),
        None => parameters.self_signed(&key).unwrap(),
    };
    (made.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

#[tokio::test]
async fn callers_may_show_certificates() {
    use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer};
    let folder = Folder::new();
    let mut listen = listen_config();
    let pair = folder.pair("tls");
    listen.tls = Some(pair.clone());
    let key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = folder.write("ca.pem", &authority.self_signed(&key).unwrap().pem());
    let issuer = Issuer::new(authority, &key);
    let plain = |_: &mut rcgen::CertificateParams| {};
    let right = identity("batch", Some(&issuer), plain);
    let own = identity("batch", None, plain);
    let old = identity("batch", Some(&issuer), |p| p.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let server = identity("batch", Some(&issuer), |p| {
        p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    // A certificate that somebody else's key goes with.
    let stolen = (right.0.clone(), own.1.clone_key());

    let asks = |ca: Option<&PathBuf>| Some(crate::adapters::config::ClientCertificates { ca: ca.cloned() });
    for (name, asked, shown, expected) in [
        ("not asked", None, Some(&right), Some("nobody")),
        ("none", asks(Some(&ca)), None, Some("nobody")),
        ("by the authority", asks(Some(&ca)), Some(&right), Some("CN=batch trusted")),
        ("by itself", asks(Some(&ca)), Some(&own), Some("CN=batch strange")),
        ("expired", asks(Some(&ca)), Some(&old), Some("CN=batch strange")),
        ("of a server", asks(Some(&ca)), Some(&server), Some("CN=batch strange")),
        ("without the key", asks(Some(&ca)), Some(&stolen), None),
        ("any issuer, none", asks(None), None, Some("nobody")),
        ("any issuer", asks(None), Some(&right), Some("CN=batch strange")),
        ("any issuer, without the key", asks(None), Some(&stolen), None),
    ] {
        for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
            listen.client_certificates = asked.clone();
            let gate = serve(&listen, Telling);
            let builder = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(roots(&pair.certificate));
            let config = match shown {
                None => builder.with_no_client_auth(),
                Some((certificate, key)) => {
                    // Shown whatever the server hints at, and whether the key fits or not.
                    let key = provider().key_provider.load_private_key(key.clone_key()).unwrap();
                    let certified = rustls::sign::CertifiedKey::new(vec![certificate.clone()], key);
                    builder.with_client_cert_resolver(Arc::new(Always(Arc::new(certified))))
                }
            };
            let config = Arc::new(config);
            // The second connection resumes the session of the first.
            for turn in ["first", "resumed"] {
                let told = tell(gate.address, &config).await;
                assert_eq!(told.as_deref(), expected, "{name}, {version:?}, {turn}");
            }
        }
    }
}

#[derive(Debug)]
struct Always(Arc<rustls::sign::CertifiedKey>);

impl rustls::client::ResolvesClientCert for Always {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The body of the answer, if there is one.
async fn tell(address: std::net::SocketAddr, config: &Arc<ClientConfig>) -> Option<String> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = soon(TlsConnector::from(Arc::clone(config)).connect(name, stream)).await.ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    let _ = soon(stream.read_to_string(&mut answer)).await;
    answer.starts_with("HTTP/1.1 200").then(|| answer.rsplit_once("\r\n\r\n").unwrap().1.to_owned())
}

#[test]
fn a_new_authority_is_used_and_a_bad_one_is_not() {
    let folder = Folder::new();
    let (pair, ca) = (folder.pair("tls"), folder.pair("ca").certificate);
    let clients = crate::adapters::config::ClientCertificates { ca: Some(ca.clone()) };
    let certificate = Certificate::load(&pair, Some(&clients)).unwrap();
    assert!(matches!(certificate.reload(), Reload::Unchanged));
    std::fs::write(&ca, "rubbish").unwrap();
    assert!(matches!(certificate.reload(), Reload::Rejected(_)));
    folder.pair("ca");
    assert!(matches!(certificate.reload(), Reload::Used));
    std::fs::write(&ca, "").unwrap();
    assert!(Certificate::load(&pair, Some(&clients)).is_err());
}
