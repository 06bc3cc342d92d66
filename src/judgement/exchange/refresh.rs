//! The use of a refresh token of Cambio (RFC 6749 section 6), read strictly.

use http::request::Parts;

pub use super::lenient::PREFIX;
use super::parameters::{refuse_parameters_besides, refuse_repeated_parameters, requested_scope};
use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::registry::Workloads;
use crate::judgement::jose::jws;
use crate::words::oauth::form::Form;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// `grant_type` of a refresh.
pub const GRANT: &str = "refresh_token";

/// Largest refresh token in bytes that is read. A refresh token holds the claims of a subject and of an actor token.
pub const MAX_TOKEN_BYTES: usize = 3 * jws::MAX_TOKEN_BYTES;

/// A refresh with understood parameters only. `Debug` shows no token and no secret.
#[derive(Clone, Debug)]
pub struct Refresh {
    token: Secret,
    scope: Option<Scope>,
    credentials: Credentials,
}

/// Whether a refresh token has the form of Cambio's.
pub fn is_ours(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Reads a request. A parameter without a value counts as omitted (RFC 6749 section 3.2).
pub fn parse(form: &Form, head: &Parts, workloads: &Workloads) -> Result<Refresh, Refusal> {
    refuse_repeated_parameters(form, &[])?;
    refuse_parameters_besides(&["refresh_token", "scope"], form)?;
    let credentials = Credentials::read(&head.headers, form, workloads)?;
    let token = form.one("refresh_token").ok_or_else(|| Refusal::new(Reason::ParameterMissing, "refresh_token"))?;
    if !is_ours(token) || token.len() > MAX_TOKEN_BYTES {
        return Err(Refusal::new(Reason::RefreshTokenInvalid, "not a refresh token of Cambio"));
    }
    let scope = requested_scope(form)?;
    Ok(Refresh { token: Secret::new(token), scope, credentials })
}

impl Refresh {
    /// The refresh token, not opened yet.
    pub fn token(&self) -> &Secret {
        &self.token
    }

    /// The requested scope. `None` asks for everything that was granted.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// The client's credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The refresh of the identity provider's own refresh token, for this client. Goes with
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
