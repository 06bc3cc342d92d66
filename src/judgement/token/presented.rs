//! The tokens of a request as the caller presents them, and the client that presents them.

use super::kind;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::Parsed;
use crate::judgement::jose::jws;
use crate::judgement::jose::verify::{self, TokenError, UnverifiedToken};
use crate::words::oauth::confirmation::Evidence;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Which token of the request (RFC 8693 section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRole {
    /// The subject token, or the assertion.
    Subject,
    /// The actor token.
    Actor,
}

/// A token as the request presents it, not verified.
#[derive(Clone, Copy, Debug)]
pub struct PresentedToken<'a> {
    /// Which token of the request it is.
    pub role: TokenRole,
    /// The token.
    pub token: &'a Secret,
    /// The token's type as the caller states it.
    pub kind: TokenType,
    /// The issuer of an opaque token, as the caller states it: a name or a URL.
    pub issuer: Option<&'a str>,
    assertion: bool,
}

/// The client that presents tokens, and what the caller has shown of itself.
#[derive(Clone, Copy, Debug)]
pub struct Presenter<'a> {
    pub(super) client: &'a str,
    pub(super) is_public: bool,
    pub(super) evidence: Evidence<'a>,
}

impl TokenRole {
    /// A refusal of this token: for `reason` if it is the subject token.
    pub fn refuse(self, reason: Reason, detail: impl Into<String>) -> Refusal {
        match self {
            Self::Subject => Refusal::new(reason, detail),
            Self::Actor => Refusal::new(Reason::ActorTokenInvalid, detail),
        }
    }

    /// The refusal of this token. Checks of an actor token have reasons that name the subject token; other reasons
    /// stay.
    pub fn refusal(self, refusal: Refusal) -> Refusal {
        match self {
            Self::Actor if refusal.reason.is_about_subject_token() => {
                Refusal::new(Reason::ActorTokenInvalid, format!("{}: {}", refusal.reason, refusal.detail))
            }
            Self::Subject | Self::Actor => refusal,
        }
    }
}

impl<'a> PresentedToken<'a> {
    /// The subject token, or the assertion.
    pub fn subject(parsed: &'a Parsed) -> Self {
        Self {
            role: TokenRole::Subject,
            token: parsed.subject_token(),
            kind: parsed.subject_token_type(),
            issuer: parsed.subject_issuer(),
            assertion: parsed.grant() == Grant::JwtBearer,
        }
    }

    /// The actor token, if one came.
    pub fn actor(parsed: &'a Parsed) -> Option<Self> {
        let (token, kind) = parsed.actor()?;
        Some(Self { role: TokenRole::Actor, token, kind, issuer: None, assertion: false })
    }

    /// Refuses a token that has more bytes than `limit`.
    ///
    /// # Errors
    /// The token is too long.
    pub fn check_length(self, limit: usize) -> Result<(), Refusal> {
        let checked = jws::check_length(self.token.expose(), limit);
        checked.map_err(|error| self.role.refusal(TokenError::from(error).into()))
    }

    /// Reads a JWT without verifying it.
    ///
    /// # Errors
    /// The token is no JWT.
    pub fn read(self) -> Result<UnverifiedToken, Refusal> {
        verify::peek(self.token.expose()).map_err(|error| self.role.refusal(error.into()))
    }

    /// The type that the JWT must have. An assertion declares an ID-JAG in its header.
    pub fn kind_of(self, token: &UnverifiedToken) -> TokenType {
        if self.assertion && kind::declares_id_jag(token) { TokenType::IdJag } else { self.kind }
    }
}

impl<'a> Presenter<'a> {
    /// The client of an authenticated request.
    pub fn of(authenticated: &'a Authenticated, evidence: Evidence<'a>) -> Self {
        Self { client: authenticated.client_id(), is_public: authenticated.is_public(), evidence }
    }
}
