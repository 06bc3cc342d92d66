//! The value of a header in which a proxy passes on its caller's certificate. The forms of the usual proxies begin
//! differently, so that the value shows which form it has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;

use super::thumbprint;

/// Most certificates in a chain.
const MOST: usize = 8;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Keys of an element of Envoy's `x-forwarded-client-cert`.
const XFCC_KEYS: [&str; 7] = ["by", "hash", "cert", "chain", "subject", "uri", "dns"];

/// What the messages say about the forms.
const FORMS: &str = "Cambio reads RFC 9440 (:base64:), PEM that is percent-encoded or has spaces or tabs for its line \
                     breaks (nginx, AWS, Apache), base64 of DER (HAProxy; several with commas between: Traefik) and \
                     Envoy's x-forwarded-client-cert with Cert or Chain";

/// Why a value can't be read. The text never repeats any part of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateHeaderError {
    /// The value has no known form.
    #[error("no known form: {FORMS}")]
    Unknown,
    /// The value begins like a form, and does not go on like it.
    #[error("malformed as {0}: {FORMS}")]
    Malformed(&'static str),
    /// Envoy's last element names a certificate only by its hash or its names.
    #[error(
        "the last element of Envoy's x-forwarded-client-cert has neither Cert nor Chain \
         (set_current_client_cert_details: cert)"
    )]
    NoCertificate,
    /// Envoy's hash is that of another certificate.
    #[error("Hash and Cert of Envoy's x-forwarded-client-cert are about two certificates")]
    Hash,
    /// The chain is too long.
    #[error("more than {MOST} certificates")]
    TooMany,
}

type Chain = Result<Vec<Vec<u8>>, CertificateHeaderError>;

/// The certificates of a header's value in DER, the leaf first; none if the proxy says that its caller showed none.
/// `chain_lines` are those of `Client-Cert-Chain`, which belongs to the form of RFC 9440.
pub fn read<'a>(value: &[u8], chain_lines: impl Iterator<Item = &'a [u8]>) -> Chain {
    let value = value.trim_ascii();
    // Apache writes `(null)` for a variable that is not set.
    if value.is_empty() || value == b"(null)" {
        return Ok(Vec::new());
    }
    let certificates = match value {
        [b':', ..] => structured(value, chain_lines)?,
        _ if is_xfcc(value) => xfcc(value)?,
        _ => encoded(value)?,
    };
    if certificates.iter().any(|der| der.first() != Some(&SEQUENCE)) {
        return Err(CertificateHeaderError::Malformed("DER"));
    }
    if certificates.len() > MOST { Err(CertificateHeaderError::TooMany) } else { Ok(certificates) }
}

/// RFC 9440 section 2: `Client-Cert` is a byte sequence (RFC 8941 section 3.3.5), `Client-Cert-Chain` a list of such.
fn structured<'a>(leaf: &[u8], chain_lines: impl Iterator<Item = &'a [u8]>) -> Chain {
    let sequence = |text: &[u8]| {
        let encoded = text.strip_prefix(b":").and_then(|text| text.strip_suffix(b":"));
        let der = encoded.and_then(|encoded| STANDARD.decode(encoded).ok());
        der.ok_or(CertificateHeaderError::Malformed("RFC 9440"))
    };
    // A proxy writes an empty list where there is no chain (RFC 8941 section 4.2).
    let chain_lines = chain_lines.filter(|line| !line.trim_ascii().is_empty());
    let others = chain_lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    std::iter::once(leaf).chain(others).take(MOST + 1).map(sequence).collect()
}

