//! The web page that sent a request, and whether it may read the answer (CORS).
//!
//! The rules are Keycloak's. A client's pages are those that the configuration lists (`realms.*.webOrigins`). If it lists
//! none for the client, they are those that the identity provider lists: in the client's own token (`allowed-origins`), in
//! the headers of an answer to the client, or in the directory. The answer to a client that failed to authenticate, or
//! that a limit stopped, may be read by every page, but not by one that sends cookies.

use std::time::Duration;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, AUTHORIZATION,
    HeaderName, HeaderValue, ORIGIN, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderMap, Response};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::realm_runtime::RealmRuntime;
use super::respond::CORRELATION_ID;
use crate::adapters::net::body::Body;
use crate::adapters::upstream::client::UpstreamClient;
use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::registry::Workloads;
use crate::judgement::client::web_origins::WebOrigins;
use crate::judgement::token::dpop::NONCE_HEADER;
use crate::words::oauth::form::Form;
use crate::words::refusal::Cause;

/// What Keycloak exposes in every answer to a page.
const EXPOSED: &str = "Access-Control-Allow-Methods";

/// Longest time that the answer to a page waits for the directory.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The page that sent a request, if one did, and what shows whose page it is.
#[derive(Debug, Default)]
pub struct Page {
    /// `Origin`. Requests without it are from no page.
    origin: Option<HeaderValue>,
    /// The client that the request names.
    client: Option<String>,
    /// A token that Cambio signed for the client shows who the client is.
    has_token: bool,
    /// The identity provider says that it is one of the client's pages.
    is_of_client: bool,
}

/// Who may read an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    /// No page, unless the identity provider's headers allow it.
    Nobody,
    /// Every page that sends no cookies.
    Everybody(HeaderValue),
    /// The client's page.
    Page(HeaderValue),
}

impl Page {
    /// The page that sent a request with this head.
    pub fn of(head: &Parts) -> Self {
        Self { origin: head.headers.get(ORIGIN).cloned(), ..Self::default() }
    }

    /// The request is this client's.
    pub fn names(&mut self, client: &str) {
        if self.origin.is_some() {
            self.client = Some(client.to_owned());
        }
    }

    /// The request is that of the client that the form names, or `Authorization: Basic`, if it names one.
    pub fn names_in(&mut self, head: &Parts, body: &[u8]) {
        if self.origin.is_none() || self.client.is_some() {
            return;
        }
        let Ok(form) = Form::parse(body) else { return };
        let read = Credentials::read(&head.headers, &form, &Workloads::default());
        let named = || form.one("client_id").filter(|_| !head.headers.contains_key(AUTHORIZATION)).map(str::to_owned);
        self.client = read.ok().map(|read| read.client_id().to_owned()).or_else(named);
    }

    /// The identity provider's token has these claims. Its `allowed-origins` are those of the client in `azp`.
    pub fn learn_from_token(&mut self, claims: &Map<String, Value>) {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if self.client.is_none() || text("azp") != self.client.as_deref() {
            return;
        }
        let listed = claims.get("allowed-origins").and_then(Value::as_array).into_iter().flatten();
        let origins = WebOrigins::listed(listed.filter_map(Value::as_str));
        self.is_of_client |= self.origin().is_some_and(|origin| origins.allow(origin));
    }

    /// The page has a valid token of Cambio's own with these claims.
    pub fn learn_from_own_token(&mut self, claims: &Map<String, Value>) {
        if let Some(client) = claims.get("azp").and_then(Value::as_str) {
            self.names(client);
            self.has_token = true;
            self.learn_from_token(claims);
        }
    }

    /// The identity provider answered the client with these headers.
    pub fn learn_from_answer(&mut self, headers: &HeaderMap) {
        self.is_of_client |= self.origin.is_some() && headers.get(ACCESS_CONTROL_ALLOW_ORIGIN) == self.origin.as_ref();
    }

