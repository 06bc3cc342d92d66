//! The ID token that the identity provider gives beside an access token, to a request with the scope `openid`.
//!
//! A forwarded ID token stays as it is. With the other issuances, Cambio signs the access token again, to which the ID
//! token's `at_hash` no longer fits: so Cambio narrows the ID token and signs it, too.

use jiff::Timestamp;

use super::answer::Verified;
use super::conformed::Conformed;
use super::reissue::Signer;
use crate::judgement::policy::contract::{Contract, Issued};
use crate::judgement::policy::model::Issuance;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// The scope that asks for an ID token (OpenID Connect Core 1.0 section 3.1.2.1).
pub const OPENID: &str = "openid";

/// An ID token of the identity provider, as received and verified.
#[derive(Clone, Copy)]
pub struct IdTokenBeside<'a> {
    /// The token as received.
    pub received: &'a Secret,
    /// The token, verified with the realm's keys.
    pub verified: Verified<'a>,
}

impl Conformed {
    /// Adds the ID token to an answer that meets `contract`, if the granted scope has `openid`. `signer` is not used with
    /// `forward`.
    ///
    /// # Errors
    /// The ID token does not meet the contract, or can't be signed. The refusal says that it is about the ID token.
    pub fn beside(
        self,
        token: IdTokenBeside<'_>,
        contract: &Contract,
        signer: Option<&impl Signer>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        if !self.facts().scope_granted.contains(OPENID) {
            return Ok(self);
        }
        let text = handed_out(token, contract, &self.facts().scope_granted.to_string(), signer, now);
        let text = text.map_err(|refusal| Refusal {
            detail: format!("the ID token beside the access token: {}", refusal.detail),
            ..refusal
        })?;
        Ok(self.with_id_token(&text))
    }
}

fn handed_out(
    token: IdTokenBeside<'_>,
    contract: &Contract,
    scope: &str,
    signer: Option<&impl Signer>,
    now: Timestamp,
) -> Result<String, Refusal> {
    let contract = contract.for_id_token();
    let issued = Issued {
        claims: token.verified.claims,
        issuer: token.verified.issuer,
        issued_token_type: Some(TokenType::IdToken.urn()),
        token_type: Some("N_A"),
        scope: Some(scope),
        directory: None,
    };
    if contract.issuance == Issuance::Forward {
        contract.check(&issued)?;
        return Ok(token.received.expose().to_owned());
    }
    let signer = signer.ok_or_else(|| Refusal::new(Reason::Internal, "no key to sign the ID token with"))?;
    let narrowed = contract.narrow(&issued, now)?;
    contract.check(&Issued { claims: &narrowed.claims, ..issued })?;
    signer.sign(&narrowed.claims, contract.header_typ()).map_err(|error| Refusal::new(Reason::SigningFailed, error))
}

#[cfg(test)]
mod tests;
