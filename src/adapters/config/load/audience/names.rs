//! What the checks of an audience file share: its realm, and lists of names.

use crate::adapters::config::file::realm::Realm;
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::judgement::policy::model::Issuance;
use crate::words::oauth::names::Names;

/// The realm of an audience.
#[derive(Clone, Copy)]
pub(super) struct Home<'a> {
    pub(super) name: &'a str,
    pub(super) realm: &'a Realm,
}

impl Home<'_> {
    /// Names of issuers for a message.
    pub(super) fn subject_issuers(&self) -> String {
        format!("realms.{}.subjectIssuers", self.name)
    }

    pub(super) fn trusts(&self, issuer: &str) -> bool {
        self.realm.subject_issuers.iter().any(|name| name == issuer)
    }
}

/// What a permission depends on beside itself.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) issuance: Issuance,
    /// Whether the realm's directory gives the roles.
    pub(super) directory: bool,
    pub(super) home: Option<Home<'a>>,
}

/// Names, or `"*"` alone, which means `everything`. The check of the file has seen each name.
pub(super) fn names(list: &[String], everything: &str, at: &At<'_>, report: &mut ProblemList) -> Option<Names> {
    if let Some(star) = list.iter().position(|name| name == "*") {
        if list.len() > 1 {
            at.item(star).problem(report, format!("\"*\" means {everything}: it can't stand beside names"));
            return None;
        }
        at.warning(report, format!("\"*\": {everything}"));
        return Some(Names::Any);
    }
    Some(Names::Listed(list.iter().cloned().collect()))
}
