//! Certificates of callers (RFC 8705): asked for, never demanded.
//!
//! The handshake lets every certificate through whose private key the caller proves to have. Whether an authority vouches
//! for it is a fact about the connection, not a reason to close it: a client may be known by its thumbprint alone, and
//! most callers need no certificate at all.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::TlsError;
use crate::judgement::client::certificate::{CertificateError, ClientCertificate};

/// Whom we believe about callers' certificates.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    /// Nobody, where there is none.
    authority: Option<Arc<dyn ClientCertVerifier>>,
}

impl Peers {
    /// Certificates by the authorities in `ca` are trusted; without it, none is.
    pub fn load(ca: Option<&Path>) -> Result<Self, TlsError> {
        let Some(path) = ca else { return Ok(Self::default()) };
        Ok(Self::by(super::own_roots(path)?)?)
    }

    /// The same from the bytes of the file.
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

    /// Reads a caller's certificate, the leaf first, and says whether it is trusted at `now`: a chain to an authority,
    /// all of it valid, and fit for TLS clients. Revocation lists are not looked at.
    pub fn read(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertificate, CertificateError> {
        let (leaf, others) = chain.split_first().ok_or(CertificateError)?;
        let verified =
            |authority: &Arc<dyn ClientCertVerifier>| authority.verify_client_cert(leaf, others, now).is_ok();
        ClientCertificate::read(leaf, self.authority.as_ref().is_some_and(verified))
    }

    /// For a listener's handshakes.
    pub fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        let hints = self.authority.as_ref().map(|authority| authority.root_hint_subjects().to_vec());
        Arc::new(Holder { hints: hints.unwrap_or_default(), provider: provider() })
    }
}

/// Lets every certificate through whose holder has its key.
#[derive(Debug)]
struct Holder {
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Holder {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    /// Not a decision: [`Peers::read`] makes it after the handshake.
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
