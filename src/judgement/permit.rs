//! Stage 4: the only maker of a permit.

pub mod renewal;

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::renewal::{Handed, RememberedToken, Renewal};
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::Parsed;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::decide::{Decision, decide};
use crate::judgement::policy::model::{Demands, Issuance, Policy};
use crate::judgement::policy::request::{Actor, ExchangeRequest, Impersonated};
use crate::judgement::policy::scopes::OFFLINE;
use crate::judgement::token::checked::CheckedToken;
use crate::judgement::token::presented::{Presenter, TokenRole};
use crate::judgement::token::{SubjectChecks, Validated};
use crate::words::oauth::confirmation::{Binding, Evidence};
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// The proof that a request was judged and allowed, with the contract that its answer must meet.
/// Only [`Permit::decide`] and [`Permit::renew`] make one.
#[derive(Debug)]
pub struct Permit {
    validated: Validated,
    decision: Decision,
}

/// Where a request is judged, and what is known besides its tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// The realm's name in the configuration.
    pub realm: &'a str,
    /// The realm's `iss`.
    pub realm_issuer: &'a str,
    /// The user that the request wants to become, as the directory knows him.
    pub impersonate: Option<Impersonated<'a>>,
    /// Claims that the dialect carries over into a token that we sign.
    pub carried: &'a [&'a str],
    /// Claims that the dialect gives a minted token where the subject token has none.
    pub defaults: &'a [(&'a str, &'a str)],
    /// Whether the dialect leaves out `offline_access` where it is not permitted.
    pub drop_offline: bool,
}

/// What a refresh asks for, and how the tokens of its exchange are checked again.
#[derive(Clone, Copy, Debug)]
pub struct RefreshContext<'a> {
    /// The scope that the refresh asks for.
    pub scope: Option<&'a Scope>,
    /// The checks of the subject token.
    pub subject: SubjectChecks<'a>,
    /// The checks of the actor token, if there was one.
    pub actor: Option<SubjectChecks<'a>>,
    /// What the caller of the refresh has shown.
    pub evidence: Evidence<'a>,
}

/// A request that policy does not allow, and why: `refusal.detail` says what is missing in which audience's file.
#[derive(Debug)]
pub struct Denied {
    /// The cause.
    pub refusal: Refusal,
    /// The request, for audit.
    pub validated: Validated,
}

impl Permit {
    /// Judges a request in a realm against what the audiences' owners say.
    pub fn decide(
        validated: Validated,
        policy: &Policy,
        circumstances: &Circumstances<'_>,
        now: Timestamp,
    ) -> Result<Self, Box<Denied>> {
        let (binding, realm) = (validated.subject().binding().claim(), circumstances.realm);
        if validated.authenticated().parsed().requested_subject().is_some() != circumstances.impersonate.is_some() {
            let refusal = Refusal::new(Reason::Internal, "who is to be impersonated was not looked up");
            return Err(Box::new(Denied { refusal, validated }));
        }
        let request = request(&validated, validated.scope(), binding.as_ref(), circumstances);
        let mut decided = decide(policy, realm, &request, now);
        if validated.authenticated().parsed().prefers_refresh() {
            let request = ExchangeRequest { requested_token: TokenType::RefreshToken, ..request };
            decided = with_refresh(decide(policy, realm, &request, now), decided);
        }
        match decided {
            Ok(decision) => Ok(Self { validated, decision }),
            Err(refusal) => Err(Box::new(Denied { refusal, validated })),
        }
    }

