//! The judgement: one request against the audiences' files.
//!
//! Denied unless permitted. The permissions of an audience add up: those that cover the client, the subject token's
//! issuer and type and the requested type, have not expired and whose condition holds, permit together the union of
//! their scopes, and everything asked for must be in it. So another permission never takes away what was allowed, and
//! a removed one never allows more. A condition that can't be evaluated permits nothing and harms no other permission.
//! Which way the answer is made, and what is asked of the subject token besides, the module `choose` tells.
//!
//! Several audiences: each must allow by itself, and the one token for them all satisfies every one of them. It has the
//! shortest lifetime, the realm roles, scopes and claims that all of them let stay, and each audience's own roles.

mod choose;
mod judge;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::oauth::scope::Scope;
use crate::oauth::urn::TokenType;
use crate::policy::contract::Contract;
use crate::policy::model::{Audience, Demands, Issuance, Names, Policy, Profile, RoleOutput};
use crate::policy::reason::{Reason, Refusal};
use crate::policy::roles::RoleTerms;
use crate::policy::subject;
use choose::{Choice, choose};
use judge::Judge;
pub use judge::refreshable;

/// What is asked for, by whom and with what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The requesting client's id.
    pub client: &'a str,
    /// The subject issuer's name in the configuration.
    pub issuer: &'a str,
    /// Whether the subject token is the realm's own.
    pub own: bool,
    /// The `subject_token_type`.
    pub subject_token: TokenType,
    /// The `requested_token_type`.
    pub requested_token: TokenType,
    /// The `audience` values.
    pub audiences: &'a [String],
    /// The `resource` values.
    pub resources: &'a [String],
    /// The scope asked for.
    pub scope: Option<&'a Scope>,
    /// The subject token's verified claims.
    pub claims: &'a Map<String, Value>,
    /// The subject token's `sub`.
    pub subject: &'a str,
    /// The subject token's `exp`.
    pub subject_expires: Timestamp,
    /// The `cnf` that binds the new token: what the subject token is bound to, or the key that the caller has shown.
    pub binding: Option<&'a Value>,
}

/// An allowed request.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What the answer must look like.
    pub contract: Contract,
    /// The audiences in the order asked for, each once.
    pub audiences: Vec<String>,
    /// The permissions that applied: audience and position in its file, from 1.
    pub permissions: Vec<(String, usize)>,
    /// What must be found out about the subject token before the answer is made.
    pub demands: Demands,
    /// Whether a refresh token was asked for beside the access token.
    pub refresh: bool,
    /// How long after this exchange refresh tokens may be good.
    pub refresh_lifetime: SignedDuration,
}

/// What one audience says about the token.
struct Terms<'a> {
    audience: &'a Audience,
    scopes: Names,
    roles: RoleTerms,
    set: Map<String, Value>,
}

/// Judges a request in a realm.
pub fn decide(
    policy: &Policy,
    realm: &str,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let audiences = targets(policy, realm, request)?;
    let requested = request.scope.filter(|scope| !scope.is_empty());
    let scopes: Vec<String> = requested.into_iter().flat_map(Scope::iter).map(str::to_owned).collect();
    let today = now.to_zoned_datetime(TimeZone::UTC).date();
    let mut judged = Vec::with_capacity(audiences.len());
    for audience in &audiences {
        let judge = Judge::new(request, audience, &scopes, today);
        let applied = judge.applied()?;
        judged.push((judge, applied));
    }
    let choice = choose(&scopes, &judged)?;
    let subject = minted_subject(policy, request, &judged)?;
    let mut terms = Vec::with_capacity(judged.len());
    let mut permissions = Vec::new();
    for (judge, applied) in &judged {
        let audience = judge.audience();
        let counted = choose::counted(applied, choice.demands);
        permissions.extend(counted.map(|one| (audience.name.clone(), one.position)));
        terms.push(Terms {
            audience,
            scopes: choose::scopes(applied, choice.demands),
            roles: judge.roles(realm, choice.issuance)?,
            set: judge.set()?,
        });
    }
    Ok(Decision {
        contract: merge(request, requested, &choice, subject, terms)?,
        audiences: audiences.iter().map(|audience| audience.name.clone()).collect(),
        permissions,
        demands: choice.demands,
        refresh: request.requested_token == TokenType::RefreshToken,
        refresh_lifetime: audiences
            .iter()
            .map(|audience| audience.token.refresh_lifetime)
            .min()
            .unwrap_or(SignedDuration::ZERO),
    })
}

