//! An exchange request as policy sees it: ids, claims and scopes.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::judgement::dialect::{DefaultClaim, TokenCustoms};
use crate::judgement::policy::provenance::Provenance;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;

/// What a client asks for, and with which tokens.
#[derive(Clone, Copy, Debug)]
pub struct ExchangeRequest<'a> {
    /// The requesting client's id.
    pub client: &'a str,
    /// The subject issuer's name in the configuration.
    pub issuer: &'a str,
    /// Who issued the subject token.
    pub provenance: Provenance,
    /// The `subject_token_type`.
    pub subject_token: TokenType,
    /// The `requested_token_type`.
    pub requested_token: TokenType,
    /// The `audience` values.
    pub audiences: &'a [String],
    /// The `resource` values.
    pub resources: &'a [String],
    /// The scope to decide about.
    pub scope: WantedScope<'a>,
    /// The subject token's verified claims.
    pub claims: &'a Map<String, Value>,
    /// The subject token's `sub`.
    pub subject: &'a str,
    /// The tenant of a foreign subject token, if its issuer has tenants.
    pub tenant: Option<&'a str>,
    /// Whether the realm's own subject token was issued to the client, or for it.
    pub held: bool,
    /// The subject token's `exp`.
    pub subject_expires: Timestamp,
    /// The `cnf` that binds the new token: the subject token's, or the key whose possession the caller has proved.
    pub binding: Option<&'a Value>,
    /// The realm's `iss`.
    pub realm_issuer: &'a str,
    /// The actor that is to act for the subject.
    pub actor: Option<Actor<'a>>,
    /// The user whom the new token is to be about instead of the subject.
    pub impersonate: Option<Impersonated<'a>>,
    /// Claims that a token that Cambio signs may have besides those that the audience's file lists.
    pub carried: &'a [&'a str],
    /// Claims that a minted token has in any case.
    pub defaults: &'a [DefaultClaim],
    /// What is particular about the tokens of the realm's dialect.
    pub customs: TokenCustoms,
    /// Whether the scope `offline_access` is left out if it is not permitted. Otherwise the request is refused.
    pub drop_offline: bool,
    /// Whether the identity provider's answer may have another `sub` than the subject token, or none, if both are about
    /// the same session.
    pub pairwise: bool,
}

/// The scope that a decision is about. Conditions see the scope that would be granted, whatever the request says.
#[derive(Clone, Copy, Debug, Default)]
pub enum WantedScope<'a> {
    /// The request has no scope, or an empty scope: it gets what is permitted of what the subject token has, or of what
    /// the identity provider grants.
    #[default]
    Any,
    /// Every scope token, or the request is refused.
    Exactly(&'a Scope),
    /// As many of these scope tokens as are permitted together.
    AtMost(&'a Scope),
}

/// A user of the realm whom the subject impersonates, as the directory knows them.
#[derive(Clone, Copy, Debug)]
pub struct Impersonated<'a> {
    /// The user's `sub`.
    pub subject: &'a str,
    /// The user's claims: `sub`, `preferred_username`, `email`…
    pub claims: &'a Map<String, Value>,
    /// Whether the user has an administrator's role, so that nobody may impersonate them.
    pub protected: bool,
}

/// The actor, whose token was verified like a subject token.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// The name of the actor token's issuer in the configuration.
    pub issuer: &'a str,
    /// The actor token's `iss`.
    pub iss: &'a str,
    /// The verified claims.
    pub claims: &'a Map<String, Value>,
    /// The `sub`.
    pub subject: &'a str,
    /// The tenant of a foreign actor token, if its issuer has tenants.
    pub tenant: Option<&'a str>,
    /// The client that the actor token was issued to.
    pub client: Option<&'a str>,
    /// Whether the realm's own actor token was issued to the requesting client, or for it.
    pub held: bool,
    /// Who issued the actor token.
    pub provenance: Provenance,
    /// The `exp`.
    pub expires: Timestamp,
}
