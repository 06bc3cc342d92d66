//! Asking the identity provider for a token: a form goes out under the caller's head, an answer comes back.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RANGE,
    TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Request, Response, response};
use serde::Deserialize;

use crate::adapters::net::body::{Body, read_bounded};
use crate::edge::gateway::answer_lock::{self, HOLD, Origin, Reading};
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::credentials::Credentials;
use crate::words::refusal::{Reason, Refusal};

/// What the identity provider says.
pub(super) enum Asked {
    /// Its answer and the body, whole.
    Answered(response::Parts, Bytes),
    /// Its refusal, as the caller may be told of it.
    Refused(Response<Body>, Refusal),
}

/// Sends `form`, with the credentials that were judged, to the token endpoint that the caller called.
pub(super) async fn ask(
    visit: Visit<'_>,
    realm: &RealmState,
    credentials: &Credentials,
    form: String,
    mut head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Asked, Refusal> {
    for name in [CONTENT_ENCODING, TRANSFER_ENCODING, TRAILER, ACCEPT_ENCODING, AUTHORIZATION, RANGE] {
        head.headers.remove(name);
    }
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(form.len()));
    if let Some(authorization) = credentials.authorization() {
        head.headers.insert(AUTHORIZATION, authorization.clone());
    }
    visit.state.to_upstream(&mut head);
    let response = visit.gateway.send(Request::from_parts(head, Body::full(form)), visit.connection).await?;
    exit.upstream_status(response.status());

    let (answer, body) = response.into_parts();
    let limit = visit.gateway.upstream.idle_timeout();
    let (body, _) = read_bounded(body, HOLD, limit).await.map_err(|error| {
        Refusal::new(Reason::UpstreamGarbage, format!("the identity provider's answer: {error}"))
    })?;
    if answer.status.is_success() {
        return Ok(Asked::Answered(answer, body));
    }
    if answer_lock::reading(Origin::Door, answer.status, &answer.headers) == Reading::Coded
        || answer_lock::bears_mark(&body)
        || has_token(&body)
    {
        return Err(Refusal::new(Reason::AnswerLocked, "a refusal that bears a token, or can't be read"));
    }
    let (code, description) = error(&body);
    let why = format!("realm {} answered {code}", realm.config.name);
    if answer.status.is_server_error() || answer.status.is_redirection() || answer.status.is_informational() {
        return Err(Refusal::new(
            Reason::UpstreamGarbage,
            format!("{why} with status {}", answer.status.as_u16()),
        ));
    }
    Ok(Asked::Refused(
        exit.told(Response::from_parts(answer, Body::full(body)), (&code, &description)),
        Refusal::new(Reason::UpstreamRefused, why),
    ))
}

/// Whether a refusal is none: it has an `access_token`.
fn has_token(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|answer| answer.get("access_token").is_some())
}

/// The `error` of a refusal, if it looks like one, and its `error_description`: free text, which goes no further.
fn error(body: &[u8]) -> (String, String) {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer)
            if answer.error.len() <= 64
                && answer.error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') =>
        {
            (answer.error, answer.error_description)
        }
        _ => ("something that is no OAuth error".to_owned(), String::new()),
    }
}
