//! Users and their roles, from Keycloak's admin REST API: for minted tokens whose audience takes roles from the directory,
//! for impersonation, and for tokens that Cambio signed, which end with their session. Answers are cached for a short time,
//! with one request at a time per user.

pub mod claims;
pub mod fine_grained;
pub mod inventory;
mod keeper;
pub mod lineage;
mod recent;
pub mod roles;
pub mod settings;
pub mod user;
pub mod web_origins;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use moka::future::Cache;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use self::recent::RecentAnswers;
use crate::adapters::config::{Directory, OwnClient};
use crate::adapters::net::outgoing::{AnswerLimits, OutgoingError};
use crate::adapters::net::url::PublicAddress;
use crate::adapters::upstream::client::UpstreamClient;
use crate::judgement::client::web_origins::WebOrigins;
use crate::judgement::dialect::Account;
use crate::judgement::dialect::endpoints::keycloak::TOKEN;
use crate::judgement::token::lineage::{Standing, TokenLineage};
use crate::words::clock::Clock;
use crate::words::oauth::form::Form;
use crate::words::refusal::RetryAfter;
use crate::words::secret::Secret;

/// Characters that need no escape in a path segment (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Limits for the body of an answer. Thousands of roles fit.
const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(10), bytes: 1 << 20 };
/// Users and clients in each cache.
const REMEMBERED: u64 = 10_000;
/// Bytes of the roles in the cache.
const REMEMBERED_ROLES: u64 = 8 << 20;
/// A token is not used if it expires within this time.
const SPARE: SignedDuration = SignedDuration::from_secs(10);

/// A realm's users and their roles, through Cambio's own client.
#[derive(Debug)]
pub struct DirectoryClient {
    client: OwnClient,
    token_path: String,
    admin_path: String,
    public: PublicAddress,
    clock: Clock,
    token: ArcSwapOption<(Secret, Timestamp)>,
    clients: Cache<String, Option<Arc<str>>>,
    /// Roles by user and client; without a client, realm roles.
    roles: Cache<(String, Option<String>), Arc<BTreeSet<String>>>,
    enabled: Cache<String, bool>,
    web_origins: Cache<String, Arc<WebOrigins>>,
    /// What tokens that Cambio signed depend on.
    lookups: Lookups,
    /// Keycloak's ids, by the `sub` that names them.
    ids: Cache<String, Arc<str>>,
    accounts: fn(&str) -> Option<Account<'_>>,
    realm_path: String,
}

/// What was looked up a short time ago, for tokens that Cambio signed.
#[derive(Debug)]
struct Lookups {
    realm: RecentAnswers<(), i64, DirectoryError>,
    clients: RecentAnswers<String, Option<Standing>, DirectoryError>,
    users: RecentAnswers<String, Option<Standing>, DirectoryError>,
    /// Whether a session goes on, by user and session.
    sessions: RecentAnswers<(String, String), bool, DirectoryError>,
}

impl Lookups {
    fn new(life: Duration, clock: &Clock) -> Self {
        Self {
            realm: RecentAnswers::new(life, clock),
            clients: RecentAnswers::new(life, clock),
            users: RecentAnswers::new(life, clock),
            sessions: RecentAnswers::new(life, clock),
        }
    }

    /// Forgets what is known about everything that a token depends on.
    async fn forget(&self, lineage: &TokenLineage<'_>) {
        self.realm.forget(&()).await;
        self.clients.forget(&lineage.client.to_owned()).await;
        for user in &lineage.users {
            let subject = user.subject.to_owned();
            self.users.forget(&subject).await;
            if let Some(session) = user.session {
                self.sessions.forget(&(subject, session.to_owned())).await;
            }
        }
    }
}

/// Why there is no answer about a user. The text repeats nothing of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The user does not exist.
    #[error("the identity provider knows no such user")]
    NoUser,
    /// The identity provider shows Cambio no client with this id, so its roles are unknown.
    #[error(
        "the identity provider shows no client {0:?} to realms.*.directory.clientId: give it view-clients; if the client is gone, take it out of adminRoles"
    )]
    NoClient(String),
    /// The identity provider refuses Cambio's own client, or that client lacks permissions.
    #[error("the identity provider answered {0} to {1}")]
    Status(StatusCode, &'static str),
    /// The identity provider asks for patience.
    #[error(transparent)]
    Busy(OutgoingError),
    /// The answer is larger than the limit.
    #[error("{0}")]
    TooLarge(String),
    /// The identity provider does not answer, or its answer is not Keycloak's.
    #[error("{0}")]
    Unavailable(String),
}

impl DirectoryError {
    /// When to try again, if the identity provider said that.
    pub fn retry_after(&self) -> Option<RetryAfter> {
        match self {
            Self::Busy(error) => error.retry_after(),
            _ => None,
        }
    }
}

