//! `realms` and `issuers` of `cambio.yaml` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client::{ClientAuthentication, ClientMethod};
use super::dpop::Dpop;
use super::introspection::{IssuerIntrospection, RealmIntrospection};
use super::value::{Period, period};

/// One authority of the upstream.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Realm {
    /// The `iss` of the realm's tokens, exactly as they have it.
    pub issuer: String,
    /// Where the realm's endpoints are at the upstream, for instance `/realms/corp`. Without it, the path of `issuer`.
    pub path: Option<String>,
    /// The shape of requests and answers that callers know: see `docs/dialects.md`.
    #[serde(default)]
    pub dialect: Dialect,
    /// What stands in the dialect's paths. `realm` is for `forgerock` alone: the name in
    /// `/oauth2/realms/root/realms/{realm}/access_token`. Without it, the realm's name in this file.
    #[serde(default)]
    pub path_parameters: PathParameters,
    /// Names of the realms and issuers whose tokens may be subject tokens here. `"*"` is not accepted.
    pub subject_issuers: Vec<String>,
    /// The only signature algorithms that are accepted: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`,
    /// `ES384` or `EdDSA`.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<String>,
    /// Tolerance for `exp`, `nbf` and `iat`, at most `60s`.
    #[serde(default = "period::<10>")]
    pub leeway: Period,
    /// CEL expressions over `claims` that must hold for a subject token.
    #[serde(default)]
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    /// PEM file with the private key that signs reissued tokens (RSA of at least 2048 bits, EC P-256 or P-384, Ed25519).
    /// Needed as soon as one audience of the realm has `issuance: reissue`, which is the default. `cambio keys generate`
    /// makes an RSA key (RS256), because many resource servers accept RS256 only. One file can't be rotated without
    /// tokens being refused for a while: `signingKeys` can.
    pub signing_key: Option<String>,
    /// Folder with the keys that sign reissued tokens, instead of `signingKey`: one that signs, one that is published
    /// and will sign next, and retired ones until their tokens have expired. `cambio keys generate --dir` makes it,
    /// `cambio keys rotate --dir` turns it; both are followed without a restart.
    pub signing_keys: Option<String>,
    /// Cambio's own client at the upstream. Needed as soon as a permission of the realm has `stillActive: true`.
    pub introspection: Option<RealmIntrospection>,
    /// How the realm's keys are kept.
    #[serde(default)]
    pub jwks: Jwks,
    /// Clients whose credentials Cambio judges itself: client id → methods, of which one suffices. Where the upstream
    /// exchanges, it judges them as well.
    #[serde(default)]
    pub clients: BTreeMap<String, Vec<ClientMethod>>,
    /// Clients that are not in `clients`, where Cambio answers by itself (`mint`, and the endpoints for its own tokens).
    pub client_authentication: Option<ClientAuthentication>,
    /// What is asked of the `DPoP` proofs that callers send with exchanges (RFC 9449).
    #[serde(default)]
    pub dpop: Dpop,
    /// Other ways by which one token becomes another: each is refused unless it is opened here. What comes through an
    /// open door is not judged.
    #[serde(default)]
    pub doors: Doors,
    /// Cambio's own client at the realm, by which it asks for the roles of users; needed where an audience file has
    /// `roles.source: directory`.
    pub directory: Option<Directory>,
    /// Roles that make a user an administrator, whom nobody may become by `requested_subject`: `realm:ROLE`,
    /// `client:ID/ROLE` or `client:ID/*`. What is written replaces the default. Roles that a user has by groups or by
    /// composite roles count.
    #[serde(default = "admin_roles")]
    pub admin_roles: Vec<String>,
    /// Refresh tokens of Cambio's own. Needed where an audience's file has `refresh_token` among `requestedTokens`.
    pub refresh_tokens: Option<RefreshTokens>,
    /// What happens to parameters of an exchange that Cambio does not know.
    #[serde(default)]
    pub unknown_parameters: UnknownParameters,
}

impl Realm {
    /// Whether the realm has a key of Cambio's.
    pub fn can_sign(&self) -> bool {
        self.signing_key.is_some() || self.signing_keys.is_some()
    }
}

fn admin_roles() -> Vec<String> {
    crate::judgement::policy::admin_roles::DEFAULT.map(str::to_owned).into()
}

fn algorithms() -> Vec<String> {
    vec!["RS256".to_owned()]
}

/// The shape of requests and answers.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Keycloak.
    #[default]
    Keycloak,
    /// CERN SSO.
    Cern,
    /// Terradue IAM.
    Terradue,
    /// PACE.
    Pace,
    /// Key Bridge.
    KeyBridge,
    /// ForgeRock Access Management.
    Forgerock,
    /// RFC 8693 as it is written.
    Rfc8693,
}

impl From<Dialect> for crate::judgement::dialect::Dialect {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Keycloak => Self::Keycloak,
            Dialect::Cern => Self::Cern,
            Dialect::Terradue => Self::Terradue,
            Dialect::Pace => Self::Pace,
            Dialect::KeyBridge => Self::KeyBridge,
            Dialect::Forgerock => Self::Forgerock,
            Dialect::Rfc8693 => Self::Rfc8693,
        }
    }
}

