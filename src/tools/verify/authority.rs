//! Where a configuration says how a token is checked.

use crate::adapters::config::{Config, KeySource, Realm, TrustedIssuer};
use crate::adapters::jwks::fetch::Fetcher;
use crate::judgement::token::{AudienceRule, SubjectChecks};
use crate::tools::failure::CommandFailure;
use crate::words::secret::Secret;

/// The realm or issuer that the token is checked for.
pub(super) enum TokenAuthority<'c> {
    Realm(&'c Realm),
    /// The issuer, and the `iss` that the token must have.
    Issuer(&'c TrustedIssuer, &'c str),
}

impl<'c> TokenAuthority<'c> {
    /// Finds the authority with this name, or, without a name, with the token's `iss`. A name that nobody has is an
    /// error, and an `iss` that two authorities have.
    pub(super) fn find(config: &'c Config, name: Option<&str>, iss: &str) -> Result<Option<Self>, CommandFailure> {
        let issuer = |one: &'c TrustedIssuer| {
            Self::Issuer(one, one.tokens.claims.expected_iss(&one.url, iss).unwrap_or(&one.url))
        };
        let all = || config.realms.values().map(Self::Realm).chain(config.issuers.values().map(issuer));
        if let Some(name) = name {
            let found = all().find(|one| one.checks().issuer_name == name);
            return found.map(Some).ok_or_else(|| {
                let names: Vec<_> = all().map(|one| one.checks().issuer_name).collect();
                let names = names.join(", ");
                CommandFailure(format!("--issuer {name:?} is neither a realm nor an issuer: there are {names}"))
            });
        }
        let mut found = all().filter(|one| one.checks().issuer == iss);
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
            Self::Issuer(issuer, _) => Fetcher::issuer(issuer),
        }
        .map_err(CommandFailure::of)
    }

    /// The secret that the issuer shares with Cambio, if there is one instead of keys.
    pub(super) fn shared_secret(&self) -> Option<&'c Secret> {
        match self {
            Self::Issuer(TrustedIssuer { keys: KeySource::Shared(secret), .. }, _) => Some(secret),
            Self::Realm(_) | Self::Issuer(..) => None,
        }
    }

    pub(super) fn checks(&self) -> SubjectChecks<'c> {
        match self {
            Self::Realm(realm) => SubjectChecks {
                issuer_name: &realm.name,
                issuer: &realm.issuer,
                checks: &realm.tokens,
                audience: AudienceRule::Client,
            },
            Self::Issuer(issuer, iss) => SubjectChecks {
                issuer_name: &issuer.name,
                issuer: iss,
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
            Self::Issuer(issuer, _) => write!(f, "issuer {}", issuer.name),
        }
    }
}
