//! One contract out of what each audience says about the token.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::Request;
use super::choose::Choice;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::{Audience, Issuance, Profile, RoleOutput};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::roles::RoleTerms;
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
}

/// One contract that satisfies every audience.
pub(super) fn merge(
    request: &Request<'_>,
    requested: Option<&Scope>,
    choice: &Choice,
    minted_subject: Option<String>,
    delegated: &Delegated,
    terms: Vec<Terms<'_>>,
) -> Result<Contract, Refusal> {
    let several = terms.len() > 1;
    let (issuance, signs, mints) =
        (choice.issuance, choice.issuance.signs(), choice.issuance == Issuance::Mint);
    let subject = match issuance {
        Issuance::Translate => None,
        _ if request.impersonate.is_some() => request.impersonate.map(|one| one.subject.to_owned()),
        _ if request.provenance.is_of_realm() => Some(request.subject.to_owned()),
        _ => minted_subject,
    };
    let expires_by = delegated_expiry(request, delegated);
    let carried: BTreeSet<String> = request.carried.iter().map(|&name| name.to_owned()).collect();
    let owned = |&(name, text): &(&str, &str)| (name.to_owned(), text.to_owned());
    let defaults: BTreeMap<String, String> = request.defaults.iter().map(owned).collect();
    let mut merged: Option<Contract> = None;
    for Terms { audience, scopes, lifetime, roles, set } in terms {
        let (token, output) = (&audience.token, &audience.roles.output);
        if several && output.claim.is_some() {
            let text = "roles.output names a flat claim, in which the roles of several audiences can't be told apart";
            return Err(conflict(audience, text));
        }
        let one = Contract {
            client: request.client.to_owned(),
            subject: subject.clone(),
            own: request.provenance.is_of_realm(),
            settled: request.provenance == Provenance::CambioForForeign,
            person: request.impersonate.map(|one| one.claims.clone()),
            act: delegated.act.clone(),
            may_act: delegated.may_act.clone(),
            requested: match request.requested_token {
                TokenType::RefreshToken => TokenType::AccessToken,
                other => other,
            },
            audiences: BTreeSet::from([audience.name.clone()]),
            roles: vec![roles],
            realm_roles: audience.roles.realm.clone(),
            role_output: if signs { output.clone() } else { RoleOutput::default() },
            from_directory: mints && request.provenance.is_of_realm() && audience.roles.directory,
            scope_permitted: scopes,
            scope_requested: requested.cloned(),
            lifetime: lifetime.max(SignedDuration::ZERO),
            // Nobody but us holds what is made of a foreign token, or is minted, to the life of the token that it was
            // made from: the identity provider's grant does not.
            expires_by: (token.within_subject || mints || issuance == Issuance::Translate)
                .then_some(request.subject_expires)
                .into_iter()
                .chain(expires_by)
                .min(),
            // ID tokens, too: one without it could be exchanged for an access token that is bound to nobody.
            binding: request.binding.cloned(),
            claims: token.claims.clone(),
            carried: if signs { carried.clone() } else { BTreeSet::new() },
            defaults: if mints { defaults.clone() } else { BTreeMap::new() },
            set,
            profile: if mints { token.profile } else { Profile::Keycloak },
            issuance,
        };
        merged = Some(match merged {
            None => one,
            Some(all) if all.set != one.set => {
                return Err(conflict(audience, "token.set gives other claims than that of another audience"));
            }
            Some(mut all) => {
                all.audiences.extend(one.audiences);
                all.roles.extend(one.roles);
                all.realm_roles = &all.realm_roles & &one.realm_roles;
                all.scope_permitted = all.scope_permitted.intersection(&one.scope_permitted);
                all.lifetime = all.lifetime.min(one.lifetime);
                all.expires_by = all.expires_by.or(one.expires_by);
                all.claims = all.claims.intersection(&one.claims);
                all
            }
        });
    }
    let mut contract =
        merged.ok_or_else(|| Refusal::new(Reason::AudienceMissing, "the request names no audience"))?;
    if !signs {
        contract.set = Map::new();
    }
    Ok(contract)
}

/// Nobody acts for somebody longer than by the tokens that say so.
fn delegated_expiry(request: &Request<'_>, delegated: &Delegated) -> Option<Timestamp> {
    let actor = request.actor.map(|actor| actor.expires);
    delegated
        .act
        .as_ref()
        .map(|_| actor.map_or(request.subject_expires, |actor| actor.min(request.subject_expires)))
}

fn conflict(audience: &Audience, text: &str) -> Refusal {
    let Audience { name, owner, .. } = audience;
    Refusal::new(Reason::IssuanceConflict, format!("audiences file of {name} (owner {owner}): {text}"))
}
