//! A foreign subject token became one of the identity provider's own (RFC 7523), that one was exchanged, and the answer
//! is narrowed to the contract and signed again.

use jiff::Timestamp;
use serde_json::Value;

use crate::judgement::permit::Permit;
use crate::words::refusal::{Reason, Refusal};

use super::answer::Answer;
use super::reissue::{Signer, to_contract};
use super::{Conformed, Verified};

/// The local user that the identity provider took the foreign subject for.
#[derive(Debug)]
pub struct LocalSubject(String);

impl LocalSubject {
    /// Reads the token that the grant gave; its signature has been verified with the realm's keys. It must be an access
    /// token for the requesting client.
    pub fn of(permit: &Permit, granted: &Verified<'_>) -> Result<Self, Refusal> {
        let claim = |name: &str| granted.claims.get(name).and_then(Value::as_str);
        if claim("typ") != Some("Bearer") {
            return Err(Refusal::new(Reason::AnswerTokenType, "the grant gave no access token"));
        }
        if claim("azp") != Some(permit.client()) {
            return Err(Refusal::new(
                Reason::AnswerAudience,
                "azp of the grant is not the requesting client",
            ));
        }
        match claim("sub") {
            Some(subject) if !subject.is_empty() => Ok(Self(subject.to_owned())),
            _ => Err(Refusal::new(Reason::AnswerSubject, "the grant gave a token without sub")),
        }
    }
}

/// Holds the answer to the exchange of the granted token to the permit's contract, about that token's subject.
pub fn conform(
    permit: &Permit,
    local: &LocalSubject,
    answer: Answer,
    token: &Verified<'_>,
    signer: &impl Signer,
    now: Timestamp,
) -> Result<Conformed, Refusal> {
    let contract = permit.contract().for_local_subject(&local.0, token.issuer)?;
    to_contract(&contract, answer, token, signer, now, permit.validated().authenticated().parsed().grant())
}
