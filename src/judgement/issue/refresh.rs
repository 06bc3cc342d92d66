//! Refresh tokens beside issued tokens: the identity provider's is taken out of its answer, and ours goes in.

use serde_json::Value;

use super::Conformed;
use super::answer::{Answer, Members};
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// What lets us ask the identity provider again: its refresh token, which we never hand out.
#[derive(Clone, Debug)]
pub struct Session {
    /// The refresh token; `None` where a refresh gave no new one, and the old one stays (RFC 6749 section 6).
    pub token: Option<Secret>,
    /// Seconds that it lives, where the identity provider says so.
    pub expires_in: Option<i64>,
}

/// What the answer that a refresh token of ours goes out with answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// An exchange that asked for a refresh token: `issued_token_type` says that there is one, as Keycloak has it.
    Exchange,
    /// An exchange that asked for an access token, and is given a refresh token besides.
    Besides,
    /// A refresh, whose answer has no `issued_token_type` (RFC 6749 section 5.1).
    Refresh,
}

/// Takes the refresh token out of the answer to an exchange that asked for one. What is left is the answer to one that
/// asked for an access token.
pub fn take_session(answer: &mut Answer) -> Result<Session, Refusal> {
    let session = session(answer);
    if answer.text("issued_token_type") != Some(TokenType::RefreshToken.urn()) || session.token.is_none() {
        return Err(Refusal::new(
            Reason::AnswerTokenType,
            "the identity provider gave no refresh token: allow the client refresh tokens in token exchange there",
        ));
    }
    answer.set("issued_token_type", Value::from(TokenType::AccessToken.urn()));
    Ok(session)
}

/// The same for the answer to a refresh.
pub fn take_refreshed(answer: &mut Answer) -> Session {
    let session = session(answer);
    // An answer to a refresh gives an access token and does not say so.
    answer.set("issued_token_type", Value::from(TokenType::AccessToken.urn()));
    session
}

impl Conformed {
    /// The same answer with a refresh token of ours that lives for so many seconds.
    pub fn with_refresh_token(
        self,
        token: &Secret,
        expires_in: i64,
        answers: Answers,
    ) -> Result<Self, Refusal> {
        let unreadable = |_| Refusal::new(Reason::Internal, "the answer can't be written anew");
        let Self { body, facts } = self;
        let mut members: Members = serde_json::from_slice(&body).map_err(unreadable)?;
        members.set("refresh_token", Value::from(token.expose()));
        members.set("refresh_expires_in", Value::from(expires_in));
        match answers {
            Answers::Exchange => {
                members.set("issued_token_type", Value::from(TokenType::RefreshToken.urn()));
            }
            Answers::Besides => {}
            Answers::Refresh => drop(members.take("issued_token_type")),
        }
        Ok(Self { body: serde_json::to_vec(&members).map_err(unreadable)?, facts })
    }
}

fn session(answer: &mut Answer) -> Session {
    let token = answer.take("refresh_token").and_then(|value| match value {
        Value::String(text) if !text.is_empty() => Some(Secret::new(text)),
        _ => None,
    });
    // Keycloak's 0 means that there is none, or that it never expires (an offline token).
    let expires_in =
        answer.take("refresh_expires_in").and_then(|value| value.as_i64()).filter(|seconds| *seconds > 0);
    Session { token, expires_in }
}