    /// Judges an exchange that was allowed before, against what the audiences' owners say now. What they no longer permit
    /// of the scope that was granted is left out, unless the refresh asks for it by name; what was not granted then is not
    /// granted now, whatever they permit.
    pub fn renew(
        validated: Validated,
        renewal: &Renewal,
        policy: &Policy,
        circumstances: &Circumstances<'_>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let (asked, granted) = (validated.scope(), renewal.scope());
        let binding = validated.subject().binding().claim();
        let decide_for = |scope: Option<&Scope>| {
            let request = request(&validated, scope, binding.as_ref(), circumstances);
            decide(policy, renewal.realm(), &request, now)
        };
        let wanted = asked.unwrap_or(&granted);
        let (mut decision, scope) = match decide_for(Some(wanted)) {
            Err(Refusal { reason: Reason::ScopeNotPermitted | Reason::OfflineNotPermitted, .. }) if asked.is_none() => {
                let permitted = decide_for(None)?.contract.scope_permitted;
                let left = wanted.filtered(|token| permitted.contains(token));
                (decide_for(Some(&left))?, left)
            }
            decision => (decision?, wanted.clone()),
        };
        let (made, now_made) = (renewal.issuance(), decision.contract.issuance.as_str());
        if made != now_made {
            return Err(Refusal::new(
                Reason::RefreshTokenInvalid,
                format!("it came with issuance {made}, and the permissions say {now_made} now: exchange anew"),
            ));
        }
        // Said even where it is empty: "nothing was asked for" would mean all that is permitted.
        decision.contract.scope_requested = Some(scope);
        if let Some(local) = renewal.local_subject() {
            decision.contract = decision.contract.for_local_subject(local, circumstances.realm_issuer)?;
        }
        Ok(Self { validated, decision })
    }

    /// Names the client's service account in a token for API access, as its callers know the account. Other grants keep
    /// their subject.
    pub fn name_service_account(&mut self) {
        if self.validated.authenticated().parsed().grant() == Grant::ApiAccess {
            self.decision.contract.subject = Some(format!("service-account-{}", self.client()));
        }
    }

    /// The first refresh token of a family, for this exchange in `realm`. The whole family ends at `expires`.
    pub fn first_renewal(
        &self,
        realm: &str,
        family: String,
        handed: Handed<'_>,
        now: Timestamp,
        expires: Timestamp,
    ) -> Renewal {
        Renewal {
            realm: realm.to_owned(),
            client: self.client().to_owned(),
            family,
            generation: 0,
            began: now.as_second(),
            issued: now.as_second(),
            expires: expires.as_second(),
            issuance: self.issuance().as_str().to_owned(),
            audiences: self.audiences().to_vec(),
            scope: handed.scope.to_string(),
            subject: RememberedToken::of(self.validated.subject()),
            actor: self.validated.actor().map(RememberedToken::of),
            local_subject: handed.local_subject,
            upstream: handed.upstream,
            token: handed.token,
            binding: self.contract().binding.clone(),
        }
    }

    /// The refresh token that follows `last` in its family. What it may ask for does not change (RFC 6749 section 6); its
    /// end may only come sooner.
    pub fn next_renewal(&self, last: Renewal, handed: Handed<'_>, now: Timestamp, expires: Timestamp) -> Renewal {
        Renewal {
            generation: last.generation.saturating_add(1),
            issued: now.as_second(),
            expires: last.expires.min(expires.as_second()),
            upstream: handed.upstream.or(last.upstream),
            token: handed.token,
            binding: self.contract().binding.clone(),
            ..last
        }
    }

    /// What the answer must look like.
    pub fn contract(&self) -> &Contract {
        &self.decision.contract
    }

    /// How the answer is made.
    pub fn issuance(&self) -> Issuance {
        self.decision.contract.issuance
    }

    /// What must be found out about the subject token before the answer is made.
    pub fn demands(&self) -> Demands {
        self.decision.demands
    }

    /// Whether a refresh token was asked for beside the access token, and is permitted.
    pub fn refresh(&self) -> bool {
        self.decision.refresh
    }

    /// How long after this exchange refresh tokens may be good, however often they are used.
    pub fn refresh_lifetime(&self) -> SignedDuration {
        self.decision.refresh_lifetime
    }

    /// What the identity provider is asked for. It issues no JWT of no profile: an access token becomes one with us.
    pub fn upstream_type(&self) -> TokenType {
        match self.contract().requested {
            _ if self.refresh() => TokenType::RefreshToken,
            _ => self.contract().upstream_type(),
        }
    }

