//! `realms` of `cambio.yaml` as written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client::{ClientAuthentication, ClientMethod};
use super::endpoints::Endpoints;
use super::issuer::{ClaimValidationRule, Jwks, algorithms};
use super::limits::{ClientLockout, RateLimits};
use super::schema::{means, not_empty, some};
use super::value::{Period, period};
use crate::judgement::policy::admin_roles;
use crate::judgement::{dialect, exchange::doors};

/// A realm of the identity provider.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Realm {
    /// The `iss` claim of the realm's tokens, letter for letter.
    #[schemars(extend("format" = "http-url"))]
    pub issuer: String,
    /// Further origins under which callers reach the realm, besides that of `issuer`, for instance
    /// `https://sso.internal.example.org`. Proofs and assertions may be for these origins, and they have discovery
    /// documents of their own. Callers who use any other name get the documents of the issuer's origin.
    #[serde(default)]
    #[schemars(extend("items" = { "type": "string", "format": "origin" }))]
    pub public_origins: Vec<String>,
    /// Path of the realm's endpoints at the upstream, for instance `/realms/corp`. Without it, the path of `issuer`.
    #[schemars(extend("format" = "url-path"))]
    pub path: Option<String>,
    /// The paths of the endpoints, if the upstream is not Keycloak: see `docs/other-upstreams.md`. Without it, they are
    /// Keycloak's, below `path`.
    pub endpoints: Option<Endpoints>,
    /// The shape of requests and answers that callers know: see `docs/dialects.md`.
    #[serde(default)]
    pub dialect: Dialect,
    /// Values for the dialect's paths.
    #[serde(default)]
    pub path_parameters: PathParameters,
    /// Names of the realms and issuers whose tokens may be subject tokens in this realm. `"*"` is not accepted.
    #[schemars(transform = not_empty("name the realms and issuers whose tokens may be exchanged"))]
    pub subject_issuers: Vec<String>,
    /// The signature algorithms that Cambio accepts, and no others: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`,
    /// `ES256`, `ES384` or `EdDSA`, which RFC 9864 calls `Ed25519`.
    #[serde(default = "algorithms")]
    #[schemars(transform = some("algorithm", "no token would ever be accepted"))]
    pub algorithms: Vec<String>,
    /// Tolerance for differences between clocks, for `exp`, `nbf` and `iat`.
    #[serde(default = "period::<10>")]
    #[schemars(extend("formatMinimum" = "0s", "formatMaximum" = "60s"))]
    pub leeway: Period,
    /// Rules for the claims of subject tokens. Each must hold.
    #[serde(default)]
    pub claim_validation_rules: Vec<ClaimValidationRule>,
    /// PEM file with the private key that signs Cambio's tokens (RSA of at least 2048 bits, EC P-256 or P-384, Ed25519).
    /// Every issuance but `forward` needs a key, also the default, `reissue`. `cambio keys generate` makes an RSA key
    /// (RS256), because many resource servers accept RS256 only. Replacing a single file makes resource servers refuse
    /// tokens for a while; to rotate keys, use `signingKeys`.
    #[schemars(extend("format" = "file"))]
    pub signing_key: Option<String>,
    /// Folder with the keys that sign Cambio's tokens, instead of `signingKey`: the active key, the next one, which is
    /// published already, and retired keys until their tokens have expired. `cambio keys generate --dir` makes the folder,
    /// `cambio keys rotate --dir` rotates its keys, and Cambio follows without a restart.
    pub signing_keys: Option<String>,
    /// Cambio's own client for the realm's introspection endpoint. Permissions with `stillActive: true` need it.
    pub introspection: Option<RealmIntrospection>,
    /// How Cambio keeps the realm's keys.
    #[serde(default)]
    pub jwks: Jwks,
    /// Clients that Cambio authenticates itself: client id → methods, of which one suffices. When the identity provider
    /// performs the exchange, it authenticates these clients as well.
    #[serde(default)]
    #[schemars(extend(
        "propertyNames" = { "format": "client-id" },
        "additionalProperties" = {
            "type": "array", "items": { "$ref": "#/$defs/ClientMethod" }, "minItems": 1,
            "x-empty": "name the methods of which one suffices, or `- method: none` for a public client"
        }
    ))]
    pub clients: BTreeMap<String, Vec<ClientMethod>>,
    /// Web pages that may read Cambio's answers to a client (CORS): client id → origins, such as `https://app.example.org`,
    /// or `"*"` for all pages. With a list here, Cambio follows nothing else; headers of the identity provider's answers
    /// stay. For a client without a list, Cambio follows the identity provider: `allowed-origins` in the client's own tokens,
    /// its answers to the client, and `directory`.
    #[serde(default)]
    #[schemars(extend(
        "propertyNames" = { "format": "client-id" },
        "additionalProperties" = {
            "type": "array", "items": { "type": "string", "format": "web-origin" }, "minItems": 1,
            "x-empty": "leave the client out to follow the identity provider"
        }
    ))]
    pub web_origins: BTreeMap<String, Vec<String>>,
    /// How clients that are not in `clients` are authenticated where Cambio answers without an exchange at the identity
    /// provider: with `issuance: mint`, and at the endpoints for its own tokens. With `endpoints`, Cambio refuses these clients
    /// unless this key is written.
    pub client_authentication: Option<ClientAuthentication>,
    /// How often callers may come.
    #[serde(default)]
    pub rate_limits: RateLimits,
    /// When Cambio stops checking the secrets that a peer shows for a client.
    #[serde(default)]
    pub client_lockout: ClientLockout,
    /// Requirements for the `DPoP` proofs that callers send with exchanges (RFC 9449).
    #[serde(default)]
    pub dpop: Dpop,
    /// The last day (UTC) on which this realm's exchanges are observed: Cambio judges and audits each, counts what it would
    /// have refused, and passes the upstream's own answer on, also for the grants that `doors` closes. After that day, the
    /// judgement is enforced. Audiences with `translate` or `mint`, the dialects' own paths and refresh tokens of Cambio are
    /// enforced from the start. See `docs/observe.md`.
    #[schemars(extend("format" = "date"))]
    pub observe_until: Option<String>,
    /// Other grants that turn one token into another. Each is refused unless it is opened here. Cambio does not judge
    /// requests to an `open` grant.
    #[serde(default)]
    pub doors: Doors,
    /// Cambio's own client for the realm's admin API, where Cambio looks up the roles of users. Audience files with
    /// `roles.source: directory` need it.
    pub directory: Option<Directory>,
    /// Roles that make a user an administrator: `realm:ROLE`, `client:ID/ROLE` or `client:ID/*`. Nobody may impersonate an
    /// administrator (`requested_subject`). Roles from groups and composite roles count. A list here replaces the default.
    /// Users whom Keycloak's fine-grained admin permissions let administer something count, too (see `docs/delegation.md`).
    #[serde(default = "admin_roles")]
    #[schemars(transform = some("admin-role", "leave it out for the default, or name the roles that protect a user"))]
    pub admin_roles: Vec<String>,
    /// Claims about the user or the login that audience files may write with `token.set`, for instance `[acr]`. Such claims
    /// say who the user is, or how they logged in, so that the realm answers for them: `acr`, `amr`, `auth_time`, `email`,
    /// names, and other identifiers of users.
    #[serde(default)]
    #[schemars(transform = some("name", "leave it out to allow none"))]
    pub identity_claims: Vec<String>,
    /// Refresh tokens that Cambio issues. Audience files with `refresh_token` in `requestedTokens` need it.
    pub refresh_tokens: Option<RefreshTokens>,
    /// What Cambio does with parameters of an exchange that it does not know.
    #[serde(default)]
    pub unknown_parameters: UnknownParameters,
    /// Whether one of the realm's ID tokens can be exchanged for an access token without a `DPoP` proof. An ID token does
    /// not say that the access token of its login is bound to a key.
    #[serde(default)]
    pub unbound_id_tokens: UnboundIdTokens,
    /// Whether the identity provider's answer to an exchange may name the user by another `sub` than the subject token
    /// (pairwise subject identifiers, OpenID Connect Core 1.0 section 8), or by none.
    #[serde(default)]
    pub pairwise_subjects: PairwiseSubjects,
    /// Clients that have a value of their own in the label `client` of [`cambio_exchanges_total`](operations.md#metrics). All
    /// others count as `other`. At most 100 clients.
    #[serde(default)]
    #[schemars(extend("items" = { "type": "string", "format": "client-id" }, "maxItems" = 100))]
    pub measured_clients: Vec<String>,
}

