//! The grant of a token request. The second half of the request lock: a body in which some parser could read a governed
//! grant is unambiguously that grant, or refused. Every other body passes as it came, however it is written.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;

use super::grant::Grant;
use super::lenient::{Governed, Spellings, readings};
pub use super::lenient::{carries_governed_grant, carries_token_of_ours};
use super::ordinary::is_ordinary;
use super::parameters::refuse_repeated_parameters;
use super::refresh;
use crate::judgement::exchange::doors::{Doors, GovernedDoor};
use crate::judgement::route::media_type::MediaType;
use crate::judgement::route::overrides_method;
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};

/// A grant or endpoint besides the standard exchange that turns one token into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GovernedGrant {
    /// The RFC 7523 JWT authorization grant.
    JwtBearer,
    /// The UMA ticket grant.
    UmaTicket,
    /// Client-initiated backchannel authentication.
    Ciba,
    /// Token exchange with `requested_issuer` (Keycloak V1).
    RequestedIssuer,
    /// Token exchange with `requested_subject` (Keycloak V1 impersonation).
    RequestedSubject,
    /// A pre-authorized code (`OpenID` for Verifiable Credential Issuance 1.0), or an offer of a credential that has one.
    PreAuthorizedCode,
    /// The endpoint that hands out the tokens of brokered identity providers.
    BrokerToken,
    /// Introspection whose answer is a JWT.
    IntrospectionJwt,
}

impl GovernedGrant {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::JwtBearer,
        Self::UmaTicket,
        Self::Ciba,
        Self::RequestedIssuer,
        Self::RequestedSubject,
        Self::PreAuthorizedCode,
        Self::BrokerToken,
        Self::IntrospectionJwt,
    ];

    /// The name in audit lines and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::JwtBearer => "jwt_bearer",
            Self::UmaTicket => "uma_ticket",
            Self::Ciba => "ciba",
            Self::RequestedIssuer => "requested_issuer",
            Self::RequestedSubject => "requested_subject",
            Self::PreAuthorizedCode => "pre_authorized_code",
            Self::BrokerToken => "broker_token",
            Self::IntrospectionJwt => "introspection_jwt",
        }
    }

    /// The name in the configuration.
    fn key(self) -> &'static str {
        match self {
            Self::JwtBearer => "jwtBearer",
            Self::UmaTicket => "umaTicket",
            Self::Ciba => "ciba",
            Self::RequestedIssuer => "requestedIssuer",
            Self::RequestedSubject => "requestedSubject",
            Self::PreAuthorizedCode => "preAuthorizedCode",
            Self::BrokerToken => "brokerToken",
            Self::IntrospectionJwt => "introspectionJwt",
        }
    }

    /// The refusal of a request to a closed door.
    pub fn closed(self) -> Refusal {
        Refusal::new(Reason::DoorClosed, self.closed_detail())
    }

    /// Whether the configuration lets requests pass ungoverned.
    pub fn is_open(self, doors: Doors) -> bool {
        match self {
            Self::JwtBearer => doors.jwt_bearer == GovernedDoor::Open,
            Self::UmaTicket => doors.uma_ticket,
            Self::Ciba => doors.ciba,
            Self::RequestedIssuer => doors.requested_issuer,
            Self::RequestedSubject => doors.requested_subject == GovernedDoor::Open,
            Self::PreAuthorizedCode => doors.pre_authorized_code,
            Self::BrokerToken => doors.broker_token,
            Self::IntrospectionJwt => doors.introspection_jwt,
        }
    }

    fn closed_detail(self) -> String {
        format!("realms.*.doors.{} is closed", self.key())
    }
}

/// Grants of the identity provider that exchange no token.
const ORDINARY_GRANTS: [&str; 5] = [
    "authorization_code",
    "client_credentials",
    "password",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
];

/// The classes of token requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Classified {
    /// Another grant. Cambio forwards the original bytes.
    Other,
    /// A grant that `realms.*.doors` opens. Cambio forwards the original bytes.
    Open(GovernedGrant),
    /// A grant that `realms.*.doors` closes.
    Closed(GovernedGrant, Refusal),
    /// Ambiguous, or not allowed.
    Refused(Refusal),
    /// A token exchange or an assertion to parse, judge and serialise anew.
    Exchange(Grant, Form),
    /// A refresh token of Cambio. Cambio parses, judges and answers the request.
    Refresh(Form),
}

/// Reads a token request strictly as RFC 6749 specifies. A request that is no such request in any reading is not Cambio's
/// to refuse: it passes as it came.
pub fn classify(head: &Parts, body: &[u8], doors: &Doors) -> Classified {
    match read(head, body).and_then(|form| classify_form(form, body, *doors)) {
        Ok(classified) => classified,
        // No server issues anything for a form without a grant.
        Err(refusal) if refusal.reason == Reason::GrantTypeMissing => Classified::Refused(refusal),
        Err(_) if is_ordinary(head, body) => Classified::Other,
        Err(refusal) => Classified::Refused(refusal),
    }
}

/// Reads a token request like [`classify`], at a path whose page knows the exchange alone. A request that would pass must be
/// a form with a grant of the identity provider. Otherwise Cambio refuses it, in the dialect's words.
pub fn classify_known(head: &Parts, body: &[u8], doors: &Doors) -> Classified {
    let classified = classify(head, body, doors);
    if classified != Classified::Other {
        return classified;
    }
    match read(head, body) {
        Ok(form) if form.one("grant_type").is_some_and(|grant| ORDINARY_GRANTS.contains(&grant)) => classified,
        Ok(_) => Classified::Refused(Refusal::new(Reason::GrantTypeUnsupported, "grant_type is no grant of Keycloak")),
        Err(refusal) => Classified::Refused(refusal),
    }
}

