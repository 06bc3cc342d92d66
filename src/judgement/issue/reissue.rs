//! Reissue: the identity provider exchanges; its answer is narrowed to the contract and signed again with the realm's key.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::judgement::exchange::grant::Grant;
use crate::judgement::permit::Settled;
use crate::judgement::policy::claim_names::is_bound_to_key;
use crate::judgement::policy::contract::{Contract, DPOP, Issued};
use crate::words::refusal::{Reason, Refusal};

use super::answer::{UpstreamAnswer, Verified};
use super::conformed::{Conformed, IssuedFacts};

/// A key that signs tokens.
pub trait Signer {
    /// The key's `kid`.
    fn kid(&self) -> &str;

    /// Signs claims as a compact JWS with `typ` in its header. The error names the fault, never the claims.
    fn sign(&self, claims: &Map<String, Value>, typ: &str) -> Result<String, String>;
}

/// Narrows the token to the permit's contract, checks the result against the contract like any other token, and signs it.
/// `token` is [`UpstreamAnswer::token`], verified with the realm's keys. The original token is not handed out. Its `jti` stays.
pub fn conform(
    settled: Settled<'_>,
    answer: UpstreamAnswer,
    token: &Verified<'_>,
    signer: &impl Signer,
    now: Timestamp,
) -> Result<Conformed, Refusal> {
    to_contract(settled.contract(), answer, token, signer, now, Grant::TokenExchange)
}

/// Narrows the token to a contract.
pub(super) fn to_contract(
    contract: &Contract,
    mut answer: UpstreamAnswer,
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
    // The last lock: whatever narrowing did, the token passes the check.
    let issued = Issued { claims: &narrowed.claims, scope: Some(&scope), token_type, ..issued };
    contract.check(&contract.renamed(issued))?;
    let reissued = signer
        .sign(&narrowed.claims, token.header_typ(contract))
        .map_err(|error| Refusal::new(Reason::SigningFailed, error))?;

    let expires_in = narrowed.expires.saturating_sub(now.as_second());
    let facts = IssuedFacts::of_signed(contract, narrowed, signer.kid(), answer.drop_other_tokens());
    answer.rename_token(contract);
    let mut members = answer.into_members();
    if grant == Grant::JwtBearer {
        // The answer of RFC 6749 section 5.1, which this grant's callers know.
        members.take("issued_token_type");
    }
    members.set("access_token", reissued);
    members.set("expires_in", expires_in);
    members.set_scope(scope);
    if bound_to_key {
        members.set("token_type", DPOP);
    }
    Ok(Conformed::new(members, facts))
}
