//! Who makes the tokens of an audience.

use super::names::Home;
use crate::adapters::config::file::audience as file;
use crate::adapters::config::file::issuance;
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::judgement::policy::model::Issuance;

/// The issuances in a file, each with its place.
pub(super) struct Issuances<'a>(Vec<(Issuance, At<'a>)>);

impl<'a> Issuances<'a> {
    pub(super) fn of(file: &file::Audience, at: &At<'a>) -> Self {
        let permissions = at.field("permissions");
        let own = file
            .permissions
            .iter()
            .enumerate()
            .filter_map(|(index, one)| Some((issuance(one.issuance?), permissions.item(index).field("issuance"))));
        let by_default = file.permissions.is_empty() || file.permissions.iter().any(|one| one.issuance.is_none());
        let default = by_default.then(|| (issuance(file.issuance), at.field("issuance")));
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
    pub(super) fn need_signature(&self, keys: &[(&str, bool)], at: &At<'_>, report: &mut ProblemList) {
        if !self.sign() {
            for (key, _) in keys.iter().filter(|(_, used)| *used) {
                at.field(key).problem(report, "needs `issuance: reissue`: a forwarded token can't be changed");
            }
        }
    }

    /// Reports an issuance that needs a key if the realm has none, and says what minting means.
    pub(super) fn check(&self, home: Option<Home<'_>>, report: &mut ProblemList) {
        if let Some(Home { name, realm }) = home
            && !realm.can_sign()
        {
            for (issuance, at) in self.0.iter().filter(|(issuance, _)| issuance.signs()) {
                let way =
                    format!("set realms.{name}.signingKeys or signingKey in cambio.yaml, or `issuance: forward` here");
                let message = format!("{} needs a key that the realm does not have: {way}", issuance.as_str());
                at.problem(report, message);
            }
        }
        if let Some((_, at)) = self.0.iter().find(|(issuance, _)| *issuance == Issuance::Mint) {
            at.warning(
                report,
                "mint: Cambio signs as the realm, so whoever holds the realm's signing key is the identity provider for \
                 this audience. Cambio does not ask the upstream, and does not notice a session that has ended there, \
                 unless the permission has stillActive",
            );
        }
    }
}

/// The judgement's name of an issuance.
pub(super) fn issuance(written: issuance::Issuance) -> Issuance {
    match written {
        issuance::Issuance::Forward => Issuance::Forward,
        issuance::Issuance::Reissue => Issuance::Reissue,
        issuance::Issuance::Translate => Issuance::Translate,
        issuance::Issuance::Mint => Issuance::Mint,
    }
}
