//! The tokens of a request as the caller presents them, and who presents them.

use super::kind;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::Parsed;
use crate::judgement::jose::verify::{self, UnverifiedToken};
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

/// A token as the request presents it. Nothing in it is verified.
#[derive(Clone, Copy, Debug)]
pub struct PresentedToken<'a> {
    role: TokenRole,
    token: &'a Secret,
    kind: TokenType,
    issuer: Option<&'a str>,
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

    /// The refusal of this token. An actor token fails checks that are named after the subject token; whatever is not the
    /// token's fault keeps its reason.
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

    /// Which token of the request it is.
    pub fn role(self) -> TokenRole {
        self.role
    }

    /// The token.
    pub fn token(self) -> &'a Secret {
        self.token
    }

    /// What the caller says that the token is.
    pub fn kind(self) -> TokenType {
        self.kind
    }

    /// Whose opaque token it is, as the caller says: an issuer's name or URL.
    pub fn issuer(self) -> Option<&'a str> {
        self.issuer
    }

    /// Reads a JWT, without believing it.
    ///
    /// # Errors
    /// The token is no JWT.
    pub fn read(self) -> Result<UnverifiedToken, Refusal> {
        verify::peek(self.token.expose())
            .map_err(|error| self.role.refusal(Refusal::new(error.reason(), error.to_string())))
    }

    /// What kind of token the JWT is to be. An assertion declares an ID-JAG in its own header.
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
