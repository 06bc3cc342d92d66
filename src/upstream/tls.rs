//! TLS towards the identity provider.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::config::KeyPair;
use crate::upstream::UpstreamSetupError;

/// A client configuration with aws-lc-rs, HTTP/1.1 by ALPN, own roots if there are any, and a client certificate.
pub(crate) fn client(
    ca: Option<&Path>,
    identity: Option<&KeyPair>,
) -> Result<ClientConfig, UpstreamSetupError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(ca.map_or_else(native_roots, own_roots)?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let key = PrivateKeyDer::from_pem_file(&pair.key).map_err(|error| pem(&pair.key, error))?;
            builder.with_client_auth_cert(certificates(&pair.certificate)?, key)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn own_roots(path: &Path) -> Result<RootCertStore, UpstreamSetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn native_roots() -> Result<RootCertStore, UpstreamSetupError> {
    let mut roots = RootCertStore::empty();
    // One unreadable certificate among the system's hundred is no reason to stop; none at all is.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(UpstreamSetupError::NoRoots) } else { Ok(roots) }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, UpstreamSetupError> {
    let chain = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| pem(path, error))?;
    if chain.is_empty() { Err(UpstreamSetupError::Empty { path: path.to_owned() }) } else { Ok(chain) }
}

fn pem(path: &Path, error: rustls::pki_types::pem::Error) -> UpstreamSetupError {
    UpstreamSetupError::Pem { path: path.to_owned(), error }
}
