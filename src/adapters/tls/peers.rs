//! Certificates of callers (RFC 8705), which are optional.
//!
//! The handshake accepts every certificate whose private key the caller proves to have. Whether an authority issued the
//! certificate is a fact about the connection, not a reason to close it: a client may be registered with a thumbprint
//! alone, and most callers need no certificate at all.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::TlsError;
use crate::judgement::client::certificate::{CertificateError, ClientCertificate};

/// The authorities whose client certificates are trusted.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// Without an authority, no certificate is trusted.
    authority: Option<Arc<dyn ClientCertVerifier>>,
}

impl Peers {
    /// Trusts certificates that the authorities in `ca` issued; without `ca`, none.
    pub fn load(ca: Option<&Path>) -> Result<Self, TlsError> {
        let Some(path) = ca else { return Ok(Self::default()) };
        Ok(Self::by(super::own_roots(path)?)?)
    }

    /// Trusts certificates that the authorities in `pem` issued.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(|error| Error::General(error.to_string()))?)?;
        }
        Self::by(roots)
    }

    fn by(roots: RootCertStore) -> Result<Self, Error> {
        let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
        Ok(Self { authority: Some(built.map_err(|error| Error::General(error.to_string()))?) })
    }

    /// Reads a caller's certificate, the leaf first. It is trusted at `now` if a chain of valid certificates leads to
    /// an authority and the certificate may be used for TLS clients. Revocation lists are not consulted.
    pub fn read(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<ClientCertificate, CertificateError> {
        let (leaf, others) = chain.split_first().ok_or(CertificateError)?;
        let verified =
            |authority: &Arc<dyn ClientCertVerifier>| authority.verify_client_cert(leaf, others, now).is_ok();
        ClientCertificate::read(leaf, self.authority.as_ref().is_some_and(verified))
    }

    /// The verifier for a listener's handshakes.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        let hints = self.authority.as_ref().map(|authority| authority.root_hint_subjects().to_vec());
        Arc::new(Holder { hints: hints.unwrap_or_default(), algorithms: provider().signature_verification_algorithms })
    }
}

/// Accepts every certificate whose holder has its private key.
#[derive(Debug)]
struct Holder {
    hints: Vec<DistinguishedName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Holder {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    /// Accepts: [`Peers::read`] decides about trust after the handshake.
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    verify_signatures!();
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
