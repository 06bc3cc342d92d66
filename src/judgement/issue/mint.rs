//! Mint: Cambio composes the token from the contract and the subject token, checks it against the contract and signs it.

use serde_json::Value;

use crate::judgement::client::verify::AuthenticatedClient;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::permit::Permit;
use crate::judgement::policy::contract::Issued;
use crate::judgement::policy::mint::Ingredients;
use crate::words::refusal::{Reason, Refusal};

use super::conformed::{Conformed, IssuedFacts};
use super::members::AnswerMembers;
use super::reissue::Signer;

/// Makes the token that the permit allows, for an authenticated client: no identity provider authenticates it later.
///
/// # Errors
/// When the proof is about another client, when the contract leaves nothing to issue, or when signing fails.
pub fn conform(
    permit: &Permit,
    proof: &AuthenticatedClient,
    from: &Ingredients<'_>,
    signer: &impl Signer,
) -> Result<Conformed, Refusal> {
    if proof.client_id() != permit.client() {
        return Err(Refusal::new(Reason::Internal, "the proof is about another client"));
    }
    let contract = permit.contract();
    let minted = contract.mint(permit.validated().subject().claims(), from)?;
    let scope = minted.scope.to_string();
    let (issued_token_type, token_type) = (contract.requested.urn(), contract.token_type());
    // The last lock: whatever minting did, the token passes the check.
    contract.check(&Issued {
        claims: &minted.claims,
        issuer: from.issuer,
        issued_token_type: Some(issued_token_type),
        token_type: Some(token_type),
        scope: Some(&scope),
        directory: None,
    })?;
    let token = signer
        .sign(&minted.claims, contract.header_typ())
        .map_err(|error| Refusal::new(Reason::SigningFailed, error))?;

    let lifetime = minted.expires.saturating_sub(from.now.as_second());
    // RFC 6749 section 5.1 and RFC 8693 section 2.2.1, in Keycloak's order.
    let mut members = AnswerMembers::default();
    members.set("access_token", token);
    members.set("expires_in", lifetime);
    members.set("refresh_expires_in", 0);
    members.set("token_type", token_type);
    members.set("not-before-policy", 0);
    if let Some(session) = minted.claims.get("sid").and_then(Value::as_str) {
        members.set("session_state", session);
    }
    members.set_scope(scope);
    match permit.validated().authenticated().parsed().grant() {
        Grant::TokenExchange => members.set("issued_token_type", issued_token_type),
        // Callers of these grants expect the answer of RFC 6749.
        Grant::JwtBearer | Grant::ApiAccess => {}
    }
    let facts = IssuedFacts::of_signed(contract, minted, signer.kid(), Vec::new());
    Ok(Conformed::new(members, facts))
}