/// The body as a form that all parsers read alike.
pub(super) fn read(head: &Parts, body: &[u8]) -> Result<Form, Refusal> {
    if head.uri.query().is_some() {
        return Err(Refusal::new(Reason::ParameterInQuery, "a query string on a token endpoint"));
    }
    if overrides_method(&head.headers) {
        return Err(Refusal::new(Reason::MethodNotAllowed, "a header overrides the method"));
    }
    let mut types = head.headers.get_all(CONTENT_TYPE).iter();
    let is_form = match (types.next(), types.next()) {
        (Some(value), None) => MediaType::parse(value.as_bytes()).is_some_and(|media| media.is_plain_form()),
        _ => false,
    };
    if !is_form {
        return Err(Refusal::new(Reason::ContentTypeNotForm, "Content-Type is not that of a form in UTF-8"));
    }
    content_coding(head)?;
    Form::parse(body).map_err(|error| Refusal::new(Reason::FormMalformed, error.to_string()))
}

/// Refuses a content coding: some servers decode it, others do not.
pub(super) fn content_coding(head: &Parts) -> Result<(), Refusal> {
    let mut codings = head.headers.get_all(CONTENT_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        _ => Err(Refusal::new(Reason::ContentCodingRefused, "Content-Encoding is not identity")),
    }
}

fn classify_form(form: Form, body: &[u8], doors: Doors) -> Result<Classified, Refusal> {
    let grant = form.one("grant_type").map(str::to_owned);
    let governed = Governed::ALL.into_iter().find(|governed| grant.as_deref() == Some(governed.urn()));
    refuse_repeated_parameters(&form, may_repeat(governed))?;
    // A governed grant that some parser could read must be the grant that Cambio reads.
    let readable = readings(body);
    if readable.grants.into_iter().any(|other| Some(other) != governed) {
        return Err(Refusal::new(Reason::GrantTypeAmbiguous, "some parser could read a governed grant"));
    }
    if grant.is_none() {
        let may_be_grant = |(name, value): (&str, &str)| !value.is_empty() && Spellings::of(name).may_be("grant_type");
        let reason =
            if form.fields().any(may_be_grant) { Reason::GrantTypeAmbiguous } else { Reason::GrantTypeMissing };
        return Err(Refusal::new(reason, "grant_type"));
    }
    if grant.as_deref() == Some(refresh::GRANT) && form.one("refresh_token").is_some_and(refresh::is_ours) {
        return Ok(Classified::Refresh(form));
    }
    // Judged exchanges are serialised anew. Forwarded bytes must not carry a token that only Cambio may read.
    let refused = || Refusal::new(Reason::RefreshTokenInvalid, "some parser could read a refresh token of Cambio");
    match classify_grant(governed, form, doors)? {
        Classified::Other | Classified::Open(_) if readable.our_refresh_token => Err(refused()),
        classified => Ok(classified),
    }
}

fn classify_grant(governed: Option<Governed>, form: Form, doors: Doors) -> Result<Classified, Refusal> {
    match governed {
        None => Ok(Classified::Other),
        Some(Governed::JwtBearer) if doors.jwt_bearer == GovernedDoor::Judged => {
            Ok(Classified::Exchange(Grant::JwtBearer, form))
        }
        Some(Governed::JwtBearer) => pass_through(&[GovernedGrant::JwtBearer], doors),
        Some(Governed::UmaTicket) => pass_through(&[GovernedGrant::UmaTicket], doors),
        Some(Governed::Ciba) => pass_through(&[GovernedGrant::Ciba], doors),
        Some(Governed::PreAuthorizedCode) => pass_through(&[GovernedGrant::PreAuthorizedCode], doors),
        Some(Governed::TokenExchange) => {
            let legacy: Vec<GovernedGrant> = [GovernedGrant::RequestedIssuer, GovernedGrant::RequestedSubject]
                .into_iter()
                .filter(|door| form.one(door.name()).is_some())
                .collect();
            match legacy.as_slice() {
                [] => Ok(Classified::Exchange(Grant::TokenExchange, form)),
                [GovernedGrant::RequestedSubject] if doors.requested_subject == GovernedDoor::Judged => {
                    Ok(Classified::Exchange(Grant::TokenExchange, form))
                }
                // A judged `requested_subject` passes through no other door unjudged.
                legacy => pass_through(legacy, doors),
            }
        }
    }
}

/// Parameters that may occur more than once: RFC 8693 section 2.1, and `permission` of Keycloak's UMA grant.
fn may_repeat(governed: Option<Governed>) -> &'static [&'static str] {
    match governed {
        Some(Governed::UmaTicket) => &["audience", "resource", "permission"],
        _ => &["audience", "resource"],
    }
}

/// A request that needs several doors needs all of them open.
fn pass_through(needed: &[GovernedGrant], doors: Doors) -> Result<Classified, Refusal> {
    match needed {
        [first, ..] if needed.iter().all(|door| door.is_open(doors)) => Ok(Classified::Open(*first)),
        [first, ..] => {
            let closed = || needed.iter().filter(|door| !door.is_open(doors));
            let detail: Vec<String> = closed().map(|door| door.closed_detail()).collect();
            let refusal = Refusal::new(Reason::DoorClosed, detail.join(", "));
            Ok(Classified::Closed(*closed().next().unwrap_or(first), refusal))
        }
        [] => Err(Refusal::new(Reason::Internal, "a request that needs no door")),
    }
}

#[cfg(test)]
mod tests;
