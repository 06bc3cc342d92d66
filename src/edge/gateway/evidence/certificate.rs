//! The certificate of the client that sent the request (RFC 8705): from its connection, or from a trusted proxy's
//! header.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use percent_encoding::percent_decode;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::edge::gateway::case::Case;
use crate::judgement::client::certificate::ClientCertificate;
use crate::words::refusal::{Reason, Refusal};

/// Longest value of the header in bytes.
const LONGEST: usize = 32 * 1024;
/// Most certificates in a chain.
const MOST: usize = 8;

impl Case<'_> {
    /// The client's certificate, if the client showed one. A trusted proxy's own certificate is not that of its
    /// caller: if the configuration names a header, only this header counts for requests through such a proxy.
    ///
    /// # Errors
    /// The header can't be read.
    pub fn client_certificate(&self) -> Result<Option<Cow<'_, ClientCertificate>>, Refusal> {
        let facts = self.connection.facts();
        let Some(name) = facts.certificate_header.as_ref().filter(|_| facts.trusted) else {
            return Ok(self.connection.client_certificate().map(Cow::Borrowed));
        };
        let malformed = |detail: &str| Refusal::new(Reason::CredentialsMalformed, format!("{name}: {detail}"));
        let mut lines = self.head.headers.get_all(name).iter();
        let Some(value) = lines.next().filter(|value| !value.is_empty()) else { return Ok(None) };
        if lines.next().is_some() || value.len() > LONGEST {
            return Err(malformed("more than one line, or longer than 32 KiB"));
        }
        let chain = match value.as_bytes() {
            sequence @ [b':', ..] => structured(sequence, &self.head.headers),
            text => escaped_pem(text),
        };
        let chain =
            chain.ok_or_else(|| malformed("neither RFC 9440's form nor a certificate in PEM, percent-encoded"))?;
        let seconds = u64::try_from(self.services.now().as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let read = self.generation.header_peers.read(&chain, now);
        read.map(|certificate| Some(Cow::Owned(certificate))).map_err(|error| malformed(&error.to_string()))
    }
}

/// RFC 9440 section 2: `Client-Cert` is a byte sequence (RFC 8941 section 3.3.5), `Client-Cert-Chain` a list of such.
fn structured(leaf: &[u8], headers: &HeaderMap) -> Option<Vec<CertificateDer<'static>>> {
    let mut chain = vec![sequence(leaf)?];
    for line in headers.get_all("client-cert-chain") {
        for member in line.as_bytes().split(|byte| *byte == b',') {
            if chain.len() == MOST {
                return None;
            }
            chain.push(sequence(member.trim_ascii())?);
        }
    }
    Some(chain)
}

fn sequence(text: &[u8]) -> Option<CertificateDer<'static>> {
    let encoded = text.strip_prefix(b":")?.strip_suffix(b":")?;
    STANDARD.decode(encoded).ok().map(CertificateDer::from)
}

/// nginx's `$ssl_client_escaped_cert`: one certificate in PEM, percent-encoded.
fn escaped_pem(text: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let pem: Vec<u8> = percent_decode(text).collect();
    let mut found = CertificateDer::pem_slice_iter(&pem);
    let leaf = found.next()?.ok()?;
    found.next().is_none().then(|| vec![leaf])
}
