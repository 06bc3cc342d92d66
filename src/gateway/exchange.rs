//! The story of one token exchange, from a form to an answer in the dialect's shape.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    HeaderValue, PRAGMA, RANGE, TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Request, Response, StatusCode, response};
use serde::Deserialize;

use super::door::Visit;
use super::exit::Exit;
use super::lock::{self, HOLD, Origin, Reading};
use super::state::RealmState;
use crate::body::{Body, read_bounded};
use crate::client::Authenticated;
use crate::exchange::parse::parse;
use crate::issue::answer::Answer;
use crate::issue::{self, Conformed, Verified};
use crate::oauth::form::Form;
use crate::permit::Permit;
use crate::policy::model::Issuance;
use crate::policy::reason::{Reason, Refusal};
use crate::token::verify::{self, Expectations, TokenError};
use crate::token::{Validated, validate};

/// Judges an exchange, has it performed, and holds the answer to its contract.
///
/// # Errors
/// The refusal; the caller answers and audits it.
pub async fn judge(
    visit: Visit<'_>,
    realm: &RealmState,
    form: Form,
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Response<Body>, Refusal> {
    let parsed = parse(form, &head, realm.config.forward_unknown_parameters)?;
    exit.parsed(&parsed);
    let validated = check_subject(visit, realm, Authenticated::by_upstream(parsed)).await?;
    exit.validated(&validated);
    let permit =
        Permit::decide(validated, &visit.state.config.policy, &realm.config.name, visit.gateway.clock.now())
            .map_err(|refused| refused.refusal)?;
    exit.permitted(&permit);
    if matches!(permit.issuance(), Issuance::Translate | Issuance::Mint) {
        let issuance = permit.issuance().as_str();
        return Err(Refusal::new(Reason::Internal, format!("issuance {issuance} is not served")));
    }

    let (answer, body) = match perform(visit, realm, &permit, head, exit).await? {
        Performed::Issued(answer, body) => (answer, body),
        Performed::Refused(response, why) => {
            exit.refused(&why, response.status());
            return Ok(response);
        }
    };
    let conformed = conform(visit, realm, &permit, answer.status, &body).await?;
    exit.issued(conformed.facts());
    exit.allowed(answer.status)?;
    Ok(respond(answer, conformed))
}

/// The subject token against the keys and rules of its issuer.
async fn check_subject(
    visit: Visit<'_>,
    realm: &RealmState,
    authenticated: Authenticated,
) -> Result<Validated, Refusal> {
    let peeked = verify::peek(authenticated.parsed().subject_token().expose())
        .map_err(|error| Refusal::new(error.reason(), error.to_string()))?;
    let Some((checks, jwks)) = visit.state.subject_issuer(&realm.config, &peeked.issuer) else {
        return Err(Refusal::new(
            Reason::SubjectTokenIssuerUntrusted,
            format!(
                "issuer {:?} is not among subjectIssuers of realm {}",
                clip(&peeked.issuer),
                realm.config.name
            ),
        ));
    };
    let keys = jwks
        .keys(peeked.kid.as_deref())
        .await
        .map_err(|error| Refusal::new(Reason::KeysUnavailable, format!("{}: {error}", checks.issuer_name)))?;
    validate(authenticated, &keys, &checks, visit.gateway.clock.now())
}

enum Performed {
    /// The identity provider's answer and its body.
    Issued(response::Parts, Bytes),
    /// Its refusal, which is passed on as it is.
    Refused(Response<Body>, Refusal),
}

/// Sends what was judged, serialised anew, with the credentials that were judged.
async fn perform(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    mut head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Performed, Refusal> {
    let parsed = permit.validated().authenticated().parsed();
    let form = parsed.upstream_form(permit.audiences());
    for name in [CONTENT_ENCODING, TRANSFER_ENCODING, TRAILER, ACCEPT_ENCODING, AUTHORIZATION, RANGE] {
        head.headers.remove(name);
    }
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(form.len()));
    if let Some(authorization) = parsed.credentials().authorization() {
        head.headers.insert(AUTHORIZATION, authorization.clone());
    }
    let response = visit.gateway.send(Request::from_parts(head, Body::full(form)), visit.connection).await?;
    exit.upstream_status(response.status());

    let (answer, body) = response.into_parts();
    let limit = visit.gateway.upstream.idle_timeout();
    let (body, _) = read_bounded(body, HOLD, limit).await.map_err(|error| {
        Refusal::new(Reason::UpstreamGarbage, format!("the identity provider's answer: {error}"))
    })?;
    if answer.status.is_success() {
        return Ok(Performed::Issued(answer, body));
    }
    if lock::reading(Origin::Door, answer.status, &answer.headers) == Reading::Coded
        || lock::bears_mark(&body)
        || has_token(&body)
    {
        return Err(Refusal::new(Reason::AnswerLocked, "a refusal that bears a token, or can't be read"));
    }
    let why = format!("realm {} answered {}", realm.config.name, error_code(&body));
    if answer.status.is_server_error() || answer.status.is_redirection() || answer.status.is_informational() {
        return Err(Refusal::new(
            Reason::UpstreamGarbage,
            format!("{why} with status {}", answer.status.as_u16()),
        ));
    }
    Ok(Performed::Refused(
        Response::from_parts(answer, Body::full(body)),
        Refusal::new(Reason::UpstreamRefused, why),
    ))
}

/// Verifies the issued token with the realm's keys and holds it to the contract.
async fn conform(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    status: StatusCode,
    body: &Bytes,
) -> Result<Conformed, Refusal> {
    let now = visit.gateway.clock.now();
    let answer = Answer::read(status.as_u16(), body)?;
    let untrusted = |error: TokenError| {
        let reason = match error {
            TokenError::Expired => Reason::AnswerLifetime,
            _ => Reason::AnswerSignature,
        };
        Refusal::new(reason, error.to_string())
    };
    let peeked = verify::peek(answer.token().expose()).map_err(untrusted)?;
    let keys =
        realm.jwks.keys(peeked.kid.as_deref()).await.map_err(|error| {
            Refusal::new(Reason::KeysUnavailable, format!("{}: {error}", realm.config.name))
        })?;
    let expect = Expectations {
        issuer: &realm.config.issuer,
        algorithms: &realm.config.tokens.algorithms,
        leeway: realm.config.tokens.leeway,
    };
    let token = verify::verify(answer.token(), &keys, &expect, now).map_err(untrusted)?;
    let verified = Verified::new(&token, &realm.config.issuer);
    match permit.issuance() {
        Issuance::Forward => issue::forward::conform(permit, answer, &verified, now),
        Issuance::Reissue | Issuance::Translate | Issuance::Mint => {
            let key = realm
                .signing
                .as_ref()
                .ok_or_else(|| Refusal::new(Reason::SigningFailed, "the realm has no signingKey"))?;
            issue::reissue::conform(permit, answer, &verified, key, now)
        }
    }
}

/// The identity provider's head with our body; never cached (RFC 6749 section 5.1).
fn respond(mut answer: response::Parts, conformed: Conformed) -> Response<Body> {
    let (body, _) = conformed.into_parts();
    for name in [CONTENT_ENCODING, TRANSFER_ENCODING, TRAILER, ETAG] {
        answer.headers.remove(name);
    }
    answer.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    Response::from_parts(answer, Body::full(body))
}

/// Whether a refusal is none: it has an `access_token`.
fn has_token(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|answer| answer.get("access_token").is_some())
}

/// The `error` of a refusal, if it looks like one: never free text of the identity provider.
fn error_code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct ErrorAnswer {
        error: String,
    }
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer)
            if answer.error.len() <= 64
                && answer.error.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') =>
        {
            answer.error
        }
        _ => "something that is no OAuth error".to_owned(),
    }
}

fn clip(text: &str) -> String {
    text.chars().take(128).collect()
}
