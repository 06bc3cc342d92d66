//! What a request asks for, as policy sees it: ids, claims and scopes.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;

/// What is asked for, by whom and with what.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with a name")]
pub struct ExchangeRequest<'a> {
    /// The requesting client's id.
    pub client: &'a str,
    /// The subject issuer's name in the configuration.
    pub issuer: &'a str,
    /// Whether the subject token is the realm's own.
    pub own: bool,
    /// The `subject_token_type`.
    pub subject_token: TokenType,
    /// The `requested_token_type`.
    pub requested_token: TokenType,
    /// The `audience` values.
    pub audiences: &'a [String],
    /// The `resource` values.
    pub resources: &'a [String],
    /// The scope asked for.
    pub scope: Option<&'a Scope>,
    /// The subject token's verified claims.
    pub claims: &'a Map<String, Value>,
    /// The subject token's `sub`.
    pub subject: &'a str,
    /// Whether the realm's own subject token was issued to the client, or for it.
    pub held: bool,
    /// The subject token's `exp`.
    pub subject_expires: Timestamp,
    /// The `cnf` that binds the new token: what the subject token is bound to, or the key that the caller has shown.
    pub binding: Option<&'a Value>,
    /// The realm's `iss`.
    pub realm_issuer: &'a str,
    /// Who acts for the subject.
    pub actor: Option<Actor<'a>>,
    /// Whether the subject is one of another issuer and the token one that we minted for him: `sub` is his already.
    pub settled: bool,
    /// Whether the subject token is one that we signed in an earlier exchange.
    pub ours: bool,
    /// Whom the new token is to be about in the place of the subject.
    pub impersonate: Option<Impersonated<'a>>,
    /// Claims that a token that we sign may carry besides those that the audience's file lists.
    pub carried: &'a [&'a str],
    /// Claims that a minted token has with this text where the subject token has none.
    pub defaults: &'a [(&'a str, &'a str)],
    /// Whether the scope [`OFFLINE`] is left out where it is not permitted, and not refused.
    pub drop_offline: bool,
}

/// A user of the realm whom the subject is to become, as the directory knows him.
#[derive(Clone, Copy, Debug)]
pub struct Impersonated<'a> {
    /// His `sub`.
    pub subject: &'a str,
    /// What is known of him: `sub`, `preferred_username`, `email`…
    pub claims: &'a Map<String, Value>,
    /// Whether he has an administrator's role, so that nobody may become him.
    pub protected: bool,
}

/// Whoever acts for the subject, by a token that was verified like a subject token.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// Its issuer's name in the configuration.
    pub issuer: &'a str,
    /// Its `iss`.
    pub iss: &'a str,
    /// Its verified claims.
    pub claims: &'a Map<String, Value>,
    /// Its `sub`.
    pub subject: &'a str,
    /// Whether it was issued to the client that came with it, or for it, if it is the realm's own.
    pub held: bool,
    /// Whether it is one that we signed in an earlier exchange.
    pub ours: bool,
    /// Its `exp`.
    pub expires: Timestamp,
}