/// The audiences meant by `audience` and `resource`. A resource that two files list means both of them.
fn targets<'p>(policy: &'p Policy, realm: &str, request: &Request<'_>) -> Result<Vec<&'p Audience>, Refusal> {
    let known = policy.realms.get(realm);
    let mut targets: Vec<&Audience> = Vec::new();
    let mut seen = BTreeSet::new();
    for name in request.audiences {
        let Some(audience) = known.and_then(|known| known.get(name)) else {
            return Err(Refusal::new(
                Reason::AudienceUnknown,
                format!("add a file with audience: {name} and realm: {realm} to the audiences folder"),
            ));
        };
        if seen.insert(audience.name.as_str()) {
            targets.push(audience);
        }
    }
    for resource in request.resources {
        let mut found = false;
        for audience in known.into_iter().flat_map(|known| known.values()) {
            if audience.resources.contains(resource) {
                found = true;
                if seen.insert(audience.name.as_str()) {
                    targets.push(audience);
                }
            }
        }
        if !found {
            return Err(Refusal::new(
                Reason::ResourceUnknown,
                format!("add {resource} to resources in the audiences file that it means"),
            ));
        }
    }
    if targets.is_empty() {
        return Err(Refusal::new(Reason::AudienceMissing, "the request must name an audience or a resource"));
    }
    Ok(targets)
}

/// The `sub` of a token that would be minted. Whatever the issuance, so that another permission can't bring a failure.
fn minted_subject(
    policy: &Policy,
    request: &Request<'_>,
    judged: &[(Judge<'_>, Vec<judge::Applied<'_>>)],
) -> Result<Option<String>, Refusal> {
    match judged.first() {
        Some((judge, _)) if !request.own => {
            let rule = judge.audience().token.subject;
            subject::minted(rule, request, policy.usernames.get(request.issuer)).map(Some)
        }
        _ => Ok(None),
    }
}

/// One contract that satisfies every audience.
fn merge(
    request: &Request<'_>,
    requested: Option<&Scope>,
    choice: &Choice,
    minted_subject: Option<String>,
    terms: Vec<Terms<'_>>,
) -> Result<Contract, Refusal> {
    let several = terms.len() > 1;
    let (issuance, signs, mints) =
        (choice.issuance, choice.issuance.signs(), choice.issuance == Issuance::Mint);
    let subject = match issuance {
        Issuance::Translate => None,
        _ if request.own => Some(request.subject.to_owned()),
        _ => minted_subject,
    };
    let mut merged: Option<Contract> = None;
    for Terms { audience, scopes, roles, set } in terms {
        let (token, output) = (&audience.token, &audience.roles.output);
        if several && output.claim.is_some() {
            let text = "roles.output names a flat claim, in which the roles of several audiences can't be told apart";
            return Err(conflict(audience, text));
        }
        let one = Contract {
            client: request.client.to_owned(),
            subject: subject.clone(),
            own: request.own,
            requested: match request.requested_token {
                TokenType::RefreshToken => TokenType::AccessToken,
                other => other,
            },
            audiences: BTreeSet::from([audience.name.clone()]),
            roles: vec![roles],
            realm_roles: audience.roles.realm.clone(),
            role_output: if signs { output.clone() } else { RoleOutput::default() },
            from_directory: mints && request.own && audience.roles.directory,
            scope_permitted: scopes,
            scope_requested: requested.cloned(),
            lifetime: token.lifetime.max(SignedDuration::ZERO),
            // Nobody but us holds what is made of a foreign token, or is minted, to the life of the token that it was
            // made from: the identity provider's grant does not.
            expires_by: (token.within_subject || mints || issuance == Issuance::Translate)
                .then_some(request.subject_expires),
            // ID tokens, too: one without it could be exchanged for an access token that is bound to nobody.
            binding: request.binding.cloned(),
            claims: token.claims.clone(),
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

fn conflict(audience: &Audience, text: &str) -> Refusal {
    let Audience { name, owner, .. } = audience;
    Refusal::new(Reason::IssuanceConflict, format!("audiences file of {name} (owner {owner}): {text}"))
}

#[cfg(test)]
mod tests;
