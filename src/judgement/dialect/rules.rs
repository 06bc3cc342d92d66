//! What a dialect consists of, and the paths of a realm in its dialect.

use std::borrow::Cow;

use super::endpoints::{DISCOVERY, Endpoints, METADATA, keycloak};
use super::refusal::DialectRefusal;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::PublicError;

/// What a dialect consists of.
///
/// In paths, `{path}` stands for the realm's path at the identity provider, and `{realm}` for the path parameter of that
/// name.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a token endpoint, each with a name")]
pub struct DialectRules {
    /// Paths of the token endpoint, besides the identity provider's own.
    pub token_paths: &'static [&'static str],
    /// The name of the realm above all realms, if the dialect has one, and its paths, which do not name it.
    pub top_realm: Option<TopRealm>,
    /// Paths of the introspection endpoint (RFC 7662), besides the identity provider's own.
    pub introspection_paths: &'static [&'static str],
    /// Paths where a client gets a token for its own service account, for an audience.
    pub api_access_paths: &'static [&'static str],
    /// Whether a token request may also be a JSON object of texts.
    pub json: bool,
    /// Whether a grant that the identity provider does not have is refused at the dialect's own paths, in the dialect's
    /// words. Otherwise the identity provider refuses it.
    pub refuses_unknown_grants: bool,
    /// The `subject_token_type` of a request without one; `None`: the parameter is required.
    pub subject_token_type: Option<TokenType>,
    /// The only subject token types; `None`: the audiences' files say.
    pub subject_tokens: Option<&'static [TokenType]>,
    /// The only requested token types; `None`: the audiences' files say.
    pub requested_tokens: Option<&'static [TokenType]>,
    /// Whether `subject_issuer` is required and must be the subject token's `iss`.
    pub subject_issuer: bool,
    /// Whether an exchange without audience and resource is for the requesting client.
    pub audience_of_client: bool,
    /// Another name of the parameter `scope`.
    pub scope_alias: Option<&'static str>,
    /// Whether `offline_access` that is not permitted is left out of the scope. Otherwise the exchange is refused.
    pub drops_offline: bool,
    /// Whether every access token comes with a refresh token, if one is permitted.
    pub refreshes: bool,
    /// Claims that a subject token must have, besides those that every subject token must have.
    pub required_claims: &'static [&'static str],
    /// Claims that a subject token may have, and what they must be if it has them.
    pub optional_claims: &'static [OptionalClaim],
    /// Whether the subject token's `aud` must have the host that was called.
    pub audience_is_host: bool,
    /// Claims of the subject token that the new token also has.
    pub carried: &'static [&'static str],
    /// Claims that a minted token has in any case, if nothing else gives them a value.
    pub defaults: &'static [DefaultClaim],
    /// What is particular about the new tokens.
    pub tokens: TokenCustoms,
    /// The account that a `sub` names, for dialects that write more into `sub` than the id of a user.
    pub account: fn(&str) -> Option<Account<'_>>,
    /// The answer to a refusal.
    pub refusal: fn(&DialectRefusal<'_>) -> PublicError,
    /// Whether the identity provider's refusals are passed on unchanged. Otherwise they are answered like Cambio's own.
    pub upstream_refusals: bool,
    /// Whether a secret that a public client sends is ignored. Otherwise the client is refused.
    pub public_secrets_ignored: bool,
    /// Whether every 401 has `WWW-Authenticate`. Otherwise only answers to requests with `Authorization` have it.
    pub challenges: bool,
    /// The members of a successful answer.
    pub members: AnswerShape,
    /// The `Cache-Control` of every answer.
    pub cache_control: &'static str,
}

impl DialectRules {
    /// Whether the dialect's paths have the parameter `realm`.
    pub fn has_realm_parameter(&self) -> bool {
        let all = [self.token_paths, self.introspection_paths, self.api_access_paths];
        all.into_iter().flatten().any(|template| template.contains("{realm}"))
    }
}

/// A claim that a minted token has in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultClaim {
    /// The claim's name.
    pub name: &'static str,
    /// The claim's value, if neither the subject token nor the audience's file gives one.
    pub value: DefaultValue,
}

/// The value of a [`DefaultClaim`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultValue {
    /// A text.
    Text(&'static str),
    /// A truth value.
    Flag(bool),
}

impl From<DefaultValue> for serde_json::Value {
    fn from(value: DefaultValue) -> Self {
        match value {
            DefaultValue::Text(text) => Self::from(text),
            DefaultValue::Flag(flag) => Self::from(flag),
        }
    }
}

/// A claim that a subject token may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionalClaim {
    /// The claim's name.
    pub name: &'static str,
    /// What the claim must be.
    pub form: ClaimForm,
}

/// What the value of a claim must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimForm {
    /// A text.
    Text,
    /// A language of ISO 639-1 in lower case, and perhaps `-` and a country of ISO 3166-1 in upper case.
    Locale,
    /// A name of the time zone database.
    TimeZone,
}

/// The realm above all realms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopRealm {
    /// The path parameter `realm` that means this realm.
    pub name: &'static str,
    /// Its paths instead of [`DialectRules::token_paths`].
    pub token_paths: &'static [&'static str],
    /// Its paths instead of [`DialectRules::introspection_paths`].
    pub introspection_paths: &'static [&'static str],
}

