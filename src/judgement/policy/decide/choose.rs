//! Which of the ways that the permissions offer is taken, for all audiences together.
//!
//! A way is what is asked of the subject token besides (`oneTime`, `stillActive`) and how the answer is made. With the
//! demands of a way, the permissions count that ask for no more; they must cover every scope asked for, at each
//! audience. The least demanding way is taken, and of those the one whose issuance can do most: mint, translate, or
//! the identity provider's own exchange (reissue where one audience wants that, else forward). So what a permission
//! without demands allows stays free of them whatever stands beside it, what only a demanding one allows has its
//! demands, and another permission can only add ways and never take one.

use super::evaluate::AudienceOffer;
use crate::judgement::policy::model::{Demands, Issuance, Profile, SubjectRule};
use crate::words::refusal::{Reason, Refusal};

/// The way taken.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) demands: Demands,
    pub(super) issuance: Issuance,
}

/// What makes tokens that can be one: reissue narrows what forward would pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mint,
    Translate,
    Upstream,
}

impl Kind {
    /// What can do most comes first.
    const ALL: [Self; 3] = [Self::Mint, Self::Translate, Self::Upstream];

    fn of(issuance: Issuance) -> Self {
        match issuance {
            Issuance::Mint => Self::Mint,
            Issuance::Translate => Self::Translate,
            Issuance::Reissue | Issuance::Forward => Self::Upstream,
        }
    }
}

/// What tokens for several audiences must have in common to be minted as one token.
#[derive(PartialEq, Eq)]
struct Form {
    profile: Profile,
    subject: SubjectRule,
    directory: bool,
}

/// Chooses for the requested scopes. Refused if no issuance suits all audiences ([`Reason::IssuanceConflict`]).
pub(super) fn choose(scopes: &[String], offers: &[AudienceOffer<'_>]) -> Result<Choice, Refusal> {
    for demands in Demands::ALL {
        if !offers.iter().all(|offer| offer.covers(scopes, demands)) {
            continue;
        }
        for kind in Kind::ALL {
            if kind == Kind::Mint && !have_one_form(offers) {
                continue;
            }
            let mut chosen = Some(Issuance::Forward);
            for offer in offers {
                let issuances = offer.counted(demands).map(|one| one.issuance);
                let best = issuances.filter(|issuance| Kind::of(*issuance) == kind).max();
                chosen = chosen.and_then(|one| Some(one.max(best?)));
            }
            if let Some(issuance) = chosen {
                return Ok(Choice { demands, issuance });
            }
        }
    }
    Err(conflict(offers))
}

/// Whether minted tokens for these audiences have the same form.
fn have_one_form(offers: &[AudienceOffer<'_>]) -> bool {
    let mut forms = offers.iter().map(|offer| {
        let audience = offer.audience();
        Form { profile: audience.token.profile, subject: audience.token.subject, directory: audience.roles.directory }
    });
    forms.next().is_none_or(|first| forms.all(|other| other == first))
}

fn conflict(offers: &[AudienceOffer<'_>]) -> Refusal {
    let each = offers.iter().map(|offer| {
        let mut issuances: Vec<_> = offer.permissions.iter().map(|one| one.issuance.as_str()).collect();
        issuances.sort_unstable();
        issuances.dedup();
        format!("{} by {}", offer.audience().name, issuances.join(" or "))
    });
    let each = each.collect::<Vec<_>>().join(", ");
    Refusal::new(
        Reason::IssuanceConflict,
        format!(
            "one token can't be made in different ways, and this client may have {each} (minted together, they need \
             the same token.profile, token.subject and roles.source): ask for one audience at a time"
        ),
    )
}
