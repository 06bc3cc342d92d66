//! What the caller has shown besides credentials: a `DPoP` proof and a client certificate.

mod certificate;
mod dpop;

use super::case::Case;
use crate::judgement::client::certificate::ClientCertificate;
use crate::judgement::token::dpop::{DpopProof, ProofTarget};
use crate::words::oauth::confirmation::Evidence;
use crate::words::refusal::Refusal;
use crate::words::secret::Secret;

/// Who sends a token, as far as the sender has proved it. A bound token must be bound to this sender.
pub struct Sender {
    proof: Option<DpopProof>,
    certificate_thumbprint: Option<String>,
}

impl Sender {
    /// What a token's binding is compared with.
    pub fn evidence(&self) -> Evidence<'_> {
        let certificate_thumbprint = self.certificate_thumbprint.as_deref();
        Evidence { jkt: self.proof.as_ref().map(DpopProof::jkt), certificate_thumbprint }
    }
}

impl Case<'_> {
    /// Who sends `token` to this place. The sender's `DPoP` proof is spent.
    ///
    /// # Errors
    /// The proof or the certificate does not hold, or the store can't tell whether the proof was used before.
    pub async fn sender(&mut self, token: &Secret, place: ProofTarget) -> Result<Sender, Refusal> {
        let proof = self.dpop_proof(token, place).await?;
        let certificate = self.client_certificate()?;
        let certificate_thumbprint = certificate.as_deref().map(ClientCertificate::thumbprint_s256);
        Ok(Sender { proof, certificate_thumbprint })
    }
}
