//! `DPoP` proofs.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cambio::judgement::token::dpop::htu::Htu;
use cambio::judgement::token::dpop::{
    DpopRules, MAX_JTI_BYTES, ProofRequest, ProofTarget, UnspentProof, check as checked,
};
use cambio::words::oauth::json;
use cambio::words::secret::Secret;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Map, Value, json};

const NOW: i64 = 1_800_000_000;
const URL: &str = "https://sso.example.org/realms/corp/protocol/openid-connect/token";
/// The private key of RFC 8037 appendix A.1, with a wrapping of RFC 8410, and its thumbprint (appendix A.3).
const PRIVATE: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const THUMBPRINT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

static KEY: LazyLock<EncodingKey> = LazyLock::new(|| {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend(URL_SAFE_NO_PAD.decode(PRIVATE).expect("base64url"));
    EncodingKey::from_ed_der(&der)
});

/// The input is a proof, and also header and claims with a line break between them, to which the key is added and which are
/// signed here. No proof without a signature is accepted; of the signed ones, only proofs of this request at this time.
pub fn check(input: &[u8]) {
    if let Ok(proof) = std::str::from_utf8(input) {
        // The only signed proofs of the corpus are those of RFC 9449, which are about other URLs.
        assert!(accepted(proof).is_none(), "nobody signed this proof for this URL");
    }
    let (header, claims) = super::cut(input, b'\n');
    let Ok(mut header) = json::object(header) else { return };
    header.insert("jwk".to_owned(), json!({"kty": "OKP", "crv": "Ed25519", "x": PUBLIC}));
    let text = Value::Object(header.clone()).to_string();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(text), URL_SAFE_NO_PAD.encode(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &KEY, Algorithm::EdDSA).expect("a signature");
    let Some(proof) = accepted(&format!("{message}.{signature}")) else { return };

    let claims: Map<String, Value> = json::object(claims).expect("accepted claims are a strict object");
    assert_eq!(proof.jkt(), THUMBPRINT, "another key");
    assert_eq!(claims["htm"], "POST");
    assert!(header["alg"] == "EdDSA" || header["alg"] == "Ed25519", "another algorithm");
    let kind = header["typ"].as_str().expect("typ").to_ascii_lowercase();
    assert!(kind == "dpop+jwt" || kind == "application/dpop+jwt", "another type");
    let jti = claims["jti"].as_str().expect("jti");
    assert!(!jti.is_empty() && jti.len() <= MAX_JTI_BYTES);
    let age = NOW as f64 - claims["iat"].as_f64().expect("iat");
    assert!((-11.0..=61.0).contains(&age), "too old, or of the future");
}

fn accepted(proof: &str) -> Option<UnspentProof> {
    let rules = DpopRules {
        algorithms: &[Algorithm::EdDSA],
        window: SignedDuration::from_secs(50),
        leeway: SignedDuration::from_secs(10),
        nonces: None,
    };
    let urls = [Htu::parse(URL).expect("a URL")];
    let token = Secret::new("token");
    let asked =
        ProofRequest { method: &http::Method::POST, urls: &urls, token: &token, place: ProofTarget::TokenEndpoint };
    checked(proof, &asked, &rules, Timestamp::from_second(NOW).expect("a time")).ok()
}
