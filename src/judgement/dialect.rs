//! The shape of requests and answers that a realm's callers know. A dialect is a file of data and a few pure functions,
//! to be read beside the page that it serves; what a file does not say is as Keycloak has it.

mod answer;
mod cause;
pub mod cern;
pub mod claims;
pub mod forgerock;
pub mod key_bridge;
pub mod keycloak;
pub mod pace;
mod path;
pub mod rfc8693;
pub mod terradue;

pub use self::answer::{Answer, Member, Members, from_upstream};
pub use self::cause::{Asked, Cause, Refused};
pub use self::path::Place;
use crate::words::oauth::urn::TokenType;

/// A shape of requests and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// `ForgeRock` Access Management.
    Forgerock,
    /// RFC 8693, and nothing else.
    Rfc8693,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Keycloak,
        Self::Cern,
        Self::Terradue,
        Self::Pace,
        Self::KeyBridge,
        Self::Forgerock,
        Self::Rfc8693,
    ];

    /// What it consists of.
    pub fn rules(self) -> &'static Rules {
        match self {
            Self::Keycloak => &keycloak::RULES,
            Self::Cern => &cern::RULES,
            Self::Terradue => &terradue::RULES,
            Self::Pace => &pace::RULES,
            Self::KeyBridge => &key_bridge::RULES,
            Self::Forgerock => &forgerock::RULES,
            Self::Rfc8693 => &rfc8693::RULES,
        }
    }

    /// What the configuration calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keycloak => "keycloak",
            Self::Cern => "cern",
            Self::Terradue => "terradue",
            Self::Pace => "pace",
            Self::KeyBridge => "key-bridge",
            Self::Forgerock => "forgerock",
            Self::Rfc8693 => "rfc8693",
        }
    }
}

/// What a dialect consists of.
///
/// In paths, `{path}` stands for where the realm is at the identity provider, and `{realm}` for the path parameter of
/// that name.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent answers to questions about a page, each with a name"
)]
pub struct Rules {
    /// Paths of the token endpoint, besides the identity provider's own.
    pub token_paths: &'static [&'static str],
    /// Paths of the introspection endpoint (RFC 7662), besides the identity provider's own.
    pub introspection_paths: &'static [&'static str],
    /// Paths where a client has a token for its own service account, for an audience.
    pub api_access_paths: &'static [&'static str],
    /// A token request may be a JSON object of texts, too.
    pub json: bool,
    /// What `subject_token_type` means where it is left out; `None`: it must be there.
    pub subject_token_type: Option<TokenType>,
    /// The only subject token types; `None`: those of the audiences' files.
    pub subject_tokens: Option<&'static [TokenType]>,
    /// The only requested token types; `None`: those of the audiences' files.
    pub requested_tokens: Option<&'static [TokenType]>,
    /// `subject_issuer` must be there and be the subject token's `iss`.
    pub subject_issuer: bool,
    /// An exchange without audience and resource is for the client that asks.
    pub audience_of_client: bool,
    /// `offline_access` that is not permitted is left out of the scope; else the exchange is refused.
    pub drops_offline: bool,
    /// A refresh token comes with every access token for which one is permitted.
    pub refreshes: bool,
    /// Claims that a subject token must have, besides those that every one must have.
    pub required_claims: &'static [&'static str],
    /// The `aud` of a subject token must have the host that was called.
    pub audience_is_host: bool,
    /// Claims of the subject token that the new token has as well.
    pub carried: &'static [&'static str],
    /// What some of them are where the subject token has none.
    pub defaults: &'static [(&'static str, &'static str)],
    /// What the caller is told of a refusal.
    pub refusal: fn(&Refused<'_>) -> Answer,
    /// The identity provider's refusals go out as they are; else they are told as ours.
    pub upstream_refusals: bool,
    /// `WWW-Authenticate` goes with every 401; else where the client came with an `Authorization` header.
    pub challenges: bool,
    /// What a successful answer has.
    pub members: Members,
    /// `Cache-Control` of every answer.
    pub cache_control: &'static str,
}

#[cfg(test)]
mod tests;
