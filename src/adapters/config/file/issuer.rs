//! `issuers` of `cambio.yaml` as written, and what realms and issuers have in common.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::{each, means, preset_names, some};
use super::value::{Period, period};
use crate::judgement::jose::checks::OptionalMember as Member;
use crate::judgement::jose::issuer_claims;

/// A foreign issuer whose tokens may be subject tokens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedIssuer {
    /// The product or service that issues the tokens. Cambio fills in what its documentation says ([issuers](issuers.md)).
    /// What is written beside `preset` wins, key by key: mappings merge, every other value replaces the preset's.
    #[schemars(transform = preset_names)]
    pub preset: Option<String>,
    /// The issuer's identity.
    pub issuer: IssuerIdentity,
    /// URL of the issuer's JWK set, instead of discovery.
    #[serde(rename = "jwksURL")]
    #[schemars(extend("format" = "http-url-query"))]
    pub jwks_url: Option<String>,
    /// File with the issuer's JWK set, instead of discovery.
    #[schemars(extend("format" = "file"))]
    pub jwks_file: Option<String>,
    /// File with a secret that the issuer shares with Cambio, instead of keys: one line of at least 32 bytes, used as it is
    /// written. The issuer's tokens then have an HMAC, and `algorithms` must name HS256, HS384 or HS512. Whoever has the
    /// secret can make tokens of this issuer.
    #[schemars(extend("format" = "file"))]
    pub hmac_secret_file: Option<String>,
    /// The signature algorithms that Cambio accepts, and no others. The names are those of a realm's `algorithms`, or, with
    /// `hmacSecretFile`, HS256, HS384 and HS512.
    #[serde(default = "algorithms")]
    #[schemars(transform = some("issuer-algorithm", "no token would ever be accepted"))]
    pub algorithms: Vec<String>,
    /// Tolerance for differences between clocks, for `exp`, `nbf` and `iat`.
    #[serde(default = "period::<10>")]
    #[schemars(extend("formatMinimum" = "0s", "formatMaximum" = "60s"))]
    pub leeway: Period,
    /// Rules for the claims of subject tokens. Each must hold.
    #[serde(default)]
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    /// Claim that names the subject in every token of the issuer, in the place of `sub`. Its value must be unique at the
    /// issuer and never be given to somebody else. Everything that reads `sub` reads it, expressions too.
    #[schemars(extend("format" = "subject-claim"))]
    pub subject_claim: Option<String>,
    /// Claim that names the client that a token was issued to: the `client_id` of an actor in `act`. Without it, `azp`, else
    /// `client_id`.
    pub client_claim: Option<ClientClaim>,
    /// A token whose user has more groups than a token can hold (`_claim_names` or `hasgroups` of Microsoft Entra).
    #[serde(default)]
    pub groups_overage: GroupsOverage,
    /// How the issuer's access tokens look. Without it, an access token has `at+jwt` in its header; or a claim `typ`,
    /// `token_use`, `token_type` or `tokenName` that says so; or a claim `scope`, `scp`, `client_id`, `cid`, `appid`, `azpacr`
    /// or `gty`; or no mark of any kind. Write it for an issuer that signs tokens of several kinds with one key.
    pub access_tokens: Option<AccessTokens>,
    /// The issuer's introspection endpoint. With it, opaque tokens of the issuer may be subject tokens, too.
    pub introspection: Option<IssuerIntrospection>,
    /// How Cambio makes local names from claims.
    #[serde(default)]
    pub claim_mappings: ClaimMappings,
    /// How Cambio keeps the issuer's keys.
    #[serde(default)]
    pub jwks: Jwks,
}

/// The identity of a foreign issuer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerIdentity {
    /// The `iss` claim of the issuer's tokens, letter for letter. It need not be a URL if `jwksURL`, `jwksFile`,
    /// `hmacSecretFile` or `discoveryURL` says where the keys come from. `{tenantid}` stands for each of `tenants`. Required,
    /// unless the `preset` has it.
    #[schemars(extend("format" = "issuer"))]
    pub url: String,
    /// Tenants of Microsoft Entra whose tokens are accepted, by their ids, if `url` has `{tenantid}`. The claim `tid` must
    /// name the tenant of `iss`.
    #[schemars(transform = some("tenant", "name the tenants whose tokens are accepted"))]
    pub tenants: Option<Vec<String>>,
    /// Values for the `aud` claim: a token must have one of them.
    #[schemars(transform = some("aud-value", "name the values of which one must be in `aud`"))]
    pub audiences: Vec<String>,
    /// Claim that must have one of `audiences` in a token without `aud`. A token with `aud` is held to `aud`.
    #[serde(default)]
    pub audience_claim: AudienceClaim,
    /// URL of the discovery document. Without it, `url` with `/.well-known/openid-configuration`.
    #[serde(rename = "discoveryURL")]
    #[schemars(extend("format" = "http-url-query"))]
    pub discovery_url: Option<String>,
    /// PEM file with the CA certificates that are trusted when Cambio fetches the issuer's keys, instead of the system's.
    #[schemars(extend("format" = "file"))]
    pub certificate_authority_file: Option<String>,
    /// File with a bearer token that Cambio sends when it fetches the discovery document and the keys, for instance a
    /// Kubernetes service account's. Cambio reads the file for each fetch. The token goes only to the origin of the URL that
    /// is written here (`url`, `discoveryURL` or `jwksURL`), and over plain http only to loopback.
    #[schemars(extend("format" = "file"))]
    pub bearer_token_file: Option<String>,
    /// The HTTP proxy on the way to all servers of this issuer: its URL, or `none`. Without it, `HTTPS_PROXY`, `HTTP_PROXY`
    /// and `NO_PROXY` of the environment say. A password comes from the environment only: `"http://${USER}:${PASSWORD}@…"`.
    #[serde(rename = "proxyURL")]
    pub proxy_url: Option<ProxyUrl>,
}

