//! Which parameters a request may carry.

use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::lenient::Spellings;
use crate::words::oauth::form::{Form, bounded};
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};

/// What every request may carry: the grant and the client's credentials.
const COMMON: [&str; 5] = ["client_assertion", "client_assertion_type", "client_id", "client_secret", "grant_type"];

/// What a token exchange may carry, too; everything else is unknown.
const EXCHANGE: [&str; 10] = [
    "actor_token",
    "actor_token_type",
    "audience",
    "requested_subject",
    "requested_token_type",
    "resource",
    "scope",
    "subject_issuer",
    "subject_token",
    "subject_token_type",
];

/// What a JWT authorization grant may carry, too.
const ASSERTION: [&str; 4] = ["assertion", "audience", "resource", "scope"];

/// Parameters of Keycloak's first token exchange that turn the request into another one. They are never forwarded.
const LEGACY: [&str; 3] = ["requested_issuer", "requested_subject", "subject_issuer"];

/// Refuses a parameter that is neither in [`COMMON`] nor in `known`.
pub(super) fn refuse_parameters_besides(known: &[&str], form: &Form) -> Result<(), Refusal> {
    refuse_any(form, |name, value| is_besides(known, name, value))
}

/// Refuses a parameter that occurs twice and is not in `may_repeat`.
pub(super) fn refuse_repeated_parameters(form: &Form, may_repeat: &[&str]) -> Result<(), Refusal> {
    form.repeated(may_repeat).map_or(Ok(()), |name| Err(Refusal::new(Reason::ParameterRepeated, bounded(name))))
}

/// The requested scope. A scope of spaces counts as omitted, as an empty one does.
pub(super) fn requested_scope(form: &Form) -> Result<Option<Scope>, Refusal> {
    scope_in(form, "scope")
}

/// The requested scope of an exchange, in `scope` or in the dialect's other name of it. If both come, they must ask for one
/// scope.
pub(super) fn exchange_scope(grant: Grant, form: &Form, accepts: &Accepts) -> Result<Option<Scope>, Refusal> {
    let scope = requested_scope(form)?;
    let Some(alias) = scope_alias(grant, accepts) else { return Ok(scope) };
    match (scope, scope_in(form, alias)?) {
        (Some(one), Some(other)) if !(one.is_subset(&other) && other.is_subset(&one)) => {
            Err(Refusal::new(Reason::ParameterRepeated, format!("scope and {alias} differ")))
        }
        (one, other) => Ok(one.or(other)),
    }
}

fn scope_in(form: &Form, name: &str) -> Result<Option<Scope>, Refusal> {
    let scope = form.one(name).map(Scope::parse).transpose();
    let scope = scope.map_err(|error| Refusal::new(Reason::ScopeMalformed, error.to_string()))?;
    Ok(scope.filter(|scope| !scope.is_empty()))
}

/// The other name of `scope` in the dialect's exchanges.
fn scope_alias(grant: Grant, accepts: &Accepts) -> Option<&'static str> {
    accepts.dialect.rules().scope_alias.filter(|_| grant == Grant::TokenExchange)
}

/// Refuses a parameter that Cambio does not know, or that no permission of the realm uses.
pub(super) fn refuse_unknown_parameters(grant: Grant, form: &Form, accepts: &Accepts) -> Result<(), Refusal> {
    let refused = |name: &str, value: &str| {
        (name == "subject_issuer" && !value.is_empty() && !accepts.foreign && !accepts.dialect.rules().subject_issuer)
            || (name == "requested_subject" && !value.is_empty() && !accepts.impersonation)
            || (is_unknown(grant, name, value, accepts)
                && (!accepts.unknown_parameters || resembles_a_known_parameter(name)))
    };
    refuse_any(form, refused)
}

fn refuse_any(form: &Form, refused: impl Fn(&str, &str) -> bool) -> Result<(), Refusal> {
    let mut found = form.fields().filter(|(name, value)| refused(name, value));
    found.next().map_or(Ok(()), |(name, _)| Err(Refusal::new(Reason::ParameterUnknown, bounded(name))))
}

/// Whether a parameter is unknown and has a value.
pub(super) fn is_unknown(grant: Grant, name: &str, value: &str, accepts: &Accepts) -> bool {
    let known: &[&str] = match grant {
        Grant::TokenExchange => &EXCHANGE,
        Grant::JwtBearer => &ASSERTION,
        Grant::ApiAccess => &[],
    };
    is_besides(known, name, value) && scope_alias(grant, accepts) != Some(name)
}

fn is_besides(known: &[&str], name: &str, value: &str) -> bool {
    !value.is_empty() && !COMMON.contains(&name) && !known.contains(&name)
}

/// Whether some parser could read `name` as a parameter that Cambio judges, or as a parameter that changes the request.
fn resembles_a_known_parameter(name: &str) -> bool {
    let spellings = Spellings::of(name);
    COMMON.iter().chain(&EXCHANGE).chain(&ASSERTION).chain(&LEGACY).any(|known| spellings.may_be(known))
}
