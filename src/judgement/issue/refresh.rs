//! The identity provider's refresh token, which is taken out of its answer.

use serde_json::Value;

use super::answer::UpstreamAnswer;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// What lets Cambio ask the identity provider again: its refresh token, which is never handed out.
#[derive(Clone, Debug)]
pub struct Session {
    /// The refresh token; `None` if a refresh gave no new refresh token, so that the old one stays valid (RFC 6749
    /// section 6).
    pub token: Option<Secret>,
    /// The refresh token's lifetime in seconds, if the identity provider states it.
    pub expires_in: Option<i64>,
}

/// Takes the refresh token out of the answer to an exchange that asked for a refresh token. The rest is the answer to an
/// exchange that asks for an access token.
pub fn take_session(answer: &mut UpstreamAnswer) -> Result<Session, Refusal> {
    let session = session(answer);
    if answer.members_mut().text("issued_token_type") != Some(TokenType::RefreshToken.urn()) || session.token.is_none()
    {
        return Err(Refusal::new(
            Reason::AnswerTokenType,
            "the identity provider gave no refresh token: allow the client refresh tokens in token exchange there",
        ));
    }
    answer.members_mut().set("issued_token_type", TokenType::AccessToken.urn());
    Ok(session)
}

/// Takes the refresh token out of the answer to a refresh.
pub fn take_refreshed(answer: &mut UpstreamAnswer) -> Session {
    let session = session(answer);
    // The answer to a refresh has an access token but no issued_token_type.
    answer.members_mut().set("issued_token_type", TokenType::AccessToken.urn());
    session
}

fn session(answer: &mut UpstreamAnswer) -> Session {
    let members = answer.members_mut();
    let token = members.take("refresh_token").and_then(|value| match value {
        Value::String(text) if !text.is_empty() => Some(Secret::new(text)),
        _ => None,
    });
    // Keycloak's 0 means that there is no refresh token, or that it never expires (an offline token).
    let expires_in = members.take("refresh_expires_in").and_then(|value| value.as_i64()).filter(|seconds| *seconds > 0);
    Session { token, expires_in }
}
