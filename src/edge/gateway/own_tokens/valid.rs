//! Whether a token that Cambio signed holds now.

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;

use crate::edge::gateway::case::Case;
use crate::edge::gateway::replay::token_id;
use crate::judgement::jose::verify::{self, Expectations, VerifiedToken};
use crate::words::refusal::Refusal;
use crate::words::secret::Secret;

/// Everything that Cambio's keys sign with.
const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA];

impl Case<'_> {
    /// A token that Cambio signed and that holds now; `None` if it does not hold, for whatever reason.
    ///
    /// # Errors
    /// The store can't tell whether the token was revoked.
    pub(super) async fn valid_token(&self, token: &Secret) -> Result<Option<VerifiedToken>, Refusal> {
        let Some(verified) = self.unexpired_token(token) else { return Ok(None) };
        let revoked = self.is_revoked(&token_id(token, &verified)).await?;
        Ok(Some(verified).filter(|_| !revoked))
    }

    /// A token that Cambio signed for the realm and that has not expired.
    pub(super) fn unexpired_token(&self, token: &Secret) -> Option<VerifiedToken> {
        let (ring, issuer) = (self.realm.signing.as_ref()?, &self.realm.config.issuer);
        let expect = Expectations { issuer, algorithms: &ALGORITHMS, leeway: SignedDuration::ZERO };
        let (read, now) = (verify::peek(token.expose()).ok()?, self.services.now());
        // The holder of an old key must not be able to make tokens with it.
        read.kid().filter(|kid| ring.holds(kid, now))?;
        read.verify(ring.key_set(), &expect, now).ok()
    }
}
