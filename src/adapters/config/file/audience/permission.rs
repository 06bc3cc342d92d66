//! `permissions` of an audience file as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::adapters::config::file::schema::{each, means, names_of, not_empty, some};
use crate::adapters::config::file::value::Period;
use crate::judgement::policy::delegation::MAX_DEPTH;
use crate::judgement::policy::model;
use crate::words::oauth::urn::TokenType;

/// A statement of the audience's owner: certain clients may exchange certain tokens for the audience.
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Permission {
    /// Ids of the clients that may request an exchange, or `["*"]` for every client.
    #[schemars(transform = names_of("every client"))]
    pub clients: Vec<String>,
    /// Names of the subject token's issuers, from the realm's `subjectIssuers`, or `["*"]` for all that the issuance can
    /// exchange. `forward` and `reissue` exchange only the realm's own tokens, `translate` only foreign tokens, `mint`
    /// both. Without it, the audience's realm; `translate` needs it.
    #[schemars(transform = names_of("every issuer"))]
    pub issuers: Option<Vec<String>>,
    /// Who makes the new token, for this permission. Without it, the audience's `issuance`. If several permissions allow a
    /// request, Cambio uses the first of `mint`, `translate`, `reissue` and `forward` that they name.
    pub issuance: Option<Issuance>,
    /// Accepted types of subject tokens. `forward` and `reissue` take access tokens only.
    #[serde(default = "access_token")]
    #[schemars(transform = not_empty("the permission would never apply"))]
    pub subject_tokens: Vec<SubjectTokenType>,
    /// Clients of the realm whose tokens the caller may exchange although the caller is neither in their `aud` nor their
    /// `azp`, or `["*"]` for all. Without it, none. Only with `mint`, because the upstream refuses such tokens.
    #[schemars(transform = names_of("tokens of every client"))]
    pub subject_clients: Option<Vec<String>>,
    /// Whether subject and actor tokens may be tokens that Cambio signed in an earlier exchange. Only with `mint`. The
    /// owner of the earlier audience decided on scope, roles and further claims in such a token; conditions and role rules
    /// in this file see them as if the realm had written them.
    #[serde(default)]
    pub exchanged_tokens: bool,
    /// Whether a subject token can be exchanged only once, identified by its `jti`. If several permissions allow a request,
    /// Cambio prefers those without `oneTime`, so that adding a permission never makes an allowed request fail.
    #[serde(default)]
    pub one_time: bool,
    /// Whether Cambio asks the realm's introspection endpoint, in every exchange, if the subject token is still active.
    /// Cambio also asks about an actor token of the realm. The realm can answer only for its own tokens: the permission's
    /// `issuers` must be the realm alone, and Cambio refuses tokens that it signed itself. With `mint`, Cambio issues no
    /// refresh token for such a request. If several permissions allow a request, Cambio prefers those without `stillActive`.
    #[serde(default)]
    pub still_active: bool,
    /// Types of tokens that may be requested. `refresh_token` means an access token with one of Cambio's refresh tokens. It
    /// needs `reissue` or `mint`; with `mint`, the realm's own subject tokens also need `roles.source: directory`.
    #[serde(default = "access_token_requested")]
    #[schemars(transform = not_empty("the permission would never apply"))]
    pub requested_tokens: Vec<RequestedTokenType>,
    /// Scopes that may be requested and granted, also those that the subject token does not have. `["*"]` means the scopes of
    /// the subject token if the realm or Cambio issued it as an access token, no scope for the realm's ID tokens, and every
    /// scope for a foreign token; `offline_access` must always be named. Without `scopes`, no scope.
    #[schemars(transform = some("scope", "leave it out to permit no scope, write [\"*\"] to permit all"))]
    pub scopes: Option<Vec<String>>,
    /// Scopes for requests without `scope`, from `scopes`. They are granted as if the caller had requested them, beside the
    /// scopes of the subject token that this permission permits. Only with `mint`, because the upstream has default scopes
    /// of its own.
    #[serde(default)]
    #[schemars(transform = each("scope"))]
    pub default_scopes: Vec<String>,
    /// CEL expression over `claims` (the subject token's), `client`, `audience` and `scopes` that must be true.
    pub condition: Option<String>,
    /// Who may act for the subject (RFC 8693 sections 1.1, 4.1 and 4.4); not with `forward`. Without it, Cambio refuses
    /// actor tokens, and subject tokens that have an `act` claim. A `may_act` claim in the subject token must authorise the
    /// exchange in any case.
    pub delegation: Option<Delegation>,
    /// Whether subject tokens may be of a session in which an administrator impersonates the user. In the tokens of such a
    /// session, Keycloak 26.8 and later name the administrator in the claim `act`, which stays in the new token. Without it,
    /// Cambio refuses such tokens.
    #[serde(default)]
    pub impersonation_sessions: bool,
    /// Who may impersonate whom. A permission with `impersonation` applies only to requests with `requested_subject`, one
    /// without it only to the others. It needs `issuance: mint`, `source: directory` under `roles`, and subject tokens of
    /// the realm itself.
    pub impersonation: Option<Impersonation>,
    /// Longest time from issue to expiry of the new token, instead of `token.lifetime`. If several permissions allow a
    /// request, the longest counts.
    #[schemars(extend("formatMinimum" = "10s", "formatMaximum" = "24h"))]
    pub lifetime: Option<Period>,
    /// The last day (UTC) of the permission, for instance `2027-06-30`.
    #[schemars(extend("format" = "date"))]
    pub expires: Option<String>,
}

