//! `token.claims` of an audience file: a claim that is listed without effect misleads who reads the file.

use super::context::{Home, Issuances};
use crate::adapters::config::load::problem::At;
use crate::judgement::policy::claim_names::ClaimClass;
use crate::judgement::policy::model::{Issuance, Permission};

/// What can bring a further claim into the new token.
#[derive(Clone, Copy)]
struct Sources {
    /// A token of the identity provider that Cambio forwards.
    forwarded: bool,
    /// A token of the identity provider that Cambio narrows.
    narrowed: bool,
    /// A token of the realm from which Cambio mints.
    own: bool,
}

/// Reports listed claims about which the file can't decide.
pub(super) fn without_effect(
    listed: &[String],
    issuances: &Issuances<'_>,
    permissions: &[Permission],
    home: Home<'_>,
    at: &At<'_>,
) {
    let mints_own = |one: &Permission| one.issuance == Some(Issuance::Mint) && one.issuers.contains(home.name);
    let sources = Sources {
        forwarded: issuances.have(Issuance::Forward),
        narrowed: issuances.have(Issuance::Reissue) || issuances.have(Issuance::Translate),
        own: permissions.iter().any(mints_own),
    };
    for (at, claim) in at.items(listed).filter(|(_, claim)| *claim != "*") {
        if let Some(why) = why_without_effect(ClaimClass::of(claim), sources) {
            at.problem(format!("{claim} has no effect here: {why}"));
        }
    }
}

fn why_without_effect(class: ClaimClass, from: Sources) -> Option<&'static str> {
    let of_upstream = from.forwarded || from.narrowed;
    match class {
        ClaimClass::Registered | ClaimClass::Binding | ClaimClass::Provenance => {
            Some("Cambio alone decides about this claim; leave it out")
        }
        ClaimClass::Delegation => {
            Some("the new token has it if delegation requires it, and otherwise not; leave it out")
        }
        ClaimClass::KeycloakRoles => Some("`roles` of this file decides about it; leave it out"),
        ClaimClass::Nonce if !from.forwarded => Some(
            "it belongs to one login: a token of the upstream keeps it, and a minted one does not get it; leave it out",
        ),
        ClaimClass::OtherToken if !of_upstream => {
            Some("it belongs to the subject token, and a minted token does not get it; leave it out")
        }
        ClaimClass::Session if !of_upstream && !from.own => {
            Some("a token that is minted for a foreign user belongs to no session of the realm; leave it out")
        }
        ClaimClass::OtherRoles if !of_upstream && !from.own => {
            Some("a foreign issuer's roles count only through `roles.map`; leave it out")
        }
        ClaimClass::Nonce
        | ClaimClass::OtherToken
        | ClaimClass::Session
        | ClaimClass::OtherRoles
        | ClaimClass::Login
        | ClaimClass::Origins
        | ClaimClass::RealmUser
        | ClaimClass::OfScope(_)
        | ClaimClass::Other => None,
    }
}