impl Realm {
    /// Whether the realm has a signing key of Cambio's own.
    pub fn can_sign(&self) -> bool {
        self.signing_key.is_some() || self.signing_keys.is_some()
    }
}

fn admin_roles() -> Vec<String> {
    admin_roles::DEFAULT.map(str::to_owned).into()
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
    /// RFC 8693 without additions.
    Rfc8693,
}

means!(Dialect => dialect::Dialect: Keycloak Cern Terradue Pace KeyBridge Forgerock Rfc8693);

/// Values for the dialect's paths.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathParameters {
    /// For `forgerock` only: the realm in `/oauth2/realms/root/realms/{realm}/access_token`, in letters, digits, `.`, `_`,
    /// `-` and `~`. `root` means the realm above all realms, at `/oauth2/access_token` and
    /// `/oauth2/realms/root/access_token`. Without it, the realm's name in this file.
    #[schemars(extend("format" = "path-segment"))]
    pub realm: Option<String>,
}

/// What Cambio does with parameters that it does not know.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum UnknownParameters {
    /// Cambio refuses the exchange.
    #[default]
    Refuse,
    /// Cambio sends them to the upstream with the exchange.
    Forward,
}

/// Whether an ID token is exchanged for an access token without a proof of possession.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum UnboundIdTokens {
    /// Cambio refuses the exchange unless the caller sends a `DPoP` proof, to whose key the new token is bound.
    #[default]
    Refuse,
    /// Cambio exchanges such ID tokens. Choose this only if no client of the realm uses bound access tokens.
    Accept,
}

