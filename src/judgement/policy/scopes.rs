//! Which scope tokens a permission lets clients request.
//!
//! If the owner of the audience lists a scope token by name, it is permitted whatever the subject token has. `"*"` widens
//! nothing: for the realm's own tokens it means the scope of the subject token. `"*"` never means [`OFFLINE`], which must be
//! listed by name.

use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;

/// The scope token that asks for a refresh token that outlives the session (OpenID Connect Core 1.0 section 11).
pub const OFFLINE: &str = "offline_access";

/// Scope tokens that are permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scopes {
    names: Names,
    offline: bool,
}

/// The `scopes` of one permission, for one subject token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer<'a> {
    names: &'a Names,
    /// The subject token's scope, if the realm issued the token.
    held: Option<&'a Scope>,
}

impl Scopes {
    /// No scope token.
    pub fn none() -> Self {
        Self::from(Names::default())
    }

    /// Whether `token` is permitted.
    pub fn contains(&self, token: &str) -> bool {
        if token == OFFLINE { self.offline } else { self.names.contains(token) }
    }

    /// The names as a file writes them; `None`: every scope token.
    pub fn listed(&self) -> Option<impl Iterator<Item = &str>> {
        matches!(self.names, Names::Listed(_)).then(|| self.names.written())
    }

    /// The scope tokens that either permits.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self { names: self.names.union(&other.names), offline: self.offline || other.offline }
    }

    /// The scope tokens that both permit.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self { names: self.names.intersection(&other.names), offline: self.offline && other.offline }
    }
}

impl From<Names> for Scopes {
    /// `"*"` permits every scope token except [`OFFLINE`].
    fn from(names: Names) -> Self {
        let offline = matches!(&names, Names::Listed(names) if names.contains(OFFLINE));
        Self { names, offline }
    }
}

impl<'a> Offer<'a> {
    /// `held`: the scope of a subject token that the realm issued.
    pub(super) fn new(names: &'a Names, held: Option<&'a Scope>) -> Self {
        Self { names, held }
    }

    /// Whether `token` is permitted.
    pub(super) fn contains(self, token: &str) -> bool {
        match self.names {
            Names::Listed(names) => names.contains(token),
            Names::Any => token != OFFLINE && self.held.is_none_or(|held| held.contains(token)),
        }
    }

    /// Every scope token that is permitted.
    pub(super) fn scopes(self) -> Scopes {
        match (self.names, self.held) {
            (Names::Any, Some(held)) => {
                let held = held.iter().filter(|token| *token != OFFLINE).map(str::to_owned);
                Scopes::from(Names::listed(held))
            }
            (names, _) => Scopes::from(names.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judgement::policy::samples::listed;

    #[test]
    fn a_star_is_what_the_subject_token_has_and_never_offline() {
        let held = Scope::parse("email offline_access").unwrap();
        let named = listed(&["payments", OFFLINE]);
        for (name, names, held, token, expected) in [
            ("held", &Names::Any, Some(&held), "email", true),
            ("not held", &Names::Any, Some(&held), "payments", false),
            ("held, but offline", &Names::Any, Some(&held), OFFLINE, false),
            ("another issuer's word", &Names::Any, None, "payments", true),
            ("offline of another issuer", &Names::Any, None, OFFLINE, false),
            ("written out", &named, Some(&held), "payments", true),
            ("offline, written out", &named, Some(&held), OFFLINE, true),
            ("not written out", &named, Some(&held), "email", false),
        ] {
            let offer = Offer::new(names, held);
            assert_eq!(offer.contains(token), expected, "{name}");
            assert_eq!(offer.scopes().contains(token), expected, "{name}");
            assert_eq!(Scopes::none().union(&offer.scopes()).contains(token), expected, "{name}");
        }
        let (any, offline) = (Scopes::from(Names::Any), Scopes::from(listed(&[OFFLINE])));
        assert!(any.union(&offline).contains(OFFLINE) && any.union(&offline).contains("x"));
        assert!(!any.intersection(&offline).contains(OFFLINE) && !any.intersection(&offline).contains("x"));
    }
}
