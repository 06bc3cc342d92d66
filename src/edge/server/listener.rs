//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsStream;

use crate::adapters::descriptors;
use crate::adapters::metrics::Metrics;
use crate::adapters::net::connection::{Connection, ConnectionFacts, Limits, ListedProxies};
use crate::adapters::net::transport::{MAX_HEADER_LINES, Transport, tune};
use crate::adapters::{config, drain};
use crate::edge::server::handler::Handler;
use crate::edge::server::proxy_protocol::{self, Announced, ProxyHeaderError};
use crate::edge::server::serving;
use crate::edge::server::tls::{Certificate, ListenerCertificateError};

/// Connections that the kernel holds for Cambio. The kernel uses the lower of this number and `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Pause after an error that may last (no file descriptors, no memory), so that the loop does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// hyper's lower bound.
const MIN_BUFFER: usize = 8192;

/// Requests at one time on an HTTP/2 connection: nginx's and Envoy's usual value.
const MAX_STREAMS: u32 = 128;

/// Limits against rapid reset (CVE-2023-44487) and its inversion (CVE-2025-8671): streams that the peer reset before
/// they were accepted, and streams that Cambio reset because of the peer's errors. More of them close the connection.
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 128;

/// Bytes that a peer may send before Cambio reads them: per stream, and per connection, which bounds memory.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes that are buffered for a stream that the peer does not read.
const SEND_BUFFER: usize = 128 * 1024;

/// Interval at which a silent HTTP/2 peer is pinged, and time in which it must answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// A listener that is ready to serve.
pub struct Server {
    listen: config::Listen,
    certificate: Option<Certificate>,
    builder: auto::Builder<TokioExecutor>,
    limits: Limits,
    proxies: Arc<ListedProxies>,
}

/// Listens on an address. A port that is taken is an error.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the kernel to forget the last process's connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Server {
    /// Reads the certificate, if the configuration has one.
    pub fn new(listen: &config::Listen) -> Result<Self, ListenerCertificateError> {
        let load = |pair| Certificate::load(pair, listen.client_certificates.as_ref());
        Ok(Self {
            certificate: listen.tls.as_ref().map(load).transpose()?,
            builder: builder(listen),
            limits: Limits { header: listen.header_timeout, idle: listen.idle_timeout },
            proxies: Arc::new(ListedProxies::of(listen)),
            listen: listen.clone(),
        })
    }

    /// Serves until the drain begins. Then the listener closes, and connections go on in their own tasks, each with a
    /// watch.
    pub async fn serve<H: Handler>(
        self,
        listener: TcpListener,
        handler: Arc<H>,
        watch: drain::DrainWatch,
        metrics: Arc<Metrics>,
    ) {
        let server = Arc::new(self);
        if server.certificate.is_some() {
            let (server, watch, metrics) = (Arc::clone(&server), watch.clone(), Arc::clone(&metrics));
            tokio::spawn(async move {
                if let Some(certificate) = &server.certificate {
                    certificate.follow(watch, &metrics).await;
                }
            });
        }
        let mut draining = watch.clone();
        tokio::select! {
            () = draining.draining() => {}
            () = server.accept(&listener, &handler, &watch, &metrics) => {}
        }
    }

    async fn accept<H: Handler>(
        self: &Arc<Self>,
        listener: &TcpListener,
        handler: &Arc<H>,
        watch: &drain::DrainWatch,
        metrics: &Arc<Metrics>,
    ) {
        let places = Arc::new(Semaphore::new(self.listen.max_connections));
        loop {
            // The place is taken before the accept, so that a caller without a place waits in the kernel's queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (server, handler) = (Arc::clone(self), Arc::clone(handler));
                    let (watch, metrics) = (watch.clone(), Arc::clone(metrics));
                    tokio::spawn(async move {
                        metrics.connection_opened();
                        let place = Place { metrics, _permit: place };
                        server.connection(stream, peer, place, handler, watch).await;
                    });
                }
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "can't accept connections");
                    // Somebody may have lowered the limit since the start.
                    descriptors::raise_limit();
                    tokio::time::sleep(ERROR_PAUSE).await;
                }
            }
        }
    }

    async fn connection<H: Handler>(
        &self,
        mut stream: TcpStream,
        peer: SocketAddr,
        place: Place,
        handler: Arc<H>,
        mut watch: drain::DrainWatch,
    ) {
        let Ok(local) = stream.local_addr().and_then(|local| tune(&stream).map(|()| local)) else { return };
        let Some((peer, trusted)) = self.peer(&mut stream, peer, &mut watch).await else { return };
        let (transport, shown) = match &self.certificate {
            None => (Transport::Plain(stream), None),
            Some(certificate) => {
                let handshake = tokio::time::timeout(self.limits.header, certificate.acceptor().accept(stream));
                // There is no request yet, so a drain need not wait.
                let done = tokio::select! {
                    done = handshake => done,
                    () = watch.draining() => return,
                };
                let Ok(Ok(stream)) = done else { return place.metrics.handshake_failed() };
                let shown = certificate.shown(stream.get_ref().1);
                (Transport::Tls(Box::new(TlsStream::from(stream))), shown)
            }
        };
        let facts = ConnectionFacts::new(peer, local, self.certificate.is_some(), trusted)
            .with_certificate(shown)
            .with_proxies(&self.proxies);
        let connection = Arc::new(Connection::new(facts, watch, place));
        serving::serve(transport, connection, &self.builder, &handler, self.limits).await;
    }

    /// The address that the connection is from, and whether its headers about callers count. `None` if the connection ends
    /// here, because a listed proxy must state the address and does not.
    async fn peer(
        &self,
        stream: &mut TcpStream,
        peer: SocketAddr,
        watch: &mut drain::DrainWatch,
    ) -> Option<(SocketAddr, bool)> {
        let listed = self.proxies.contain(peer.ip());
        if !listed || !self.listen.proxy_protocol {
            return Some((peer, listed));
        }
        let read = tokio::time::timeout(self.limits.header, proxy_protocol::read(stream));
        let read = tokio::select! {
            read = read => read,
            () = watch.draining() => return None,
        };
        match read {
            Ok(Ok(Announced::Proxy)) => Some((peer, true)),
            // Such a proxy passes bytes on: the headers are the caller's own.
            Ok(Ok(Announced::Unknown)) => Some((peer, false)),
            Ok(Ok(Announced::Caller(caller))) => Some((caller, self.proxies.contain(caller.ip()))),
            // A health check that only connects.
            Ok(Err(ProxyHeaderError::Io(error))) => {
                tracing::debug!(%peer, %error, "a listed proxy's connection ended before its PROXY protocol header");
                None
            }
            Ok(Err(error)) => {
                tracing::warn!(%peer, %error, "a listed proxy's connection is refused (listen.proxyProtocol)");
                None
            }
            Err(_) => {
                tracing::warn!(%peer, "a listed proxy's PROXY protocol header did not come within listen.headerTimeout");
                None
            }
        }
    }
}

/// HTTP/1.1 and HTTP/2, told apart with the first bytes.
///
/// `pipeline_flush` stays off: with it hyper closes without sending its 400. hyper's `header_read_timeout` is off,
/// because it takes a timer per request and can't tell an idle connection from a slow head; `serving` does both.
fn builder(listen: &config::Listen) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .half_close(false)
        .max_headers(MAX_HEADER_LINES)
        .max_buf_size(listen.max_header_bytes.max(MIN_BUFFER));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(listen.max_header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_LOCAL_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Errors of the connection that was being accepted, not of the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// A place among `listen.maxConnections`, held until the last user of the connection is gone.
struct Place {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connection_closed();
    }
}
