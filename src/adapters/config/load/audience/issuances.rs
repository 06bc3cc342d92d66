//! Who makes the tokens of an audience.

use super::names::Home;
use crate::adapters::config::file::audience as file;
use crate::adapters::config::load::problem::At;
use crate::judgement::policy::model::Issuance;

/// The issuances in a file, each with its place.
pub(super) struct Issuances<'a>(Vec<(Issuance, At<'a>)>);

impl<'a> Issuances<'a> {
    pub(super) fn of(file: &file::Audience, at: &At<'a>) -> Self {
        let permissions = at.field("permissions");
        let own = permissions.items(&file.permissions);
        let own = own.filter_map(|(at, one)| Some((one.issuance?.into(), at.field("issuance"))));
        let by_default = file.permissions.is_empty() || file.permissions.iter().any(|one| one.issuance.is_none());
        let default = by_default.then(|| (file.issuance.into(), at.field("issuance")));
        Self(default.into_iter().chain(own).collect())
    }

    /// Whether the file has this issuance.
    pub(super) fn have(&self, issuance: Issuance) -> bool {
        self.0.iter().any(|(one, _)| *one == issuance)
    }

    /// Whether one of them lets Cambio change the token.
    pub(super) fn sign(&self) -> bool {
        self.0.iter().any(|(issuance, _)| issuance.signs())
    }

    /// Reports keys that were used although no issuance of the file signs.
    pub(super) fn need_signature(&self, keys: &[(&str, bool)], at: &At<'_>) {
        if !self.sign() {
            at.unused(keys, "needs `issuance: reissue`: a forwarded token can't be changed");
        }
    }

    /// Reports an issuance that needs a key if the realm has none, and says what minting means.
    pub(super) fn check(&self, home: Option<Home<'_>>) {
        if let Some(Home { name, realm }) = home
            && !realm.can_sign()
        {
            for (issuance, at) in self.0.iter().filter(|(issuance, _)| issuance.signs()) {
                let issuance = issuance.as_str();
                let way = "signingKeys or signingKey in cambio.yaml, or `issuance: forward` here";
                at.problem(format!("{issuance} needs a key that the realm does not have: set realms.{name}.{way}"));
            }
        }
        if let Some((_, at)) = self.0.iter().find(|(issuance, _)| *issuance == Issuance::Mint) {
            at.warning("mint: Cambio signs as the realm, so whoever holds the realm's signing key is the identity provider for \
                 this audience. Cambio does not ask the upstream, and does not notice a session that has ended there, \
                 unless the permission has stillActive",
            );
        }
    }
}
