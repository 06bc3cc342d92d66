//! Accepting connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_rustls::TlsStream;

use crate::adapters::descriptors;
use crate::adapters::metrics::Metrics;
use crate::adapters::net::budget::MemoryBudget;
use crate::adapters::net::connection::{Connection, ConnectionFacts, ListedProxies};
use crate::adapters::net::transport::{Transport, tune};
use crate::adapters::{config, drain};
use crate::edge::server::crowd::Waiting;
use crate::edge::server::handler::Handler;
use crate::edge::server::proxy_protocol::{self, Announced, ProxyHeaderError};
use crate::edge::server::serving::{self, Protocol};
use crate::edge::server::tls::{Certificate, ListenerCertificateError};
use crate::judgement::client::certificate::ClientCertificate;

/// Connections that the kernel holds for Cambio. The kernel uses the lower of this number and `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Pause after an error that may last (no file descriptors, no memory), so that the loop does not spin.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// A listener that is ready to serve.
pub struct Server {
    listen: config::Listen,
    certificate: Option<Certificate>,
    pub(super) protocol: Protocol,
    proxies: Arc<ListedProxies>,
    budget: Arc<MemoryBudget>,
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
    /// Reads the certificate, if the configuration has one. Callers' requests count in `budget`.
    pub fn new(listen: &config::Listen, budget: Arc<MemoryBudget>) -> Result<Self, ListenerCertificateError> {
        let load = |pair| Certificate::load(pair, listen.client_certificates.as_ref());
        Ok(Self {
            certificate: listen.tls.as_ref().map(load).transpose()?,
            protocol: Protocol::new(listen),
            proxies: Arc::new(ListedProxies::of(listen)),
            listen: listen.clone(),
            budget,
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
        if let Some(certificate) = &server.certificate {
            certificate.show(&metrics);
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
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // One caller without a place waits here, all others in the kernel's queue.
                    let Some(place) = self.protocol.crowd.place().await else { return };
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
        stream: TcpStream,
        peer: SocketAddr,
        place: Place,
        handler: Arc<H>,
        mut watch: drain::DrainWatch,
    ) {
        let Ok(local) = stream.local_addr().and_then(|local| tune(&stream).map(|()| local)) else { return };
        let begun = if self.certificate.is_none() && !self.listen.proxy_protocol {
            Some(Begun {
                trusted: self.proxies.contain(peer.ip()),
                transport: Transport::Plain(stream),
                shown: None,
                peer,
            })
        } else {
            let ticket = self.protocol.crowd.enter(Waiting::Unheard, Instant::now(), peer.ip());
            // The future is boxed, because an idle connection must not have room for it.
            tokio::select! {
                begun = Box::pin(self.begin(stream, peer, &place)) => begun,
                () = ticket.called() => return,
                // There is no request yet, so a drain need not wait.
                () = watch.draining() => return,
            }
        };
        let Some(Begun { transport, shown, peer, trusted }) = begun else { return };
        let facts = ConnectionFacts::new(peer, local, self.certificate.is_some(), trusted)
            .with_certificate(shown)
            .with_proxies(&self.proxies)
            .with_budget(&self.budget);
        let connection = Arc::new(Connection::new(facts, watch, place));
        serving::serve(transport, connection, &self.protocol, &handler).await;
    }

    /// What comes before the first request: the PROXY protocol and TLS.
    async fn begin(&self, mut stream: TcpStream, peer: SocketAddr, place: &Place) -> Option<Begun> {
        let (peer, trusted) = self.peer(&mut stream, peer).await?;
        let Some(certificate) = &self.certificate else {
            return Some(Begun { transport: Transport::Plain(stream), shown: None, peer, trusted });
        };
        let handshake = tokio::time::timeout(self.protocol.limits.header, certificate.acceptor().accept(stream));
        let Ok(Ok(stream)) = handshake.await else {
            place.metrics.handshake_failed();
            return None;
        };
        let shown = certificate.shown(stream.get_ref().1);
        Some(Begun { transport: Transport::Tls(Box::new(TlsStream::from(stream))), shown, peer, trusted })
    }

    /// The address that the connection is from, and whether its headers about callers count. `None` if the connection ends
    /// here, because a listed proxy must state the address and does not.
    async fn peer(&self, stream: &mut TcpStream, peer: SocketAddr) -> Option<(SocketAddr, bool)> {
        let listed = self.proxies.contain(peer.ip());
        if !listed || !self.listen.proxy_protocol {
            return Some((peer, listed));
        }
        match tokio::time::timeout(self.protocol.limits.header, proxy_protocol::read(stream)).await {
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

/// Errors of the connection that was being accepted, not of the listener.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// A connection on which the first request can come.
struct Begun {
    transport: Transport,
    shown: Option<ClientCertificate>,
    peer: SocketAddr,
    trusted: bool,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::server::tests::harness::{Passing, listen_config, upstream_config};

    #[tokio::test]
    async fn the_task_of_an_idle_connection_is_small() {
        let listen = listen_config();
        let listener = bind(listen.address).unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let server = Server::new(&listen, MemoryBudget::unlimited()).unwrap();
        let upstream = crate::adapters::upstream::client::UpstreamClient::new(&upstream_config(address)).unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let place = Place { metrics, _permit: server.protocol.crowd.place().await.unwrap() };
        let (_drain, watch) = drain::channel();
        let task = server.connection(stream, address, place, Arc::new(Passing(upstream)), watch);
        let size = size_of_val(&task);
        assert!(size <= 4096, "{size} bytes");
    }
}
