//! Mint: Cambio composes the token from the contract and the subject token, checks it against the contract and signs it.

use jiff::Timestamp;
use serde_json::Value;

use crate::judgement::client::verify::AuthenticatedClient;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::permit::Permit;
use crate::judgement::policy::contract::Issued;
use crate::judgement::policy::mint::Ingredients;
use crate::judgement::policy::roles::RoleNames;
use crate::words::refusal::{Reason, Refusal};

use super::conformed::{Conformed, IssuedFacts};
use super::members::AnswerMembers;
use super::reissue::Signer;

/// What minting needs besides the permit.
#[derive(Clone, Copy, Debug)]
pub struct Mint<'a, S> {
    /// The subject's roles at the identity provider, if the contract's `directory` asks for them.
    pub directory: Option<&'a RoleNames>,
    /// The realm's active key.
    pub signer: &'a S,
    /// The realm's `iss`.
    pub issuer: &'a str,
    /// Now.
    pub now: Timestamp,
    /// The new token's `jti`: random, never used before.
    pub jti: &'a str,
}

/// Makes the token that the permit allows, for an authenticated client: no identity provider authenticates it later.
///
/// # Errors
/// When the proof is about another client, when the contract leaves nothing to issue, or when signing fails.
pub fn conform<S: Signer>(
    permit: &Permit,
    proof: &AuthenticatedClient,
    mint: &Mint<'_, S>,
) -> Result<Conformed, Refusal> {
    if proof.client_id() != permit.client() {
        return Err(Refusal::new(Reason::Internal, "the proof is about another client"));
    }
    let contract = permit.contract();
    let subject = permit.validated().subject().claims();
    let minted = contract.mint(&Ingredients {
        subject,
        directory: mint.directory,
        issuer: mint.issuer,
        now: mint.now,
        jti: mint.jti,
    })?;
    let scope = minted.scope.to_string();
    let (issued_token_type, token_type) = (contract.requested.urn(), contract.token_type());
    // The last lock: whatever minting did, the token passes the check.
    contract.check(&Issued {
        claims: &minted.claims,
        issuer: mint.issuer,
        issued_token_type: Some(issued_token_type),
        token_type: Some(token_type),
        scope: Some(&scope),
    })?;
    let token = mint
        .signer
        .sign(&minted.claims, contract.header_typ())
        .map_err(|error| Refusal::new(Reason::SigningFailed, error))?;

    let lifetime = minted.expires.saturating_sub(mint.now.as_second());
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
    members.set("scope", scope);
    match permit.validated().authenticated().parsed().grant() {
        Grant::TokenExchange => members.set("issued_token_type", issued_token_type),
        // Callers of these grants expect the answer of RFC 6749.
        Grant::JwtBearer | Grant::ApiAccess => {}
    }
    let facts = IssuedFacts {
        subject: contract.subject.clone(),
        roles_before: minted.roles_before,
        roles_granted: minted.roles,
        scope_requested: contract.scope_requested.clone(),
        scope_granted: minted.scope,
        lifetime,
        expires: minted.expires,
        jti: Some(mint.jti.to_owned()),
        kid: mint.signer.kid().to_owned(),
        dropped_claims: minted.dropped,
        dropped_members: Vec::new(),
    };
    Ok(Conformed::new(members, facts))
}
