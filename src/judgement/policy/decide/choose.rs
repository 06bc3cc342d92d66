//! Chooses the demands on the subject token (`oneTime`, `stillActive`) and the issuance, for all audiences together.
//!
//! A permission counts under given demands if it demands no more. At each audience, the permissions that count must cover
//! every requested scope. Cambio prefers the fewest demands, and then the issuance that can do most: mint, translate, or
//! the identity provider's own exchange (reissue if one audience wants reissue, otherwise forward). So what a permission
//! without demands allows never gets demands from another permission. Adding a permission adds choices and never takes
//! one away.

use super::evaluate::AudienceOffer;
use crate::judgement::policy::model::{Demands, Issuance, Profile, SubjectRule};
use crate::words::refusal::{Reason, Refusal};

/// The chosen demands and issuance.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) demands: Demands,
    pub(super) issuance: Issuance,
}

/// Issuances whose tokens can be one token: reissue narrows the token that forward passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mint,
    Translate,
    Upstream,
}

impl Kind {
    /// The kind that can do most comes first.
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

impl Choice {
    /// Whether a permission with this issuance can be used.
    pub(super) fn suits(&self, issuance: Issuance) -> bool {
        Kind::of(issuance) == Kind::of(self.issuance)
    }
}

/// Chooses for the scopes; [`Reason::IssuanceConflict`] if no issuance suits all audiences.
pub(super) fn choose(scopes: &[String], offers: &[AudienceOffer<'_, '_>]) -> Result<Choice, Refusal> {
    choices(scopes, offers).next().ok_or_else(|| conflict(offers))
}

/// What can be chosen for the scopes, the best first.
pub(super) fn choices(scopes: &[String], offers: &[AudienceOffer<'_, '_>]) -> impl Iterator<Item = Choice> {
    let suiting = move |demands: &Demands| offers.iter().all(|offer| offer.covers(scopes, *demands));
    let demands = Demands::ALL.into_iter().filter(suiting);
    demands.flat_map(move |demands| Kind::ALL.into_iter().filter_map(move |kind| choice(demands, kind, offers)))
}

fn choice(demands: Demands, kind: Kind, offers: &[AudienceOffer<'_, '_>]) -> Option<Choice> {
    if kind == Kind::Mint && !have_one_form(offers) {
        return None;
    }
    let mut issuance = Issuance::Forward;
    for offer in offers {
        let issuances = offer.counted(demands).map(|one| one.issuance);
        issuance = issuance.max(issuances.filter(|issuance| Kind::of(*issuance) == kind).max()?);
    }
    Some(Choice { demands, issuance })
}

/// Whether minted tokens for these audiences have the same form.
fn have_one_form(offers: &[AudienceOffer<'_, '_>]) -> bool {
    let mut forms = offers.iter().map(|offer| {
        let audience = offer.audience();
        Form { profile: audience.token.profile, subject: audience.token.subject, directory: audience.roles.directory }
    });
    forms.next().is_none_or(|first| forms.all(|other| other == first))
}

pub(super) fn conflict(offers: &[AudienceOffer<'_, '_>]) -> Refusal {
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
