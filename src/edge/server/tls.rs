//! The listener's certificate and its renewal. New handshakes use new files. Bad files are rejected, and the last good
//! certificate stays. Open connections are not affected.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ServerConfig, ServerConnection};
use tokio_rustls::TlsAcceptor;

use crate::adapters::config::ClientCertificates;
use crate::adapters::drain;
use crate::adapters::metrics::Metrics;
use crate::adapters::tls::KeyPair;
use crate::adapters::tls::peers::Peers;
use crate::judgement::client::certificate::{ClientCertificate, not_after};

/// How often the files are read. Renewals come days before the old certificate expires.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a certificate can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}")]
pub struct ListenerCertificateError {
    /// The file.
    path: PathBuf,
    /// The file can't be read, is no PEM, lacks the certificate or key, or rustls can't use them together.
    cause: Box<dyn std::error::Error + Send + Sync>,
}

impl ListenerCertificateError {
    fn of<E: std::error::Error + Send + Sync + 'static>(path: &Path) -> impl Fn(E) -> Self {
        move |error| Self { path: path.to_owned(), cause: Box::new(error) }
    }
}

/// The result of reading the files again.
#[derive(Debug)]
pub enum Reload {
    /// The files are as they were.
    Unchanged,
    /// New handshakes use the new files.
    Used,
    /// The new files are unusable; the last good certificate stays.
    Rejected(ListenerCertificateError),
}

/// A certificate that follows its files.
#[derive(Debug)]
pub struct Certificate {
    files: Files,
    current: ArcSwap<Current>,
    /// SHA-256 of the files when they were last read, whether usable or not.
    seen: Mutex<Digests>,
}

/// Certificate and key, and, if callers are asked for certificates, the trusted authorities.
#[derive(Clone, Debug)]
struct Files {
    pair: KeyPair,
    clients: Option<ClientCertificates>,
}

/// What new handshakes use.
#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// `None` if callers are not asked for certificates.
    peers: Option<Peers>,
    /// When the certificate expires; `None` if that can't be read.
    expires: Option<Timestamp>,
}

/// The contents of the files: certificate, key, authorities.
struct Contents([Vec<u8>; 3]);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Digests([[u8; 32]; 3]);

impl Certificate {
    /// Reads the files; they must be usable.
    pub fn load(pair: &KeyPair, clients: Option<&ClientCertificates>) -> Result<Self, ListenerCertificateError> {
        let files = Files { pair: pair.clone(), clients: clients.cloned() };
        let (digests, contents) = read(&files)?;
        let current = ArcSwap::from_pointee(current(&files, &contents)?);
        Ok(Self { files, current, seen: Mutex::new(digests) })
    }

    /// The acceptor for the next handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    /// The certificate that a caller showed in its handshake, or in the handshake that it resumes; `None` without a
    /// certificate, or if it can't be read.
    pub fn shown(&self, handshake: &ServerConnection) -> Option<ClientCertificate> {
        let current = self.current.load();
        let (peers, chain) = (current.peers.as_ref()?, handshake.peer_certificates()?);
        let now = current.config.time_provider.current_time()?;
        peers.read(chain, now).inspect_err(|error| tracing::debug!(%error, "a caller's certificate")).ok()
    }

    /// Shows in the metrics when the certificate expires.
    pub(crate) fn show(&self, metrics: &Metrics) {
        if let Some(expires) = self.current.load().expires {
            metrics.certificate_expires("listen.tls", expires);
        }
    }

    /// Reads the files again.
    pub fn reload(&self) -> Reload {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (digests, contents) = match read(&self.files) {
            // A file that is missing for a moment, for instance while links are swapped, is reported once.
            Err(_) if *seen == Digests::default() => return Reload::Unchanged,
            Err(error) => {
                *seen = Digests::default();
                return Reload::Rejected(error);
            }
            Ok((digests, _)) if digests == *seen => return Reload::Unchanged,
            Ok(read) => read,
        };
        *seen = digests;
        match current(&self.files, &contents) {
            Ok(current) => {
                self.current.store(Arc::new(current));
                Reload::Used
            }
            Err(error) => Reload::Rejected(error),
        }
    }

    /// Follows the files until the drain begins.
    pub(crate) async fn follow(&self, mut watch: drain::DrainWatch, metrics: &Metrics) {
        loop {
            tokio::select! {
                () = watch.draining() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            match self.reload() {
                Reload::Unchanged => {}
                Reload::Used => {
                    tracing::info!(certificate = %self.files.pair.certificate.display(), "certificate replaced");
                    metrics.certificate_reloaded(true);
                    self.show(metrics);
                }
                Reload::Rejected(error) => {
                    tracing::error!(%error, "new certificate rejected; the last good one stays in use");
                    metrics.certificate_reloaded(false);
                }
            }
        }
    }
}

fn read(files: &Files) -> Result<(Digests, Contents), ListenerCertificateError> {
    let content = |path: &PathBuf| std::fs::read(path).map_err(ListenerCertificateError::of(path));
    let ca = files.clients.as_ref().and_then(|clients| clients.ca.as_ref());
    let ca = ca.map(content).transpose()?.unwrap_or_default();
    let contents = [content(&files.pair.certificate)?, content(&files.pair.key)?, ca];
    let digest = |content: &Vec<u8>| {
        let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, content);
        digest.as_ref().try_into().unwrap_or_default()
    };
    Ok((Digests(contents.each_ref().map(digest)), Contents(contents)))
}

/// aws-lc-rs, TLS 1.2 and 1.3, HTTP/2 before HTTP/1.1, resumption by tickets, no early data. Callers are asked for
/// certificates if the configuration says so; certificates stay optional.
fn current(files: &Files, contents: &Contents) -> Result<Current, ListenerCertificateError> {
    let Contents([chain, key, ca]) = contents;
    let clients = files.clients.as_ref();
    let files = &files.pair;
    let unusable = ListenerCertificateError::of(&files.certificate);
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .map_err(ListenerCertificateError::of(&files.certificate))?;
    let expires = chain.first().and_then(|leaf| not_after(leaf).ok());
    let key = PrivateKeyDer::from_pem_slice(key).map_err(ListenerCertificateError::of(&files.key))?;
    let peers = match clients {
        Some(ClientCertificates { ca: Some(path) }) => {
            Some(Peers::from_pem(ca).map_err(ListenerCertificateError::of(path))?)
        }
        Some(ClientCertificates { ca: None }) => Some(Peers::default()),
        None => None,
    };
    let verifier = peers.as_ref().map_or_else(WebPkiClientVerifier::no_client_auth, Peers::verifier);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(&unusable)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(&unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(&unusable)?;
    Ok(Current { config: Arc::new(config), peers, expires })
}
