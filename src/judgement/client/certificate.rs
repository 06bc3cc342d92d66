//! A client's X.509 certificate (RFC 5280), as far as RFC 8705 needs it: its thumbprint and its names.
//!
//! The TLS handshake proves that the caller has the private key. The reader of the certificate says whether a trusted
//! authority vouches for its names.

pub mod header;

use std::net::IpAddr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Any, Decode as _, Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::time::Time;

/// The certificate that a caller showed. `Debug` shows its subject.
#[derive(Clone)]
pub struct ClientCertificate {
    der: Vec<u8>,
    thumbprint: [u8; 32],
    subject: DistinguishedName,
    alternatives: Vec<CertificateName>,
    not_before: Timestamp,
    not_after: Timestamp,
    trusted: bool,
}

/// The bytes are not an X.509 certificate that Cambio can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no X.509 certificate that can be read")]
pub struct CertificateError;

/// A name that identifies a certificate (RFC 8705 section 2.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// The subject.
    Subject(DistinguishedName),
    /// `dNSName`, in lower case.
    Dns(String),
    /// `uniformResourceIdentifier`, for instance a SPIFFE id.
    Uri(String),
    /// `iPAddress`
    Ip(IpAddr),
    /// `rfc822Name`
    Email(String),
}

/// A distinguished name. Names with equal attributes in the same order are equal, whatever string type the values have.
#[derive(Clone, Debug)]
pub struct DistinguishedName {
    /// The form of RFC 4514.
    text: String,
    /// Relative names in order, each with its attributes: type, value.
    relative: Vec<Vec<(String, Vec<u8>)>>,
}

impl ClientCertificate {
    /// Reads a certificate in DER. `trusted`: a chain of unexpired certificates leads to an authority that the
    /// configuration names for clients.
    pub fn read(der: &[u8], trusted: bool) -> Result<Self, CertificateError> {
        let certificate = Certificate::from_der(der).map_err(|_| CertificateError)?;
        let body = certificate.tbs_certificate();
        let alternatives = match body.get_extension::<SubjectAltName>().map_err(|_| CertificateError)? {
            Some((_, names)) => names.0.iter().filter_map(alternative).collect(),
            None => Vec::new(),
        };
        let validity = body.validity();
        Ok(Self {
            der: der.to_vec(),
            thumbprint: thumbprint(der),
            subject: DistinguishedName::of(body.subject()),
            alternatives,
            not_before: time(validity.not_before)?,
            not_after: time(validity.not_after)?,
            trusted,
        })
    }

    /// The certificate itself, in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// SHA-256 over the DER.
    pub fn thumbprint(&self) -> &[u8; 32] {
        &self.thumbprint
    }

    /// The value of `cnf.x5t#S256` (RFC 8705 section 3.1).
    pub fn thumbprint_s256(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.thumbprint)
    }

    /// The subject.
    pub fn subject(&self) -> &DistinguishedName {
        &self.subject
    }

    /// The names in the extension `subjectAltName`.
    pub fn alternatives(&self) -> &[CertificateName] {
        &self.alternatives
    }

    /// Whether an authority that the configuration names for clients vouched for the certificate when the caller
    /// showed it.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Whether the certificate is valid at `now`: a connection may outlive it.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// Whether the certificate has this name.
    pub fn has(&self, name: &CertificateName) -> bool {
        match name {
            CertificateName::Subject(subject) => self.subject == *subject,
            other => self.alternatives.contains(other),
        }
    }
}

/// The end of the validity of a certificate in DER.
pub fn not_after(der: &[u8]) -> Result<Timestamp, CertificateError> {
    let certificate = Certificate::from_der(der).map_err(|_| CertificateError)?;
    time(certificate.tbs_certificate().validity().not_after)
}

impl std::fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("subject", &self.subject.text)
            .field("trusted", &self.trusted)
            .finish_non_exhaustive()
    }
}

impl DistinguishedName {
    /// Reads the form of RFC 4514, for instance `CN=batch,O=Example`. `None` for another form and for an empty name.
    pub fn parse(text: &str) -> Option<Self> {
        let name: Name = text.parse().ok()?;
        (!name.is_empty()).then(|| Self::of(&name))
    }

    /// The form of RFC 4514.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn of(name: &Name) -> Self {
        let relative = name.iter_rdn().map(|relative| {
            let mut attributes: Vec<_> = relative.iter().map(|one| (one.oid.to_string(), value(&one.value))).collect();
            attributes.sort();
            attributes
        });
        Self { text: name.to_string(), relative: relative.collect() }
    }
}

impl PartialEq for DistinguishedName {
    fn eq(&self, other: &Self) -> bool {
        self.relative == other.relative
    }
}

impl Eq for DistinguishedName {}

/// SHA-256 over a certificate in DER.
pub fn thumbprint(der: &[u8]) -> [u8; 32] {
    digest(&SHA256, der).as_ref().try_into().unwrap_or_default()
}

/// The text of a string of any usual type. Other values give tag and bytes, which no text equals.
fn value(any: &Any) -> Vec<u8> {
    let text = match any.tag() {
        Tag::Utf8String => any.decode_as::<Utf8StringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::PrintableString => any.decode_as::<PrintableStringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::Ia5String => any.decode_as::<Ia5StringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        Tag::TeletexString => any.decode_as::<TeletexStringRef<'_>>().ok().map(|text| text.as_str().to_owned()),
        _ => None,
    };
    text.map_or_else(
        // No text has the byte 0xFF in it.
        || [&[0xFF][..], any.tag().to_string().as_bytes(), any.value()].concat(),
        String::into_bytes,
    )
}

fn alternative(name: &GeneralName) -> Option<CertificateName> {
    Some(match name {
        GeneralName::Rfc822Name(text) => CertificateName::Email(text.to_string()),
        GeneralName::DnsName(text) => CertificateName::Dns(text.as_str().to_ascii_lowercase()),
        GeneralName::UniformResourceIdentifier(text) => CertificateName::Uri(text.to_string()),
        GeneralName::IpAddress(bytes) => {
            let four = <[u8; 4]>::try_from(bytes.as_bytes()).map(IpAddr::from);
            CertificateName::Ip(four.or_else(|_| <[u8; 16]>::try_from(bytes.as_bytes()).map(IpAddr::from)).ok()?)
        }
        _ => return None,
    })
}

fn time(time: Time) -> Result<Timestamp, CertificateError> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| CertificateError)?;
    Timestamp::from_second(seconds).map_err(|_| CertificateError)
}

#[cfg(test)]
mod tests;
