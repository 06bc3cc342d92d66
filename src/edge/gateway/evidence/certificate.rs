//! The certificate of the client that sent the request (RFC 8705): from its connection, or from a trusted proxy's
//! header.

use std::borrow::Cow;
use std::time::Duration;

use http::HeaderValue;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::edge::gateway::case::Case;
use crate::judgement::client::certificate::{ClientCertificate, header};
use crate::words::refusal::{Reason, Refusal};

/// Longest value of the header in bytes.
const LONGEST: usize = 32 * 1024;

impl Case<'_> {
    /// The client's certificate, if the client showed one. A trusted proxy's own certificate is not that of its
    /// caller: if the configuration names a header, only this header counts for requests through such a proxy.
    ///
    /// # Errors
    /// The header can't be read.
    pub fn client_certificate(&self) -> Result<Option<Cow<'_, ClientCertificate>>, Refusal> {
        let facts = self.connection.facts();
        let Some(name) = facts.proxies.certificate_header.as_ref().filter(|_| facts.trusted) else {
            return Ok(self.connection.client_certificate().map(Cow::Borrowed));
        };
        let malformed = |detail: &str| Refusal::new(Reason::CredentialsMalformed, format!("{name}: {detail}"));
        let mut lines = self.head.headers.get_all(name).iter();
        let Some(value) = lines.next().filter(|value| !value.is_empty()) else { return Ok(None) };
        if lines.next().is_some() || value.len() > LONGEST {
            return Err(malformed("more than one line, or longer than 32 KiB"));
        }
        let chain_lines = self.head.headers.get_all("client-cert-chain").iter().map(HeaderValue::as_bytes);
        let chain = header::read(value.as_bytes(), chain_lines).map_err(|error| malformed(&error.to_string()))?;
        if chain.is_empty() {
            return Ok(None);
        }
        let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
        let seconds = u64::try_from(self.services.now().as_second()).unwrap_or_default();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let read = self.generation.header_peers.read(&chain, now);
        read.map(|certificate| Some(Cow::Owned(certificate))).map_err(|error| malformed(&error.to_string()))
    }
}
