//! Translate: a grant turned a foreign subject token into one of the identity provider's tokens (RFC 7523), which was
//! exchanged. The answer is narrowed to the contract and signed again.

use jiff::Timestamp;
use serde_json::Value;

use crate::judgement::permit::{Permit, Settled};
use crate::words::refusal::{Reason, Refusal};

use super::answer::{UpstreamAnswer, Verified};
use super::conformed::Conformed;
use super::reissue::{Signer, to_contract};

/// The local user to whom the identity provider maps the foreign subject.
#[derive(Debug)]
pub struct LocalSubject(String);

impl LocalSubject {
    /// The user's `sub`.
    pub fn id(&self) -> &str {
        &self.0
    }

    /// Reads the token that the grant gave, whose signature was verified with the realm's keys. The token must be an
    /// access token for the requesting client.
    pub fn of(permit: &Permit, granted: &Verified<'_>) -> Result<Self, Refusal> {
        let claim = |name: &str| granted.claims.get(name).and_then(Value::as_str);
        if claim("typ") != Some("Bearer") {
            return Err(Refusal::new(Reason::AnswerTokenType, "the grant gave no access token"));
        }
        if claim("azp") != Some(permit.client()) {
            return Err(Refusal::new(Reason::AnswerAudience, "azp of the grant is not the requesting client"));
        }
        match claim("sub") {
            Some(subject) if !subject.is_empty() => Ok(Self(subject.to_owned())),
            _ => Err(Refusal::new(Reason::AnswerSubject, "the grant gave a token without sub")),
        }
    }
}

/// Narrows the exchanged token to the permit's contract for the local user.
pub fn conform(
    settled: Settled<'_>,
    local: &LocalSubject,
    answer: UpstreamAnswer,
    token: &Verified<'_>,
    signer: &impl Signer,
    now: Timestamp,
) -> Result<Conformed, Refusal> {
    let contract = settled.contract().for_local_subject(&local.0, token.issuer)?;
    to_contract(&contract, answer, token, signer, now, settled.permit().validated().authenticated().parsed().grant())
}
