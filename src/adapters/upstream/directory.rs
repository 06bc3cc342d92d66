//! Users and the roles that the identity provider holds for them, asked for by Keycloak's admin REST API: for minted
//! tokens whose audience wants more than the subject token says, and for impersonation. Roles are cached for a short time,
//! one question at a time per user.

mod user;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::adapters::config::{self, OwnClient};
use crate::adapters::jwks::source::PublicAddress;
use crate::adapters::net::body::{Body, read_bounded};
use crate::adapters::upstream::Upstream;
use crate::judgement::policy::admin_roles::AdminRoles;
use crate::judgement::policy::roles::RoleNames;
use crate::words::oauth::form::Form;
use crate::words::secret::Secret;

pub use self::user::User;

/// What may stand in a path segment as it is (RFC 3986 section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Largest answer in bytes: thousands of roles.
const MAX_ANSWER: usize = 1 << 20;
/// Limit for a whole answer's body.
const BODY_LIMIT: Duration = Duration::from_secs(10);
/// Users and clients that are remembered.
const REMEMBERED: u64 = 10_000;
/// A token this near its end is not used any more.
const SPARE: SignedDuration = SignedDuration::from_secs(10);

/// A set of role names.
pub type RoleSet = Arc<BTreeSet<String>>;

/// Why the roles can't be had. The text repeats nothing of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The identity provider has no such user.
    #[error("the identity provider knows no such user")]
    NoUser,
    /// It shows us no client of this id, so that its roles can't be told.
    #[error(
        "the identity provider shows no client {0:?} to realms.*.directory.clientId: give it view-clients, or take the client out of adminRoles"
    )]
    NoClient(String),
    /// It refuses our own client, or lets it see too little.
    #[error("the identity provider answered {0} to {1}")]
    Status(StatusCode, &'static str),
    /// It does not answer, or not as Keycloak does.
    #[error("{0}")]
    Unavailable(String),
}

/// A realm's users and their roles, through Cambio's own client.
#[derive(Debug)]
pub struct Directory {
    client: OwnClient,
    token_path: String,
    admin_path: String,
    public: PublicAddress,
    token: ArcSwapOption<(Secret, Timestamp)>,
    clients: moka::future::Cache<String, Option<Arc<str>>>,
    roles: moka::future::Cache<(String, Option<String>), RoleSet>,
    enabled: moka::future::Cache<String, bool>,
}

impl Directory {
    /// A directory of the realm at `path` with this public address.
    pub fn new(config: &config::Directory, path: &str, public: PublicAddress) -> Self {
        // /realms/corp is administered at /admin/realms/corp, /auth/realms/corp at /auth/admin/realms/corp.
        let split = path.rfind("/realms/").unwrap_or(0);
        let (before, realm) = path.split_at(split);
        Self {
            client: config.client.clone(),
            token_path: format!("{path}/protocol/openid-connect/token"),
            admin_path: format!("{before}/admin{realm}"),
            public,
            token: ArcSwapOption::empty(),
            clients: remember(config.cache_for),
            roles: remember(config.cache_for),
            enabled: remember(config.cache_for),
        }
    }

    /// The roles of a client that a user holds, directly, by groups or by composite roles. A client that the identity
    /// provider does not know has none.
    pub async fn client_roles(
        &self,
        upstream: &Upstream,
        subject: &str,
        client: &str,
        now: Timestamp,
    ) -> Result<RoleSet, DirectoryError> {
        let ask = async {
            match self.client_uuid(upstream, client, now).await? {
                None => Ok(RoleSet::default()),
                Some(id) => {
                    let place = format!("clients/{}", escaped(&id));
                    self.mapped(upstream, subject, &place, now).await
                }
            }
        };
        let key = (subject.to_owned(), Some(client.to_owned()));
        let found = Box::pin(self.roles.try_get_with(key, ask)).await;
        found.map_err(|error: Arc<DirectoryError>| (*error).clone())
    }

    /// The realm roles that a user holds, directly, by groups or by composite roles.
    pub async fn realm_roles(
        &self,
        upstream: &Upstream,
        subject: &str,
        now: Timestamp,
    ) -> Result<RoleSet, DirectoryError> {
        let ask = self.mapped(upstream, subject, "realm", now);
        let key = (subject.to_owned(), None);
        let found = Box::pin(self.roles.try_get_with(key, ask)).await;
        found.map_err(|error: Arc<DirectoryError>| (*error).clone())
    }

    /// The roles of a user that tell whether he is an administrator. That a client can't be seen is an error here:
    /// without view-clients Keycloak shows none, and the user may have roles of it all the same. Roles are asked for each
    /// time.
    pub async fn admin_roles(
        &self,
        upstream: &Upstream,
        subject: &str,
        admin: &AdminRoles,
        now: Timestamp,
    ) -> Result<RoleNames, DirectoryError> {
        let mut roles = RoleNames::default();
        if admin.looks_at_realm() {
            roles.realm.clone_from(&*self.mapped(upstream, subject, "realm", now).await?);
        }
        for client in admin.clients() {
            let id = self.client_uuid(upstream, client, now).await?;
            let id = id.ok_or_else(|| DirectoryError::NoClient(client.to_owned()))?;
            let place = format!("clients/{}", escaped(&id));
            let held = self.mapped(upstream, subject, &place, now).await?;
            if !held.is_empty() {
                roles.clients.insert(client.to_owned(), held.as_ref().clone());
            }
        }
        Ok(roles)
    }

