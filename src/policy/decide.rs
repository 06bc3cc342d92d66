//! The judgement: one request against the audiences' files.
//!
//! Denied unless permitted. The permissions of an audience add up: those that cover the client, the subject token's
//! issuer and type and the requested type, have not expired and whose condition holds, permit together the union of
//! their scopes, and everything asked for must be in it. So another permission never takes away what was allowed, and
//! a removed one never allows more. A condition that can't be evaluated permits nothing and harms no other permission.
//!
//! Several audiences: each must allow by itself, and the one token for them all satisfies every one of them. It has the
//! shortest lifetime, the realm roles, scopes and claims that all of them let stay, each audience's own roles, and is
//! reissued if one of them wants that.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::oauth::scope::Scope;
use crate::oauth::urn::TokenType;
use crate::policy::contract::Contract;
use crate::policy::expression::{Scene, Variables};
use crate::policy::model::{Audience, Issuance, Names, Permission, Policy};
use crate::policy::reason::{Reason, Refusal};
use crate::policy::roles::RoleTerms;

/// What is asked for, by whom and with what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The requesting client's id.
    pub client: &'a str,
    /// The subject issuer's name in the configuration.
    pub issuer: &'a str,
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
    let mut terms = Vec::new();
    let mut permissions = Vec::new();
    for audience in &audiences {
        let judge = Judge { request, audience, scopes: &scopes, today, scene: OnceCell::new() };
        let permitted = judge.permitted()?;
        permissions.extend(permitted.applied.iter().map(|position| (audience.name.clone(), *position)));
        terms.push((*audience, permitted.scopes, RoleTerms::resolve(audience, || judge.scene())?));
    }
    let contract = merge(request, requested, terms)?;
    Ok(Decision {
        contract,
        audiences: audiences.iter().map(|audience| audience.name.clone()).collect(),
        permissions,
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

/// How far a permission goes with a request, in the order in which it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Client,
    Issuer,
    SubjectToken,
    RequestedToken,
    Expired,
    /// Everything but scope and condition.
    Covers,
}

/// What the permissions of one audience permit.
struct Permitted {
    scopes: Names,
    applied: Vec<usize>,
}

/// One audience's answer to one request.
struct Judge<'a> {
    request: &'a Request<'a>,
    audience: &'a Audience,
    scopes: &'a [String],
    today: Date,
    /// The claims in CEL's form, made when the first expression wants them.
    scene: OnceCell<Scene>,
}

