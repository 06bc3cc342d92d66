//! A client of introspection endpoints (RFC 7662) with Cambio's own credentials: at an issuer for its opaque tokens,
//! at the identity provider to check that a realm's token is still active.

mod answers;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};

use self::answers::AnswerCache;
use crate::adapters::config::{Introspection, OwnClient, Realm, SecretMethod, ServerAccess};
use crate::adapters::net::outgoing::{AnswerLimits, OutgoingClient, OutgoingError};
use crate::adapters::net::proxied::Dialer;
use crate::adapters::net::url::{PublicAddress, UrlError};
use crate::adapters::tls::{self, TlsError};
use crate::adapters::upstream::client::UpstreamClient;
use crate::words::clock::Clock;
use crate::words::oauth::introspection::{
    IntrospectionAnswer, IntrospectionAnswerError, IntrospectionStatus, MAX_ANSWER_BYTES, request,
};
use crate::words::refusal::RetryAfter;
use crate::words::secret::Secret;

/// Limits for an issuer's whole answer, and for the body of the identity provider's: the head of the latter has the time
/// limits of `upstream`.
const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(5), bytes: MAX_ANSWER_BYTES };
/// Idle connections to an issuer.
const IDLE: usize = 8;

/// A client of one introspection endpoint.
pub struct IntrospectionClient {
    uri: Uri,
    client: OwnClient,
    method: SecretMethod,
    server: Server,
}

/// The server of the endpoint.
enum Server {
    Issuer(Box<Issuer>),
    /// The identity provider, over its shared connections and under the realm's public address. Keycloak takes the issuer
    /// from that address, and a token of another issuer is never active.
    Upstream(PublicAddress),
}

/// An issuer, over connections of its own.
struct Issuer {
    http: OutgoingClient,
    /// None if `cacheFor` is zero.
    answers: Option<AnswerCache<IntrospectionError>>,
}

/// Why a client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectionSetupError {
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// Why there is no answer. The text repeats neither the token nor what was received.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IntrospectionError {
    /// No whole answer arrived.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// A redirect, which is not followed: token and secret would go to another server.
    #[error("redirected ({0}); redirects are not followed")]
    Redirect(StatusCode),
    /// The server does not accept the client (RFC 7662 section 2.3).
    #[error("status {0}: the client is not accepted; look at introspection.clientId, clientSecretFile and method")]
    Client(StatusCode),
    /// A status other than 200.
    #[error("status {0}")]
    Status(StatusCode),
    /// The body is no introspection answer.
    #[error(transparent)]
    Answer(#[from] IntrospectionAnswerError),
}

impl IntrospectionError {
    /// When to try again, if the server said that.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        match self {
            Self::Outgoing(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl IntrospectionClient {
    /// A client for an issuer's endpoint. Nothing is connected yet.
    ///
    /// # Errors
    /// TLS can't be set up, or there is no randomness.
    pub fn issuer(
        config: &Introspection,
        access: &ServerAccess,
        clock: Clock,
    ) -> Result<Self, IntrospectionSetupError> {
        let https = config.url.scheme_str() == Some("https");
        let tls = if https { tls::client(access.ca.as_deref(), None)? } else { tls::nobody()? };
        let cached = !config.cache_for.is_zero();
        let answers = cached.then(|| AnswerCache::new(config.cache_for, clock)).transpose();
        Ok(Self {
            uri: config.url.clone(),
            client: config.client.clone(),
            method: config.method,
            server: Server::Issuer(Box::new(Issuer {
                http: OutgoingClient::new(tls, IDLE, LIMITS, Dialer::new(&access.proxies)?),
                answers: answers.map_err(|_| IntrospectionSetupError::Random)?,
            })),
        })
    }

    /// A client for a realm's endpoint, if the configuration has credentials for it.
    ///
    /// # Errors
    /// The realm's path or issuer makes no URL.
    pub fn realm(realm: &Realm) -> Result<Option<Self>, UrlError> {
        let Some(client) = realm.introspection.clone() else { return Ok(None) };
        let Some(path) = realm.place().introspection() else { return Ok(None) };
        let uri = path.parse().map_err(|_| UrlError::new(&path))?;
        let server = Server::Upstream(PublicAddress::of(&realm.issuer)?);
        Ok(Some(Self { uri, client, method: SecretMethod::Basic, server }))
    }

    /// Cambio's own `client_id` at the endpoint.
    pub fn client_id(&self) -> &str {
        &self.client.id
    }

    /// The server's answer about a token: an issuer's is at most `cacheFor` old, the identity provider's (`upstream`)
    /// is new.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn introspect(
        &self,
        upstream: &UpstreamClient,
        token: &Secret,
    ) -> Result<IntrospectionAnswer, IntrospectionError> {
        let introspection = Box::pin(self.introspect_now(upstream, token));
        let answers = match &self.server {
            Server::Issuer(issuer) => issuer.answers.as_ref(),
            Server::Upstream(_) => None,
        };
        match answers {
            Some(answers) => Box::pin(answers.get_or(token, introspection)).await,
            None => introspection.await,
        }
    }

    async fn introspect_now(
        &self,
        upstream: &UpstreamClient,
        token: &Secret,
    ) -> Result<IntrospectionAnswer, IntrospectionError> {
        let request = self.request(token);
        let response = match &self.server {
            Server::Issuer(issuer) => issuer.http.send(request).await?,
            Server::Upstream(_) => upstream.ask(request, LIMITS).await?,
        };
        let status = response.status();
        match IntrospectionStatus::of(status.as_u16()) {
            IntrospectionStatus::Answered => Ok(IntrospectionAnswer::read(response.body())?),
            IntrospectionStatus::Redirected => Err(IntrospectionError::Redirect(status)),
            IntrospectionStatus::ClientRefused | IntrospectionStatus::ClientForbidden => {
                Err(IntrospectionError::Client(status))
            }
            IntrospectionStatus::ErrorResponse | IntrospectionStatus::Unexpected => {
                Err(IntrospectionError::Status(status))
            }
        }
    }

    fn request(&self, token: &Secret) -> Request<Bytes> {
        let mut form = request(token.expose());
        form.push("token_type_hint", "access_token");
        if self.method == SecretMethod::Post {
            form.push("client_id", &self.client.id);
            form.push("client_secret", self.client.secret.expose());
        }
        let mut request = Request::new(Bytes::from(form.encode()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        if let Server::Upstream(public) = &self.server {
            public.write(headers);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if self.method == SecretMethod::Basic {
            headers.insert(AUTHORIZATION, self.client.basic());
        }
        request
    }
}

impl std::fmt::Debug for IntrospectionClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IntrospectionClient").field("uri", &self.uri).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