/// Who makes the new token.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Issuance {
    /// The upstream performs the exchange. Cambio checks the answer, reduces the token to what this file allows, and signs
    /// it with the realm's signing key.
    #[default]
    Reissue,
    /// The upstream performs the exchange. Cambio checks the answer, and refuses it if the token contains more than this
    /// file allows.
    Forward,
    /// Cambio first turns the foreign token into one of the realm's, with the JWT bearer grant (RFC 7523) at the upstream,
    /// and continues as with `reissue`.
    Translate,
    /// Cambio issues the token without the upstream and signs it with the realm's signing key. Whoever holds that key is
    /// the identity provider for this audience.
    Mint,
}

means!(Issuance => model::Issuance: Forward Reissue Translate Mint);

/// Who may act for the subject.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delegation {
    /// Whether a request needs an actor token.
    #[serde(default)]
    pub actor: ActorRule,
    /// Names of the issuers whose tokens may be actor tokens, from the realm's `subjectIssuers`, or `["*"]` for all of
    /// them. Without it, the audience's realm.
    #[schemars(transform = names_of("every issuer"))]
    pub issuers: Option<Vec<String>>,
    /// CEL expression over `actor` (the actor token's claims) and the variables of a permission's `condition`. It must be
    /// true for requests with an actor token.
    pub condition: Option<String>,
    /// Whether an actor may act for a subject whose token has no `may_act` claim. Then `condition` must say who may.
    #[serde(default)]
    pub without_may_act: bool,
    /// The longest chain of actors in the new token.
    #[serde(default = "four")]
    #[schemars(extend("minimum" = 1, "maximum" = MAX_DEPTH))]
    pub depth: u64,
}

fn four() -> u64 {
    4
}

/// Whether a request needs an actor token.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ActorRule {
    /// A request without an actor token is refused.
    Required,
    /// A request may have an actor token.
    #[default]
    Optional,
    /// A request with an actor token is refused. The new token keeps the earlier actors of the subject token.
    Forbidden,
}

means!(ActorRule => model::ActorRule: Required Optional Forbidden);

/// Who may impersonate whom.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Impersonation {
    /// Who: CEL expression over `claims` (the subject token's), `client`, `audience` and `scopes` that must be true.
    pub who: String,
    /// Whom: CEL expression over `requested` (what the directory knows of the requested user: `sub`, `preferred_username`,
    /// `email`…) and the variables of `who` that must be true.
    pub whom: String,
}

fn access_token() -> Vec<SubjectTokenType> {
    vec![SubjectTokenType::AccessToken]
}

fn access_token_requested() -> Vec<RequestedTokenType> {
    vec![RequestedTokenType::AccessToken]
}

/// A type of subject tokens (RFC 8693 section 3).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectTokenType {
    /// An OAuth 2.0 access token.
    AccessToken,
    /// An OpenID Connect ID token.
    IdToken,
    /// A JWT of any profile.
    Jwt,
    /// An identity assertion authorization grant (`oauth-id-jag+jwt`).
    IdJag,
}

means!(SubjectTokenType => TokenType: AccessToken IdToken Jwt IdJag);

/// A type of tokens that can be requested (RFC 8693 section 3).
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestedTokenType {
    /// An OAuth 2.0 access token.
    AccessToken,
    /// An OpenID Connect ID token.
    IdToken,
    /// An OAuth 2.0 refresh token, with an access token.
    RefreshToken,
    /// An access token that the caller requests as a JWT.
    Jwt,
}

means!(RequestedTokenType => TokenType: AccessToken IdToken RefreshToken Jwt);
