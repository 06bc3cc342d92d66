//! We issue: the token is composed from the contract and the subject token, held to the contract and signed.

use jiff::Timestamp;
use serde::Serialize;

use crate::judgement::client::verify::AuthenticatedClient;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::permit::Permit;
use crate::judgement::policy::contract::Issued;
use crate::judgement::policy::mint::Ingredients;
use crate::judgement::policy::roles::Roles;
use crate::words::refusal::{Reason, Refusal};

use super::reissue::Signer;
use super::{Conformed, Facts};

/// What a token is made with.
#[derive(Clone, Copy, Debug)]
pub struct Mint<'a, S> {
    /// The roles that the identity provider holds for the subject, where the contract's `directory` asks for them.
    pub directory: Option<&'a Roles>,
    /// The realm's active key.
    pub signer: &'a S,
    /// The realm's `iss`.
    pub issuer: &'a str,
    /// Now.
    pub now: Timestamp,
    /// The new token's `jti`: random, never used before.
    pub jti: &'a str,
}

/// The answer (RFC 6749 section 5.1, RFC 8693 section 2.2.1) in Keycloak's order.
#[derive(Serialize)]
struct Body<'a> {
    access_token: &'a str,
    expires_in: i64,
    refresh_expires_in: i64,
    token_type: &'static str,
    #[serde(rename = "not-before-policy")]
    not_before_policy: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_state: Option<&'a str>,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
}

/// Makes the token that the permit allows, for a client that proved who it is: nobody else will ask it.
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
    // The last lock: whatever composing does, what leaves passes the check.
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
    let body = Body {
        access_token: &token,
        expires_in: lifetime,
        refresh_expires_in: 0,
        token_type,
        not_before_policy: 0,
        session_state: minted.claims.get("sid").and_then(serde_json::Value::as_str),
        scope: &scope,
        issued_token_type: match permit.validated().authenticated().parsed().grant() {
            Grant::TokenExchange => Some(issued_token_type),
            // The answer of RFC 6749, which these grants' callers know.
            Grant::JwtBearer | Grant::ApiAccess => None,
        },
    };
    let body = serde_json::to_vec(&body)
        .map_err(|_| Refusal::new(Reason::Internal, "the answer can't be written"))?;
    let facts = Facts {
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
    Ok(Conformed { body, facts })
}