/// Whether the identity provider may name the user of an exchange by another `sub`.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PairwiseSubjects {
    /// Cambio refuses such an answer.
    #[default]
    Refuse,
    /// Cambio accepts such an answer if it has the `sid` of the subject token. A token that Cambio signs then has the `sub` of
    /// the subject token. Cambio can't add a `sub` to a forwarded token.
    Accept,
}

/// Cambio's own client for the realm's introspection endpoint (RFC 7662), where Cambio asks whether tokens are still
/// active.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RealmIntrospection {
    /// Id of a confidential client of the realm. Keycloak calls a token inactive if this client is not in the token's `aud`:
    /// add an audience mapper for this client to the clients whose tokens are exchanged.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// File with the client's secret: one line.
    #[schemars(extend("format" = "file"))]
    pub client_secret_file: String,
}

/// A realm's requirements for `DPoP` proofs (RFC 9449).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dpop {
    /// The signature algorithms that Cambio accepts, and no others. The names are those of the realm's `algorithms`.
    #[schemars(transform = some("algorithm", "no proof would ever be accepted"))]
    pub algorithms: Vec<String>,
    /// Greatest age of a proof. Cambio remembers the `jti` of each proof that long, in the `store`. How far `iat` may lie
    /// in the future is the realm's `leeway`.
    #[schemars(extend("formatMinimum" = "5s", "formatMaximum" = "600s"))]
    pub window: Period,
    /// Whether a proof must carry a nonce from Cambio that is no older than `window`.
    pub nonce: Nonce,
    /// File with at least 32 secret bytes. With it, replicas accept each other's nonces. Without it, each process makes a
    /// key when it starts, and a caller that reaches another replica has to send a new proof.
    #[schemars(extend("format" = "file"))]
    pub nonce_key_file: Option<String>,
}

impl Default for Dpop {
    fn default() -> Self {
        let algorithms = ["ES256", "ES384", "EdDSA", "PS256", "RS256"].map(str::to_owned).into();
        Self { algorithms, window: period::<60>(), nonce: Nonce::default(), nonce_key_file: None }
    }
}

/// Whether Cambio demands a nonce.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Nonce {
    /// Cambio demands no nonce.
    #[default]
    Off,
    /// Cambio answers a proof without a fresh nonce with the error `use_dpop_nonce` and a nonce.
    Required,
}

