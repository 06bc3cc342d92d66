//! One exchange for a subject token, where a permission asks for it.

use jiff::SignedDuration;

use crate::adapters::store::{MarkKey, MarkKind};
use crate::edge::gateway::case::Case;
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::words::refusal::{Reason, Refusal};

/// Most bytes of a `jti`: what is longer is no id.
const MAX_JTI: usize = 1024;

impl Case<'_> {
    /// Spends a subject token of `issuer` (its `iss`): the first exchange goes on, every other one is refused until nobody
    /// accepts the token any more. The token is spent at the last moment before a token is issued. If none is issued then,
    /// the subject token is spent all the same, since giving it back could let two exchanges through.
    ///
    /// # Errors
    /// The token has no `jti`, it was spent before, or the store can't tell.
    pub(in crate::edge::gateway) async fn spend_subject_token(
        &self,
        issuer: &str,
        token: &VerifiedToken,
        leeway: SignedDuration,
    ) -> Result<(), Refusal> {
        let key = key(issuer, token)?;
        let until = token.expires().saturating_add(leeway).unwrap_or(token.expires());
        match self.services.store.claim(&key, until).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Refusal::new(Reason::SubjectTokenUsed, "oneTime: the token's jti was used before")),
            Err(error) => Err(Refusal::new(Reason::StoreUnavailable, format!("oneTime: {error}"))),
        }
    }
}

/// What names the token (RFC 7519 section 4.1.7: a `jti` is unique within its issuer).
fn key(issuer: &str, token: &VerifiedToken) -> Result<MarkKey, Refusal> {
    let wrong = |detail: &str| Refusal::new(Reason::SubjectTokenClaims, detail);
    let jti = claims::string(token.claims(), "jti").map_err(|error| wrong(&error.to_string()))?;
    let jti = jti
        .filter(|jti| !jti.is_empty())
        .ok_or_else(|| wrong("oneTime: the token has no jti, by which one use could be told from another"))?;
    if jti.len() > MAX_JTI {
        return Err(wrong("oneTime: the token's jti is longer than 1024 bytes"));
    }
    Ok(MarkKey::new(MarkKind::SubjectToken, &[issuer, jti]))
}
