//! What is common to all audiences of a request.

use jiff::civil::Date;

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
    /// The realm's name in the configuration.
    pub(super) realm: &'a str,
    /// The requested scope; `None` asks for whatever is permitted.
    pub(super) scope: Option<&'a Scope>,
    /// The requested scope tokens.
    pub(super) scopes: &'a [String],
    /// The subject token's scope, if the realm states it.
    pub(super) held: Option<&'a Scope>,
    /// What the new token says about delegation.
    pub(super) delegated: &'a Delegated,
    /// The day (UTC).
    pub(super) today: Date,
}

impl DecisionContext<'_> {
    /// Whether an issuance can exchange the subject token. Only Cambio knows a token that it minted for a foreign subject.
    pub(super) fn can_be_exchanged_with(&self, issuance: Issuance) -> bool {
        let minted = self.request.provenance == Provenance::CambioForForeign;
        issuance.takes(self.request.provenance.is_of_realm()) && (!minted || issuance == Issuance::Mint)
    }
}
