//! Warnings of names that can change hands, where an audience's file takes them for an identity.

use std::collections::BTreeMap;

use crate::adapters::config::load::issuers::names::weak;
use crate::adapters::config::load::problem::At;
use crate::adapters::config::settings::issuer::TrustedIssuer;
use crate::judgement::policy::model::{Permission, RoleRules, RoleSource, SubjectRule};
use crate::words::oauth::names::Names;

/// The foreign issuers, if `cambio.yaml` could be checked.
type Issuers<'a> = Option<&'a BTreeMap<String, TrustedIssuer>>;

/// Warns of permissions that depend on such a name alone.
pub(super) fn permissions(permissions: &[Permission], issuers: Issuers<'_>, at: &At<'_>) {
    for (at, one) in at.items(permissions) {
        for issuer in with_preset(&one.issuers, issuers) {
            let name = &issuer.name;
            if let Some(who) = issuer.mutable.open_to(issuer.own_rules().chain(&one.condition)) {
                let message = format!(
                    "{who}, and neither issuers.{name}.claimValidationRules nor this permission's condition says whose tokens \
                     may be exchanged"
                );
                at.field("issuers").warning(message + &issuer.mutable.advice());
            }
            let Some(condition) = &one.condition else { continue };
            let decides = format!("whether the permission holds for tokens of {name}");
            weak(condition, &issuer.mutable, &decides, &at.field("condition"));
        }
    }
}

/// Warns of roles that depend on such a name alone.
pub(super) fn roles(roles: &RoleRules, issuers: Issuers<'_>, at: &At<'_>) {
    for (at, one) in at.field("map").items(&roles.map) {
        let (RoleSource::When(when), Some(names)) = (&one.from, &one.issuers) else { continue };
        for issuer in with_preset(names, issuers) {
            let decides = format!("who gets the role {:?} with a token of {}", one.to, issuer.name);
            weak(when, &issuer.mutable, &decides, &at.field("when"));
        }
    }
}

/// Warns of subjects that are made of such a name: the `sub` of workloads often is.
pub(super) fn subject<'n>(
    foreign: impl Iterator<Item = &'n String>,
    rule: SubjectRule,
    issuers: Issuers<'_>,
    at: &At<'_>,
) {
    if rule == SubjectRule::Mapped {
        return;
    }
    for issuer in foreign.filter_map(|name| issuers?.get(name)) {
        if let Some(why) = issuer.mutable.why("sub") {
            let name = &issuer.name;
            at.warning(format!(
                "the sub of tokens of {name} becomes the subject, but it can change hands: {why}. Write `subject: mapped`, \
                 for issuers.{name}.claimMappings.username"
            ));
        }
    }
}

/// The issuers among them of whose claims something is known.
fn with_preset<'a>(names: &'a Names, issuers: Issuers<'a>) -> impl Iterator<Item = &'a TrustedIssuer> {
    let all = issuers.into_iter().flat_map(|issuers| issuers.values());
    all.filter(|issuer| issuer.preset.is_some() && names.contains(&issuer.name))
}
