//! Where a configuration says how a token is checked.

use crate::adapters::config::{Config, Realm, TrustedIssuer};
use crate::adapters::jwks::fetch::Fetcher;
use crate::judgement::token::{AudienceRule, SubjectChecks};
use crate::tools::failure::CommandFailure;

/// The realm or issuer that the token is checked for.
pub(super) enum TokenAuthority<'c> {
    Realm(&'c Realm),
    Issuer(&'c TrustedIssuer),
}

impl<'c> TokenAuthority<'c> {
    /// Finds the authority with this name, or, without a name, with the token's `iss`.
    ///
    /// # Errors
    /// There is none with the name, or there are two with the `iss`.
    pub(super) fn find(config: &'c Config, name: Option<&str>, iss: &str) -> Result<Option<Self>, CommandFailure> {
        if let Some(name) = name {
            let realm = config.realms.get(name).map(Self::Realm);
            let found = realm.or_else(|| config.issuers.get(name).map(Self::Issuer));
            return found.map(Some).ok_or_else(|| {
                let names: Vec<_> = config.realms.keys().chain(config.issuers.keys()).cloned().collect();
                CommandFailure(format!(
                    "--issuer {name:?} is neither a realm nor an issuer: there are {}",
                    names.join(", ")
                ))
            });
        }
        let realms = config.realms.values().filter(|realm| realm.issuer == iss).map(Self::Realm);
        let issuers = config.issuers.values().filter(|issuer| issuer.url == iss).map(Self::Issuer);
        let mut found = realms.chain(issuers);
        match (found.next(), found.next()) {
            (found, None) => Ok(found),
            _ => Err(CommandFailure(
                "two entries of the configuration have the token's iss: name one with --issuer".into(),
            )),
        }
    }

    pub(super) fn fetcher(&self, config: &Config) -> Result<Fetcher, CommandFailure> {
        match self {
            Self::Realm(realm) => Fetcher::realm(&config.upstream, realm),
            Self::Issuer(issuer) => Fetcher::issuer(issuer),
        }
        .map_err(CommandFailure::of)
    }

    pub(super) fn checks(&self) -> SubjectChecks<'c> {
        match self {
            Self::Realm(realm) => SubjectChecks {
                issuer_name: &realm.name,
                issuer: &realm.issuer,
                checks: &realm.tokens,
                audience: AudienceRule::Client,
            },
            Self::Issuer(issuer) => SubjectChecks {
                issuer_name: &issuer.name,
                issuer: &issuer.url,
                checks: &issuer.tokens,
                audience: AudienceRule::AnyOf(&issuer.audiences),
            },
        }
    }
}

impl std::fmt::Display for TokenAuthority<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Realm(realm) => write!(f, "realm {}", realm.name),
            Self::Issuer(issuer) => write!(f, "issuer {}", issuer.name),
        }
    }
}
