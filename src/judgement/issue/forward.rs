//! Forward: the identity provider exchanges; its answer is checked against the contract and passed on.

use jiff::Timestamp;
use serde_json::Value;

use crate::judgement::permit::Settled;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::roles::RoleNames;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};

use super::answer::{UpstreamAnswer, Verified};
use super::conformed::{Conformed, IssuedFacts};

/// Checks the answer against the permit's contract. Its members stay as they are, except for tokens that nobody checked.
/// `token` is [`UpstreamAnswer::token`], verified with the realm's keys.
pub fn conform(
    settled: Settled<'_>,
    answer: UpstreamAnswer,
    token: &Verified<'_>,
    now: Timestamp,
) -> Result<Conformed, Refusal> {
    to_contract(settled.contract(), answer, token, now)
}

/// Checks the answer against a contract.
pub(super) fn to_contract(
    contract: &Contract,
    mut answer: UpstreamAnswer,
    token: &Verified<'_>,
    now: Timestamp,
) -> Result<Conformed, Refusal> {
    let issued = answer.issued(token);
    contract.check(&contract.renamed(issued))?;
    let number = |name: &str| token.claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (issued_at, expires) = (number("iat"), number("exp"));
    if expires <= now.as_second() {
        return Err(Refusal::new(Reason::AnswerLifetime, "the issued token has expired"));
    }
    let claim = |name: &str| token.claims.get(name).and_then(Value::as_str);
    let scope = claim("scope").or(issued.scope).and_then(|text| Scope::parse(text).ok()).unwrap_or_default();
    let roles = RoleNames::read(token.claims)?;
    let facts = IssuedFacts {
        subject: contract.subject.clone(),
        roles_before: roles.clone(),
        roles_granted: roles,
        scope_granted: scope,
        lifetime: expires - issued_at,
        expires,
        jti: claim("jti").map(str::to_owned),
        kid: token.kid.to_owned(),
        dropped_claims: Vec::new(),
        dropped_members: answer.drop_other_tokens(),
    };
    answer.rename_token(contract);
    Ok(Conformed::new(answer.into_members(), facts))
}
