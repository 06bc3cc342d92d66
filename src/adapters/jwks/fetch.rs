//! Fetching a JWK set: one attempt, bounded in time and size, without redirects.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, HOST, HeaderName};
use http::uri::Scheme;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use tokio::io::AsyncReadExt;

use super::source::{PublicAddress, Source, SourceError, same_origin, web};
use crate::adapters::config::{KeyPair, Realm, TrustedIssuer, Upstream};
use crate::adapters::tls::{self, TlsError};
use crate::judgement::jose::keys::{KeySet, KeySetError, MAX_SET_BYTES};
use crate::words::oauth::json;

/// Limit for one attempt, discovery included.
pub const TIME_LIMIT: Duration = Duration::from_secs(5);
/// How often a file is looked at, at least.
const FILE_INTERVAL: Duration = Duration::from_secs(5);

/// Fetches the keys of one source.
pub struct Fetcher {
    source: Source,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    time_limit: Duration,
}

/// Why a fetcher could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The place is no URL that keys can be fetched from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why keys could not be fetched. The text never repeats an answer's body.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// Not done within [`TIME_LIMIT`].
    #[error("no answer in time")]
    Timeout,
    /// A redirect, which is not followed: it would let whoever answers choose where our trust comes from.
    #[error("redirected ({0}); redirects are not followed")]
    Redirect(StatusCode),
    /// Another status than 200.
    #[error("status {0}")]
    Status(StatusCode),
    /// The answer has a content coding though none was accepted.
    #[error("the answer has a content coding")]
    Coding,
    /// Larger than [`MAX_SET_BYTES`].
    #[error("the answer is larger than 256 KiB")]
    TooLarge,
    /// The answer is no acceptable key set.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    /// The discovery document can't be used.
    #[error("discovery: {0}")]
    Discovery(&'static str),
    /// The file can't be read.
    #[error("{0}")]
    File(std::io::ErrorKind),
    /// A fetch for an unknown `kid` is not due yet.
    #[error("another fetch is not due yet")]
    NotDue,
    /// The task that fetched ended early.
    #[error("the fetch was aborted")]
    Aborted,
    /// A fetch failed a moment ago.
    #[error("{0}")]
    Earlier(Arc<FetchError>),
}

impl Fetcher {
    /// Fetches a realm's keys from the upstream, with the upstream's TLS settings.
    pub fn realm(upstream: &Upstream, realm: &Realm) -> Result<Self, SetupError> {
        let (ca, client) = (upstream.ca.as_deref(), upstream.client_certificate.as_ref());
        Ok(Self::new(Source::realm(upstream, realm)?, ca, client)?)
    }

    /// Fetches a foreign issuer's keys from wherever its configuration says.
    pub fn issuer(issuer: &TrustedIssuer) -> Result<Self, SetupError> {
        Ok(Self::new(Source::issuer(issuer)?, issuer.ca.as_deref(), None)?)
    }

    /// A fetcher that trusts the certificates in `ca`, or the system's, and shows `client` if asked to. Files are
    /// read here, and only if the source can need TLS.
    pub fn new(source: Source, ca: Option<&Path>, client: Option<&KeyPair>) -> Result<Self, TlsError> {
        let tls = if source.needs_tls() { tls::client(ca, client)? } else { tls::nobody()? };
        Ok(Self::with_tls(source, tls))
    }

    pub(super) fn with_tls(source: Source, tls: ClientConfig) -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        // Fetches are minutes apart: a kept connection would be dead by then.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { source, client, time_limit: TIME_LIMIT }
    }

    /// One attempt.
    pub async fn fetch(&self) -> Result<KeySet, FetchError> {
        tokio::time::timeout(self.time_limit, self.attempt()).await.unwrap_or(Err(FetchError::Timeout))
    }

    /// How long after a success the next attempt is due, if keys live this long.
    pub(super) fn interval(&self, refresh: Duration) -> Duration {
        match self.source {
            Source::File(_) => refresh.min(FILE_INTERVAL),
            Source::Url { .. } | Source::Discovery { .. } => refresh,
        }
    }

    async fn attempt(&self) -> Result<KeySet, FetchError> {
        let body = match &self.source {
            Source::File(path) => read(path).await?,
            Source::Url { url, public } => self.get(url, public.as_ref()).await?,
            Source::Discovery { url, issuer } => {
                let document = self.get(url, None).await?;
                self.get(&keys_url(&document, url, issuer)?, None).await?
            }
        };
        Ok(KeySet::parse(&body)?)
    }

    async fn get(&self, url: &Uri, public: Option<&PublicAddress>) -> Result<Bytes, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        if let Some(PublicAddress { host, proto }) = public {
            headers.insert(HOST, host.clone());
            headers.insert(HeaderName::from_static("x-forwarded-host"), host.clone());
            headers.insert(HeaderName::from_static("x-forwarded-proto"), proto.clone());
        }
        let response =
            self.client.request(request).await.map_err(|error| FetchError::Connection(chain(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(FetchError::Redirect(status)),
            status => return Err(FetchError::Status(status)),
        }
        if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(FetchError::Coding);
        }
        let body = Limited::new(response.into_body(), MAX_SET_BYTES).collect().await;
        body.map(http_body_util::Collected::to_bytes).map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::TooLarge
            } else {
                FetchError::Connection(chain(&*error))
            }
        })
    }
}

impl std::fmt::Display for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.source.fmt(f)
    }
}

/// `jwks_uri` of a discovery document (OpenID Connect Discovery 1.0 section 3) whose issuer is exactly the expected
/// one (section 4.3). It is https, or at least no less safe than the document itself was.
fn keys_url(document: &[u8], found_at: &Uri, issuer: &str) -> Result<Uri, FetchError> {
    let wrong = FetchError::Discovery;
    let document = json::object(document).map_err(|_| wrong("the document is no JSON object"))?;
    if document.get("issuer").and_then(serde_json::Value::as_str) != Some(issuer) {
        return Err(wrong("the document is about another issuer"));
    }
    let url = document.get("jwks_uri").and_then(serde_json::Value::as_str).ok_or(wrong("no jwks_uri"))?;
    let url = web(url).map_err(|_| wrong("jwks_uri is not a URL that keys can be fetched from"))?;
    if url.scheme() != Some(&Scheme::HTTPS) && !same_origin(&url, found_at) {
        return Err(wrong("jwks_uri is neither https nor of the document's origin"));
    }
    Ok(url)
}

async fn read(path: &Path) -> Result<Bytes, FetchError> {
    let failed = |error: std::io::Error| FetchError::File(error.kind());
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_SET_BYTES).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_end(&mut bytes).await.map_err(failed)?;
    if bytes.len() > MAX_SET_BYTES { Err(FetchError::TooLarge) } else { Ok(bytes.into()) }
}

/// An error and its causes on one line: hyper says "client error", the cause says which.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
