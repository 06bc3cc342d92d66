//! Which of the ways that the permissions offer is taken, for all audiences together.
//!
//! A way is what is asked of the subject token besides (`oneTime`, `stillActive`) and how the answer is made. With the
//! demands of a way, the permissions count that ask for no more; they must cover every scope asked for, at each
//! audience. The least demanding way is taken, and of those the one whose issuance can do most: mint, translate, or
//! the identity provider's own exchange (reissue where one audience wants that, else forward). So what a permission
//! without demands allows stays free of them whatever stands beside it, what only a demanding one allows has its
//! demands, and another permission can only add ways and never take one.

use jiff::SignedDuration;

use super::judge::{Applied, Judge};
use crate::judgement::policy::model::{Audience, Demands, Issuance};
use crate::judgement::policy::scopes::Scopes;
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

/// Chooses for what `scopes` asks and the permissions that apply at each audience. Refused when no issuance suits all
/// audiences ([`Reason::IssuanceConflict`]).
pub(super) fn choose(
    scopes: &[String],
    audiences: &[(Judge<'_>, Vec<Applied<'_>>)],
) -> Result<Choice, Refusal> {
    for demands in Demands::ALL {
        let covers = |applied: &[Applied<'_>]| {
            scopes.iter().all(|scope| counted(applied, demands).any(|one| one.scopes.contains(scope)))
        };
        if !audiences.iter().all(|(_, applied)| covers(applied)) {
            continue;
        }
        for kind in Kind::ALL {
            if kind == Kind::Mint && !alike(audiences) {
                continue;
            }
            let offers = |applied: &[Applied<'_>]| {
                counted(applied, demands).map(|one| one.issuance).filter(|one| Kind::of(*one) == kind).max()
            };
            let mut chosen = Some(Issuance::Forward);
            for (_, applied) in audiences {
                chosen = chosen.zip(offers(applied)).map(|(one, other)| one.max(other));
            }
            if let Some(issuance) = chosen {
                return Ok(Choice { demands, issuance });
            }
        }
    }
    Err(conflict(audiences))
}

/// The permissions that count under these demands.
pub(super) fn counted<'s, 'a>(
    applied: &'s [Applied<'a>],
    demands: Demands,
) -> impl Iterator<Item = &'s Applied<'a>> {
    applied.iter().filter(move |one| one.demands.within(demands))
}

/// Their scopes together.
pub(super) fn scopes(applied: &[Applied<'_>], demands: Demands) -> Scopes {
    counted(applied, demands).fold(Scopes::none(), |all, one| all.union(&one.scopes.scopes()))
}

/// The longest life that one of them allows; `usual` where it says nothing.
pub(super) fn lifetime(applied: &[Applied<'_>], demands: Demands, usual: SignedDuration) -> SignedDuration {
    counted(applied, demands).map(|one| one.lifetime.unwrap_or(usual)).max().unwrap_or(usual)
}

/// Whether what these audiences have minted has the same form.
fn alike(audiences: &[(Judge<'_>, Vec<Applied<'_>>)]) -> bool {
    let form = |(judge, _): &(Judge<'_>, _)| {
        let Audience { token, roles, .. } = judge.audience();
        (token.profile, token.subject, roles.directory)
    };
    let mut forms = audiences.iter().map(form);
    forms.next().is_none_or(|first| forms.all(|other| other == first))
}

fn conflict(audiences: &[(Judge<'_>, Vec<Applied<'_>>)]) -> Refusal {
    let each = audiences.iter().map(|(judge, applied)| {
        let mut issuances: Vec<_> = applied.iter().map(|one| one.issuance.as_str()).collect();
        issuances.sort_unstable();
        issuances.dedup();
        format!("{} by {}", judge.audience().name, issuances.join(" or "))
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
