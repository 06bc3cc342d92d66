//! A request whose tokens were checked.

use jiff::Timestamp;

use super::checked::{CheckedToken, TokenSource};
use super::checks::SubjectChecks;
use super::presented::{PresentedToken, Presenter};
use super::requested::RequestedAccess;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::Verifier;
use crate::words::oauth::confirmation::Evidence;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};

/// A request whose subject token, and actor token if one came, were checked: now, or when the exchange that is being
/// refreshed was allowed.
#[derive(Debug)]
pub struct Validated {
    authenticated: Authenticated,
    subject: CheckedToken,
    actor: Option<CheckedToken>,
    requested: RequestedAccess,
}

/// Checks a request whose subject token is a JWT, with the keys at hand.
pub fn validate(
    authenticated: Authenticated,
    keys: &KeySet,
    checks: &SubjectChecks<'_>,
    evidence: Evidence<'_>,
    now: Timestamp,
) -> Result<Validated, Refusal> {
    let incoming = PresentedToken::subject(authenticated.parsed());
    let token = incoming.read()?;
    let source = TokenSource::Jwt { kind: incoming.kind_of(&token), token, keys: Verifier::Keys(keys) };
    let presenter = Presenter::of(&authenticated, evidence);
    let subject = CheckedToken::of(source, incoming.role, presenter, checks, now)?;
    Validated::new(authenticated, subject)
}

impl Validated {
    /// The request with its subject token, which was checked for the request's client.
    ///
    /// # Errors
    /// The request asks for what an ID-JAG does not grant, or `subject_issuer` names another issuer.
    pub(crate) fn new(authenticated: Authenticated, subject: CheckedToken) -> Result<Self, Refusal> {
        let requested = RequestedAccess::of(authenticated.parsed(), &subject)?;
        let named = authenticated.parsed().subject_issuer().filter(|_| !subject.token().is_opaque());
        // Callers who name an issuer rely on it.
        if named.is_some_and(|named| named != subject.issuer() && named != subject.iss()) {
            let detail = "subject_issuer is not the token's iss";
            return Err(Refusal::new(Reason::SubjectTokenClaims, detail));
        }
        Ok(Self { authenticated, subject, actor: None, requested })
    }

    /// The request with the token of the actor, which was checked for the request's client.
    #[must_use]
    pub(crate) fn with_actor(self, actor: CheckedToken) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// A refresh with the tokens of the exchange that is being refreshed.
    pub(crate) fn renewed(
        authenticated: Authenticated,
        subject: CheckedToken,
        actor: Option<CheckedToken>,
        scope: Option<Scope>,
    ) -> Self {
        let requested = RequestedAccess { resources: Vec::new(), scope };
        Self { authenticated, subject, actor, requested }
    }

    /// The request and its client.
    pub fn authenticated(&self) -> &Authenticated {
        &self.authenticated
    }

    /// The subject token.
    pub fn subject(&self) -> &CheckedToken {
        &self.subject
    }

    /// The actor token, if one came.
    pub fn actor(&self) -> Option<&CheckedToken> {
        self.actor.as_ref()
    }

    /// The resources asked for: those of the request, or the resource that an ID-JAG names.
    pub fn resources(&self) -> &[String] {
        &self.requested.resources
    }

    /// The scope asked for: that of the request, or that of an ID-JAG.
    pub fn scope(&self) -> Option<&Scope> {
        self.requested.scope.as_ref()
    }
}
