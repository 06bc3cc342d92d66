//! Asking an issuer about its opaque tokens (RFC 7662): bounded in time and size, without redirects, once for many
//! callers at a time, remembered for a short while.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;

use crate::adapters::config::{Introspection, OwnClient, SecretMethod};
use crate::adapters::tls::{self, TlsError};
use crate::judgement::token::introspected::{
    IntrospectionAnswer, IntrospectionAnswerError, MAX_ANSWER_BYTES,
};
use crate::words::clock::Clock;
use crate::words::oauth::form::Form;
use crate::words::secret::Secret;

/// Limit for one question, connection included.
const TIME_LIMIT: Duration = Duration::from_secs(5);
/// "Not active" is remembered this long at most: long enough against a flood, short enough for a token that its issuer
/// learns of a moment later.
const INACTIVE: SignedDuration = SignedDuration::from_secs(2);
/// Bytes of answers that are remembered.
const REMEMBERED: u64 = 32 << 20;
/// Connections that wait for the next question, and how long.
const IDLE: (usize, Duration) = (8, Duration::from_secs(30));

/// Asks one issuer.
pub struct Introspector {
    url: Uri,
    client: OwnClient,
    method: SecretMethod,
    cache_for: SignedDuration,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    time_limit: Duration,
    /// By a keyed hash of the token, so that what is in memory opens nothing.
    answers: Cache<[u8; 32], Arc<Remembered>>,
    key: hmac::Key,
    clock: Clock,
}

/// What came of a question, and until when it is the answer to the next one.
struct Remembered {
    outcome: Result<IntrospectionAnswer, Arc<AskError>>,
    fresh_until: Timestamp,
}

/// Why an issuer can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// Why there is no answer. The text repeats neither the token nor what was received.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// No answer in time.
    #[error("no answer within 5 s")]
    Timeout,
    /// A redirect, which is not followed: it would show the token and the client's secret to somebody else.
    #[error("redirected ({0}); redirects are not followed")]
    Redirect(StatusCode),
    /// The client is not accepted (RFC 7662 section 2.3).
    #[error(
        "status {0}: the client is not accepted; look at introspection.clientId, clientSecretFile and method"
    )]
    Client(StatusCode),
    /// Another status than 200.
    #[error("status {0}")]
    Status(StatusCode),
    /// The answer has a content coding though none was accepted.
    #[error("the answer has a content coding")]
    Coding,
    /// Larger than is read.
    #[error("the answer is larger than 64 KiB")]
    TooLarge,
    /// No answer of an introspection endpoint.
    #[error(transparent)]
    IntrospectionAnswer(#[from] IntrospectionAnswerError),
}

impl Introspector {
    /// Asks by `config`, trusting the certificates in `ca` or the system's. Nothing is connected yet.
    ///
    /// # Errors
    /// When TLS can't be set up, or there is no randomness.
    pub fn new(config: &Introspection, ca: Option<&Path>, clock: Clock) -> Result<Self, SetupError> {
        let https = config.url.scheme_str() == Some("https");
        let tls = if https { tls::client(ca, None)? } else { tls::nobody()? };
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE.0)
            .pool_idle_timeout(IDLE.1)
            .build(connector);
        let weight = |_: &[u8; 32], remembered: &Arc<Remembered>| {
            let size = remembered.outcome.as_ref().map_or(0, IntrospectionAnswer::size);
            u32::try_from(size + 256).unwrap_or(u32::MAX)
        };
        let answers = Cache::builder()
            .weigher(weight)
            .max_capacity(REMEMBERED)
            .time_to_live(config.cache_for.max(Duration::from_secs(1)))
            .build();
        Ok(Self {
            url: config.url.clone(),
            client: config.client.clone(),
            method: config.method,
            cache_for: SignedDuration::try_from(config.cache_for).unwrap_or(SignedDuration::ZERO),
            http,
            time_limit: TIME_LIMIT,
            answers,
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())
                .map_err(|_| SetupError::Random)?,
            clock,
        })
    }

    /// What the issuer says about a token, at most `cacheFor` ago.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, token: &Secret) -> Result<IntrospectionAnswer, Arc<AskError>> {
        if self.cache_for.is_zero() {
            return self.question(token).await.map_err(Arc::new);
        }
        let tag = hmac::sign(&self.key, token.expose().as_bytes());
        let mut name = [0; 32];
        name.copy_from_slice(tag.as_ref());
        let stale = |kept: &Arc<Remembered>| kept.fresh_until <= self.clock.now();
        let asked = async {
            let outcome = self.question(token).await.map_err(Arc::new);
            Arc::new(Remembered { fresh_until: self.fresh_until(&outcome), outcome })
        };
        let entry = self.answers.entry(name).or_insert_with_if(asked, stale).await;
        entry.value().outcome.clone()
    }

    /// Until when an answer serves; a failure serves those who wait for it already.
    fn fresh_until(&self, outcome: &Result<IntrospectionAnswer, Arc<AskError>>) -> Timestamp {
        let now = self.clock.now();
        let after = |time: SignedDuration| now.saturating_add(time).unwrap_or(now);
        match outcome {
            Err(_) => now,
            Ok(answer) if !answer.is_active() => after(self.cache_for.min(INACTIVE)),
            Ok(answer) => answer.expires().map_or(now, |expires| expires.min(after(self.cache_for))),
        }
    }

    async fn question(&self, token: &Secret) -> Result<IntrospectionAnswer, AskError> {
        let answered = tokio::time::timeout(self.time_limit, self.attempt(token)).await;
        answered.unwrap_or(Err(AskError::Timeout))
    }

    async fn attempt(&self, token: &Secret) -> Result<IntrospectionAnswer, AskError> {
        let mut form = Form::new();
        form.push("token", token.expose());
        form.push("token_type_hint", "access_token");
        if self.method == SecretMethod::Post {
            form.push("client_id", &self.client.id);
            form.push("client_secret", self.client.secret.expose());
        }
        let mut request = Request::new(Full::new(Bytes::from(form.encode())));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if self.method == SecretMethod::Basic {
            headers.insert(AUTHORIZATION, self.client.basic());
        }
        let response = self.http.request(request).await;
        let response = response.map_err(|error| AskError::Connection(chain(&error)))?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(AskError::Redirect(status)),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(AskError::Client(status));
            }
            status => return Err(AskError::Status(status)),
        }
        if response.headers().get(CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(AskError::Coding);
        }
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                AskError::TooLarge
            } else {
                AskError::Connection(chain(&*error))
            }
        })?;
        Ok(IntrospectionAnswer::read(&body.to_bytes())?)
    }
}

impl std::fmt::Debug for Introspector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspector").field("url", &self.url).finish_non_exhaustive()
    }
}

/// An error and its causes on one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests;
