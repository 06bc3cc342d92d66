//! The scope of a request that names none: as much as permissions allow whose conditions hold for exactly that scope.
//!
//! The first permission that holds for its own scopes is the start. Then the permissions are added in the order of the
//! file. A permission is added if its conditions, and those of the permissions before, hold for the scope of all of them
//! together. So whether a request is allowed depends on each permission alone: one permission more never takes that away.

use super::choose::Choice;
use super::context::GrantedScope;
use super::evaluate::{ApplicablePermission, AudienceOffer};
use crate::words::oauth::scope::Scope;

/// Most combinations of first permissions that are tried for a request with several audiences.
const MAX_STARTS: usize = 4096;

/// The largest part of `available` that the offers allow in this way; `None` if no permission holds for its own scopes.
pub(super) fn largest(offers: &[AudienceOffer<'_, '_>], choice: &Choice, available: &Scope) -> Option<Scope> {
    let available: Vec<&str> = available.iter().collect();
    let mut search = Search { offers, choice, available, chosen: Vec::new(), starts: 0 };
    if !search.start() {
        return None;
    }
    search.grow();
    Some(search.granted().into_iter().collect())
}

struct Search<'o, 'e, 'a> {
    offers: &'o [AudienceOffer<'e, 'a>],
    choice: &'o Choice,
    available: Vec<&'o str>,
    /// The chosen permissions: the index of the offer, and the permission.
    chosen: Vec<Chosen<'o, 'a>>,
    starts: usize,
}

#[derive(Clone, Copy)]
struct Chosen<'o, 'a> {
    offer: usize,
    permission: &'o ApplicablePermission<'a>,
}

impl<'a> Search<'_, '_, 'a> {
    /// Chooses one permission of each audience that can be used for the issuance, so that all of them hold.
    fn start(&mut self) -> bool {
        let offer = self.chosen.len();
        let Some(of_audience) = self.offers.get(offer) else {
            self.starts += 1;
            return self.all_hold();
        };
        for permission in of_audience.counted(self.choice.demands).filter(|one| self.choice.suits(one.issuance)) {
            self.chosen.push(Chosen { offer, permission });
            if self.start() {
                return true;
            }
            self.chosen.pop();
            if self.offers.len() > 1 && self.starts > MAX_STARTS {
                return false;
            }
        }
        false
    }

    /// Adds every permission that adds a scope token and with which all still hold.
    fn grow(&mut self) {
        for (offer, of_audience) in self.offers.iter().enumerate() {
            for permission in of_audience.counted(self.choice.demands) {
                let adds = |scope: &&str| permission.scopes.contains(scope) && !self.allows(offer, scope);
                if !self.available.iter().any(adds) {
                    continue;
                }
                self.chosen.push(Chosen { offer, permission });
                if !self.all_hold() {
                    self.chosen.pop();
                }
            }
        }
    }

    /// What the chosen permissions allow at every audience.
    fn granted(&self) -> Vec<String> {
        let everywhere = |scope: &&&str| (0..self.offers.len()).all(|offer| self.allows(offer, scope));
        self.available.iter().filter(everywhere).map(|&scope| scope.to_owned()).collect()
    }

    /// Whether the chosen permissions allow the scope token at one audience.
    fn allows(&self, offer: usize, scope: &str) -> bool {
        self.chosen.iter().any(|one| one.offer == offer && one.permission.scopes.contains(scope))
    }

    fn all_hold(&self) -> bool {
        let granted = self.granted();
        let scope = GrantedScope::Exactly(&granted);
        let expressions: Vec<_> = self.offers.iter().map(|offer| offer.evaluation.expressions(scope)).collect();
        let allows = |one: &Chosen<'_, 'a>| {
            expressions.get(one.offer).is_some_and(|of_audience| of_audience.allows(one.permission))
        };
        self.chosen.iter().all(allows)
    }
}