    async fn mapped(
        &self,
        upstream: &Upstream,
        subject: &str,
        place: &str,
        now: Timestamp,
    ) -> Result<RoleSet, DirectoryError> {
        #[derive(Deserialize)]
        struct Role {
            name: String,
        }
        let path = format!("{}/users/{}/role-mappings/{place}/composite", self.admin_path, segment(subject)?);
        let roles: Vec<Role> = self.get(upstream, path, "a question for a user's roles", now).await?;
        Ok(Arc::new(roles.into_iter().map(|role| role.name).collect()))
    }

    async fn client_uuid(
        &self,
        upstream: &Upstream,
        client: &str,
        now: Timestamp,
    ) -> Result<Option<Arc<str>>, DirectoryError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Client {
            id: String,
            client_id: String,
        }
        let ask = async {
            let path = format!("{}/clients?clientId={}", self.admin_path, escaped(client));
            let found: Vec<Client> = self.get(upstream, path, "a question for a client", now).await?;
            Ok(found.into_iter().find(|found| found.client_id == client).map(|found| Arc::from(found.id)))
        };
        self.clients
            .try_get_with(client.to_owned(), ask)
            .await
            .map_err(|error: Arc<DirectoryError>| (*error).clone())
    }

    /// Asks with our own token; with a new one if the old one is no longer taken.
    async fn get<T: for<'de> Deserialize<'de>>(
        &self,
        upstream: &Upstream,
        path: String,
        what: &'static str,
        now: Timestamp,
    ) -> Result<T, DirectoryError> {
        let mut fresh = false;
        loop {
            let held = self.token.load_full().filter(|token| !fresh && token.1 > now);
            let token = if let Some(token) = held {
                token
            } else {
                fresh = true;
                self.new_token(upstream, now).await?
            };
            let mut request = self.request(Method::GET, &path, Body::empty())?;
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

    async fn new_token(
        &self,
        upstream: &Upstream,
        now: Timestamp,
    ) -> Result<Arc<(Secret, Timestamp)>, DirectoryError> {
        #[derive(Deserialize)]
        struct Granted {
            access_token: String,
            expires_in: i64,
        }
        let mut form = Form::new();
        form.push("grant_type", "client_credentials");
        form.push("client_id", &self.client.id);
        form.push("client_secret", self.client.secret.expose());
        let mut request = self.request(Method::POST, &self.token_path, Body::full(form.encode()))?;
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let (status, body) = send(upstream, request).await?;
        if status != StatusCode::OK {
            return Err(DirectoryError::Status(status, "the login of realms.*.directory.clientId"));
        }
        let granted: Granted = read(&body)?;
        let life = SignedDuration::from_secs(granted.expires_in).saturating_sub(SPARE);
        let until = now.saturating_add(life).unwrap_or(now);
        let token = Arc::new((Secret::new(granted.access_token), until));
        self.token.store(Some(Arc::clone(&token)));
        Ok(token)
    }

    /// A request under the realm's public address, which Keycloak writes into its tokens.
    fn request(&self, method: Method, path: &str, body: Body) -> Result<Request<Body>, DirectoryError> {
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.public.host.clone())
            .header(HeaderName::from_static("x-forwarded-host"), self.public.host.clone())
            .header(HeaderName::from_static("x-forwarded-proto"), self.public.proto.clone())
            .body(body)
            .map_err(|_| DirectoryError::Unavailable("a name that can't stand in a URL".to_owned()))
    }
}

fn remember<K, V>(life: Duration) -> moka::future::Cache<K, V>
where
    K: std::hash::Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    moka::future::Cache::builder().max_capacity(REMEMBERED).time_to_live(life).build()
}

async fn send(upstream: &Upstream, request: Request<Body>) -> Result<(StatusCode, Bytes), DirectoryError> {
    let unavailable = |error: String| DirectoryError::Unavailable(error);
    let response = upstream.send(request).await.map_err(|error| unavailable(error.to_string()))?;
    let status = response.status();
    let (body, _) = read_bounded(response.into_body(), MAX_ANSWER, BODY_LIMIT)
        .await
        .map_err(|error| unavailable(format!("the identity provider's answer: {error}")))?;
    Ok((status, body))
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, DirectoryError> {
    serde_json::from_slice(body)
        .map_err(|_| DirectoryError::Unavailable("an answer that is not Keycloak's".to_owned()))
}

fn bearer(token: &Secret) -> Result<HeaderValue, DirectoryError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| DirectoryError::Unavailable("a token that can't stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A user's id as a segment of a path. Dots alone would lead to another one.
fn segment(id: &str) -> Result<String, DirectoryError> {
    if matches!(id, "" | "." | "..") { Err(DirectoryError::NoUser) } else { Ok(escaped(id)) }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[cfg(test)]
mod tests;
