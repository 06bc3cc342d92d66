//! What the checks of an audience file share: its realm, its issuances, lists of names, and the issuers of tokens.

use std::collections::BTreeSet;

use crate::adapters::config::file::audience as file;
use crate::adapters::config::file::realm::Realm;
use crate::adapters::config::load::problem::{At, ProblemList};
use crate::judgement::dialect::Dialect;
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

    /// Reports the names of issuers that the realm does not trust.
    pub(super) fn check_trusted(&self, list: &[String], at: &At<'_>) {
        for (at, name) in at.items(list).filter(|(_, name)| *name != "*" && !self.trusts(name)) {
            at.problem(format!("{name:?} is not among {}", self.subject_issuers()));
        }
    }

    /// Whether these issuers are the realm alone.
    pub(super) fn only(&self, issuers: &Names) -> bool {
        matches!(issuers, Names::Listed(names) if names.iter().all(|name| name == self.name))
    }

    /// The realm as the only issuer.
    pub(super) fn alone(&self, report: &ProblemList) -> Names {
        Names::Listed(report.shared(BTreeSet::from([self.name.to_owned()])))
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

    /// Whether one of them makes tokens that the identity provider can't issue alone.
    pub(super) fn need_cambio(&self) -> bool {
        self.0.iter().any(|(issuance, _)| issuance.needs_cambio())
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
        if let Some(home) = home.filter(|home| home.realm.endpoints.is_some()) {
            for (issuance, at) in self.0.iter().filter(|(issuance, _)| *issuance != Issuance::Mint) {
                let (issuance, name) = (issuance.as_str(), home.name);
                at.problem(format!(
                    "{issuance} needs Keycloak, and realms.{name}.endpoints says that the upstream is not Keycloak: write \
                     `issuance: mint`"
                ));
            }
        }
        if let Some(Home { name, realm }) = home
            && !realm.can_sign()
        {
            for (issuance, at) in self.0.iter().filter(|(issuance, _)| issuance.signs()) {
                let issuance = issuance.as_str();
                let way = "signingKeys or signingKey in cambio.yaml, or `issuance: forward` here";
                at.problem(format!("{issuance} needs a key that the realm does not have: set realms.{name}.{way}"));
            }
        }
        if home.is_some_and(|home| Dialect::from(home.realm.dialect).rules().audience_is_host) {
            for (_, at) in self.0.iter().filter(|(issuance, _)| *issuance == Issuance::Translate) {
                at.problem(
                    "translate can't work with this realm's dialect: the dialect takes tokens whose `aud` is the host, and \
                     the upstream's JWT authorization grant takes assertions whose only `aud` is the realm's issuer; use \
                     `issuance: mint`",
                );
            }
        }
        if let Some((_, at)) = self.0.iter().find(|(issuance, _)| *issuance == Issuance::Mint) {
            at.warning("mint: Cambio signs as the realm, so whoever holds the realm's signing key is the identity provider for \
                 this audience. Cambio does not ask the upstream, and does not notice a session that has ended there; \
                 with stillActive, a permission for the realm's own tokens asks",
            );
        }
    }
}

/// Names, or `"*"` alone, which means `everything`. The check of the file has seen each name.
pub(super) fn names(list: &[String], everything: &str, at: &At<'_>) -> Option<Names> {
    if let Some(star) = list.iter().position(|name| name == "*") {
        if list.len() > 1 {
            return at.item(star).refuse(format!("\"*\" means {everything}: it can't stand beside names"));
        }
        at.warning(format!("\"*\": {everything}"));
        return Some(Names::Any);
    }
    Some(Names::Listed(at.report.shared(list.iter().cloned().collect())))
}

/// The subject issuers of a permission: issuers that the realm trusts and whose tokens the issuance exchanges.
pub(super) fn issuers(
    list: Option<&[String]>,
    issuance: Issuance,
    home: Option<Home<'_>>,
    at: &At<'_>,
) -> Option<Names> {
    match (list, home) {
        (Some(list), None) => names(list, "every issuer", at),
        (None, None) => None,
        (None, Some(home)) => by_default(issuance, home, at),
        (Some(list), Some(home)) => listed(list, issuance, home, at),
    }
}

fn by_default(issuance: Issuance, home: Home<'_>, at: &At<'_>) -> Option<Names> {
    let own = home.name;
    if !issuance.takes(true) {
        return at.refuse("is missing: translate exchanges foreign tokens, so name their issuers");
    }
    if !home.trusts(own) {
        let issuers = home.subject_issuers();
        return at.refuse(format!("the default is the realm itself, but {issuers} does not name {own}"));
    }
    Some(home.alone(at.report))
}

fn listed(list: &[String], issuance: Issuance, home: Home<'_>, at: &At<'_>) -> Option<Names> {
    let own = home.name;
    home.check_trusted(list, at);
    let exchangeable = |name: &str| name == "*" || !home.trusts(name) || issuance.takes(name == own);
    for (at, name) in at.items(list).filter(|(_, name)| !exchangeable(name)) {
        at.problem(if name == own {
            format!("{name:?} is the realm itself: translate exchanges foreign tokens only")
        } else {
            let why = "forward and reissue exchange the realm's own tokens only; use translate or mint";
            format!("{name:?} is a foreign issuer for the realm {own}: {why}")
        });
    }
    match names(list, "every issuer", at)? {
        Names::Any => everyone(issuance, home, at),
        names @ Names::Listed(_) => Some(names),
    }
}

/// All issuers that the realm trusts and whose tokens the issuance exchanges.
fn everyone(issuance: Issuance, home: Home<'_>, at: &At<'_>) -> Option<Names> {
    let trusted = home.realm.subject_issuers.iter();
    let all: BTreeSet<String> = trusted.filter(|name| issuance.takes(*name == home.name)).cloned().collect();
    if all.is_empty() {
        let tokens = if issuance.takes(true) { "the realm's own" } else { "foreign" };
        let (issuance, issuers) = (issuance.as_str(), home.subject_issuers());
        return at.refuse(format!(
            "means nobody: {issuance} exchanges {tokens} tokens, and {issuers} has no issuer of such tokens"
        ));
    }
    Some(Names::Listed(at.report.shared(all)))
}
