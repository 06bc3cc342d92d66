//! The HTTP server of the demo's identity provider.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::tools::demo::keys::{Keys, RealmKey, RealmKeyError};
use crate::tools::demo::provider::Provider;
use crate::tools::demo::received::Received;
use crate::words::clock::Clock;

/// How to start the demo's identity provider.
#[derive(Debug)]
pub struct IdpOptions {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where its time comes from.
    pub clock: Clock,
    /// Its keys; none makes new ones.
    pub keys: Option<Keys>,
}

/// The identity provider could not be started.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// The port is taken.
    #[error("can't listen on 127.0.0.1:{0}: {1}")]
    Listen(u16, io::Error),
    /// No keys could be made.
    #[error(transparent)]
    Keys(#[from] RealmKeyError),
}

/// Stands between the listener and the provider. The tests record and spoil with it what passes; the demo has none.
pub trait Intervene: Send + Sync {
    /// Answers a request, with the provider's help or without. An error ends the connection.
    fn intervene<'a>(&'a self, provider: &'a Provider, request: Received) -> Intervention<'a>;
}

/// The answer of an [`Intervene`]. Its body may break off.
pub type Intervention<'a> = Pin<Box<dyn Future<Output = io::Result<Response<BoxBody<Bytes, io::Error>>>> + Send + 'a>>;

/// A running identity provider; dropping it ends it.
#[derive(Debug)]
pub struct Idp {
    address: SocketAddr,
    provider: Arc<Provider>,
    server: JoinHandle<()>,
}

impl Idp {
    /// Listens and serves until stopped or dropped.
    ///
    /// # Errors
    /// When the port is taken or no keys can be made.
    pub async fn start(options: IdpOptions) -> Result<Self, IdpError> {
        Self::start_with(options, None).await
    }

    /// Starts a provider whose requests pass through `intervene`.
    ///
    /// # Errors
    /// When the port is taken or no keys can be made.
    pub async fn start_with(options: IdpOptions, intervene: Option<Arc<dyn Intervene>>) -> Result<Self, IdpError> {
        let keys = match options.keys {
            Some(keys) => keys,
            None => tokio::task::spawn_blocking(Keys::generate).await.map_err(|_| RealmKeyError)??,
        };
        let provider = Arc::new(Provider::new(options.clock, &keys)?);
        let failed = |error| IdpError::Listen(options.port, error);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let server = tokio::spawn(serve(listener, Arc::clone(&provider), intervene));
        Ok(Self { address, provider, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL that a direct caller uses, without a trailing slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key that signs in a realm now.
    pub fn signing_key(&self, realm: &str) -> Option<Arc<RealmKey>> {
        self.provider.signing_key(realm)
    }

    /// Signs with a new key from now on. The old one stays published if `keep`.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn rotate(&self, realm: &'static str, keep: bool) -> Result<(), RealmKeyError> {
        self.provider.rotate(realm, Arc::new(RealmKey::generate()?), keep);
        Ok(())
    }

    /// Ends it: the port is free and every connection is closed afterwards.
    pub async fn stop(mut self) {
        self.server.abort();
        // Aborted on purpose.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Dropping this future drops the listener and the connections with it.
async fn serve(listener: TcpListener, provider: Arc<Provider>, intervene: Option<Arc<dyn Intervene>>) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(connection(stream, Arc::clone(&provider), intervene.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, provider: Arc<Provider>, intervene: Option<Arc<dyn Intervene>>) {
    // A peer that hangs up is no event here.
    drop(stream.set_nodelay(true));
    let service = service_fn(|request| handle(request, &provider, intervene.as_deref()));
    let builder = hyper::server::conn::http1::Builder::new();
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn handle(
    request: Request<Incoming>,
    provider: &Provider,
    intervene: Option<&dyn Intervene>,
) -> io::Result<Response<BoxBody<Bytes, io::Error>>> {
    let (head, body) = request.into_parts();
    let received = Received {
        method: head.method,
        target: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
        headers: head.headers,
        body: body.collect().await.map_err(io::Error::other)?.to_bytes(),
    };
    match intervene {
        Some(intervene) => intervene.intervene(provider, received).await,
        None => Ok(provider.respond(&received).map(|body| Full::new(body).map_err(|never| match never {}).boxed())),
    }
}
