//! The refresh of a token of ours (RFC 6749 section 6), read strictly.

use http::request::Parts;

use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::registry::Workloads;
use crate::words::oauth::form::{Form, bounded};
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// What every refresh token of ours begins with, so that it is told apart from the identity provider's, and found by
/// those who look for secrets where none should be.
pub const PREFIX: &str = "cambio_rt_";

/// `grant_type` of a refresh.
pub const GRANT: &str = "refresh_token";

/// Largest refresh token in bytes that is looked at: subject tokens have 32 KiB at most.
pub const MAX_TOKEN_BYTES: usize = 96 * 1024;

/// What a refresh may carry.
const KNOWN: [&str; 7] =
    ["client_assertion", "client_assertion_type", "client_id", "client_secret", "grant_type", "refresh_token", "scope"];

/// A refresh of which every parameter is understood. `Debug` shows no token and no secret.
#[derive(Clone, Debug)]
pub struct Refresh {
    token: Secret,
    scope: Option<Scope>,
    credentials: Credentials,
}

/// Whether a refresh token says that it is one of ours.
pub fn is_ours(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Reads a request. A parameter without a value counts as omitted (RFC 6749 section 3.2).
pub fn parse(form: &Form, head: &Parts, workloads: &Workloads) -> Result<Refresh, Refusal> {
    if let Some(name) = form.repeated(&[]) {
        return Err(Refusal::new(Reason::ParameterRepeated, bounded(name)));
    }
    if let Some((name, _)) = form.fields().find(|(name, value)| !value.is_empty() && !KNOWN.contains(name)) {
        return Err(Refusal::new(Reason::ParameterUnknown, bounded(name)));
    }
    let credentials = Credentials::read(&head.headers, form, workloads)?;
    let token = form.one("refresh_token").ok_or_else(|| Refusal::new(Reason::ParameterMissing, "refresh_token"))?;
    if !is_ours(token) || token.len() > MAX_TOKEN_BYTES {
        return Err(Refusal::new(Reason::RefreshTokenInvalid, "not a refresh token of ours"));
    }
    let scope = form.one("scope").map(Scope::parse).transpose();
    let scope = scope.map_err(|error| Refusal::new(Reason::ScopeMalformed, error.to_string()))?;
    Ok(Refresh { token: Secret::new(token), scope, credentials })
}

impl Refresh {
    /// The refresh token; nothing in it is opened yet.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The scope that is asked for; none if all that was granted is.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// Who asks.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The refresh of the identity provider's own refresh token, by the same client. Goes with
    /// `credentials().authorization()` as its `Authorization` header.
    pub fn upstream_form(&self, token: &Secret) -> String {
        let mut form = Form::new();
        form.push("grant_type", GRANT);
        form.push("refresh_token", token.expose());
        self.credentials.write(&mut form);
        form.encode()
    }
}

#[cfg(test)]
mod tests;