/// Cambio's own client at a realm, with a service account that may see users and clients (in Keycloak: the roles
/// `view-users` and `view-clients` of the client `realm-management`).
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Directory {
    /// The client id.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// File with the client's secret: one line.
    #[schemars(extend("format" = "file"))]
    pub client_secret_file: String,
    /// How long Cambio uses an answer again. A role that was removed in Keycloak stays in minted tokens that long.
    #[serde(default = "period::<60>")]
    #[schemars(extend("formatMinimum" = "0s", "formatMaximum" = "1h"))]
    pub cache_for: Period,
    /// How long Cambio uses an answer about a session, a user, a client or a not-before again. A token that Cambio signed
    /// stays active at Cambio that long after its session has ended.
    #[serde(default = "period::<5>")]
    #[schemars(extend("formatMinimum" = "0s", "formatMaximum" = "1m"))]
    pub session_cache_for: Period,
}

/// Refresh tokens that Cambio issues: encrypted, for one client at one realm, for one use each.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshTokens {
    /// Files with 32 random bytes in base64, at most 8; `cambio seal-key` makes one. The first key encrypts, every key
    /// decrypts. To rotate, put a new key first, and remove an old one when the longest `token.refreshLifetime` in the
    /// audience files has passed. All replicas need equal files.
    #[schemars(
        length(min = 1, max = 8),
        extend("x-empty" = "name the file of at least one key", "items" = { "type": "string", "format": "file" })
    )]
    pub key_files: Vec<String>,
    /// How long after its first use a refresh token can be used again, for clients that lose an answer. `0s`: never; a
    /// second use ends the family. Within this time, each use by the same client, with the same key or certificate, gets a
    /// new access token and the next refresh token once more, until somebody uses the next one. Whoever steals a refresh
    /// token has this time, too.
    #[serde(default = "period::<0>")]
    #[schemars(extend("formatMinimum" = "0s", "formatMaximum" = "5m"))]
    pub reuse: Period,
    /// Whether the refresh tokens of minted tokens keep the session of the login alive, as Keycloak's own do. Cambio's own
    /// client (`directory`) then exchanges each subject token for a refresh token of its own: it must be in the `aud` of
    /// these tokens, and needs *Standard token exchange* with refresh tokens in Keycloak.
    #[serde(default)]
    pub keep_sessions: bool,
}

/// Other grants and endpoints that turn one token into another.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Doors {
    /// The JWT bearer grant (RFC 7523). If judged, the assertion is the subject token, and the parameters `audience` and
    /// `resource` name the target.
    pub jwt_bearer: GovernedDoor,
    /// The UMA ticket grant.
    pub uma_ticket: Door,
    /// Client-initiated backchannel authentication (CIBA).
    pub ciba: Door,
    /// Token exchange with `requested_issuer` (Keycloak's legacy token exchange).
    pub requested_issuer: Door,
    /// Token exchange with `requested_subject`: impersonation (Keycloak's legacy token exchange). If judged, a permission
    /// says under `impersonation` who may impersonate whom.
    pub requested_subject: GovernedDoor,
    /// The endpoint `/broker/ALIAS/token`, where Keycloak hands out the tokens of a brokered identity provider.
    pub broker_token: Door,
    /// The grant of pre-authorized codes, and the endpoints with offers of credentials, which have these codes
    /// (OpenID for Verifiable Credential Issuance). Such a code gives another user's token without client authentication.
    pub pre_authorized_code: Door,
    /// Introspection with `Accept: application/jwt`, to which Keycloak answers with a full token for all audiences.
    pub introspection_jwt: Door,
}

/// Whether a grant is open.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Door {
    /// Cambio refuses requests.
    #[default]
    Closed,
    /// Requests pass to the upstream.
    Open,
}

/// Whether a grant is open, closed or judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum GovernedDoor {
    /// Cambio refuses requests.
    #[default]
    Closed,
    /// Requests pass to the upstream.
    Open,
    /// Cambio judges requests with the audience files, like token exchanges.
    Judged,
}

means!(GovernedDoor => doors::GovernedDoor: Closed Open Judged);