/// What stands in the dialect's paths.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathParameters {
    /// The realm as callers call it: letters, digits, `.`, `_`, `-` and `~`.
    pub realm: Option<String>,
}

/// What happens to parameters that Cambio does not know.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum UnknownParameters {
    /// The exchange is refused.
    #[default]
    Refuse,
    /// They go to the upstream with the exchange.
    Forward,
}

/// Cambio's own client at a realm, with a service account that may see users and clients (in Keycloak the roles
/// `view-users` and `view-clients` of the client `realm-management`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Directory {
    /// Its client id.
    pub client_id: String,
    /// File with its secret.
    pub client_secret_file: String,
    /// How long an answer is used, `0s` to `1h`: a role that is taken away in Keycloak is in minted tokens for so long.
    #[serde(default = "period::<60>")]
    pub cache_for: Period,
}

/// Refresh tokens of Cambio's own: sealed, for one client at one realm, good for one use each.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshTokens {
    /// Files with 32 random bytes in base64; `cambio seal-key` makes one. The first key seals, all of them open, so a new
    /// key goes in front, and an old one goes when the longest `token.refreshLifetime` of the audiences' files is over.
    /// Replicas have the same files.
    pub key_files: Vec<String>,
}

/// Other ways by which one token becomes another.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Doors {
    /// The JWT authorization grant (RFC 7523). Where it is judged, the assertion is the subject token, and the parameters
    /// `audience` and `resource` name the target.
    #[serde(default)]
    pub jwt_bearer: GovernedDoor,
    /// The UMA ticket grant.
    #[serde(default)]
    pub uma_ticket: Door,
    /// Client-initiated backchannel authentication.
    #[serde(default)]
    pub ciba: Door,
    /// Token exchange with `requested_issuer` (Keycloak's first version).
    #[serde(default)]
    pub requested_issuer: Door,
    /// Token exchange with `requested_subject`, impersonation (Keycloak's first version). Where it is judged, an audience's
    /// permission says under `impersonation` who may become whom.
    #[serde(default)]
    pub requested_subject: GovernedDoor,
}

/// Whether a door is open.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Door {
    /// Requests are refused.
    #[default]
    Closed,
    /// Requests pass to the upstream.
    Open,
}

/// What becomes of a door that can be judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GovernedDoor {
    /// Requests are refused.
    #[default]
    Closed,
    /// Requests pass to the upstream.
    Open,
    /// Requests are judged by the audiences' files, as token exchanges are.
    Judged,
}

/// How keys are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwks {
    /// Age at which keys are fetched again in the background, `5s` to `24h`.
    #[serde(default = "period::<300>")]
    pub refresh_interval: Period,
    /// Age until which keys are used when they can't be fetched: not below `refreshInterval`, at most `168h`.
    #[serde(default = "period::<3600>")]
    pub max_stale: Period,
    /// Shortest time between two fetches for an unknown `kid`, `1s` to `1h`.
    #[serde(default = "period::<10>")]
    pub unknown_kid_cooldown: Period,
}

impl Default for Jwks {
    fn default() -> Self {
        Self {
            refresh_interval: period::<300>(),
            max_stale: period::<3600>(),
            unknown_kid_cooldown: period::<10>(),
        }
    }
}

/// A CEL expression that must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimValidationRule {
    /// CEL over `claims`; must be true.
    pub expression: String,
    /// What the audit line says when it is not.
    pub message: Option<String>,
}

/// A foreign issuer whose tokens may be subject tokens.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustedIssuer {
    /// Who it is.
    pub issuer: IssuerIdentity,
    /// URL of its JWK set, instead of discovery.
    #[serde(rename = "jwksURL")]
    pub jwks_url: Option<String>,
    /// File with its JWK set, instead of discovery.
    pub jwks_file: Option<String>,
    /// The only signature algorithms that are accepted; the names are those of a realm's `algorithms`.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<String>,
    /// Tolerance for `exp`, `nbf` and `iat`, at most `60s`.
    #[serde(default = "period::<10>")]
    pub leeway: Period,
    /// CEL expressions over `claims` that must hold for a subject token.
    #[serde(default)]
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    /// Its introspection endpoint. With it, the issuer's opaque tokens can be subject tokens, too.
    pub introspection: Option<IssuerIntrospection>,
    /// How local names are made from claims.
    #[serde(default)]
    pub claim_mappings: ClaimMappings,
    /// How the issuer's keys are kept.
    #[serde(default)]
    pub jwks: Jwks,
}

/// Who a foreign issuer is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerIdentity {
    /// The `iss` of its tokens, exactly as they have it.
    pub url: String,
    /// Values of which one must be in `aud`. Never empty.
    pub audiences: Vec<String>,
    /// URL of its discovery document. Without it, `url` with `/.well-known/openid-configuration`.
    #[serde(rename = "discoveryURL")]
    pub discovery_url: Option<String>,
    /// PEM file with the CA certificates that are trusted when its keys are fetched, instead of the system's.
    pub certificate_authority_file: Option<String>,
}

/// How local names are made from claims.
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
    /// CEL over `claims`; must give text.
    pub expression: String,
}
