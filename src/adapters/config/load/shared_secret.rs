//! The secret that a foreign issuer shares with Cambio, for tokens with an HMAC.

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::files::{Holds, contents, line, warn_if_public};
use super::problem::At;
use crate::words::secret::Secret;

/// The HMAC algorithms, and the least bytes of their keys: the size of the hash (RFC 7518 section 3.2).
const ALGORITHMS: [(&str, usize); 3] = [("HS256", 32), ("HS384", 48), ("HS512", 64)];

/// Whether this algorithm takes a shared secret.
pub(super) fn is_hmac(algorithm: &str) -> bool {
    ALGORITHMS.iter().any(|(name, _)| *name == algorithm)
}

/// The secret in the file `path`, for tokens with these algorithms, which must all be HMACs. `at` is the issuer.
pub(super) fn shared_secret(path: &str, algorithms: &[String], at: &At<'_>) -> Option<Secret> {
    let mut fit = true;
    for (at, _) in at.field("algorithms").items(algorithms).filter(|(_, name)| !is_hmac(name)) {
        at.problem(
            "a secret verifies HS256, HS384 and HS512 only, and hmacSecretFile is given: write algorithms: [HS256]",
        );
        fit = false;
    }
    let at = at.field("hmacSecretFile");
    let file = at.report.resolve(path);
    let bytes = contents(&file, path, Holds::Anything, &at)?;
    let shown = at.shown(path);
    let Some(text) = line(&bytes) else {
        return at.refuse(format!("the file {shown} must hold the secret in one line of text"));
    };
    if is_public_key(text) {
        return at.refuse(format!("the file {shown} holds a key or a certificate, which others know: it is no secret"));
    }
    let least = ALGORITHMS.iter().filter(|(name, _)| algorithms.iter().any(|one| one == name));
    let least = least.map(|(_, bytes)| *bytes).max().unwrap_or(32);
    if text.len() < least {
        let message =
            format!("the secret in {shown} is shorter than {least} bytes: whoever guesses it can make tokens");
        return at.refuse(message);
    }
    warn_if_public(&file, &format!("the secret {shown}"), &at);
    fit.then(|| Secret::new(text))
}

/// Whether the text is a JWK, or a key or certificate in PEM or in the base64 of DER.
fn is_public_key(text: &str) -> bool {
    let text = text.trim();
    text.starts_with(['{', '[']) || text.contains("-----BEGIN") || is_der(text)
}

/// Whether the text is base64 of one DER sequence.
fn is_der(text: &str) -> bool {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = [STANDARD, URL_SAFE].iter().find_map(|one| GeneralPurpose::new(one, config).decode(text).ok());
    let Some(der) = decoded else { return false };
    let rest = match der.as_slice() {
        [0x30, length @ 0..=0x7f, rest @ ..] if rest.len() == usize::from(*length) => rest,
        [0x30, 0x81, length, rest @ ..] if rest.len() == usize::from(*length) => rest,
        [0x30, 0x82, high, low, rest @ ..] if rest.len() == usize::from(u16::from_be_bytes([*high, *low])) => rest,
        _ => return false,
    };
    // A sequence, or an integer in the old form of an RSA key.
    matches!(rest.first(), Some(0x30 | 0x02))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_certificates_are_no_secrets() {
        let certificate = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
        let encoded = |der: &[u8]| base64::engine::general_purpose::STANDARD.encode(der);
        for (name, text, is_key) in [
            ("random text", "0123456789abcdef0123456789abcdef".to_owned(), false),
            ("random base64", encoded(&[7; 48]), false),
            ("base64 that begins like DER", encoded(&[0x30; 48]), false),
            ("JWK", r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#.to_owned(), true),
            ("JWK set", r#" {"keys":[]}"#.to_owned(), true),
            ("PEM in one line", certificate.cert.pem().replace('\n', " "), true),
            ("certificate", encoded(certificate.cert.der()), true),
            ("certificate, base64url", encoded(certificate.cert.der()).replace('+', "-").replace('/', "_"), true),
            ("public key", encoded(&rcgen::PublicKeyData::subject_public_key_info(&certificate.signing_key)), true),
            ("private key", encoded(certificate.signing_key.serialized_der()), true),
        ] {
            assert_eq!(is_public_key(&text), is_key, "{name}");
        }
    }
}
