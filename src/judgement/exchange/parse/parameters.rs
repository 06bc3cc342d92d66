//! Which parameters a request may carry.

use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::lenient::resembles;
use crate::words::oauth::form::{Form, bounded};
use crate::words::refusal::{Reason, Refusal};

/// What a token exchange may carry; everything else is unknown.
const EXCHANGE: [&str; 15] = [
    "actor_token",
    "actor_token_type",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "grant_type",
    "requested_subject",
    "requested_token_type",
    "resource",
    "scope",
    "subject_issuer",
    "subject_token",
    "subject_token_type",
];

/// What a JWT authorization grant may carry.
const ASSERTION: [&str; 9] = [
    "assertion",
    "audience",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "grant_type",
    "resource",
    "scope",
];

/// Parameters of Keycloak's first token exchange that turn the request into another one. They are never forwarded.
const LEGACY: [&str; 3] = ["requested_issuer", "requested_subject", "subject_issuer"];

/// Refuses a parameter that nobody here understands, or that this realm's policy leaves to nobody.
pub(super) fn refuse_unknown_parameters(grant: Grant, form: &Form, accepts: &Accepts) -> Result<(), Refusal> {
    let refused = |name: &str, value: &str| {
        (name == "subject_issuer" && !value.is_empty() && !accepts.foreign && !accepts.dialect.rules().subject_issuer)
            || (name == "requested_subject" && !value.is_empty() && !accepts.impersonation)
            || (is_unknown(grant, name, value) && (!accepts.unknown_parameters || resembles_a_known_parameter(name)))
    };
    match form.fields().find(|(name, value)| refused(name, value)) {
        Some((name, _)) => Err(Refusal::new(Reason::ParameterUnknown, bounded(name))),
        None => Ok(()),
    }
}

/// Whether we don't know a parameter, which has a value.
pub(super) fn is_unknown(grant: Grant, name: &str, value: &str) -> bool {
    let known: &[&str] = match grant {
        Grant::TokenExchange => &EXCHANGE,
        Grant::JwtBearer => &ASSERTION,
        Grant::ApiAccess => &[],
    };
    !value.is_empty() && !known.contains(&name)
}

/// Whether some parser could take `name` for a parameter that we judge, or for one that changes what is asked.
fn resembles_a_known_parameter(name: &str) -> bool {
    EXCHANGE.iter().chain(&ASSERTION).chain(&LEGACY).any(|known| resembles(name, known))
}
