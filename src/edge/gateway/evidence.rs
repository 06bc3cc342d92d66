//! The caller's evidence besides credentials: a `DPoP` proof (RFC 9449), which is good for one use, and a client
//! certificate.

mod certificate;

use http::HeaderValue;

use super::case::Case;
use crate::adapters::store::{MarkKey, MarkKind};
use crate::judgement::client::certificate::ClientCertificate;
use crate::judgement::token::dpop::{self, DpopProof, DpopRules, ProofRequest, ProofTarget, UnspentProof};
use crate::words::oauth::confirmation::Evidence;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// The proved sender of a token. A bound token must be bound to this sender.
pub struct Sender {
    proof: Option<SenderProof>,
    certificate_thumbprint: Option<String>,
}

/// A `DPoP` proof that was checked.
enum SenderProof {
    /// It is used up when the client is proven.
    Unspent(UnspentProof),
    Spent(DpopProof),
}

impl Sender {
    /// The evidence that a token's binding is compared with.
    pub fn evidence(&self) -> Evidence<'_> {
        let certificate_thumbprint = self.certificate_thumbprint.as_deref();
        let jkt = self.proof.as_ref().map(|proof| match proof {
            SenderProof::Unspent(proof) => proof.jkt(),
            SenderProof::Spent(proof) => proof.jkt(),
        });
        Evidence { jkt, certificate_thumbprint }
    }
}

impl Case<'_> {
    /// The sender of `token` to this place. The sender's `DPoP` proof is used up, unless the client is not proven yet:
    /// then [`Case::use_up_proof`] does so later.
    ///
    /// # Errors
    /// The proof or the certificate is invalid, or the store does not say whether the proof was used before.
    pub async fn sender(&mut self, token: &Secret, place: ProofTarget) -> Result<Sender, Refusal> {
        let proof = self.dpop_proof(token, place)?.map(SenderProof::Unspent);
        let certificate = self.client_certificate()?;
        let certificate_thumbprint = certificate.as_deref().map(ClientCertificate::thumbprint_s256);
        let mut sender = Sender { proof, certificate_thumbprint };
        if !self.client.is_unproven() {
            self.use_up_proof(&mut sender).await?;
        }
        Ok(sender)
    }

    /// Uses up the sender's `DPoP` proof, if that was not done before.
    ///
    /// # Errors
    /// The proof was used before, or the store does not say whether it was: a replayed proof proves nothing.
    pub async fn use_up_proof(&self, sender: &mut Sender) -> Result<(), Refusal> {
        let unspent = match sender.proof.take() {
            Some(SenderProof::Unspent(unspent)) => unspent,
            other => {
                sender.proof = other;
                return Ok(());
            }
        };
        let key = MarkKey::new(MarkKind::DpopProof, &unspent.once());
        let first = self.services.store.claim(&key, unspent.until()).await;
        let first = first.map_err(|error| {
            Refusal::new(
                Reason::StoreUnavailable,
                format!("it is unknown whether the DPoP proof was used before: {error}"),
            )
        })?;
        sender.proof = Some(SenderProof::Spent(unspent.spent(first)?));
        Ok(())
    }

    /// The proof that came with `token`, if any. The answer then carries the realm's next nonce.
    ///
    /// # Errors
    /// The proof is invalid.
    fn dpop_proof(&mut self, token: &Secret, place: ProofTarget) -> Result<Option<UnspentProof>, Refusal> {
        let Some(proof) = dpop::header(&self.head.headers)? else { return Ok(None) };
        let (config, now) = (&self.realm.config, self.services.now());
        let nonces = self.realm.nonces.as_ref().map(|key| key.of(&config.name));
        if let Some(nonces) = nonces {
            // Base64url is always a header value.
            self.record.next_nonce(HeaderValue::from_str(&nonces.fresh(now)).ok());
        }
        let urls = self.realm.origins.urls(self.head.uri.path());
        let request = ProofRequest { method: &self.head.method, urls: &urls, token, place };
        let rules = DpopRules {
            algorithms: &config.dpop.algorithms,
            window: config.dpop.window,
            leeway: config.tokens.leeway,
            nonces,
        };
        Ok(Some(dpop::check(proof, &request, &rules, now)?))
    }
}