    /// The request as the identity provider is asked: without `offline_access` where that was left out.
    pub fn asked_upstream(&self) -> Cow<'_, Parsed> {
        let parsed = self.validated.authenticated().parsed();
        let has_it = |scope: Option<&Scope>| scope.is_some_and(|scope| scope.contains(OFFLINE));
        if has_it(parsed.scope()) && !has_it(self.contract().scope_requested.as_ref()) {
            Cow::Owned(parsed.without_scope(OFFLINE))
        } else {
            Cow::Borrowed(parsed)
        }
    }

    /// The audiences, named or meant by a resource, each once: what goes upstream.
    pub fn audiences(&self) -> &[String] {
        &self.decision.audiences
    }

    /// The permissions that applied: audience and position in its file, from 1.
    pub fn permissions(&self) -> &[(String, usize)] {
        &self.decision.permissions
    }

    /// The requesting client's id.
    pub fn client(&self) -> &str {
        &self.decision.contract.client
    }

    /// The request and its subject token.
    pub fn validated(&self) -> &Validated {
        &self.validated
    }
}

/// A refresh token is welcome, but nothing is refused for its sake that is allowed without, and nothing more demanded.
fn with_refresh(refresh: Result<Decision, Refusal>, plain: Result<Decision, Refusal>) -> Result<Decision, Refusal> {
    // A session that has ended would go on.
    let ends = |one: &Decision| one.contract.issuance == Issuance::Mint && one.demands.still_active;
    match (refresh, plain) {
        (Ok(refresh), Ok(plain)) if ends(&refresh) || !refresh.demands.within(plain.demands) => Ok(plain),
        (Ok(refresh), plain) if plain.is_ok() || !ends(&refresh) => Ok(refresh),
        (Err(refusal), Err(plain)) if plain.reason == Reason::RequestedTokenTypeNotPermitted => Err(refusal),
        (_, plain) => plain,
    }
}

fn request<'a>(
    validated: &'a Validated,
    scope: Option<&'a Scope>,
    binding: Option<&'a Value>,
    circumstances: &Circumstances<'a>,
) -> ExchangeRequest<'a> {
    let (parsed, subject) = (validated.authenticated().parsed(), validated.subject());
    ExchangeRequest {
        client: parsed.credentials().client_id(),
        issuer: subject.issuer(),
        provenance: subject.provenance(),
        subject_token: subject.kind(),
        requested_token: parsed.requested(),
        audiences: parsed.audiences(),
        resources: validated.resources(),
        scope,
        claims: subject.claims(),
        subject: subject.subject(),
        held: subject.held_by_client(),
        subject_expires: subject.expires(),
        binding,
        realm_issuer: circumstances.realm_issuer,
        actor: validated.actor().map(|actor| Actor {
            issuer: actor.issuer(),
            iss: actor.iss(),
            claims: actor.claims(),
            subject: actor.subject(),
            held: actor.held_by_client(),
            provenance: actor.provenance(),
            expires: actor.expires(),
        }),
        impersonate: circumstances.impersonate,
        carried: circumstances.carried,
        defaults: circumstances.defaults,
        drop_offline: circumstances.drop_offline,
    }
}

/// The tokens of the exchange that is being refreshed, held to what is configured now.
///
/// # Errors
/// The refresh asks for more than was granted, or a token does not hold any more.
pub fn remembered(
    authenticated: Authenticated,
    renewal: &Renewal,
    refresh: &RefreshContext<'_>,
    now: Timestamp,
) -> Result<Validated, Refusal> {
    if refresh.scope.is_some_and(|asked| !asked.is_subset(&renewal.scope())) {
        return Err(Refusal::new(Reason::ScopeNotPermitted, "the refresh asks for more than was granted"));
    }
    let presenter = Presenter::of(&authenticated, refresh.evidence);
    let binding = renewal.binding().map(Binding::of).transpose()?.unwrap_or_default();
    let subject = renewal.subject_token(binding).ok_or_else(unreadable)?;
    let subject = CheckedToken::of(subject, TokenRole::Subject, presenter, &refresh.subject, now)?;
    let mut actor = None;
    if renewal.actor_issuer().is_some() {
        let (token, checks) = renewal.actor_token().zip(refresh.actor.as_ref()).ok_or_else(unreadable)?;
        actor = Some(CheckedToken::of(token, TokenRole::Actor, presenter, checks, now)?);
    }
    Ok(Validated::renewed(authenticated, subject, actor, refresh.scope.cloned()))
}

fn unreadable() -> Refusal {
    Refusal::new(Reason::RefreshTokenInvalid, "the refresh token holds no subject token")
}

#[cfg(test)]
mod tests;