    /// The origin as text.
    fn origin(&self) -> Option<&str> {
        self.origin.as_ref().and_then(|origin| origin.to_str().ok())
    }

    /// Whether the configuration lists the page for the client; `None` if it lists none for the client.
    fn by_configuration(&self, realm: &RealmRuntime) -> Option<bool> {
        let (origin, client) = (self.origin()?, self.client.as_deref()?);
        realm.config.web_origins.get(client).map(|listed| listed.allow(origin))
    }

    /// Who may read the answer to a request at this realm. `proven`: the client is authentic; only then is the directory
    /// asked. `refusal`: the cause, if the request is refused.
    pub async fn readers(
        &self,
        realm: &RealmRuntime,
        upstream: &UpstreamClient,
        proven: bool,
        refusal: Option<Cause>,
    ) -> Readers {
        let (Some(value), Some(origin)) = (&self.origin, self.origin()) else { return Readers::Nobody };
        let may_read = match self.by_configuration(realm) {
            Some(listed) => listed,
            None if !proven && !self.has_token => false,
            None => self.is_of_client || Box::pin(self.is_in_directory(realm, upstream, origin)).await,
        };
        match refusal {
            _ if may_read => Readers::Page(value.clone()),
            Some(Cause::Client | Cause::TooMany) => Readers::Everybody(value.clone()),
            _ => Readers::Nobody,
        }
    }

    async fn is_in_directory(&self, realm: &RealmRuntime, upstream: &UpstreamClient, origin: &str) -> bool {
        let (Some(directory), Some(client)) = (&realm.directory, &self.client) else { return false };
        let realm = &realm.config.name;
        match timeout(LONGEST_WAIT, directory.web_origins(upstream, client)).await {
            Ok(Ok(origins)) => origins.allow(origin),
            Ok(Err(error)) => {
                tracing::warn!(realm, %error, "the directory does not tell a client's web origins");
                false
            }
            Err(_) => {
                tracing::warn!(realm, "the directory does not tell a client's web origins in time");
                false
            }
        }
    }

    /// Who may read the answer to a request that ended before its client was looked at.
    pub fn readers_before(&self, realm: Option<&RealmRuntime>) -> Readers {
        match (&self.origin, realm.and_then(|realm| self.by_configuration(realm))) {
            (Some(origin), Some(true)) => Readers::Page(origin.clone()),
            _ => Readers::Nobody,
        }
    }
}

impl Readers {
    /// Lets them read the answer. Headers of the identity provider stay.
    #[must_use]
    pub fn of(self, mut response: Response<Body>) -> Response<Body> {
        let headers = response.headers_mut();
        let shared = headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN);
        let (origin, with_cookies) = match self {
            Self::Page(origin) if !shared => (Some(origin), true),
            Self::Everybody(origin) if !shared => (Some(origin), false),
            Self::Nobody if !shared => return response,
            Self::Page(_) | Self::Everybody(_) | Self::Nobody => (None, false),
        };
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if with_cookies {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        expose(headers);
        response
    }
}

/// Names the headers that a client reads and that a browser would hide from it.
fn expose(headers: &mut HeaderMap) {
    let own =
        [HeaderName::from_static(CORRELATION_ID), HeaderName::from_static(NONCE_HEADER), RETRY_AFTER, WWW_AUTHENTICATE];
    let lines = headers.get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().filter_map(|line| line.to_str().ok());
    let present = lines.flat_map(|line| line.split(',')).map(str::trim);
    let mut names: Vec<&str> = present.filter(|name| !name.is_empty()).collect();
    let before = names.len();
    for name in own.iter().filter(|name| headers.contains_key(*name)) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name.as_str())) {
            names.push(name.as_str());
        }
    }
    if names.len() > before
        && let Ok(names) = HeaderValue::try_from(names.join(", "))
    {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
}

#[cfg(test)]
mod tests;
