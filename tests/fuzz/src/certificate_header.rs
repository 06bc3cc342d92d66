//! Client certificates that a proxy writes into a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cambio::judgement::client::certificate::{ClientCertificate, header};

/// A header's value, a line break, a second line with a chain. What is read is read again from Cambio's own writing of it,
/// and a certificate that parses says what it was made of.
pub fn check(input: &[u8]) {
    let (value, chain) = super::cut(input, b'\n');
    let Ok(certificates) = header::read(value, [chain].into_iter()) else { return };
    assert!(certificates.iter().all(|certificate| !certificate.is_empty()), "a certificate without a byte");
    if let [leaf, ..] = certificates.as_slice() {
        let written = format!(":{}:", STANDARD.encode(leaf));
        let again = header::read(written.as_bytes(), std::iter::empty());
        assert_eq!(again.as_deref(), Ok([leaf.clone()].as_slice()), "the leaf is another in RFC 9440's form");
        if let Ok(certificate) = ClientCertificate::read(leaf, false) {
            assert_eq!(certificate.der(), leaf);
            assert!(!certificate.is_trusted());
        }
    }
}