impl DirectoryClient {
    /// A directory of the realm at `path` with this public address.
    pub fn new(config: &Directory, path: &str, public: PublicAddress, clock: Clock) -> Self {
        // /realms/corp is administered at /admin/realms/corp, /auth/realms/corp at /auth/admin/realms/corp.
        let split = path.rfind("/realms/").unwrap_or(0);
        let (before, realm) = path.split_at(split);
        Self {
            client: config.client.clone(),
            token_path: format!("{path}{TOKEN}"),
            admin_path: format!("{before}/admin{realm}"),
            public,
            token: ArcSwapOption::empty(),
            clients: remember(config.cache_for),
            roles: Cache::builder()
                .weigher(|_: &(String, Option<String>), roles: &Arc<BTreeSet<String>>| size_of_roles(roles))
                .max_capacity(REMEMBERED_ROLES)
                .time_to_live(config.cache_for)
                .build(),
            enabled: remember(config.cache_for),
            web_origins: remember(config.cache_for),
            lookups: Lookups::new(config.session_cache_for, &clock),
            ids: remember(config.cache_for),
            accounts: |_| None,
            realm_path: path.to_owned(),
            clock,
        }
    }

    /// A directory of a realm whose tokens may name accounts like this in `sub`.
    #[must_use]
    pub fn with_accounts(self, accounts: fn(&str) -> Option<Account<'_>>) -> Self {
        Self { accounts, ..self }
    }

    async fn get<T: for<'de> Deserialize<'de>>(
        &self,
        upstream: &UpstreamClient,
        path: String,
        what: &'static str,
    ) -> Result<T, DirectoryError> {
        self.ask(upstream, path, None, what).await
    }

    /// Sends a request with Cambio's own token, and again with a new token if the old one is refused. The request is a
    /// POST if it has a body, in JSON.
    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        upstream: &UpstreamClient,
        path: String,
        body: Option<String>,
        what: &'static str,
    ) -> Result<T, DirectoryError> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut fresh = false;
        loop {
            let held = self.token.load_full().filter(|token| !fresh && token.1 > self.clock.steady());
            let token = if let Some(token) = held {
                token
            } else {
                fresh = true;
                // Rare and large, so it is boxed.
                Box::pin(self.new_token(upstream)).await?
            };
            let mut request = self.request(method.clone(), &path, body.clone().unwrap_or_default())?;
            if body.is_some() {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            request.headers_mut().insert(AUTHORIZATION, bearer(&token.0)?);
            let (status, body) = send(upstream, request).await?;
            match status {
                StatusCode::OK => return read(&body),
                StatusCode::UNAUTHORIZED if !fresh => fresh = true,
                StatusCode::NOT_FOUND => return Err(DirectoryError::NoUser),
                status => return Err(DirectoryError::Status(status, what)),
            }
        }
    }

    async fn new_token(&self, upstream: &UpstreamClient) -> Result<Arc<(Secret, Timestamp)>, DirectoryError> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            expires_in: i64,
        }
        let mut form = Form::new();
        form.push("grant_type", "client_credentials");
        form.push("client_id", &self.client.id);
        form.push("client_secret", self.client.secret.expose());
        let (status, body) = post(upstream, self.request(Method::POST, &self.token_path, form.encode())?).await?;
        if status != StatusCode::OK {
            return Err(DirectoryError::Status(status, "the login of realms.*.directory.clientId"));
        }
        let granted: Granted = read(&body)?;
        let life = SignedDuration::from_secs(granted.expires_in).saturating_sub(SPARE);
        let now = self.clock.steady();
        let until = now.saturating_add(life).unwrap_or(now);
        let token = Arc::new((Secret::new(granted.access_token), until));
        self.token.store(Some(Arc::clone(&token)));
        Ok(token)
    }

    /// A request under the realm's public address, which Keycloak writes into its tokens.
    fn request(&self, method: Method, path: &str, body: String) -> Result<Request<Bytes>, DirectoryError> {
        let request = Request::builder().method(method).uri(path).body(Bytes::from(body));
        let mut request =
            request.map_err(|_| DirectoryError::Unavailable("a name that can't stand in a URL".to_owned()))?;
        self.public.write(request.headers_mut());
        Ok(request)
    }
}

fn size_of_roles(roles: &BTreeSet<String>) -> u32 {
    let bytes = roles.iter().map(|role| role.len() + 48).sum::<usize>();
    u32::try_from(bytes + 256).unwrap_or(u32::MAX)
}

fn remember<K, V>(life: Duration) -> Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    Cache::builder().max_capacity(REMEMBERED).time_to_live(life).build()
}

/// The status of an answer, and its body if the status is 200 or 400.
async fn send(upstream: &UpstreamClient, request: Request<Bytes>) -> Result<(StatusCode, Bytes), DirectoryError> {
    let response = upstream.ask(request, LIMITS).await;
    let response = response.map_err(|error| match error {
        OutgoingError::Busy { .. } => DirectoryError::Busy(error),
        OutgoingError::TooLarge(_) => DirectoryError::TooLarge(error.to_string()),
        error => DirectoryError::Unavailable(error.to_string()),
    })?;
    Ok((response.status(), response.into_body()))
}

/// Sends a form.
async fn post(upstream: &UpstreamClient, mut request: Request<Bytes>) -> Result<(StatusCode, Bytes), DirectoryError> {
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    send(upstream, request).await
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, DirectoryError> {
    serde_json::from_slice(body).map_err(|_| DirectoryError::Unavailable("an answer that is not Keycloak's".to_owned()))
}

fn bearer(token: &Secret) -> Result<HeaderValue, DirectoryError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| DirectoryError::Unavailable("a token that can't stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A user's id as a segment of a path. An id of dots alone would lead to another path.
fn segment(id: &str) -> Result<String, DirectoryError> {
    if matches!(id, "" | "." | "..") { Err(DirectoryError::NoUser) } else { Ok(escaped(id)) }
}

/// A text as part of a URL.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests;
