//! The shapes of requests and answers that a realm's callers know. A dialect is a file of data and a few pure functions,
//! for reading beside the documentation of the identity provider that the dialect imitates. What a dialect does not state
//! is as in Keycloak.

pub mod cern;
pub mod claims;
pub mod endpoints;
pub mod forgerock;
pub mod key_bridge;
pub mod keycloak;
pub mod pace;
mod refusal;
pub mod rfc8693;
mod rules;
pub mod terradue;
pub mod upstream;

pub use self::refusal::{DialectRefusal, RequestKind};
pub use self::rules::{
    Account, AnswerMember, AnswerShape, ClaimForm, DefaultClaim, DefaultValue, DialectRules, OptionalClaim, RealmPath,
    TokenCustoms, TopRealm,
};

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
    /// RFC 8693 and nothing else.
    Rfc8693,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 7] =
        [Self::Keycloak, Self::Cern, Self::Terradue, Self::Pace, Self::KeyBridge, Self::Forgerock, Self::Rfc8693];

    /// What the dialect consists of.
    pub fn rules(self) -> &'static DialectRules {
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

    /// The dialect's name in the configuration.
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

#[cfg(test)]
mod tests;
