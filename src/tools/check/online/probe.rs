//! An exchange that every server refuses, and who refused it.
//!
//! The form has a grant type and nothing else: no token, no client, no credentials. Cambio marks each of its refusals with a
//! correlation id, a UUID of version 7. Identity providers do not.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use uuid::{Uuid, Version};

use super::inquiry::{Inquiry, LIMITS};
use crate::adapters::config::Realm;
use crate::adapters::net::outgoing::OutgoingError;
use crate::adapters::net::url::PublicAddress;
use crate::edge::gateway::respond::CORRELATION_ID;
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::GRANT_TOKEN_EXCHANGE;

/// What answered the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// The status.
    pub(super) status: u16,
    /// Whether the answer has the mark of Cambio's refusals.
    pub(super) is_marked: bool,
}

/// Sends the probe to a path of the identity provider, under the realm's public address.
pub(super) async fn straight(asked: &Inquiry, realm: &Realm, path: &str) -> Result<Arrival, String> {
    let uri: Uri = path.parse().map_err(|_| format!("{path} is no path"))?;
    let mut request = request(uri);
    PublicAddress::of(&realm.issuer).map_err(|error| error.to_string())?.write(request.headers_mut());
    arrival(asked.upstream.ask(request, LIMITS).await)
}

/// Sends the probe to a URL, as a caller would.
pub(super) async fn public(asked: &Inquiry, url: Uri) -> Result<Arrival, String> {
    arrival(asked.public.send(request(url)).await)
}

/// Whether a header has the mark of Cambio's refusals.
pub(super) fn is_marked(headers: &HeaderMap) -> bool {
    let is_ours = |value: &HeaderValue| {
        let id = value.to_str().ok().and_then(|text| Uuid::parse_str(text).ok());
        id.is_some_and(|id| id.get_version() == Some(Version::SortRand))
    };
    headers.get_all(CORRELATION_ID).iter().any(is_ours)
}

fn request(uri: Uri) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("grant_type", GRANT_TOKEN_EXCHANGE);
    let mut request = Request::new(Bytes::from(form.encode()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    request
}

fn arrival(answer: Result<Response<Bytes>, OutgoingError>) -> Result<Arrival, String> {
    let answer = answer.map_err(|error| error.to_string())?;
    Ok(Arrival { status: answer.status().as_u16(), is_marked: is_marked(answer.headers()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_a_uuid_of_version_7() {
        for (name, value, expected) in [
            ("ours", Uuid::now_v7().to_string(), true),
            ("a proxy's", Uuid::new_v4().to_string(), false),
            ("a text", "abc".to_owned(), false),
        ] {
            let mut headers = HeaderMap::new();
            assert!(!is_marked(&headers));
            headers.append(CORRELATION_ID, value.parse().unwrap());
            assert_eq!(is_marked(&headers), expected, "{name}");
        }
    }
}
