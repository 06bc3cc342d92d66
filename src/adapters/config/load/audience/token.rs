//! `token` of an audience file.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;

use super::{Issuances, name, names};
use crate::adapters::config::file::audience as file;
use crate::adapters::config::load::issuers::expression;
use crate::adapters::config::load::platform::all;
use crate::adapters::config::load::problem::{At, Report};
use crate::adapters::config::load::value::period;
use crate::judgement::expression::Expression;
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::policy::model::{Issuance, MAX_LIFETIME, Profile, RoleOutput, SubjectRule, TokenRules};
use crate::words::oauth::names::Names;

/// A shorter life than this is over before the token arrives.
pub(super) const MIN_LIFETIME: Duration = Duration::from_secs(10);
/// The longest life of a family of refresh tokens: 30 days.
const MAX_REFRESH: Duration = Duration::from_secs(30 * 24 * 3600);

pub(super) fn token(
    file: &file::Token,
    issuances: &Issuances<'_>,
    output: Option<&RoleOutput>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<TokenRules> {
    let longest = MAX_LIFETIME.unsigned_abs();
    let lifetime = period(&file.lifetime, MIN_LIFETIME..=longest, &at.field("lifetime"), report);
    let refresh_at = at.field("refreshLifetime");
    let refresh = period(&file.refresh_lifetime, MIN_LIFETIME..=MAX_REFRESH, &refresh_at, report);
    if !issuances.sign() {
        for (key, used) in [("claims", !file.claims.is_empty()), ("set", !file.set.is_empty())] {
            if used {
                at.field(key)
                    .problem(report, "needs `issuance: reissue`: a forwarded token can't be changed");
            }
        }
    }
    if !issuances.have(Issuance::Mint) {
        for (key, used) in [
            ("profile", file.profile != file::Profile::Keycloak),
            ("subject", file.subject != file::Subject::Qualified),
        ] {
            if used {
                at.field(key)
                    .problem(report, "needs `issuance: mint`: otherwise it is the upstream's to say");
            }
        }
    }
    let claims_at = at.field("claims");
    let claims = if file.claims.is_empty() {
        Some(Names::Listed(BTreeSet::new()))
    } else {
        names(&file.claims, "every claim", &claims_at, report)
    };
    let flat = output.and_then(|output| output.claim.as_deref());
    if let Some(index) = file.claims.iter().position(|claim| Some(claim.as_str()) == flat) {
        claims_at.item(index).problem(report, "is the claim that roles.claim writes");
    }
    let set = templates(&file.set, flat, &at.field("set"), report);
    Some(TokenRules {
        lifetime: SignedDuration::try_from(lifetime?).ok()?,
        within_subject: file.within_subject,
        claims: claims?,
        set: set?,
        profile: match file.profile {
            file::Profile::Keycloak => Profile::Keycloak,
            file::Profile::Rfc9068 => Profile::Rfc9068,
        },
        subject: match file.subject {
            file::Subject::Qualified => SubjectRule::Qualified,
            file::Subject::Mapped => SubjectRule::Mapped,
            file::Subject::Keep => SubjectRule::Keep,
        },
        refresh_lifetime: SignedDuration::try_from(refresh?).ok()?,
    })
}

fn templates(
    set: &BTreeMap<String, String>,
    flat: Option<&str>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<BTreeMap<String, Expression>> {
    let checked = all(set.iter().map(|(claim, source)| {
        let at = at.field(claim);
        name(claim, &at, report);
        if ClaimClass::of(claim).is_reserved() || Some(claim.as_str()) == flat {
            at.problem(
                report,
                "can't be set: the claim says what the token is, whom it is about or which roles it has",
            );
        }
        Some((claim.clone(), expression(source, &at, report)?))
    }))?;
    Some(checked.into_iter().collect())
}
