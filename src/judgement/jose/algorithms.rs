//! The signature algorithms that are verified with public keys.

use jsonwebtoken::Algorithm;

/// The algorithms that a key of a set can verify, by name (RFC 7518 section 3.1, RFC 8037): no MAC, since key sets are
/// public. `Ed25519` is what RFC 9864 calls `EdDSA` with this curve.
pub const SUPPORTED: [(&str, Algorithm); 10] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("Ed25519", Algorithm::EdDSA),
];

/// The algorithm of this name, if it is supported.
pub fn algorithm(name: &str) -> Option<Algorithm> {
    SUPPORTED.iter().find(|(supported, _)| *supported == name).map(|(_, algorithm)| *algorithm)
}
