//! New connections to the identity provider.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::TlsStream;

use crate::adapters::net::body::Body;
use crate::adapters::net::dial::{Purpose, dial};
use crate::adapters::net::transport::{MAX_HEADER_LINES, Transport};
use crate::adapters::net::url::bare_host;
use crate::adapters::net::wire::{Wire, WireState};
use crate::adapters::tls::KeyPair;
use crate::adapters::upstream::error::{UpstreamError, UpstreamSetupError};
use crate::adapters::{config, tls};

/// Largest head of an answer. Keycloak's cookies and CSP stay far below.
const MAX_BUFFER: usize = 64 * 1024;

/// Makes connections.
pub(crate) struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    idle: Duration,
    /// Descriptors for connections.
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl Connector {
    /// Reads certificates and keys. Connections show `certificate`, if there is one.
    pub(crate) fn new(
        config: &config::Upstream,
        certificate: Option<&KeyPair>,
        places: Arc<Semaphore>,
    ) -> Result<Self, UpstreamSetupError> {
        let https = config.scheme == Scheme::HTTPS;
        let host = bare_host(config.authority.host()).to_owned();
        let tls = if https {
            let mut client = tls::client(config.ca.as_deref(), certificate)?;
            client.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some((TlsConnector::from(Arc::new(client)), ServerName::try_from(host.clone())?))
        } else {
            None
        };
        let port = config.authority.port_u16().unwrap_or(if https { 443 } else { 80 });
        Ok(Self { host, port, tls, timeout: config.connect_timeout, idle: config.idle_timeout, places })
    }

    /// A connection that is ready for a request, within the time limit.
    pub(crate) async fn connect(&self) -> Result<(SendRequest<Body>, Arc<WireState>), UpstreamError> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| UpstreamError::NoDescriptor)?;
        let wire = tokio::time::timeout(self.timeout, self.open())
            .await
            .map_err(|_| UpstreamError::ConnectTimeout(self.timeout))?
            .map(|transport| Wire::new(transport, self.idle, place))
            .map_err(UpstreamError::Connect)?;
        let state = wire.state();
        let (sender, connection) = http1::Builder::new()
            .max_headers(MAX_HEADER_LINES)
            .max_buf_size(MAX_BUFFER)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(UpstreamError::Broken)?;
        // The connection has its own task, so that an upload goes on while the caller reads the answer slowly.
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "upstream connection ended");
            }
        });
        Ok((sender, state))
    }

    async fn open(&self) -> io::Result<Transport> {
        let stream = dial(&self.host, self.port, Purpose::Upstream).await?;
        let Some((connector, name)) = &self.tls else { return Ok(Transport::Plain(stream)) };
        let stream = connector.connect(name.clone(), stream).await?;
        Ok(Transport::Tls(Box::new(TlsStream::from(stream))))
    }
}
