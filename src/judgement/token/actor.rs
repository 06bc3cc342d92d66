//! The actor token of a delegation (RFC 8693 sections 1.1 and 2.1): checked as a subject token is, for the same client.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::introspected::Answer;
use super::{SubjectChecks, Validated, check, check_introspected, fit, is_held_by, was_issued_to};
use crate::judgement::jose::claims;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::token::confirmation::Evidence;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// A token that was checked, and whose subject is to act for the subject of another one.
#[derive(Clone, Debug)]
pub struct ActorToken {
    token: VerifiedToken,
    issuer: String,
    own: bool,
    is_held: bool,
    ours: bool,
}

impl ActorToken {
    /// Checks an actor token that `client` presents.
    ///
    /// # Errors
    /// [`Reason::ActorTokenInvalid`], with what is wrong with it in the words of subject tokens. It may not be delegated
    /// itself: whose word would stand behind its own actors?
    pub fn check(
        token: (&Secret, TokenType),
        client: &str,
        keys: &KeySet,
        checks: &SubjectChecks<'_>,
        evidence: Evidence<'_>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        check(token, client, keys, checks, evidence, now)
            .and_then(|token| Self::of(token, client, checks))
            .map_err(about_the_actor)
    }

    /// The same for an opaque one, by what its issuer says about it.
    ///
    /// # Errors
    /// As [`ActorToken::check`].
    pub fn check_introspected(
        answer: &Answer,
        kind: TokenType,
        client: &str,
        checks: &SubjectChecks<'_>,
        evidence: Evidence<'_>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        check_introspected(answer, kind, client, checks, evidence, now)
            .and_then(|token| Self::of(token, client, checks))
            .map_err(about_the_actor)
    }

    /// One that was checked when the exchange that is renewed was allowed: what the configuration may have changed since
    /// is checked again.
    ///
    /// # Errors
    /// As [`ActorToken::check`].
    pub(crate) fn check_again(
        token: VerifiedToken,
        client: &str,
        checks: &SubjectChecks<'_>,
        evidence: Evidence<'_>,
    ) -> Result<Self, Refusal> {
        if claims::string(token.claims(), "iss") != Ok(Some(checks.issuer)) {
            return Err(Refusal::new(Reason::ActorTokenInvalid, "the actor's issuer has another iss now"));
        }
        fit(&token, client, checks, evidence)
            .and_then(|()| Self::of(token, client, checks))
            .map_err(about_the_actor)
    }

    /// The same without these claims, as [`Validated::forgetting`].
    #[must_use]
    pub fn forgetting(self, names: &BTreeSet<String>) -> Self {
        Self { token: self.token.without(names), ..self }
    }

    /// The token.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// Its claims.
    pub fn claims(&self) -> &Map<String, Value> {
        self.token.claims()
    }

    /// The name of its issuer in the configuration.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its `iss`; of an opaque one, the issuer that was asked.
    pub fn iss(&self) -> &str {
        self.claims().get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether it was issued to or for the client that presents it ([`Validated::is_held`]).
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// The same, by a key of ours.
    #[must_use]
    pub fn signed_by_us(self) -> Self {
        Self { ours: true, ..self }
    }

    /// Whether we signed it.
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    fn of(token: VerifiedToken, client: &str, checks: &SubjectChecks<'_>) -> Result<Self, Refusal> {
        if token.claims().contains_key("act") {
            return Err(Refusal::new(
                Reason::SubjectTokenDelegated,
                "it has act, and is no actor's own token",
            ));
        }
        let own = checks.audience.is_own();
        let is_held = !own || is_held_by(token.claims(), client)?;
        Ok(Self { token, issuer: checks.issuer_name.to_owned(), own, is_held, ours: false })
    }
}

impl Validated {
    /// The request with the actor whose token came with it.
    ///
    /// # Errors
    /// [`Reason::ActorTokenInvalid`]: the client is public, and the token, one of the realm's, was not issued to it.
    pub fn with_actor(self, actor: ActorToken) -> Result<Self, Refusal> {
        if actor.own && self.authenticated.is_public() {
            was_issued_to(actor.claims(), self.authenticated.client_id()).map_err(about_the_actor)?;
        }
        Ok(Self { actor: Some(actor), ..self })
    }

    /// The actor, if one came.
    pub fn actor(&self) -> Option<&ActorToken> {
        self.actor.as_ref()
    }

    /// The request, whose subject token was signed by a key of ours.
    #[must_use]
    pub fn signed_by_us(self) -> Self {
        Self { ours: true, ..self }
    }

    /// Whether we signed the subject token, in an earlier exchange. The identity provider does not know it then.
    pub fn is_ours(&self) -> bool {
        self.ours
    }

    /// The request as if the subject token had not these claims: what an audience's owner had us write into it is not the
    /// identity provider's word to another one.
    #[must_use]
    pub fn forgetting(self, names: &BTreeSet<String>) -> Self {
        Self { subject: self.subject.without(names), ..self }
    }

    /// The request about a subject of another issuer, whose name in the configuration is `issuer`: what came is a token
    /// that we minted for that subject.
    ///
    /// # Errors
    /// The token does not say so.
    pub fn originating_from(self, issuer: &str) -> Result<Self, Refusal> {
        match claims::string(self.subject.claims(), crate::judgement::policy::claim_names::SUBJECT_ISSUER) {
            Ok(Some(_)) => Ok(Self { issuer: issuer.to_owned(), own: false, settled: true, ..self }),
            _ => Err(Refusal::new(Reason::Internal, "the subject token names no other issuer")),
        }
    }

    /// Whether the subject token is one that we minted for a subject of another issuer: `sub` is what it became then.
    pub fn is_settled(&self) -> bool {
        self.settled
    }
}

/// A check that failed for the subject token's reason, told as the actor token's. What is not the token's fault stays.
pub(crate) fn about_the_actor(refusal: Refusal) -> Refusal {
    match refusal.reason {
        reason if reason.is_about_subject_token() => {
            Refusal::new(Reason::ActorTokenInvalid, format!("{reason}: {}", refusal.detail))
        }
        _ => refusal,
    }
}
