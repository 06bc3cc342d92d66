//! What would be decided if the tokens of a request were valid: for people who ask, never for an answer to a caller.
//!
//! The checks and the decision are those of the gate. Only the signatures of the tokens are not checked, so nothing here gives
//! a [`Permit`](super::Permit) away.

use jiff::Timestamp;

use super::circumstances::Circumstances;
use super::decided::{check_issuance, decided, request};
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::policy::decide::Decision;
use crate::judgement::policy::decide::trace::{PermissionTrace, trace};
use crate::judgement::policy::model::Policy;
use crate::judgement::policy::request::WantedScope;
use crate::judgement::policy::suggest::{Possible, Suggestion, suggest};
use crate::judgement::token::checked::{CheckedToken, TokenSource};
use crate::judgement::token::presented::{PresentedToken, Presenter};
use crate::judgement::token::{SubjectChecks, Validated};
use crate::words::refusal::Refusal;

/// A request whose tokens were checked but for their signatures. `Debug` shows no token.
#[derive(Debug)]
pub struct Supposed(Validated);

/// What the request is decided against.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The realm, and what is known besides the tokens.
    pub circumstances: &'a Circumstances<'a>,
    /// The time.
    pub now: Timestamp,
}

impl Supposed {
    /// Checks the tokens of a request, signatures aside. Each token is checked with what `checks` gives for its `iss`. A caller
    /// is supposed to be the sender to whom a token is bound.
    ///
    /// # Errors
    /// A token can't be read, its issuer is not trusted, or a check other than that of the signature fails.
    pub fn new<'c>(
        authenticated: Authenticated,
        checks: impl Fn(&str) -> Result<SubjectChecks<'c>, Refusal>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let check = |presented: PresentedToken<'_>| {
            let token = presented.read()?;
            let checks = checks(token.issuer()).map_err(|refusal| presented.role.refusal(refusal))?;
            let binding = token.binding()?;
            let presenter = Presenter::of(&authenticated, binding.as_evidence());
            let source = TokenSource::Supposed { kind: presented.kind_of(&token), token };
            CheckedToken::of(source, presented.role, presenter, &checks, now)
        };
        let subject = check(PresentedToken::subject(authenticated.parsed()))?;
        let actor = PresentedToken::actor(authenticated.parsed()).map(check).transpose()?;
        let validated = Validated::new(authenticated, subject)?;
        Ok(Self(match actor {
            Some(actor) => validated.with_actor(actor),
            None => validated,
        }))
    }

    /// The subject token.
    pub fn subject(&self) -> &CheckedToken {
        self.0.subject()
    }

    /// The parameter `subject_issuer`.
    pub fn subject_issuer(&self) -> Option<&str> {
        self.0.authenticated().parsed().subject_issuer()
    }

    /// The actor token, if one came.
    pub fn actor(&self) -> Option<&CheckedToken> {
        self.0.actor()
    }

    /// Decides the request as the gate does.
    ///
    /// # Errors
    /// The refusal of the gate.
    pub fn decide(&self, grounds: Grounds<'_>) -> Result<Decision, Refusal> {
        self.decide_under(grounds.policy, grounds)
    }

    /// What each permission that names the client says. Conditions see the scope of the decision or, if the request is
    /// refused, the requested scope.
    pub fn trace(&self, grounds: Grounds<'_>, decision: Option<&Decision>) -> Vec<PermissionTrace> {
        let scope = decision.map_or(self.0.scope(), |decision| decision.contract.scope_requested.as_ref());
        let binding = self.0.subject().binding().claim();
        let wanted = self.0.scope().map_or(WantedScope::Any, WantedScope::Exactly);
        let request = request(&self.0, wanted, binding.as_ref(), grounds.circumstances);
        let scope = scope.filter(|scope| !scope.is_empty());
        trace(grounds.policy, grounds.circumstances.realm, &request, scope, grounds.now)
    }

    /// The smallest permissions that would allow the request; `None`: it is allowed, or no permission can allow it.
    pub fn suggest(&self, grounds: Grounds<'_>, possible: Possible) -> Option<Vec<Suggestion>> {
        let binding = self.0.subject().binding().claim();
        let wanted = self.0.scope().map_or(WantedScope::Any, WantedScope::Exactly);
        let request = request(&self.0, wanted, binding.as_ref(), grounds.circumstances);
        let decide = |policy: &Policy| self.decide_under(policy, grounds).map(|_| ());
        suggest(grounds.policy, grounds.circumstances.realm, &request, possible, decide)
    }

    fn decide_under(&self, policy: &Policy, grounds: Grounds<'_>) -> Result<Decision, Refusal> {
        let decision = decided(&self.0, policy, grounds.circumstances, grounds.now)?;
        check_issuance(&self.0, &decision)?;
        Ok(decision)
    }
}
