//! The identity provider exchanges; its answer is narrowed to the contract and signed again with the realm's key.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::judgement::exchange::grant::Grant;
use crate::judgement::permit::Permit;
use crate::judgement::policy::contract::{Contract, DPOP, Issued, is_bound_to_key};
use crate::words::refusal::{Reason, Refusal};

use super::answer::Answer;
use super::{Conformed, Facts, Verified};

/// The realm's key, as far as this module needs it.
pub trait Signer {
    /// The key's `kid`.
    fn kid(&self) -> &str;

    /// Signs claims into a compact JWS; the error names the fault, never the claims.
    /// The header has this `typ`.
    fn sign(&self, claims: &Map<String, Value>, typ: &str) -> Result<String, String>;
}

/// Narrows the token to the permit's contract, holds the result to the contract like any other token, and signs it.
/// `token` is [`Answer::token`], verified with the realm's keys. The original is not handed out; `jti` stays.
pub fn conform(
    permit: &Permit,
    answer: Answer,
    token: &Verified<'_>,
    signer: &impl Signer,
    now: Timestamp,
) -> Result<Conformed, Refusal> {
    to_contract(permit.contract(), answer, token, signer, now, Grant::TokenExchange)
}

/// The same for a contract, however it came about.
pub(super) fn to_contract(
    contract: &Contract,
    mut answer: Answer,
    token: &Verified<'_>,
    signer: &impl Signer,
    now: Timestamp,
    grant: Grant,
) -> Result<Conformed, Refusal> {
    let issued = answer.issued(token);
    let narrowed = contract.narrow(&issued, now)?;
    let scope = narrowed.scope.to_string();
    let bound_to_key = is_bound_to_key(&narrowed.claims);
    let token_type = if bound_to_key { Some(DPOP) } else { issued.token_type };
    // The last lock: whatever narrowing does, what leaves passes the check.
    let issued = Issued { claims: &narrowed.claims, scope: Some(&scope), token_type, ..issued };
    contract.check(&contract.renamed(issued))?;
    let reissued = signer
        .sign(&narrowed.claims, contract.header_typ())
        .map_err(|error| Refusal::new(Reason::SigningFailed, error))?;

    let issued_at = token.claims.get("iat").and_then(Value::as_i64).unwrap_or_default();
    let facts = Facts {
        subject: contract.subject.clone(),
        roles_before: narrowed.roles_before,
        roles_granted: narrowed.roles,
        scope_requested: contract.scope_requested.clone(),
        scope_granted: narrowed.scope,
        lifetime: narrowed.expires - issued_at,
        expires: narrowed.expires,
        jti: token.claims.get("jti").and_then(Value::as_str).map(str::to_owned),
        kid: signer.kid().to_owned(),
        dropped_claims: narrowed.dropped,
        dropped_members: answer.drop_other_tokens(),
    };
    answer.rename_token(contract);
    if grant == Grant::JwtBearer {
        // The answer of RFC 6749 section 5.1, which this grant's callers know.
        answer.remove("issued_token_type");
    }
    answer.set("access_token", Value::String(reissued));
    answer.set("expires_in", Value::from(narrowed.expires.saturating_sub(now.as_second())));
    answer.set("scope", Value::String(scope));
    if bound_to_key {
        answer.set("token_type", Value::from(DPOP));
    }
    Ok(Conformed { body: answer.write()?, facts })
}
