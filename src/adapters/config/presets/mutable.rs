//! Which claims of an issuer can change hands.

use std::collections::{BTreeMap, BTreeSet};

use crate::judgement::expression::{Expression, Permanence};

/// Claims that name a person, and that people change or get from somebody else (OpenID Connect Core 1.0 section 5.7).
const NAMES_OF_PEOPLE: [&str; 10] = [
    "email",
    "family_name",
    "given_name",
    "name",
    "nickname",
    "phone_number",
    "preferred_username",
    "unique_name",
    "upn",
    "username",
];

/// What is known about the claims of one issuer.
#[derive(Clone, Debug)]
pub struct MutableClaims {
    mutable: BTreeMap<String, String>,
    immutable: BTreeSet<String>,
    restricts: BTreeSet<String>,
    open: Option<String>,
}

/// What a preset says about claims.
#[derive(Clone, Copy)]
pub(super) struct KnownClaims<'a> {
    pub(super) mutable: &'a BTreeMap<String, String>,
    pub(super) immutable: &'a [String],
    pub(super) restricts: &'a [String],
    pub(super) open: Option<&'a String>,
}

/// Of an issuer of which nothing else is known.
impl Default for MutableClaims {
    fn default() -> Self {
        let why = "a person can change it, or get it from somebody else";
        let people = NAMES_OF_PEOPLE.map(|name| (name.to_owned(), why.to_owned()));
        Self {
            mutable: BTreeMap::from(people),
            immutable: BTreeSet::from(["sub".to_owned()]),
            restricts: BTreeSet::new(),
            open: None,
        }
    }
}

impl MutableClaims {
    /// The claims of an issuer, beside what holds for every issuer's names of people.
    pub(super) fn of(known: KnownClaims<'_>) -> Self {
        let mut mutable = Self::default().mutable;
        mutable.extend(known.mutable.clone());
        let set = |names: &[String]| names.iter().cloned().collect();
        let (immutable, restricts) = (set(known.immutable), set(known.restricts));
        Self { mutable, immutable, restricts, open: known.open.cloned() }
    }

    /// The claims if another claim names the subject: `sub` is what that claim is.
    #[must_use]
    pub fn with_subject(mut self, claim: Option<&str>) -> Self {
        let Some(claim) = claim else { return self };
        let (is_permanent, why) = (self.immutable.contains(claim), self.why(claim).map(str::to_owned));
        self.immutable.remove("sub");
        self.mutable.remove("sub");
        if is_permanent {
            self.immutable.insert("sub".to_owned());
        }
        self.mutable.extend(why.map(|why| ("sub".to_owned(), why)));
        self
    }

    /// How the claim changes hands, if it does.
    pub fn why(&self, path: &str) -> Option<&str> {
        match self.standing(path) {
            Permanence::Mutable => self.mutable.get(path).map(String::as_str),
            Permanence::Permanent | Permanence::Unknown => None,
        }
    }

    /// The claims that can change hands and on which the expression depends without a permanent id, each with how.
    pub fn weak<'c>(&'c self, expression: &Expression) -> Vec<(String, &'c str)> {
        let unbound = expression.unbound_claims(&|path| self.standing(path));
        unbound.into_iter().filter_map(|path| Some((path.clone(), self.why(&path)?))).collect()
    }

    /// Who can get a token for any audience, unless one of the rules says who may.
    pub fn open_to<'r>(&self, mut rules: impl Iterator<Item = &'r Expression>) -> Option<&str> {
        let says_who = |path: &str| match self.standing(path) {
            Permanence::Permanent | Permanence::Mutable => Permanence::Permanent,
            Permanence::Unknown if self.restricts.contains(path) => Permanence::Permanent,
            Permanence::Unknown => Permanence::Unknown,
        };
        let open = self.open.as_deref()?;
        (!rules.any(|rule| rule.is_bound(&says_who))).then_some(open)
    }

    /// The end of a warning: what to bind to.
    pub fn advice(&self) -> String {
        let ids: Vec<&str> = self.immutable.iter().map(String::as_str).collect();
        if ids.is_empty() { String::new() } else { format!("; bind to {}", ids.join(", ")) }
    }

    fn standing(&self, path: &str) -> Permanence {
        if self.immutable.contains(path) {
            Permanence::Permanent
        } else if self.mutable.contains_key(path) {
            Permanence::Mutable
        } else {
            Permanence::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_is_as_permanent_as_the_claim_that_names_it() {
        let mutable =
            BTreeMap::from([("repository".to_owned(), "renamed".to_owned()), ("sub".to_owned(), "made".to_owned())]);
        let immutable = ["repository_id".to_owned()];
        let preset =
            || MutableClaims::of(KnownClaims { mutable: &mutable, immutable: &immutable, restricts: &[], open: None });
        for (claim, why, standing) in [
            (None, Some("made"), Permanence::Mutable),
            (Some("repository"), Some("renamed"), Permanence::Mutable),
            (Some("repository_id"), None, Permanence::Permanent),
            (Some("run_id"), None, Permanence::Unknown),
        ] {
            let claims = preset().with_subject(claim);
            assert_eq!((claims.why("sub"), claims.standing("sub")), (why, standing), "{claim:?}");
        }
        let other = MutableClaims::default();
        assert_eq!(other.clone().with_subject(None).standing("sub"), Permanence::Permanent);
        assert_eq!(other.with_subject(Some("email")).standing("sub"), Permanence::Mutable);
    }
}
