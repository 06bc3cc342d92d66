use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

use super::*;

/// Everything but letters, digits and `-_.~`, as nginx and Go escape.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// AWS keeps `+`, `=` and `/`.
const AWS: &AsciiSet = &STRICT.remove(b'+').remove(b'=').remove(b'/');

/// Bytes whose base64 has `+`, `/` and padding, as those of many certificates.
fn der(seed: u8) -> Vec<u8> {
    let mut der = vec![SEQUENCE, 0x82, 1, 1];
    der.extend((0..=255).map(|byte: u8| byte.wrapping_mul(7).wrapping_add(seed)));
    der
}

fn pem_of(der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<_> = encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
}

fn strict(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

fn hex(der: &[u8]) -> String {
    thumbprint(der).iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"))
}

fn read_alone(value: &str) -> Chain {
    read(value.as_bytes(), std::iter::empty())
}

#[test]
fn the_forms_of_the_usual_proxies_are_read() {
    let (leaf, issuer) = (der(1), der(2));
    let (pem, base64) = (pem_of(&leaf), STANDARD.encode(&leaf));
    let chain = format!("{pem}{}", pem_of(&issuer));
    let both = format!("{base64},{}", STANDARD.encode(&issuer));
    assert!(base64.contains('+') && base64.contains('/') && base64.ends_with('='), "{base64}");
    let cert = strict(&pem);
    let hash = hex(&leaf);
    let one = [
        ("RFC 9440", format!(":{base64}:")),
        ("nginx, $ssl_client_escaped_cert", strict(&pem)),
        ("nginx, in lower case", strict(&pem).replace("%2B", "%2b").replace("%0A", "%0a")),
        ("every byte escaped", utf8_percent_encode(&pem, NON_ALPHANUMERIC).to_string()),
        ("AWS", utf8_percent_encode(&pem, AWS).to_string()),
        ("escaped, CRLF", strict(&pem.replace('\n', "\r\n"))),
        ("escaped as a form", strict(&pem).replace("%20", "+")),
        ("nginx, $ssl_client_cert, unfolded", pem.trim().replace('\n', " \t")),
        ("nginx, $ssl_client_cert, tabs", pem.trim().replace('\n', "\t")),
        ("Apache", pem.trim().replace('\n', " ")),
        ("without line breaks", pem.replace('\n', "")),
        ("HAProxy", base64.clone()),
        ("Traefik", strict(&base64)),
        ("spaces around it", format!("  {base64} ")),
        (
            "Envoy",
            format!("By=spiffe://a;Hash={hash};Cert=\"{cert}\";Subject=\"CN=batch,O=\\\"x;y\\\"\";URI=spiffe://b"),
        ),
        ("Envoy, keys in lower case", format!("by=a;hash={};cert=\"{cert}\"", hash.to_uppercase())),
        ("Envoy, not quoted", format!("Hash={hash};Cert={cert}")),
        ("Envoy, Chain", format!("Hash={hash};Chain=\"{cert}\"")),
        ("Envoy, the last counts", format!("Hash=0;Cert=\"{}\",Hash={hash};Cert=\"{cert}\"", strict(&pem_of(&issuer)))),
        ("Envoy, the one before has none", format!("By=a;Subject=\"\", By=b;Cert=\"{cert}\"")),
        ("Envoy, two names of one key", format!("DNS=a;DNS=b;URI=c;URI=d;Cert=\"{cert}\"")),
    ];
    for (name, value) in one {
        assert_eq!(read_alone(&value), Ok(vec![leaf.clone()]), "{name}: {value}");
    }
    let two = [
        ("PEM", strict(&chain)),
        ("PEM with spaces", chain.trim().replace('\n', " ")),
        ("Traefik", both.clone()),
        ("Traefik, each escaped", both.split(',').map(strict).collect::<Vec<_>>().join(",")),
        ("Traefik, escaped as one", strict(&both)),
        ("Envoy", format!("Hash={hash};Cert=\"{cert}\";Chain=\"{}\"", strict(&chain))),
        ("Envoy, Chain alone", format!("Chain=\"{}\"", strict(&chain))),
    ];
    for (name, value) in two {
        assert_eq!(read_alone(&value), Ok(vec![leaf.clone(), issuer.clone()]), "{name}: {value}");
    }
    let issuer_line = format!(":{}:", STANDARD.encode(&issuer));
    let chain = read(format!(":{base64}:").as_bytes(), [issuer_line.as_bytes()].into_iter());
    assert_eq!(chain, Ok(vec![leaf.clone(), issuer.clone()]));
    let twice = format!("{issuer_line} , {issuer_line}");
    let chain = read(format!(":{base64}:").as_bytes(), [twice.as_bytes()].into_iter());
    assert_eq!(chain.map(|chain| chain.len()), Ok(3));
    for none in ["", " ", "(null)"] {
        assert_eq!(read_alone(none), Ok(Vec::new()), "{none:?}");
    }
}

#[test]
fn everything_else_is_refused() {
    use CertificateHeaderError::{Hash, Malformed, NoCertificate, TooMany, Unknown};
    let (leaf, other) = (der(1), der(2));
    let (pem, base64) = (pem_of(&leaf), STANDARD.encode(&leaf));
    let (cert, wrong) = (strict(&pem), strict(&pem_of(&other)));
    let envoy = Malformed("x-forwarded-client-cert");
    let cases = [
        ("a name", "CN=batch,O=Example".to_owned(), Unknown),
        ("a hash in hex", hex(&leaf), Unknown),
        ("SUCCESS", "SUCCESS".to_owned(), Unknown),
        ("base64 of something else", STANDARD.encode("no certificate"), Unknown),
        ("base64 cut off", base64[..base64.len() - 5].to_owned(), Unknown),
        ("base64 with a hole", base64.replacen('A', " ", 1), Unknown),
        ("nothing between commas", format!("{base64},,{base64}"), Unknown),
        ("a comma at the end", format!("{base64},"), Unknown),
        ("not UTF-8", "%ff%fe".to_owned(), Unknown),
        ("no colon at the end", format!(":{base64}"), Malformed("RFC 9440")),
        ("a parameter", format!(":{base64}:;a=1"), Malformed("RFC 9440")),
        ("a byte sequence without a byte", "::".to_owned(), Malformed("DER")),
        ("a byte sequence that is no DER", ":AAAA:".to_owned(), Malformed("DER")),
        ("PEM without a byte", "-----BEGIN CERTIFICATE-----%0A-----END CERTIFICATE-----".to_owned(), Malformed("DER")),
        ("escaped twice", strict(&strict(&pem)), Malformed("PEM")),
        ("another label", pem.replace("CERTIFICATE", "PRIVATE KEY").replace('\n', " "), Malformed("PEM")),
        ("no end", strict(&pem.replace(END, "")), Malformed("PEM")),
        ("text after it", format!("{} x", pem.trim().replace('\n', " ")), Malformed("PEM")),
        ("damaged PEM", strict(&pem.replace('+', "*")), Malformed("PEM")),
        ("too many in PEM", strict(&pem.repeat(MOST + 1)), TooMany),
        ("too many in base64", vec![base64.clone(); MOST + 1].join(","), TooMany),
        ("Envoy without a certificate", format!("By=a;Hash={}", hex(&leaf)), NoCertificate),
        ("Envoy, the last has none", format!("Cert=\"{cert}\",By=a;Hash={}", hex(&leaf)), NoCertificate),
        ("Envoy, another's hash", format!("Hash={};Cert=\"{cert}\"", hex(&other)), Hash),
        ("Envoy, two certificates", format!("Cert=\"{cert}\";Cert=\"{wrong}\""), envoy),
        ("Envoy, a chain as Cert", format!("Cert=\"{cert}{wrong}\""), envoy),
        ("Envoy, no PEM", format!("Cert=\"{base64}\""), envoy),
        ("Envoy, an unknown key", format!("Cert=\"{cert}\";Key=x"), envoy),
        ("Envoy, a quotation mark left open", format!("Cert=\"{cert}\";URI=\",By=a;Hash=b"), envoy),
        ("Envoy, one closed by the next", format!("Cert=\"{cert}\";URI=\",By=a;Cert=\"{wrong}\""), envoy),
        ("Envoy, text after a quotation", format!("By=a;Cert=\"{cert}\"x"), envoy),
        ("Envoy, nothing after a comma", format!("Cert=\"{cert}\","), envoy),
    ];
    for (name, value, expected) in cases {
        assert_eq!(read_alone(&value), Err(expected), "{name}: {value}");
        assert!(!expected.to_string().contains(&base64), "{name}");
    }
    for error in [Unknown, envoy] {
        let text = error.to_string();
        assert!(["RFC 9440", "PEM", "base64 of DER", "x-forwarded-client-cert"].iter().all(|form| text.contains(form)));
    }
}

proptest! {
    /// Whatever a caller gets into an element before the proxy's own, the certificate is the proxy's or none.
    #[test]
    fn what_stands_before_the_proxys_element_decides_nothing(before in "[ -~]{0,60}") {
        let (own, forged) = (der(1), der(2));
        let element = format!("By=a;Hash={};Cert=\"{}\"", hex(&own), strict(&pem_of(&own)));
        let value = format!("Cert=\"{}\";{before},{element}", strict(&pem_of(&forged)));
        if let Ok(chain) = read_alone(&value) {
            prop_assert_eq!(chain, vec![own]);
        }
    }

    #[test]
    fn nothing_panics(value in proptest::collection::vec(any::<u8>(), 0..200), start in 0..4_usize) {
        let start: &[u8] = [&b""[..], b":", b"-----BEGIN CERTIFICATE-----", b"Cert=\""][start];
        let _ = read(&[start, &value].concat(), std::iter::empty());
    }
}
