//! Presets of `issuers.*.preset`: what an issuer's documentation says about its tokens, as data that is compiled in.
//!
//! A preset is a part of an entry of `issuers`. `load::preset` lays it under what the operator wrote.

pub mod markdown;
mod mutable;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use self::mutable::KnownClaims;
pub use self::mutable::MutableClaims;

macro_rules! presets {
    ($($name:literal)+) => {
        /// The name of each preset, and its file.
        const FILES: &[(&str, &str)] = &[$(($name, include_str!(concat!("presets/", $name, ".yaml")))),+];
    };
}

presets! {
    "auth0" "authentik" "cognito" "dex" "entra" "forgerock" "github-actions" "gitlab" "gitlab-ci" "google" "keycloak"
    "kubernetes" "okta" "pingfederate" "spiffe" "zitadel"
}

/// A preset.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// The name.
    #[serde(skip)]
    pub name: &'static str,
    /// The issuer, and which of its tokens are meant.
    pub about: String,
    /// Where the issuer's documentation says so.
    pub documentation: Vec<String>,
    /// What the operator must still know or write.
    pub write: String,
    /// An example of `issuers`.
    pub example: String,
    /// Who can get a token for any audience, if many can: then the audience alone lets all of them in.
    pub open: Option<String>,
    /// Further claims that say who they are.
    #[serde(default)]
    pub restricts: Vec<String>,
    /// Claims that never change hands, as paths such as `repository_id`: an expression that reads one of them binds to it.
    pub immutable: Vec<String>,
    /// Claims that can change hands, as paths, and how.
    #[serde(default)]
    pub mutable: BTreeMap<String, String>,
    /// The keys of `issuers.NAME` that the preset stands for.
    pub settings: Map<String, Value>,
}

impl Preset {
    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        let (name, text) = FILES.iter().find(|(known, _)| *known == name)?;
        let preset = serde_saphyr::from_str(text).ok()?;
        Some(Self { name, ..preset })
    }

    /// Which of the issuer's claims can change hands.
    pub fn claims(&self) -> MutableClaims {
        MutableClaims::of(KnownClaims {
            mutable: &self.mutable,
            immutable: &self.immutable,
            restricts: &self.restricts,
            open: self.open.as_ref(),
        })
    }

    /// The expressions of its claim rules.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        let rules = self.settings.get("claimValidationRules").and_then(Value::as_array);
        rules.into_iter().flatten().filter_map(|rule| rule["expression"].as_str())
    }
}

/// The names of all presets, in the order of the alphabet.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests;
