//! One contract out of what each audience says about the token.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::context::DecisionContext;
use crate::judgement::dialect::DefaultClaim;
use crate::judgement::policy::contract::{Contract, MayActSource};
use crate::judgement::policy::model::{Audience, Issuance, Profile, RoleOutput};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::roles::terms::RoleTerms;
use crate::judgement::policy::scopes::Scopes;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// What one audience says about the token.
pub(super) struct Terms<'a> {
    pub(super) audience: &'a Audience,
    pub(super) scopes: Scopes,
    pub(super) lifetime: SignedDuration,
    pub(super) roles: RoleTerms,
    pub(super) set: Map<String, Value>,
    /// Who may act for the subject of the new token, if the audience's file says so. An empty object: nobody.
    pub(super) may_act: Option<Value>,
    /// Whether the permissions that count list ID tokens.
    pub(super) id_tokens: bool,
}

/// One contract that satisfies every audience.
pub(super) fn merge(
    context: &DecisionContext<'_>,
    issuance: Issuance,
    minted_subject: Option<String>,
    scope: Option<Scope>,
    terms: Vec<Terms<'_>>,
) -> Result<Contract, Refusal> {
    let request = context.request;
    let several = terms.len() > 1;
    let subject = match issuance {
        Issuance::Translate => None,
        _ if request.impersonate.is_some() => request.impersonate.map(|one| one.subject.to_owned()),
        _ if request.provenance.is_of_realm() => Some(request.subject.to_owned()),
        _ => minted_subject,
    };
    let mut merged: Option<Contract> = None;
    for one in terms {
        let audience = one.audience;
        if several && audience.roles.output.claim.is_some() {
            return Err(audience.refuse(
                Reason::IssuanceConflict,
                "roles.output names a flat claim, in which the roles of several audiences can't be told apart",
            ));
        }
        let contract = contract(context, issuance, subject.clone(), one);
        merged = Some(match merged {
            None => contract,
            Some(all) if all.set != contract.set => {
                return Err(audience
                    .refuse(Reason::IssuanceConflict, "token.set gives other claims than that of another audience"));
            }
            Some(all) if (all.may_act_source, &all.may_act) != (contract.may_act_source, &contract.may_act) => {
                return Err(audience.refuse(Reason::IssuanceConflict, "token.mayAct is not that of another audience"));
            }
            Some(all) if all.from_directory != contract.from_directory => {
                return Err(audience.refuse(Reason::IssuanceConflict, "roles.source is not that of another audience"));
            }
            Some(all) => both(all, contract),
        });
    }
    let mut merged = merged.ok_or_else(|| Refusal::new(Reason::AudienceMissing, "the request names no audience"))?;
    merged.scope_requested = scope;
    if !issuance.signs() {
        merged.set = Map::new();
    }
    Ok(merged)
}

/// The contract of one audience.
fn contract(context: &DecisionContext<'_>, issuance: Issuance, subject: Option<String>, terms: Terms<'_>) -> Contract {
    let (request, delegated) = (context.request, context.delegated);
    let (token, roles) = (&terms.audience.token, &terms.audience.roles);
    let (signs, mints) = (issuance.signs(), issuance == Issuance::Mint);
    let session = request.claims.get("sid").and_then(Value::as_str).filter(|sid| !sid.is_empty());
    let asks_directory = matches!(issuance, Issuance::Mint | Issuance::Reissue) && roles.directory;
    // Of another issuer's user, Cambio knows only what the subject token says, a token that Cambio signed must not be minted
    // again and again, and nobody is impersonated for longer than the subject token says who does.
    let is_own = request.provenance == Provenance::Realm && request.impersonate.is_none();
    let within_subject = token.within_subject || mints && !is_own || issuance == Issuance::Translate;
    let may_act = terms.may_act.filter(|_| signs);
    Contract {
        client: request.client.to_owned(),
        subject,
        session: session.filter(|_| request.provenance == Provenance::Realm).map(str::to_owned),
        accepts_pairwise: request.pairwise,
        provenance: request.provenance,
        person: request.impersonate.map(|one| one.claims.clone()),
        act: delegated.act.clone(),
        may_act_source: if may_act.is_some() { MayActSource::AudienceFile } else { MayActSource::Tokens },
        may_act: may_act.or_else(|| delegated.may_act.clone()),
        requested: match request.requested_token {
            TokenType::RefreshToken => TokenType::AccessToken,
            other => other,
        },
        id_token_beside: terms.id_tokens && !mints,
        audiences: BTreeSet::from([terms.audience.name.clone()]),
        roles: vec![terms.roles],
        realm_roles: roles.realm.clone(),
        role_output: if signs { roles.output.clone() } else { RoleOutput::default() },
        from_directory: asks_directory && request.provenance.is_of_realm(),
        scope_permitted: terms.scopes,
        scope_requested: None,
        lifetime: terms.lifetime.max(SignedDuration::ZERO),
        expires_by: within_subject
            .then_some(request.subject_expires)
            .into_iter()
            .chain(delegated_expiry(context))
            .min(),
        // ID tokens are bound, too: an unbound ID token could be exchanged for an unbound access token.
        binding: request.binding.cloned(),
        claims: token.claims.clone(),
        carried: if signs { owned(request.carried) } else { BTreeSet::new() },
        access_only: request.customs.access_only,
        defaults: if mints { valued(request.defaults) } else { BTreeMap::new() },
        set: terms.set,
        profile: if mints { token.profile } else { Profile::Keycloak },
        issuance,
        refresh_family: None,
        outlives_session: false,
    }
}

/// A contract that satisfies both: what one of them does not allow is not allowed.
fn both(all: Contract, one: Contract) -> Contract {
    Contract {
        audiences: all.audiences.into_iter().chain(one.audiences).collect(),
        roles: all.roles.into_iter().chain(one.roles).collect(),
        id_token_beside: all.id_token_beside && one.id_token_beside,
        realm_roles: &all.realm_roles & &one.realm_roles,
        scope_permitted: all.scope_permitted.intersection(&one.scope_permitted),
        lifetime: all.lifetime.min(one.lifetime),
        expires_by: all.expires_by.or(one.expires_by),
        claims: all.claims.intersection(&one.claims),
        ..all
    }
}

/// Nobody acts for a subject longer than the tokens that say so are valid.
fn delegated_expiry(context: &DecisionContext<'_>) -> Option<Timestamp> {
    context.delegated.act.as_ref()?;
    let subject = context.request.subject_expires;
    Some(context.request.actor.map_or(subject, |actor| actor.expires.min(subject)))
}

fn owned(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn valued(defaults: &[DefaultClaim]) -> BTreeMap<String, Value> {
    defaults.iter().map(|one| (one.name.to_owned(), one.value.into())).collect()
}
