//! TLS of outgoing connections, and the trust in callers' certificates.

/// The methods of a certificate verifier that check signatures, with the algorithms in the field `algorithms`.
macro_rules! verify_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

mod anybody;
pub mod peers;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::judgement::client::certificate::not_after;

/// Files of a certificate chain and its private key (PEM).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Certificate chain, the leaf first.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

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
    #[error("the system has no trusted certificates: name a bundle in the configuration")]
    NoRoots,
    /// A certificate or key does not fit.
    #[error("certificate or key: {0}")]
    Rustls(#[from] rustls::Error),
}

/// A client configuration that trusts the certificates in `ca`, or the system's, and shows the certificate `client`
/// on demand.
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
pub fn nobody() -> Result<ClientConfig, TlsError> {
    Ok(builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// A client configuration that accepts any certificate, for tools whose user wants this. The gate never uses it.
pub fn anybody() -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = Arc::new(anybody::Anybody::new(&provider));
    Ok(builder()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// The provider is named explicitly: if two providers are linked, the process-wide default panics.
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
    // One unreadable certificate among the system's hundred is acceptable; no readable certificate at all is not.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(TlsError::NoRoots) } else { Ok(roots) }
}

/// When the certificate in a file expires, the first one if it is a chain. `None` if the certificate can't be read.
pub fn expires(chain: &Path) -> Option<Timestamp> {
    not_after(certificates(chain).ok()?.first()?).ok()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let list: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<_, _>>).map_err(file(path))?;
    if list.is_empty() { Err(TlsError::Empty(path.to_owned())) } else { Ok(list) }
}

fn file(path: &Path) -> impl FnOnce(rustls_pki_types::pem::Error) -> TlsError {
    move |cause| TlsError::File { path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http_body_util::Full;
    use hyper::service::service_fn;
    use hyper_util::rt::TokioIo;
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::adapters::config::ServerAccess;
    use crate::adapters::jwks::fetch::{FetchError, Fetcher};
    use crate::adapters::jwks::source::Source;
    use crate::adapters::net::outgoing::OutgoingError;
    use crate::judgement::issue::key::{KeyKind, SigningKey, generate};

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path = std::env::temp_dir().join(format!("cambio-tls-{}", uuid::Uuid::new_v4()));
            std::fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            std::fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    #[tokio::test]
    async fn only_a_server_that_the_ca_vouches_for_is_asked() {
        let folder = Folder::new();
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = SigningKey::from_pem(generate(KeyKind::Ed25519).unwrap().expose().as_bytes()).unwrap();
        let set = json!({ "keys": [key.jwk()] }).to_string();

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let private = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: http::Uri = format!("https://{}/keys", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let set = set.clone();
                let service = service_fn(move |_| {
                    let answer =
                        http::Response::builder().status(StatusCode::OK).body(Full::<bytes::Bytes>::from(set.clone()));
                    async move { answer }
                });
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            }
        });

        let fetcher = |ca: &str| {
            let path = folder.write("ca.pem", ca);
            let access = ServerAccess { ca: Some(path), ..ServerAccess::default() };
            Fetcher::new(Source::Url { url: url.clone(), public: None }, &access).unwrap()
        };
        assert!(fetcher(&own.cert.pem()).fetch(None).await.unwrap().contains(key.kid()));
        let both = format!("{}{}", other.cert.pem(), own.cert.pem());
        assert!(fetcher(&both).fetch(None).await.is_ok());
        let refused = fetcher(&other.cert.pem()).fetch(None).await;
        assert!(matches!(refused, Err(FetchError::Outgoing(OutgoingError::Connection(_)))), "{refused:?}");
    }

    #[test]
    fn files_that_are_no_certificates_are_refused() {
        let folder = Folder::new();
        let good = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let certificate = folder.write("good.pem", &good.cert.pem());
        let key = folder.write("good.key", &good.signing_key.serialize_pem());
        let other_key = folder.write("other.key", generate(KeyKind::P256).unwrap().expose());
        let empty = folder.write("empty.pem", "");
        let missing = folder.0.join("missing.pem");
        let pair =
            |certificate: &Path, key: &Path| Some(KeyPair { certificate: certificate.to_owned(), key: key.to_owned() });
        let cases = [
            ("own CA", &certificate, None, true),
            ("missing CA", &missing, None, false),
            ("empty CA", &empty, None, false),
            ("key as CA", &key, None, false),
            ("client certificate", &certificate, pair(&certificate, &key), true),
            ("client key of another", &certificate, pair(&certificate, &other_key), false),
            ("client key missing", &certificate, pair(&certificate, &missing), false),
            ("client certificate empty", &certificate, pair(&empty, &key), false),
        ];
        for (name, ca, pair, good) in cases {
            assert_eq!(client(Some(ca), pair.as_ref()).is_ok(), good, "{name}");
        }
    }
}
