//! Stage 4: the decision. Only this file makes a permit.

mod circumstances;
mod decided;
pub mod preview;
pub mod renewal;
pub mod session;

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Map, Value};

pub use self::circumstances::Circumstances;
use self::decided::{check_issuance, decided, request};
use self::renewal::{Handed, RefreshEnds, RememberedToken, Renewal};
use self::session::SessionNeed;
use crate::judgement::dialect::TokenCustoms;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::Parsed;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::decide::{Decision, decide};
use crate::judgement::policy::model::{Issuance, Policy};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::{ExchangeRequest, WantedScope};
use crate::judgement::policy::scopes::OFFLINE;
use crate::judgement::token::checked::CheckedToken;
use crate::judgement::token::presented::{Presenter, TokenRole};
use crate::judgement::token::{SubjectChecks, Validated};
use crate::words::oauth::confirmation::{Binding, Evidence};
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// The proof that policy allowed a request, with the contract that its answer must meet.
/// Only [`Permit::decide`] and [`Permit::renew`] make one.
#[derive(Debug)]
pub struct Permit {
    validated: Validated,
    decision: Decision,
}

/// The proof that a permit was decided about the scope that the identity provider granted. Only [`Permit::settle`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Settled<'p>(&'p Permit);

/// What a refresh asks for, and how Cambio re-checks the tokens of its exchange.
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
    /// What the identity provider states about the user now; `None` for a foreign subject, whose issuer is not asked again.
    pub present: Option<&'a Map<String, Value>>,
    /// Claims of the dialect that are of access tokens only.
    pub access_only: &'a [&'a str],
    /// Whether the identity provider may name the user by another `sub` (`pairwiseSubjects`).
    pub pairwise: bool,
}

impl Permit {
    /// Judges a request against what the audiences' owners permit.
    pub fn decide(
        validated: Validated,
        policy: &Policy,
        circumstances: &Circumstances<'_>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let decision = decided(&validated, policy, circumstances, now)?;
        Ok(Self { validated, decision })
    }

    /// Judges an exchange that is being refreshed against what the audiences' owners permit now. A scope token that
    /// they no longer permit is left out, unless the refresh names it. A scope token that was not granted before is
    /// never granted.
    pub fn renew(
        validated: Validated,
        renewal: &Renewal,
        policy: &Policy,
        circumstances: &Circumstances<'_>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let granted = renewal.scope();
        let binding = validated.subject().binding().claim();
        let scope = match validated.scope() {
            Some(asked) if !asked.is_empty() => WantedScope::Exactly(asked),
            _ => WantedScope::AtMost(&granted),
        };
        let request = request(&validated, scope, binding.as_ref(), circumstances);
        // The exchange may have been another issuer's assertion's, which needs no `may_act`.
        let may_be_assertion =
            matches!(request.subject_token, TokenType::Jwt | TokenType::IdJag) && request.provenance.is_foreign();
        let needs_may_act = request.customs.needs_may_act && !may_be_assertion;
        let request = ExchangeRequest { customs: TokenCustoms { needs_may_act, ..request.customs }, ..request };
        let decision = decide(policy, renewal.realm(), &request, now)?;
        let (made, now_made) = (renewal.issuance(), decision.contract.issuance.as_str());
        if made != now_made {
            return Err(Refusal::new(
                Reason::RefreshTokenInvalid,
                format!("it came with issuance {made}, and the permissions say {now_made} now: exchange anew"),
            ));
        }
        Ok(Self { validated, decision })
    }