/// The URL of a proxy as written, maybe with a password: `Debug` does not show the URL.
#[derive(Clone, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(transparent)]
#[schemars(inline, extend("format" = "proxy-url"))]
pub struct ProxyUrl(pub String);

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An issuer's introspection endpoint (RFC 7662), where Cambio asks about opaque tokens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerIntrospection {
    /// URL of the endpoint.
    #[schemars(extend("format" = "http-url-query"))]
    pub url: String,
    /// Id of Cambio's own client at the issuer.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// File with the client's secret: one line.
    #[schemars(extend("format" = "file"))]
    pub client_secret_file: String,
    /// How the client authenticates.
    #[serde(default)]
    pub method: SecretMethod,
    /// How long Cambio uses an answer again, at most until the token's `exp`. A token that was revoked in the meantime is
    /// still accepted. `0s`: Cambio asks in every exchange.
    #[serde(default = "period::<30>")]
    #[schemars(extend("formatMinimum" = "0s", "formatMaximum" = "5m"))]
    pub cache_for: Period,
    /// Members that the issuer's answers may lack: `token_type`, `aud`, `sub` and `exp`. RFC 7662 makes all of them optional;
    /// Cambio needs those that are not named here. [What stands in](operations.md#asking-about-tokens) for each.
    #[serde(default)]
    pub may_lack: Vec<OptionalMember>,
}

/// A member of introspection answers.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OptionalMember {
    /// Only for an issuer that describes no refresh tokens to Cambio's client. The marks of other tokens and
    /// `accessTokens` still count. An answer without `exp`, too, stays refused.
    TokenType,
    /// Only for an issuer that tells Cambio's client of no tokens for other services: then that the issuer answers stands
    /// in for `audiences`.
    Aud,
    /// `username` stands in. Only for an issuer that never gives a name to another person.
    Sub,
    /// The new token lives for five minutes at most, and the answer is used again for `cacheFor`. The token can't be
    /// exchanged where a permission has `oneTime`.
    Exp,
}

means!(OptionalMember => Member: TokenType Aud Sub Exp);

/// How a client sends its secret.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretMethod {
    /// In the `Authorization` header (`client_secret_basic`).
    #[default]
    Basic,
    /// In the form (`client_secret_post`).
    Post,
}

/// How Cambio makes local names from claims.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimMappings {
    /// The local name of the subject.
    pub username: Option<ClaimMapping>,
}

/// A value made from claims.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimMapping {
    /// CEL expression over `claims` that gives a string.
    pub expression: String,
}

/// How an issuer's access tokens look.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessTokens {
    /// CEL expression over `claims` that is true for the issuer's access tokens and for none of its other tokens, for
    /// instance `"repository" in claims`. Tokens that say that they are of another kind stay refused.
    pub expression: Option<String>,
    /// Claims that mark other kinds of tokens, and that this issuer writes into access tokens, too: `at_hash`, `c_hash`,
    /// `s_hash`, `nonce`; `acr`, `amr`, `auth_time`, `azp`, `email_verified`, `family_name`, `given_name`, `name`, `picture`,
    /// `preferred_username`, `sid`; and `typ`, `token_use`, `token_type`, `tokenName` with values of the issuer's own. The
    /// issuer's ID tokens then count as access tokens, unless something else marks them.
    #[serde(default)]
    #[schemars(transform = each("mark"))]
    pub may_have: Vec<String>,
}

/// A claim that says whom a token is for.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AudienceClaim {
    /// Every token must have `aud`.
    #[default]
    Aud,
    /// As Amazon Cognito's access tokens have it.
    ClientId,
    /// The authorized party.
    Azp,
    /// As Microsoft Entra's access tokens of version 1 have it.
    Appid,
    /// As Okta's access tokens have it.
    Cid,
}

/// A claim that names the client that a token was issued to.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientClaim {
    /// As Keycloak, Auth0, and Microsoft Entra with version 2 have it.
    Azp,
    /// As RFC 9068 has it.
    ClientId,
    /// As Microsoft Entra with version 1 has it.
    Appid,
    /// As Okta has it.
    Cid,
}

/// What becomes of a token without the groups of its user.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GroupsOverage {
    /// The token is refused.
    #[default]
    Refuse,
    /// The token counts as one without groups, and the audit line says so.
    Accept,
}

means!(GroupsOverage => issuer_claims::GroupsOverage: Refuse Accept);

/// A rule for claims.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimValidationRule {
    /// CEL expression over `claims` that must be true.
    pub expression: String,
    /// What the audit line says if the expression is not true.
    pub message: Option<String>,
}

/// How Cambio keeps the keys of a realm or an issuer.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Jwks {
    /// Age at which Cambio fetches the keys again in the background.
    #[schemars(extend("formatMinimum" = "5s", "formatMaximum" = "24h"))]
    pub refresh_interval: Period,
    /// Age until which Cambio uses keys that it can't fetch again; at least `refreshInterval`.
    #[schemars(extend("formatMinimum" = "5s", "formatMaximum" = "168h"))]
    pub max_stale: Period,
    /// Shortest time between two fetches because of tokens: of an unknown `kid`, or of a signature that no key verifies.
    #[schemars(extend("formatMinimum" = "1s", "formatMaximum" = "1h"))]
    pub unknown_kid_cooldown: Period,
}

impl Default for Jwks {
    fn default() -> Self {
        Self { refresh_interval: period::<300>(), max_stale: period::<3600>(), unknown_kid_cooldown: period::<10>() }
    }
}

pub(super) fn algorithms() -> Vec<String> {
    vec!["RS256".to_owned()]
}
