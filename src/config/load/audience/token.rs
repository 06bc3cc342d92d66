//! `token` of an audience file.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use super::{Issuances, names};
use crate::config::file::audience as file;
use crate::config::load::problem::{At, Report};
use crate::config::load::value::period;
use crate::policy::model::{MAX_LIFETIME, Names, TokenRules};

/// A shorter life than this is over before the token arrives.
const MIN_LIFETIME: Duration = Duration::from_secs(10);

pub(super) fn token(
    file: &file::Token,
    issuances: &Issuances<'_>,
    at: &At<'_>,
    report: &mut Report,
) -> Option<TokenRules> {
    let lifetime =
        period(&file.lifetime, MIN_LIFETIME..=MAX_LIFETIME.unsigned_abs(), &at.field("lifetime"), report);
    let claims_at = at.field("claims");
    if !issuances.sign() && !file.claims.is_empty() {
        claims_at.problem(report, "needs `issuance: reissue`: a forwarded token can't be changed");
    }
    let claims = if file.claims.is_empty() {
        Some(Names::Listed(BTreeSet::new()))
    } else {
        names(&file.claims, "every claim", &claims_at, report)
    };
    let lifetime = SignedDuration::try_from(lifetime?).ok()?;
    Some(TokenRules { lifetime, within_subject: file.within_subject, claims: claims? })
}
