//! The TLS client that fetches keys.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::KeyPair;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read or has no certificate or key in PEM.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: rustls_pki_types::pem::Error,
    },
    /// The file of trusted certificates has none.
    #[error("{0}: no certificate in it")]
    Empty(PathBuf),
    /// The system has no trusted certificates.
    #[error("the system's trusted certificates can't be loaded")]
    NoRoots,
    /// A certificate or key does not fit.
    #[error("certificate or key: {0}")]
    Rustls(#[from] rustls::Error),
}

/// A client configuration that trusts the certificates in `ca`, or the system's, and shows `client` if asked to.
pub fn client(ca: Option<&Path>, client: Option<&KeyPair>) -> Result<ClientConfig, TlsError> {
    let roots = match ca {
        Some(path) => own_roots(path)?,
        None => system_roots()?,
    };
    let builder = builder()?.with_root_certificates(roots);
    Ok(match client {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(file(&pair.key))?;
            builder.with_client_auth_cert(certificates(&pair.certificate)?, key)?
        }
    })
}

/// A client configuration that trusts nobody, for sources that need no TLS.
pub(super) fn nobody() -> Result<ClientConfig, TlsError> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// The provider is named, not taken from the process: with two linked, the process' default is a panic.
fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

fn own_roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(file(path))?;
    if list.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(list) }
}

fn file(path: &Path) -> impl FnOnce(rustls_pki_types::pem::Error) -> TlsError {
    move |cause| TlsError::File { path: path.to_owned(), cause }
}
