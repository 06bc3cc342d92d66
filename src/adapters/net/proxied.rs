//! Connections to a server, directly or through an HTTP proxy: a tunnel for https (RFC 9110 section 9.3.6), requests in
//! absolute form for plain http (RFC 9112 section 3.2.2).

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, TlsStream};
use tower_service::Service;

use crate::adapters::config::{Proxies, Proxy};
use crate::adapters::net::dial::{Purpose, dial};
use crate::adapters::net::transport::Transport;
use crate::adapters::net::url::{bare_host, port_of};
use crate::adapters::tls::{self, TlsError};

/// A connector of hyper's client, which knows the proxies on the way.
#[derive(Clone, Debug, Default)]
pub struct Dialer {
    proxies: Arc<Proxies>,
    /// TLS towards a proxy; `None` if no proxy has TLS.
    tls: Option<Arc<ClientConfig>>,
}

/// A connection to a server, or to the proxy that forwards requests to the server.
pub struct Dialed {
    transport: Transport,
    is_forwarded: bool,
}

type Dialing = Pin<Box<dyn Future<Output = io::Result<TokioIo<Dialed>>> + Send>>;

impl Dialer {
    /// Connections through these proxies. A proxy with TLS must have a certificate of one of the system's authorities.
    ///
    /// # Errors
    /// A proxy has TLS, and the system has no certificate authorities.
    pub fn new(proxies: &Proxies) -> Result<Self, TlsError> {
        let has_tls = proxies.all().any(|(_, proxy)| proxy.has_tls());
        let tls = has_tls.then(|| tls::client(None, None).map(Arc::new)).transpose()?;
        Ok(Self { proxies: Arc::new(proxies.clone()), tls })
    }

    /// The credentials for the proxy that forwards requests for this URL. A tunnel has them already.
    pub(crate) fn authorization(&self, url: &Uri) -> Option<&HeaderValue> {
        let is_forwarded = url.scheme() == Some(&Scheme::HTTP);
        self.proxies.of(url).filter(|_| is_forwarded)?.authorization()
    }
}

impl Service<Uri> for Dialer {
    type Response = TokioIo<Dialed>;
    type Error = io::Error;
    type Future = Dialing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Dialing {
        let proxy = self.proxies.of(&url).cloned();
        let tls = self.tls.clone();
        Box::pin(async move {
            match proxy {
                None => Direct(None).call(url).await,
                Some(proxy) => {
                    through(&proxy, url, tls).await.map_err(|error| io::Error::other(ProxyError { proxy, error }))
                }
            }
        })
    }
}

async fn through(proxy: &Proxy, url: Uri, tls: Option<Arc<ClientConfig>>) -> io::Result<TokioIo<Dialed>> {
    let mut direct = Direct(tls);
    if url.scheme() == Some(&Scheme::HTTPS) {
        let mut tunnel = Tunnel::new(proxy.address().clone(), direct);
        if let Some(authorization) = proxy.authorization() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        return tunnel.call(url).await.map_err(io::Error::other);
    }
    let mut dialed = direct.call(proxy.address().clone()).await?;
    dialed.inner_mut().is_forwarded = true;
    Ok(dialed)
}

/// Why there is no connection through a proxy.
#[derive(Debug, thiserror::Error)]
#[error("by the proxy {proxy}")]
struct ProxyError {
    proxy: Proxy,
    #[source]
    error: io::Error,
}

/// Connects to the host of a URL. With these settings, a connection for https has TLS; without them, others add TLS.
struct Direct(Option<Arc<ClientConfig>>);

impl Service<Uri> for Direct {
    type Response = TokioIo<Dialed>;
    type Error = io::Error;
    type Future = Dialing;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Dialing {
        let tls = self.0.clone().filter(|_| url.scheme() == Some(&Scheme::HTTPS));
        Box::pin(async move {
            let host = bare_host(url.host().unwrap_or_default());
            let stream = dial(host, port_of(&url), Purpose::Other).await?;
            let transport = match tls {
                None => Transport::Plain(stream),
                Some(tls) => {
                    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
                    let stream = TlsConnector::from(tls).connect(name, stream).await?;
                    Transport::Tls(Box::new(TlsStream::Client(stream)))
                }
            };
            Ok(TokioIo::new(Dialed { transport, is_forwarded: false }))
        })
    }
}

impl Connection for Dialed {
    fn connected(&self) -> Connected {
        Connected::new().proxy(self.is_forwarded)
    }
}

impl AsyncRead for Dialed {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_read(cx, buf)
    }
}

impl AsyncWrite for Dialed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;

    use super::*;

    #[tokio::test]
    async fn names_and_addresses_are_dialled() {
        let alive = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = alive.local_addr().unwrap().port();
        for uri in [format!("http://127.0.0.1:{port}/a"), format!("https://localhost:{port}")] {
            assert!(Dialer::default().call(uri.parse().unwrap()).await.is_ok(), "{uri}");
        }
    }

    #[tokio::test]
    async fn an_error_names_the_proxy_without_its_credentials() {
        let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let proxy = Proxy::parse(&format!("http://user:hunter2@{refusing}")).unwrap();
        for url in ["http://a.example/", "https://a.example/"] {
            let mut dialer = Dialer::new(&Proxies::always(proxy.clone())).unwrap();
            let error = dialer.call(url.parse().unwrap()).await.err().unwrap();
            assert_eq!(error.to_string(), format!("by the proxy http://{refusing}"));
            let error = format!("{error:?}");
            assert!(!error.contains("hunter2") && !format!("{dialer:?}").contains("hunter2"), "{error}");
        }
    }

    /// A proxy with TLS that answers one request with a status. Returns its port, its certificate and the request's head.
    async fn tls_proxy(status: &'static str) -> (u16, rustls_pki_types::CertificateDer<'static>, JoinHandle<String>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(stream).await else {
                return "no handshake".to_owned();
            };
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap();
            stream.write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes()).await.unwrap();
            String::from_utf8(head[..read].to_vec()).unwrap()
        });
        (port, made.cert.der().clone(), task)
    }

    #[tokio::test]
    async fn a_proxy_may_have_tls_and_refuse() {
        for (name, status, is_trusted, connects) in [
            ("tunnel", "200 OK", true, true),
            ("wants a password", "407 Proxy Authentication Required", true, false),
            ("refuses", "403 Forbidden", true, false),
            ("unknown authority", "200 OK", false, false),
        ] {
            let (port, certificate, task) = tls_proxy(status).await;
            let mut roots = rustls::RootCertStore::empty();
            if is_trusted {
                roots.add(certificate).unwrap();
            }
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
            let tls = tls.with_root_certificates(roots).with_no_client_auth();
            let proxies = Proxies::always(Proxy::parse(&format!("https://u:p@localhost:{port}")).unwrap());
            let mut dialer = Dialer { proxies: Arc::new(proxies), tls: Some(Arc::new(tls)) };
            let made = dialer.call("https://a.example:8443/x".parse().unwrap()).await;
            assert_eq!(made.is_ok(), connects, "{name}: {:?}", made.err());
            let head = task.await.unwrap();
            let expected =
                "CONNECT a.example:8443 HTTP/1.1\r\nHost: a.example:8443\r\nProxy-Authorization: Basic dTpw\r\n\r\n";
            assert_eq!(head, if is_trusted { expected } else { "no handshake" }, "{name}");
        }
    }
}
