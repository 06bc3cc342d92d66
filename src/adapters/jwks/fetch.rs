//! Fetches a JWK set: one attempt within limits of time and size, without redirects.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version};
use rustls::ClientConfig;
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use crate::adapters::config::{Realm, ServerAccess, TrustedIssuer, Upstream};
use crate::adapters::jwks::source::Source;
use crate::adapters::net::outgoing::{AnswerLimits, OutgoingClient, OutgoingError};
use crate::adapters::net::proxied::Dialer;
use crate::adapters::net::url::{PublicAddress, UrlError, absolute, same_origin};
use crate::adapters::net::via::Via;
use crate::adapters::tls::{self, TlsError};
use crate::judgement::jose::issuer_claims::TENANT_PLACE;
use crate::judgement::jose::keys::{KeySet, KeySetError, MAX_SET_BYTES};
use crate::words::oauth::json;
use crate::words::refusal::RetryAfter;

/// Limits for one attempt, discovery included.
const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(5), bytes: MAX_SET_BYTES };
/// Largest file with a bearer token.
const MAX_BEARER_BYTES: usize = 64 << 10;
/// Longest time between two looks at a file.
const FILE_INTERVAL: Duration = Duration::from_secs(5);

/// Fetches the keys of one source.
pub struct Fetcher {
    source: Source,
    client: OutgoingClient,
    via: Option<Arc<Via>>,
    /// File with the bearer token for the origin of `source`.
    bearer_token_file: Option<PathBuf>,
}

/// What a source of keys answered.
#[derive(Debug)]
pub struct SeenKeys {
    /// The keys.
    pub keys: KeySet,
    /// The header of the answer; empty for a file.
    pub headers: HeaderMap,
}

struct KeysAnswer {
    body: Bytes,
    headers: HeaderMap,
}

