//! What is common to all audiences of a request.

use jiff::civil::Date;

use crate::judgement::expression::StepBudget;
use crate::judgement::policy::delegation::Delegated;
use crate::judgement::policy::model::Issuance;
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::request::ExchangeRequest;
use crate::words::oauth::scope::Scope;

/// A request with what is known before any permission is looked at.
#[derive(Clone, Copy)]
pub(super) struct DecisionContext<'a> {
    /// The request.
    pub(super) request: &'a ExchangeRequest<'a>,
    /// The work that is left for expressions.
    pub(super) budget: &'a StepBudget,
    /// The realm's name in the configuration.
    pub(super) realm: &'a str,
    /// The subject token's scope, if the realm states it.
    pub(super) held: Option<&'a Scope>,
    /// What the new token says about delegation.
    pub(super) delegated: &'a Delegated,
    /// The day (UTC).
    pub(super) today: Date,
}

/// The scope for which expressions are evaluated.
#[derive(Clone, Copy)]
pub(super) enum GrantedScope<'a> {
    /// These scope tokens are granted.
    Exactly(&'a [String]),
    /// The scope is not known before the identity provider has answered, or before permissions are chosen. Expressions that
    /// look at the scope are not evaluated yet.
    Open,
}

impl<'a> GrantedScope<'a> {
    /// The scope tokens, as far as they are known.
    pub(super) fn tokens(self) -> &'a [String] {
        match self {
            Self::Exactly(tokens) => tokens,
            Self::Open => &[],
        }
    }
}

impl DecisionContext<'_> {
    /// Whether an issuance can exchange the subject token. Only Cambio knows a token that it minted for a foreign subject.
    pub(super) fn can_be_exchanged_with(&self, issuance: Issuance) -> bool {
        let minted = self.request.provenance == Provenance::CambioForForeign;
        issuance.takes(self.request.provenance.is_of_realm()) && (!minted || issuance == Issuance::Mint)
    }
}