impl Judge<'_> {
    fn permitted(&self) -> Result<Permitted, Refusal> {
        let mut permitted = Permitted { scopes: nothing(), applied: Vec::new() };
        let mut possible = nothing();
        let mut unmet: Option<(Reason, String)> = None;
        let mut furthest: Option<(Reach, usize)> = None;
        for (permission, position) in self.audience.permissions.iter().zip(1..) {
            let reach = self.reach(permission);
            if furthest.is_none_or(|(best, _)| best < reach) {
                furthest = Some((reach, position));
            }
            if reach < Reach::Covers {
                continue;
            }
            possible = possible.union(&permission.scopes);
            match self.condition(permission, position) {
                Ok(()) => {
                    permitted.scopes = permitted.scopes.union(&permission.scopes);
                    permitted.applied.push(position);
                }
                // A condition that gave an answer says more than one that could not.
                Err((reason, text)) => {
                    if unmet.as_ref().is_none_or(|(old, _)| *old == Reason::ConditionFailed && reason != *old)
                    {
                        unmet = Some((reason, text));
                    }
                }
            }
        }
        let uncovered =
            |scopes: &Names| self.scopes.iter().filter(|scope| !scopes.contains(scope)).cloned().collect();
        let beyond: Vec<String> = uncovered(&permitted.scopes);
        if !permitted.applied.is_empty() && beyond.is_empty() {
            return Ok(permitted);
        }
        let (reach, position) = furthest.unwrap_or((Reach::Client, 0));
        if reach < Reach::Covers {
            return Err(self.short_of(reach, position));
        }
        let impossible: Vec<String> = uncovered(&possible);
        match unmet {
            Some((reason, text)) if impossible.is_empty() => Err(self.refuse(reason, &text)),
            _ => {
                let missing = if impossible.is_empty() { beyond } else { impossible }.join(", ");
                let text = format!("add [{missing}] to scopes of permission {position}");
                Err(self.refuse(Reason::ScopeNotPermitted, &text))
            }
        }
    }

    fn reach(&self, permission: &Permission) -> Reach {
        let request = self.request;
        if !permission.clients.contains(request.client) {
            Reach::Client
        } else if !permission.issuers.contains(request.issuer) {
            Reach::Issuer
        } else if !permission.subject_tokens.contains(&request.subject_token) {
            Reach::SubjectToken
        } else if !permission.requested_tokens.contains(&request.requested_token) {
            Reach::RequestedToken
        } else if permission.expires.is_some_and(|last_day| self.today > last_day) {
            Reach::Expired
        } else {
            Reach::Covers
        }
    }

    fn condition(&self, permission: &Permission, position: usize) -> Result<(), (Reason, String)> {
        let Some(condition) = &permission.condition else { return Ok(()) };
        let source = condition.source();
        match condition.holds_in(self.scene()) {
            Ok(true) => Ok(()),
            Ok(false) => Err((
                Reason::ConditionNotMet,
                format!("the condition of permission {position} does not hold: {source}"),
            )),
            Err(error) => Err((
                Reason::ConditionFailed,
                format!("the condition of permission {position} can't be evaluated ({error}): {source}"),
            )),
        }
    }

    fn scene(&self) -> &Scene {
        self.scene.get_or_init(|| {
            Variables {
                claims: self.request.claims,
                client: self.request.client,
                audience: &self.audience.name,
                scopes: self.scopes,
            }
            .scene()
        })
    }

    fn short_of(&self, reach: Reach, position: usize) -> Refusal {
        let request = self.request;
        match reach {
            Reach::Client => self.refuse(
                Reason::ClientNotPermitted,
                &format!("add a permission with clients: [{}]", request.client),
            ),
            Reach::Issuer => self.refuse(
                Reason::IssuerNotPermitted,
                &format!("add {} to issuers of permission {position}", request.issuer),
            ),
            Reach::SubjectToken => self.refuse(
                Reason::SubjectTokenTypeNotPermitted,
                &format!("add {} to subjectTokens of permission {position}", request.subject_token.name()),
            ),
            Reach::RequestedToken => self.refuse(
                Reason::RequestedTokenTypeNotPermitted,
                &format!(
                    "add {} to requestedTokens of permission {position}",
                    request.requested_token.name()
                ),
            ),
            Reach::Expired | Reach::Covers => {
                self.refuse(Reason::PermissionExpired, &format!("renew expires of permission {position}"))
            }
        }
    }

    fn refuse(&self, reason: Reason, text: &str) -> Refusal {
        let Audience { name, owner, .. } = self.audience;
        Refusal::new(reason, format!("audiences file of {name} (owner {owner}): {text}"))
    }
}

/// One contract that satisfies every audience.
fn merge(
    request: &Request<'_>,
    requested: Option<&Scope>,
    terms: Vec<(&Audience, Names, RoleTerms)>,
) -> Result<Contract, Refusal> {
    let mut merged: Option<Contract> = None;
    for (audience, scopes, roles) in terms {
        let within = audience.token.within_subject.then_some(request.subject_expires);
        let one = Contract {
            client: request.client.to_owned(),
            subject: request.subject.to_owned(),
            requested: request.requested_token,
            audiences: BTreeSet::from([audience.name.clone()]),
            roles: vec![roles],
            realm_roles: audience.roles.realm.clone(),
            scope_permitted: scopes,
            scope_requested: requested.cloned(),
            lifetime: audience.token.lifetime.max(SignedDuration::ZERO),
            expires_by: within,
            binding: request.claims.get("cnf").cloned(),
            claims: audience.token.claims.clone(),
            issuance: audience.issuance,
        };
        merged = Some(match merged {
            None => one,
            Some(mut all) => {
                all.audiences.extend(one.audiences);
                all.roles.extend(one.roles);
                all.realm_roles = &all.realm_roles & &one.realm_roles;
                all.scope_permitted = all.scope_permitted.intersection(&one.scope_permitted);
                all.lifetime = all.lifetime.min(one.lifetime);
                all.expires_by = all.expires_by.or(one.expires_by);
                all.claims = all.claims.intersection(&one.claims);
                if one.issuance == Issuance::Reissue {
                    all.issuance = Issuance::Reissue;
                }
                all
            }
        });
    }
    merged.ok_or_else(|| Refusal::new(Reason::AudienceMissing, "the request names no audience"))
}

fn nothing() -> Names {
    Names::Listed(BTreeSet::new())
}

#[cfg(test)]
mod tests;