/// PEM, or base64 of DER without armour; with or without percent-encoding.
fn encoded(value: &[u8]) -> Chain {
    // An encoder of forms writes `+` for a space. All others keep `+`, or write `%2B`.
    let is_form = value.windows(17).any(|window| window == b"BEGIN+CERTIFICATE");
    let spaced: Vec<u8> = value.iter().map(|byte| if is_form && *byte == b'+' { b' ' } else { *byte }).collect();
    let plain: Vec<u8> = percent_decode(&spaced).collect();
    let text = std::str::from_utf8(&plain).map_err(|_| CertificateHeaderError::Unknown)?.trim();
    if text.starts_with("-----BEGIN") {
        return pem(text).ok_or(CertificateHeaderError::Malformed("PEM"));
    }
    let der = |text: &str| STANDARD.decode(text.trim()).ok().filter(|der| der.first() == Some(&SEQUENCE));
    text.split(',').take(MOST + 1).map(der).collect::<Option<_>>().ok_or(CertificateHeaderError::Unknown)
}

/// The first byte of every certificate in DER.
const SEQUENCE: u8 = 0x30;

/// Certificates in PEM, whatever space there is between and within their lines.
fn pem(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut certificates = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && certificates.len() <= MOST {
        let (body, after) = rest.strip_prefix(BEGIN)?.split_once(END)?;
        let bare: String = body.split_ascii_whitespace().collect();
        certificates.push(STANDARD.decode(bare).ok()?);
        rest = after.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
    }
    Some(certificates)
}

fn is_xfcc(value: &[u8]) -> bool {
    let key = value.split(|byte| *byte == b'=').next().unwrap_or_default();
    key.len() < value.len() && XFCC_KEYS.iter().any(|known| key.eq_ignore_ascii_case(known.as_bytes()))
}

/// The certificate in the last element, which is the one that the proxy itself wrote: with `APPEND_FORWARD`, those before
/// it are its caller's word.
fn xfcc(value: &[u8]) -> Chain {
    let malformed = CertificateHeaderError::Malformed("x-forwarded-client-cert");
    let text = std::str::from_utf8(value).map_err(|_| malformed)?;
    let element = last_element(text).ok_or(malformed)?;
    let certificates = |text: &str| {
        let plain: Vec<u8> = percent_decode(text.as_bytes()).collect();
        std::str::from_utf8(&plain).ok().and_then(|text| pem(text.trim())).ok_or(malformed)
    };
    let mut chain = element.chain.as_deref().map(&certificates).transpose()?.unwrap_or_default();
    if let Some(leaf) = element.cert.as_deref().map(&certificates).transpose()? {
        let [leaf] = <[Vec<u8>; 1]>::try_from(leaf).map_err(|_| malformed)?;
        // The chain begins with the leaf, too.
        chain.retain(|other| *other != leaf);
        chain.insert(0, leaf);
    }
    let leaf = chain.first().ok_or(CertificateHeaderError::NoCertificate)?;
    let digits = thumbprint(leaf).iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    match element.hash {
        Some(hash) if !hash.eq_ignore_ascii_case(&digits) => Err(CertificateHeaderError::Hash),
        _ => Ok(chain),
    }
}

#[derive(Default)]
struct XfccElement {
    cert: Option<String>,
    chain: Option<String>,
    hash: Option<String>,
}

/// Reads all elements, so that a quotation mark that an earlier one leaves open can't hide the last one's beginning.
fn last_element(text: &str) -> Option<XfccElement> {
    let mut element = XfccElement::default();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=')?;
        let (value, after) = xfcc_value(after)?;
        let place = match key.trim().to_ascii_lowercase().as_str() {
            "cert" => Some(&mut element.cert),
            "chain" => Some(&mut element.chain),
            "hash" => Some(&mut element.hash),
            known if XFCC_KEYS.contains(&known) => None,
            _ => return None,
        };
        if place.is_some_and(|place| place.replace(value).is_some()) {
            return None;
        }
        match after.split_at_checked(1) {
            None => return Some(element),
            Some((";", after)) => rest = after,
            Some((",", after)) => (element, rest) = (XfccElement::default(), after),
            Some(_) => return None,
        }
    }
}

/// A value, quoted or not, and the text after it.
fn xfcc_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return (!value.contains('"')).then(|| (value.trim().to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests;
