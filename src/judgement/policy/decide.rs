//! The judgement: one request against the audiences' files.
//!
//! Denied unless permitted. The permissions of an audience add up: those that cover the client, the subject token's
//! issuer and type and the requested type, have not expired and whose condition holds, permit together the union of
//! their scopes, and everything asked for must be in it. So another permission never takes away what was allowed, and
//! a removed one never allows more. A condition that can't be evaluated permits nothing and harms no other permission.
//! Which way the answer is made, and what is asked of the subject token besides, the module `choose` tells.
//!
//! What the subject token says about delegation binds before any permission is looked at. Of the permissions, those count
//! that let this actor act and these earlier ones have acted; and for impersonation those that are about it, and no others.
//!
//! Several audiences: each must allow by itself, and the one token for them all satisfies every one of them. It has the
//! shortest lifetime, the realm roles, scopes and claims that all of them let stay, and each audience's own roles.

mod choose;
mod judge;
mod merge;

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::judgement::policy::contract::Contract;
pub use crate::judgement::policy::delegation::Actor;
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::{Audience, Demands, Policy};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::scopes::OFFLINE;
use crate::judgement::policy::subject;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use choose::choose;
pub use judge::refreshable;
use judge::{Asked, Judge};
use merge::{Terms, merge};

/// What is asked for, by whom and with what.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The requesting client's id.
    pub client: &'a str,
    /// The subject issuer's name in the configuration.
    pub issuer: &'a str,
    /// Who issued the subject token.
    pub provenance: Provenance,
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
    /// Whether the realm's own subject token was issued to the client, or for it.
    pub held: bool,
    /// The subject token's `exp`.
    pub subject_expires: Timestamp,
    /// The `cnf` that binds the new token: what the subject token is bound to, or the key that the caller has shown.
    pub binding: Option<&'a Value>,
    /// The realm's `iss`.
    pub realm_issuer: &'a str,
    /// Who acts for the subject.
    pub actor: Option<Actor<'a>>,
    /// Whom the new token is to be about in the place of the subject.
    pub impersonate: Option<Impersonated<'a>>,
    /// Claims that a token that we sign may carry besides those that the audience's file lists.
    pub carried: &'a [&'a str],
    /// Claims that a minted token has with this text where the subject token has none.
    pub defaults: &'a [(&'a str, &'a str)],
    /// Whether the scope [`OFFLINE`] is left out where it is not permitted, and not refused.
    pub drop_offline: bool,
}

/// A user of the realm whom the subject is to become, as the directory knows him.
#[derive(Clone, Copy, Debug)]
pub struct Impersonated<'a> {
    /// His `sub`.
    pub subject: &'a str,
    /// What is known of him: `sub`, `preferred_username`, `email`…
    pub claims: &'a Map<String, Value>,
    /// Whether he has an administrator's role, so that nobody may become him.
    pub protected: bool,
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

/// Judges a request in a realm. Where [`Request::drop_offline`] says so and the scope [`OFFLINE`] is not permitted, or not
/// without demanding more of the subject token, it is as if it had not been asked for.
pub fn decide(
    policy: &Policy,
    realm: &str,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Decision, Refusal> {
    let audiences = targets(policy, realm, request)?;
    let delegated = Delegated::of(request)?;
    let today = now.to_zoned_datetime(TimeZone::UTC).date();
    let asked = request.scope.filter(|scope| !scope.is_empty());
    let judged = judge(policy, (realm, &audiences), request, (asked, &delegated), today);
    let Some(offline) = asked.filter(|asked| request.drop_offline && asked.contains(OFFLINE)) else {
        return judged;
    };
    // Nothing is refused for its sake that is allowed without, and nothing more demanded.
    let rest = offline.filtered(|token| token != OFFLINE);
    match (judged, judge(policy, (realm, &audiences), request, (Some(&rest), &delegated), today)) {
        (Ok(with), Ok(without)) if with.demands.within(without.demands) => Ok(with),
        (Ok(with), Err(_)) => Ok(with),
        (_, without) => without,
    }
}

/// The same for a scope; an empty one asks for nothing, and `None` for whatever is permitted.
fn judge(
    policy: &Policy,
    (realm, audiences): (&str, &[&Audience]),
    request: &Request<'_>,
    (scope, delegated): (Option<&Scope>, &Delegated),
    today: Date,
) -> Result<Decision, Refusal> {
    let scopes: Vec<String> = scope.into_iter().flat_map(Scope::iter).map(str::to_owned).collect();
    let held = held(audiences, request);
    let asked = Asked { scopes: &scopes, held: held.as_ref(), delegated, today };
    let mut judged = Vec::with_capacity(audiences.len());
    for audience in audiences {
        let judge = Judge::new(request, audience, asked);
        let applied = judge.applied()?;
        judged.push((judge, applied));
    }
    let choice = choose(&scopes, &judged)?;
    if let Some(requested) = request.impersonate.filter(|requested| requested.protected) {
        let detail = format!("the user {} has a role of realms.{realm}.adminRoles", requested.subject);
        return Err(Refusal::new(Reason::ImpersonationProtected, detail));
    }
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
            lifetime: choose::lifetime(applied, choice.demands, audience.token.lifetime),
            roles: judge.roles(realm, choice.issuance)?,
            set: judge.set()?,
        });
    }
    Ok(Decision {
        contract: merge(request, scope, &choice, subject, delegated, terms)?,
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

/// The scope of a subject token that the realm issued, where a permission means it by `"*"`. It is empty where the token
/// has none that can be read, and an ID token never has one: asking with it must not bring more than the access token.
fn held(audiences: &[&Audience], request: &Request<'_>) -> Option<Scope> {
    let ours = !request.provenance.is_foreign();
    let meant = || audiences.iter().flat_map(|one| &one.permissions).any(|one| one.scopes == Names::Any);
    if !ours || !meant() {
        return None;
    }
    let text = request.claims.get("scope").filter(|_| request.subject_token != TokenType::IdToken);
    let text = text.and_then(Value::as_str).unwrap_or_default();
    Some(Scope::parse(text).unwrap_or_default())
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
        Some(_) if request.provenance == Provenance::CambioForForeign => Ok(Some(request.subject.to_owned())),
        Some((judge, _)) if request.provenance.is_foreign() => {
            let rule = judge.audience().token.subject;
            subject::minted(rule, request, policy.usernames.get(request.issuer)).map(Some)
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests;