/// What is particular about the new tokens of a dialect, and about the tokens that they are made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCustoms {
    /// Claims that ID tokens have only if the audience's file names them, though the dialect copies them.
    pub access_only: &'static [&'static str],
    /// Whether a subject token must say who may exchange it: `may_act` with `client_id`.
    pub needs_may_act: bool,
    /// Whether a new actor in `act` has `sub` alone, if the actor is of the realm.
    pub plain_actors: bool,
}

/// An account at the identity provider, as a `sub` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account<'a> {
    /// The user with this id or this user name.
    User(&'a str),
    /// The service account of this client.
    Client(&'a str),
}

/// Which members a successful answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerShape {
    /// All members of the identity provider's answer.
    Unchanged,
    /// These members, in this order.
    Only(&'static [AnswerMember]),
}

/// A member of a successful answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerMember {
    /// The value is copied, if the member is there.
    Copied(&'static str),
    /// The value is copied, or is `null`.
    OrNull(&'static str),
    /// The value is copied, but the first text is replaced with the second.
    Instead(&'static str, &'static str, &'static str),
    /// The value is this text, whatever the identity provider says.
    Text(&'static str, &'static str),
}

impl AnswerMember {
    /// The member's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copied(name) | Self::OrNull(name) | Self::Instead(name, _, _) | Self::Text(name, _) => name,
        }
    }

    /// The member's value, made from the value that the answer has under this name. `None`: the member is left out.
    pub fn value(self, original: Option<serde_json::Value>) -> Option<serde_json::Value> {
        match self {
            Self::OrNull(_) => Some(original.unwrap_or(serde_json::Value::Null)),
            Self::Instead(_, from, to) if original.as_ref().is_some_and(|value| value == from) => Some(to.into()),
            Self::Copied(_) | Self::Instead(..) => original,
            Self::Text(_, text) => Some(text.into()),
        }
    }
}

/// Where a realm's endpoints are.
#[derive(Clone, Copy, Debug)]
pub struct RealmPath<'a> {
    /// The path of the realm's endpoints at the identity provider, without a trailing slash.
    pub path: &'a str,
    /// The paths of the endpoints, if the identity provider is not Keycloak. Without them, they are Keycloak's, below `path`.
    pub endpoints: Option<&'a Endpoints>,
    /// The rules of the realm's dialect.
    pub rules: &'static DialectRules,
    /// The path parameter `realm`.
    pub realm: &'a str,
}

impl<'a> RealmPath<'a> {
    /// The path of the token endpoint at the identity provider.
    pub fn token(self) -> Cow<'a, str> {
        self.endpoints.map_or_else(|| self.below(keycloak::TOKEN), |all| all.token.as_str().into())
    }

    /// The path of the keys at the identity provider.
    pub fn jwks(self) -> Cow<'a, str> {
        self.endpoints.map_or_else(|| self.below(keycloak::CERTS), |all| all.jwks.as_str().into())
    }

    /// The path of token introspection at the identity provider. Keycloak always has one.
    pub fn introspection(self) -> Option<Cow<'a, str>> {
        self.path_of(|all| &all.introspection, keycloak::INTROSPECT)
    }

    /// The path of revocation at the identity provider.
    pub fn revocation(self) -> Option<Cow<'a, str>> {
        self.path_of(|all| &all.revocation, keycloak::REVOKE)
    }

    /// The path of userinfo at the identity provider.
    pub fn userinfo(self) -> Option<Cow<'a, str>> {
        self.path_of(|all| &all.userinfo, keycloak::USERINFO)
    }

    /// The path at which the identity provider ends sessions.
    pub fn end_session(self) -> Option<Cow<'a, str>> {
        self.path_of(|all| &all.end_session, keycloak::LOGOUT)
    }

    fn path_of(self, configured: impl Fn(&'a Endpoints) -> &'a Option<String>, keycloak: &str) -> Option<Cow<'a, str>> {
        match self.endpoints {
            Some(all) => configured(all).as_deref().map(Cow::Borrowed),
            None => Some(self.below(keycloak)),
        }
    }

    fn below(self, endpoint: &str) -> Cow<'a, str> {
        Cow::Owned(format!("{}{endpoint}", self.path))
    }

    /// The paths of the discovery documents: OpenID Connect Discovery, RFC 8414 as Keycloak also writes it, and RFC 8414
    /// section 3.
    pub fn discovery_paths(self) -> [String; 3] {
        let path = self.path;
        [format!("{path}{DISCOVERY}"), format!("{path}{METADATA}"), format!("{METADATA}{path}")]
    }

    /// The dialect's paths of the token endpoint.
    pub fn token_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.top_realm().map_or(self.rules.token_paths, |top| top.token_paths))
    }

    /// The dialect's paths of the introspection endpoint.
    pub fn introspection_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.top_realm().map_or(self.rules.introspection_paths, |top| top.introspection_paths))
    }

    /// The dialect's paths where a client gets tokens for its own service account.
    pub fn api_access_paths(self) -> impl Iterator<Item = String> {
        self.filled(self.rules.api_access_paths)
    }

    fn top_realm(self) -> Option<TopRealm> {
        self.rules.top_realm.filter(|top| top.name == self.realm)
    }

    fn filled(self, templates: &'static [&'static str]) -> impl Iterator<Item = String> + use<'a> {
        templates.iter().map(move |template| template.replace("{path}", self.path).replace("{realm}", self.realm))
    }
}