/// Why a fetcher could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum FetcherSetupError {
    /// The source is no URL that keys can be fetched from.
    #[error(transparent)]
    Source(#[from] UrlError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Why keys could not be fetched. The text never repeats an answer's body.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No whole answer arrived.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// A redirect, which is not followed: otherwise the server could choose whose keys Cambio trusts.
    #[error("redirected ({0}); redirects are not followed")]
    Redirect(StatusCode),
    /// A status other than 200.
    #[error("status {0}")]
    Status(StatusCode),
    /// 401 or 403 from a server that does not get the bearer token.
    #[error(
        "status {0} from another origin than the discovery document's, which does not get the token of bearerTokenFile; \
         name the key set itself in jwksURL"
    )]
    Withheld(StatusCode),
    /// The file with the bearer token can't be read.
    #[error("bearerTokenFile: {0}")]
    TokenFile(std::io::ErrorKind),
    /// The file with the bearer token holds no token.
    #[error("bearerTokenFile: the file must hold a token in one line, of at most 64 KiB")]
    NoToken,
    /// The answer is no key set, or one that does not replace a better one.
    #[error(transparent)]
    KeySet(#[from] KeySetError),
    /// The discovery document can't be used.
    #[error("discovery: {0}")]
    Discovery(&'static str),
    /// The file can't be read.
    #[error("{0}")]
    File(std::io::ErrorKind),
    /// The file is larger than [`MAX_SET_BYTES`].
    #[error("the file is larger than 1 MiB")]
    LargeFile,
    /// A fetch because of a token is not due yet.
    #[error("another fetch is not due yet")]
    NotDue,
    /// The task that fetched ended early.
    #[error("the fetch was aborted")]
    Aborted,
    /// A fetch failed a moment before.
    #[error("{0}")]
    Earlier(Arc<FetchError>),
}

impl FetchError {
    /// When to try again, if the server said that.
    pub(super) fn retry_after(&self) -> Option<RetryAfter> {
        match self {
            Self::Outgoing(error) => error.retry_after(),
            Self::Earlier(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl Fetcher {
    /// Fetches a realm's keys from the upstream, with the upstream's TLS settings. The identity provider is never asked
    /// through a proxy.
    pub fn realm(upstream: &Upstream, realm: &Realm) -> Result<Self, FetcherSetupError> {
        Ok(Self::new(Source::realm(upstream, realm)?, &upstream.access())?)
    }

    /// Fetches a foreign issuer's keys from the configured source.
    pub fn issuer(issuer: &TrustedIssuer) -> Result<Self, FetcherSetupError> {
        Ok(Self::new(Source::issuer(issuer)?, &issuer.access)?)
    }

    /// A fetcher with this access. The certificates are read here, and only if the source may need TLS.
    pub fn new(source: Source, access: &ServerAccess) -> Result<Self, TlsError> {
        let (ca, certificate) = (access.ca.as_deref(), access.client_certificate.as_ref());
        let tls = if source.needs_tls() { tls::client(ca, certificate)? } else { tls::nobody()? };
        let fetcher = Self::with_tls(source, tls, Dialer::new(&access.proxies)?);
        Ok(Self { bearer_token_file: access.bearer_token_file.clone(), ..fetcher })
    }

    pub(super) fn with_tls(source: Source, tls: ClientConfig, dialer: Dialer) -> Self {
        // Fetches are minutes apart: an idle connection would be dead by then.
        let client = OutgoingClient::new(tls, 0, LIMITS, dialer);
        Self { source, client, via: None, bearer_token_file: None }
    }

    /// Adds Cambio's entry to `Via` if the keys are the identity provider's, so that Cambio recognises its own request. A
    /// foreign issuer may well be served through Cambio.
    #[must_use]
    pub fn signed(mut self, via: &Arc<Via>) -> Self {
        self.via = Some(Arc::clone(via));
        self
    }

    /// Fetches once. If nothing has changed, the result is `held`.
    ///
    /// # Errors
    /// There is no key set within the time limit, or only one without a key for signatures in place of usable keys.
    pub async fn fetch(&self, held: Option<&Arc<KeySet>>) -> Result<Arc<KeySet>, FetchError> {
        let body = self.text().await?;
        if let Some(held) = held.filter(|held| held.is_of(&body)) {
            return Ok(Arc::clone(held));
        }
        let set = KeySet::parse(&body)?;
        if !set.signs() && held.is_some_and(|held| !held.is_empty()) {
            return Err(KeySetError::NoneForSignatures.into());
        }
        Ok(Arc::new(set))
    }

    /// Fetches once, for somebody who wants to see what the source answers.
    ///
    /// # Errors
    /// There is no key set within the time limit.
    pub async fn look(&self) -> Result<SeenKeys, FetchError> {
        let seen = self.answer().await?;
        Ok(SeenKeys { keys: KeySet::parse(&seen.body)?, headers: seen.headers })
    }

    async fn text(&self) -> Result<Bytes, FetchError> {
        Ok(self.answer().await?.body)
    }

    async fn answer(&self) -> Result<KeysAnswer, FetchError> {
        let timeout = Err(OutgoingError::Timeout(LIMITS.time).into());
        tokio::time::timeout(LIMITS.time, self.attempt()).await.unwrap_or(timeout)
    }

    /// Time from a success to the next attempt, if keys are to be refreshed after `refresh`.
    pub(super) fn interval(&self, refresh: Duration) -> Duration {
        match self.source {
            Source::File(_) => refresh.min(FILE_INTERVAL),
            Source::Url { .. } | Source::Discovery { .. } => refresh,
        }
    }

    async fn attempt(&self) -> Result<KeysAnswer, FetchError> {
        match &self.source {
            Source::File(path) => Ok(KeysAnswer { body: read(path).await?, headers: HeaderMap::new() }),
            Source::Url { url, public } => self.get(url, public.as_ref()).await,
            Source::Discovery { url, issuer } => {
                let document = self.get(url, None).await?.body;
                self.get(&keys_url(&document, url, issuer)?, None).await
            }
        }
    }

    async fn get(&self, url: &Uri, public: Option<&PublicAddress>) -> Result<KeysAnswer, FetchError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/jwk-set+json, application/json"));
        if let Some(public) = public {
            public.write(headers);
            if let Some(via) = &self.via {
                via.add(headers, Version::HTTP_11);
            }
        }
        let bearer = self.bearer_token_file.as_deref();
        let gets_token = bearer.is_some() && self.source.origin().is_some_and(|origin| same_origin(origin, url));
        if let Some(file) = bearer.filter(|_| gets_token) {
            headers.insert(AUTHORIZATION, bearer_token(file).await?);
        }
        let response = self.client.send(request).await?;
        match response.status() {
            StatusCode::OK => {
                let (head, body) = response.into_parts();
                Ok(KeysAnswer { body, headers: head.headers })
            }
            status if status.is_redirection() => Err(FetchError::Redirect(status)),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) if bearer.is_some() && !gets_token => {
                Err(FetchError::Withheld(status))
            }
            status => Err(FetchError::Status(status)),
        }
    }
}

impl std::fmt::Display for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.source.fmt(f)
    }
}

/// `jwks_uri` of a discovery document (OpenID Connect Discovery 1.0 section 3) whose issuer is exactly the expected
/// one (section 4.3). The URL must be https, or have the document's origin.
fn keys_url(document: &[u8], found_at: &Uri, issuer: &str) -> Result<Uri, FetchError> {
    let wrong = FetchError::Discovery;
    // As in key sets: RFC 8259 section 8.1 lets a reader ignore a byte order mark.
    let document = document.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(document);
    let document = json::object(document).map_err(|_| wrong("the document is no JSON object"))?;
    match document.get("issuer").and_then(serde_json::Value::as_str) {
        Some(named) if named == issuer => {}
        Some(named) if named.strip_suffix('/') == Some(issuer) => {
            return Err(wrong("the issuer in the document has a slash at the end, which issuer.url lacks"));
        }
        Some(named) if issuer.strip_suffix('/') == Some(named) => {
            return Err(wrong("the issuer in the document lacks the slash at the end of issuer.url"));
        }
        Some(named) if named.strip_prefix("https://") == Some(issuer) => {
            return Err(wrong(
                "the issuer in the document begins with https://, which issuer.url lacks: name the keys in jwksURL for tokens \
                 without it",
            ));
        }
        Some(named) if named.contains(TENANT_PLACE) => {
            return Err(wrong(
                "the document is that of all tenants: write its issuer with {tenantid} as issuer.url, and issuer.tenants; or take \
                 the document of the tenant",
            ));
        }
        Some(_) if issuer.contains(TENANT_PLACE) => {
            return Err(wrong("the document is that of one tenant, and issuer.url has {tenantid}"));
        }
        _ => return Err(wrong("the document is about another issuer")),
    }
    let url = document.get("jwks_uri").and_then(serde_json::Value::as_str).ok_or(wrong("no jwks_uri"))?;
    let url = absolute(url).map_err(|_| wrong("jwks_uri is not a URL that keys can be fetched from"))?;
    if url.scheme() != Some(&Scheme::HTTPS) && !same_origin(&url, found_at) {
        return Err(wrong("jwks_uri is neither https nor of the document's origin"));
    }
    Ok(url)
}

async fn read(path: &Path) -> Result<Bytes, FetchError> {
    let bytes = read_at_most(path, MAX_SET_BYTES).await.map_err(|error| FetchError::File(error.kind()))?;
    if bytes.len() > MAX_SET_BYTES { Err(FetchError::LargeFile) } else { Ok(bytes.into()) }
}

/// The header with the token in this file as it is now: whoever issues the token replaces it before it expires.
async fn bearer_token(path: &Path) -> Result<HeaderValue, FetchError> {
    let bytes = read_at_most(path, MAX_BEARER_BYTES).await.map_err(|error| FetchError::TokenFile(error.kind()))?;
    let bytes = Zeroizing::new(bytes);
    let token = bytes.trim_ascii();
    if token.is_empty() || bytes.len() > MAX_BEARER_BYTES || !token.iter().all(u8::is_ascii_graphic) {
        return Err(FetchError::NoToken);
    }
    let header = Zeroizing::new([b"Bearer ", token].concat());
    let mut header = HeaderValue::from_bytes(&header).map_err(|_| FetchError::NoToken)?;
    header.set_sensitive(true);
    Ok(header)
}

/// The bytes of a file, at most one more than `limit`.
async fn read_at_most(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let file = tokio::fs::File::open(path).await?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
