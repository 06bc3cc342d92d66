//! An exchange that every server refuses, and who refused it.
//!
//! The form has a grant type and nothing else: no token, no client, no credentials. Cambio marks each of its refusals with a
//! correlation id, a UUID of version 7. A control shows whether something else writes such a header: the control has a grant
//! type that Cambio does not govern, so that Cambio only passes the answer of the identity provider on.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use serde_json::Value;
use uuid::{Uuid, Version};

use super::inquiry::{Inquiry, LIMITS};
use crate::adapters::config::Realm;
use crate::adapters::net::outgoing::OutgoingError;
use crate::adapters::net::url::PublicAddress;
use crate::edge::gateway::respond::CORRELATION_ID;
use crate::words::oauth::form::Form;
use crate::words::oauth::json;
use crate::words::oauth::urn::GRANT_TOKEN_EXCHANGE;

/// The grant type of the control, which Cambio does not govern.
const CONTROL: &str = "client_credentials";

/// What answered a probe or a control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// The status.
    pub(super) status: u16,
    /// The OAuth error code of the body (RFC 6749 section 5.2); `None` if the body has none.
    pub(super) error: Option<String>,
    /// What the answer says in `x-correlation-id`.
    pub(super) mark: Mark,
}

/// What an answer says in `x-correlation-id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Nothing.
    Absent,
    /// Something that Cambio does not write.
    Foreign,
    /// A UUID of version 7, as in each of Cambio's refusals.
    Cambio,
}

/// Sends the probe to a path of the identity provider, under the realm's public address.
pub(super) async fn straight(asked: &Inquiry, realm: &Realm, path: &str) -> Result<Arrival, String> {
    let uri: Uri = path.parse().map_err(|_| format!("{path} is no path"))?;
    let mut request = request(uri, GRANT_TOKEN_EXCHANGE);
    PublicAddress::of(&realm.issuer).map_err(|error| error.to_string())?.write(request.headers_mut());
    arrival(asked.upstream.ask(request, LIMITS).await)
}

/// Sends the probe to a URL, as a caller would.
pub(super) async fn public(asked: &Inquiry, url: Uri) -> Result<Arrival, String> {
    arrival(asked.public.send(request(url, GRANT_TOKEN_EXCHANGE)).await)
}

/// Sends the control to a URL, as a caller would.
pub(super) async fn control(asked: &Inquiry, url: Uri) -> Result<Arrival, String> {
    arrival(asked.public.send(request(url, CONTROL)).await)
}

fn mark(headers: &HeaderMap) -> Mark {
    let is_ours = |value: &HeaderValue| {
        let id = value.to_str().ok().and_then(|text| Uuid::parse_str(text).ok());
        id.is_some_and(|id| id.get_version() == Some(Version::SortRand))
    };
    match headers.get_all(CORRELATION_ID).iter().map(is_ours).max() {
        None => Mark::Absent,
        Some(false) => Mark::Foreign,
        Some(true) => Mark::Cambio,
    }
}

fn request(uri: Uri, grant: &str) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("grant_type", grant);
    let mut request = Request::new(Bytes::from(form.encode()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    request
}

fn arrival(answer: Result<Response<Bytes>, OutgoingError>) -> Result<Arrival, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    let body = json::object(answer.body()).ok();
    let error = body.and_then(|body| body.get("error").and_then(Value::as_str).map(str::to_owned));
    Ok(Arrival { status: answer.status().as_u16(), error, mark: mark(answer.headers()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_a_uuid_of_version_7() {
        for (name, value, expected) in [
            ("ours", Uuid::now_v7().to_string(), Mark::Cambio),
            ("a proxy's", Uuid::new_v4().to_string(), Mark::Foreign),
            ("a text", "abc".to_owned(), Mark::Foreign),
        ] {
            let mut headers = HeaderMap::new();
            assert_eq!(mark(&headers), Mark::Absent);
            headers.append(CORRELATION_ID, value.parse().unwrap());
            assert_eq!(mark(&headers), expected, "{name}");
        }
    }
}
