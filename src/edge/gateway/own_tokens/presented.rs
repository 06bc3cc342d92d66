//! Finds the token that Cambio signed in a request, makes sure that there is one reading only, and verifies the
//! token.

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use jiff::SignedDuration;
use jsonwebtoken::Algorithm;

use crate::edge::gateway::case::Case;
use crate::edge::gateway::realm_runtime::RealmRuntime;
use crate::judgement::exchange::classify::carries_token_of_ours;
use crate::judgement::exchange::refresh;
use crate::judgement::jose::verify::{self, Expectations, VerifiedToken};
use crate::judgement::route::OwnTokenEndpoint;
use crate::judgement::route::media_type::MediaType;
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Every algorithm of Cambio's keys.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

/// The token in a request.
pub(super) enum Carried {
    /// No token that Cambio signed, in any reading.
    Nothing,
    /// One token that Cambio signed, in the right place.
    OwnToken(Presented),
}

/// A request about a token that names a key of Cambio. Nothing in the token is verified yet.
pub(super) struct Presented {
    pub(super) token: Secret,
    pub(super) form: Form,
    /// The scheme of the `Authorization` header with the token; `None` if the token was in the form.
    pub(super) scheme: Option<Scheme>,
}

/// How a token is presented to userinfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Bearer,
    DPoP,
}

impl Presented {
    /// Whether the token is a refresh token of Cambio.
    pub(super) fn is_refresh_token(&self) -> bool {
        refresh::is_ours(self.token.expose())
    }
}

/// Whether any parser could read a token that Cambio signed in the `Authorization` header or in the query.
pub(super) fn is_in_head(realm: &RealmRuntime, endpoint: OwnTokenEndpoint, head: &Parts) -> bool {
    let headers = head.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    let query = head.uri.query().map(str::as_bytes);
    headers.chain(query).any(|text| is_by_cambio(realm, endpoint, text))
}

/// What the request carries.
///
/// # Errors
/// Some parser could read a token that Cambio signed in the request, but not every parser.
pub(super) fn carried(
    realm: &RealmRuntime,
    endpoint: OwnTokenEndpoint,
    head: &Parts,
    body: &[u8],
) -> Result<Carried, Refusal> {
    // Only userinfo takes its token from the header. At the other endpoints, a library's `Bearer` says nothing.
    let by_header = endpoint == OwnTokenEndpoint::Userinfo;
    let in_query = head.uri.query().is_some_and(|query| is_by_cambio(realm, endpoint, query.as_bytes()));
    let in_head = by_header && is_in_head(realm, endpoint, head);
    if !in_query && !in_head && !is_by_cambio(realm, endpoint, body) {
        return Ok(Carried::Nothing);
    }
    if in_query {
        return Err(Refusal::new(Reason::ParameterInQuery, "a token that Cambio signed in the query string"));
    }
    let form = if body.is_empty() { Form::new() } else { strict(head, body)? };
    if let Some(name) = form.repeated(&[]) {
        return Err(ambiguous(&format!("a parameter twice, of {} bytes", name.len())));
    }
    let is_plain = |token: &str| is_by_cambio(realm, endpoint, token.as_bytes()) && is_token(token);
    let header = if by_header { bearer(head)?.filter(|(_, token)| is_plain(token)) } else { None };
    let name = match endpoint {
        OwnTokenEndpoint::Userinfo => "access_token",
        OwnTokenEndpoint::Logout => "refresh_token",
        OwnTokenEndpoint::Introspection | OwnTokenEndpoint::Revocation => "token",
    };
    let field = form.one(name).filter(|token| is_plain(token));
    match (header, field) {
        (Some((scheme, token)), None) if form.one(name).is_none() => {
            let token = Secret::new(token);
            Ok(Carried::OwnToken(Presented { token, form, scheme: Some(scheme) }))
        }
        (None, Some(token)) if !by_header || !head.headers.contains_key(AUTHORIZATION) => {
            let token = Secret::new(token);
            Ok(Carried::OwnToken(Presented { token, form, scheme: None }))
        }
        _ => Err(ambiguous("a token that Cambio signed in the wrong place, or in two places")),
    }
}

/// The body as a form that all parsers read alike.
fn strict(head: &Parts, body: &[u8]) -> Result<Form, Refusal> {
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let plain = match (types.next(), types.next()) {
        (Some(value), None) => MediaType::parse(value.as_bytes()).is_some_and(|media| media.is_plain_form()),
        _ => false,
    };
    if !plain || head.headers.contains_key(CONTENT_ENCODING) {
        return Err(ambiguous("the body is no plain form"));
    }
    Form::parse(body).map_err(|error| ambiguous(&error.to_string()))
}

/// The token of the only `Authorization` header, if its scheme is for access tokens.
fn bearer(head: &Parts) -> Result<Option<(Scheme, &str)>, Refusal> {
    let mut headers = head.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(ambiguous("more than one Authorization header"));
    }
    let Some((scheme, token)) = header.to_str().ok().and_then(|text| text.split_once(' ')) else {
        return Ok(None);
    };
    let schemes = [("bearer", Scheme::Bearer), ("dpop", Scheme::DPoP)];
    let scheme = schemes.into_iter().find(|(name, _)| scheme.eq_ignore_ascii_case(name));
    Ok(scheme.map(|(_, scheme)| (scheme, token.trim_start_matches(' '))))
}

/// Whether a token has only the characters of Cambio's tokens, which all parsers read alike.
fn is_token(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// Whether any parser could read a token that Cambio issued in the text. Only a refresh token ends a session at the logout
/// endpoint; what else a form has there is the identity provider's to judge, such as `id_token_hint`.
fn is_by_cambio(realm: &RealmRuntime, endpoint: OwnTokenEndpoint, text: &[u8]) -> bool {
    let ring = realm.signing.as_ref().filter(|_| endpoint != OwnTokenEndpoint::Logout);
    carries_token_of_ours(text, |kid| ring.is_some_and(|ring| ring.owns(kid)))
}

fn ambiguous(detail: &str) -> Refusal {
    Refusal::new(Reason::TokenAmbiguous, detail)
}

impl Case<'_> {
    /// A token that Cambio signed and that is valid now; `None` if it is invalid for any reason.
    ///
    /// # Errors
    /// The store does not say whether the token was revoked, or the directory whether its session goes on.
    pub(super) async fn valid_token(&self, token: &Secret) -> Result<Option<VerifiedToken>, Refusal> {
        let Some(verified) = self.unexpired_token(token) else { return Ok(None) };
        let active = !self.is_revoked(token, &verified).await? && self.session_goes_on(verified.claims()).await?;
        Ok(Some(verified).filter(|_| active))
    }

    /// A token that Cambio signed for the realm and that has not expired.
    pub(super) fn unexpired_token(&self, token: &Secret) -> Option<VerifiedToken> {
        let (ring, issuer) = (self.realm.signing.as_ref()?, &self.realm.config.issuer);
        let expect = Expectations { issuer, algorithms: &ALGORITHMS, leeway: SignedDuration::ZERO };
        let (read, now) = (verify::peek(token.expose()).ok()?, self.services.now());
        // The holder of an old key must not be able to make tokens with it.
        read.kid().filter(|kid| ring.holds(kid, now))?;
        read.verify(ring.key_set(), &expect, now).ok()
    }
}
