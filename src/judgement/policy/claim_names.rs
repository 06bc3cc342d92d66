//! The one table of claim names: what each claim is about. Every rule about claims asks for a claim's class.

use serde_json::{Map, Value};

/// The `iss` of the foreign subject of a minted token. Such a token has the realm's `iss`, but its subject is not one of
/// the realm's, whatever `sub` says: the token must not be exchanged as the realm's own.
pub const SUBJECT_ISSUER: &str = "subject_issuer";

/// Marks a token whose subject was impersonated. One owner permitted the impersonation, for their audience: the token must
/// not be exchanged for another audience, whose owner would take it for the user's own.
pub const IMPERSONATED: &str = "impersonated";

/// From what a token of one of the realm's users was minted: `iat` of the first token that the realm issued for it, and,
/// if the user is impersonated, `sub` and `sid` of who impersonates. The token ends with their session.
pub const DERIVED_FROM: &str = "derived_from";

/// The family of refresh tokens that a token belongs to: it came with one of them, or was made from a token that did. If
/// the family is revoked, so is the token.
pub const REFRESH_FAMILY: &str = "refresh_family";

/// The names of the claims that the owner of the token's audience wrote (`token.set`). For another audience they prove nothing.
pub const OWNER_CLAIMS: &str = "owner_claims";

/// The nonce of an ID token (OpenID Connect Core 1.0 section 2).
pub const NONCE: &str = "nonce";

/// What a claim is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimClass {
    /// Issuer, subject, audience, client, times, type and scope: registered claims that every token has.
    Registered,
    /// What the token is bound to (RFC 7800).
    Binding,
    /// Which login an ID token belongs to.
    Nonce,
    /// How and when the user logged in.
    Login,
    /// The user's session.
    Session,
    /// Origins from which a browser may call (Keycloak).
    Origins,
    /// Who acts for the subject, and who may (RFC 8693 sections 4.1 and 4.4).
    Delegation,
    /// How Cambio came to issue the token.
    Provenance,
    /// Keycloak's role claims, whose contents Cambio understands.
    KeycloakRoles,
    /// Other claims in which resource servers look for roles.
    OtherRoles,
    /// Claims of other kinds of tokens, and hashes that bind an ID token to what is not handed out with it.
    OtherToken,
    /// How users and logins are known in some dialects, and at other identity providers.
    RealmUser,
    /// A claim that this standard scope asks for (OpenID Connect Core 1.0 section 5.4).
    OfScope(&'static str),
    /// Any other claim.
    Other,
}

impl ClaimClass {
    /// The class of a claim.
    pub fn of(claim: &str) -> Self {
        match claim {
            "aud" | "azp" | "client_id" | "exp" | "iat" | "iss" | "jti" | "nbf" | "scope" | "sub" | "typ" => {
                Self::Registered
            }
            "cnf" => Self::Binding,
            NONCE => Self::Nonce,
            "acr" | "amr" | "auth_time" => Self::Login,
            "session_state" | "sid" => Self::Session,
            "allowed-origins" => Self::Origins,
            "act" | "may_act" => Self::Delegation,
            DERIVED_FROM | IMPERSONATED | OWNER_CLAIMS | REFRESH_FAMILY | SUBJECT_ISSUER => Self::Provenance,
            "realm_access" | "resource_access" => Self::KeycloakRoles,
            "entitlements" | "groups" | "roles" => Self::OtherRoles,
            "at_hash" | "authorization" | "c_hash" | "events" | "s_hash" => Self::OtherToken,
            "auth_level" | "email_address" | "login" | "mail" | "oid" | "preferred_name" | "realm" | "subname"
            | "tid" | "uid" | "unique_name" | "upn" | "user_id" | "user_name" | "userid" | "username" => {
                Self::RealmUser
            }
            "address" => Self::OfScope("address"),
            "email" | "email_verified" => Self::OfScope("email"),
            "phone_number" | "phone_number_verified" => Self::OfScope("phone"),
            "name" | "family_name" | "given_name" | "middle_name" | "nickname" | "preferred_username" | "profile"
            | "picture" | "website" | "gender" | "birthdate" | "zoneinfo" | "locale" | "updated_at" => {
                Self::OfScope("profile")
            }
            _ => Self::Other,
        }
    }

    /// Whether such a claim says something about the user that can change while a session goes on: roles, groups, names.
    pub fn is_about_user(self) -> bool {
        matches!(self, Self::KeycloakRoles | Self::OtherRoles | Self::RealmUser | Self::OfScope(_) | Self::Other)
    }

    /// Whether such a claim says who a person is, or how and where they logged in.
    pub fn is_identity(self) -> bool {
        matches!(self, Self::Login | Self::Origins | Self::RealmUser | Self::OfScope(_))
    }

    /// Whether Cambio alone writes such a claim, so that `token.set` may not name it: the claim says what the token is,
    /// whom it is about, or which roles it has.
    pub fn is_reserved(self) -> bool {
        !matches!(self, Self::Login | Self::Origins | Self::RealmUser | Self::OfScope(_) | Self::Other)
    }
}

/// Whether claims bind their token to a key that `DPoP` proofs show (RFC 9449 section 6.1).
pub(crate) fn is_bound_to_key(claims: &Map<String, Value>) -> bool {
    claims.get("cnf").is_some_and(names_key)
}

/// Whether the value of `cnf` names a key that `DPoP` proofs show.
pub(crate) fn names_key(cnf: &Value) -> bool {
    cnf.get("jkt").is_some()
}

/// The client that a token was issued to: `azp`, or `client_id` in the profile of RFC 9068.
pub(crate) fn client_of(claims: &Map<String, Value>) -> Option<&str> {
    ["azp", "client_id"].into_iter().find_map(|name| claims.get(name)?.as_str())
}