    /// Decides again for the scope that the identity provider granted, unless this is the scope of the decision. Conditions,
    /// role mappings and added claims see this scope. A scope token that the request did not ask for, or that no permission
    /// allows together with the others, is not in the contract.
    ///
    /// # Errors
    /// No permission holds for the granted scope; or only permissions with more demands or another issuance hold for the
    /// scope, which were not used.
    pub fn settle(
        &mut self,
        granted: &Scope,
        policy: &Policy,
        circumstances: &Circumstances<'_>,
        now: Timestamp,
    ) -> Result<Settled<'_>, Refusal> {
        let contract = &self.decision.contract;
        let available = match &contract.scope_requested {
            // Keycloak adds its default scopes, and Cambio can't take them out of a token that it forwards.
            Some(asked) if contract.issuance.signs() => granted.filtered(|token| asked.contains(token)),
            _ => granted.clone(),
        };
        if contract.scope_requested.as_ref() == Some(&available) {
            return Ok(Settled(self));
        }
        let binding = self.validated.subject().binding().claim();
        let request = request(&self.validated, WantedScope::AtMost(&available), binding.as_ref(), circumstances);
        let requested_token = if self.decision.refresh { TokenType::RefreshToken } else { request.requested_token };
        let request = ExchangeRequest { requested_token, drop_offline: false, ..request };
        let mut settled = decide(policy, circumstances.realm, &request, now)?;
        if settled.contract.issuance != self.issuance() || !settled.demands.within(self.decision.demands) {
            return Err(Refusal::new(
                Reason::ConditionNotMet,
                format!(
                    "the identity provider granted scope [{granted}], for which the permissions that were used do not hold"
                ),
            ));
        }
        settled.contract.subject = self.decision.contract.subject.take();
        settled.contract.refresh_family = self.decision.contract.refresh_family.take();
        self.decision = settled;
        Ok(Settled(self))
    }

    /// Makes the client's service account, by its user name, the subject of a token for API access. Other grants keep
    /// their subject.
    pub fn name_service_account(&mut self) {
        if self.validated.authenticated().parsed().grant() == Grant::ApiAccess {
            self.decision.contract.subject = Some(format!("service-account-{}", self.client()));
        }
    }

    /// The token is handed out with a refresh token of this family, and names the family. `granted` is the scope of the
    /// family, if there is one already.
    pub fn in_family(&mut self, family: &str, granted: Option<&Scope>) {
        let needs = self.session_need(granted.or(self.decision.contract.scope_requested.as_ref()));
        let contract = &mut self.decision.contract;
        contract.refresh_family = Some(family.to_owned());
        let is_own = contract.provenance == Provenance::Realm && contract.issuance == Issuance::Mint;
        contract.outlives_session = is_own && needs == SessionNeed::Nothing;
    }

    /// Which session of the user a refresh token with this scope needs, as long as the permissions are what they are.
    pub fn session_need(&self, granted: Option<&Scope>) -> SessionNeed {
        let offline = granted.is_some_and(|granted| granted.contains(OFFLINE));
        let subject = self.validated.subject();
        SessionNeed::of(subject.claims(), subject.kind(), offline && self.contract().scope_permitted.contains(OFFLINE))
    }

    /// The first refresh token of a family, for this exchange in `realm`.
    pub fn first_renewal(
        &self,
        realm: &str,
        family: String,
        handed: Handed<'_>,
        now: Timestamp,
        ends: RefreshEnds,
    ) -> Renewal {
        Renewal {
            realm: realm.to_owned(),
            client: self.client().to_owned(),
            family,
            generation: 0,
            began: now.as_second(),
            issued: now.as_second(),
            expires: ends.token.min(ends.family).as_second(),
            latest: Some(ends.family.as_second()),
            issuance: self.issuance().as_str().to_owned(),
            audiences: self.audiences().to_vec(),
            scope: handed.scope.to_string(),
            subject: RememberedToken::of(self.validated.subject()),
            actor: self.validated.actor().map(RememberedToken::of),
            upstream: handed.upstream,
            keeper: handed.keeper,
            binding: self.contract().binding.clone(),
        }
    }

    /// The refresh token that follows `last` in its family. Its scope does not change (RFC 6749 section 6). The family's end
    /// may only come sooner. Within the family, each use of the identity provider's refresh token may prolong its session.
    pub fn next_renewal(&self, last: Renewal, handed: Handed<'_>, now: Timestamp, ends: RefreshEnds) -> Renewal {
        let latest = last.latest().min(ends.family.as_second());
        Renewal {
            generation: last.generation.saturating_add(1),
            issued: now.as_second(),
            expires: latest.min(ends.token.as_second()),
            latest: Some(latest),
            upstream: handed.upstream.or(last.upstream),
            keeper: handed.keeper.or(last.keeper),
            binding: self.contract().binding.clone(),
            ..last
        }
    }

    /// Whether Cambio can issue the token in the way that was decided.
    ///
    /// # Errors
    /// Only `mint` can: for a token that Cambio signed, and for `api-access`.
    pub fn check_issuance(&self) -> Result<(), Refusal> {
        check_issuance(&self.validated, &self.decision)
    }

    /// What the answer must look like.
    pub fn contract(&self) -> &Contract {
        &self.decision.contract
    }

    /// How the answer is made.
    pub fn issuance(&self) -> Issuance {
        self.decision.contract.issuance
    }

    /// What policy decided.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// The token type that Cambio requests from the identity provider. The identity provider issues no JWT without a
    /// profile, so Cambio makes such a token from an access token.
    pub fn upstream_type(&self) -> TokenType {
        match self.contract().requested {
            _ if self.decision.refresh => TokenType::RefreshToken,
            _ => self.contract().upstream_type(),
        }
    }

    /// The request to the identity provider: without `offline_access` if the decision left it out.
    pub fn asked_upstream(&self) -> Cow<'_, Parsed> {
        let parsed = self.validated.authenticated().parsed();
        let has_it = |scope: Option<&Scope>| scope.is_some_and(|scope| scope.contains(OFFLINE));
        if has_it(parsed.scope()) && !has_it(self.contract().scope_requested.as_ref()) {
            Cow::Owned(parsed.without_scope(OFFLINE))
        } else {
            Cow::Borrowed(parsed)
        }
    }

    /// The audiences, requested by name or by resource, each once. Cambio sends them to the identity provider.
    pub fn audiences(&self) -> &[String] {
        &self.decision.audiences
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

impl<'p> Settled<'p> {
    /// The permit.
    pub fn permit(self) -> &'p Permit {
        self.0
    }

    /// What the answer must look like.
    pub fn contract(self) -> &'p Contract {
        self.0.contract()
    }
}

/// Re-checks the tokens of an exchange that is being refreshed against today's configuration and the present claims.
///
/// # Errors
/// The refresh asks for more than was granted, a token fails a check, or the present claims are another user's.
pub fn remembered(
    authenticated: Authenticated,
    renewal: &Renewal,
    refresh: &RefreshContext<'_>,
    now: Timestamp,
) -> Result<Validated, Refusal> {
    if refresh.scope.is_some_and(|asked| !asked.is_subset(&renewal.scope())) {
        return Err(Refusal::new(Reason::ScopeNotPermitted, "the refresh asks for more than was granted"));
    }
    let states_subject = |present: &Map<String, Value>| {
        let states =
            |name: &str, value: Option<&str>| value.is_some() && present.get(name).and_then(Value::as_str) == value;
        states("sub", Some(renewal.subject_id())) || refresh.pairwise && states("sid", renewal.subject_session())
    };
    if !refresh.present.is_none_or(states_subject) {
        return Err(Refusal::new(Reason::RefreshTokenInvalid, "the identity provider states claims of another user"));
    }
    let presenter = Presenter::of(&authenticated, refresh.evidence);
    let binding = renewal.binding().map(Binding::of).transpose()?.unwrap_or_default();
    let subject = renewal.subject_token(binding, refresh.present, refresh.access_only).ok_or_else(unreadable)?;
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
