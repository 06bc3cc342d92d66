//! The names of the store's entries.

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What was used or revoked. Kinds share neither keys nor room in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MarkKind {
    /// The `jti` of a subject token that may be exchanged once.
    SubjectToken,
    /// The `jti` of a client assertion (RFC 7523 section 3).
    ClientAssertion,
    /// The `jti` of a `DPoP` proof (RFC 9449 section 11.1).
    DpopProof,
    /// The `jti` of a revoked token that Cambio issued (RFC 7009).
    RevokedToken,
    /// A used refresh token of Cambio's: each is good for one use (RFC 9700 section 4.14.2).
    RefreshToken,
    /// A revoked family of Cambio's refresh tokens.
    RefreshFamily,
    /// What replaces a refresh token of Cambio's, if the identity provider refreshed its own token, and then the refresh failed.
    RefreshReplacement,
    /// What follows a used refresh token of Cambio's, if the used one may be used again for a while.
    RefreshSuccessor,
    /// Written to see whether the store takes entries.
    Probe,
}

/// The name of an entry: SHA-256 over the kind, the authority and the id, so that no token id, secret or client name
/// reaches the store in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MarkKey {
    kind: MarkKind,
    digest: [u8; SHA256_OUTPUT_LEN],
}

impl MarkKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::SubjectToken,
        Self::ClientAssertion,
        Self::DpopProof,
        Self::RevokedToken,
        Self::RefreshToken,
        Self::RefreshFamily,
        Self::RefreshReplacement,
        Self::RefreshSuccessor,
        Self::Probe,
    ];

    /// The name, as it stands in Redis keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SubjectToken => "subject-token",
            Self::ClientAssertion => "client-assertion",
            Self::DpopProof => "dpop-proof",
            Self::RevokedToken => "revoked-token",
            Self::RefreshToken => "refresh-token",
            Self::RefreshFamily => "refresh-family",
            Self::RefreshReplacement => "refresh-replacement",
            Self::RefreshSuccessor => "refresh-successor",
            Self::Probe => "probe",
        }
    }
}

impl MarkKey {
    /// A key from parts that are unique within the kind: the realm or issuer first, then the id. The parts are kept
    /// apart: `["ab", "c"]` and `["a", "bc"]` are two keys.
    pub fn new(kind: MarkKind, parts: &[&str]) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in std::iter::once(kind.as_str()).chain(parts.iter().copied()) {
            hash.update(&part.len().to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut digest = [0; SHA256_OUTPUT_LEN];
        digest.copy_from_slice(hash.finish().as_ref());
        Self { kind, digest }
    }

    /// What was used or revoked.
    pub fn kind(&self) -> MarkKind {
        self.kind
    }

    pub(super) fn digest(&self) -> &[u8; SHA256_OUTPUT_LEN] {
        &self.digest
    }

    /// The name of the entry in Redis.
    pub(super) fn written(&self, prefix: &str) -> String {
        let mut text = String::with_capacity(prefix.len() + 64);
        text.extend([prefix, self.kind.as_str(), ":"]);
        URL_SAFE_NO_PAD.encode_string(self.digest, &mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_any_part_has_another_key() {
        let cases: [(MarkKind, &[&str]); 7] = [
            (MarkKind::SubjectToken, &["corp", "a"]),
            (MarkKind::ClientAssertion, &["corp", "a"]),
            (MarkKind::SubjectToken, &["corp2", "a"]),
            (MarkKind::SubjectToken, &["corp", "b"]),
            (MarkKind::SubjectToken, &["cor", "pa"]),
            (MarkKind::SubjectToken, &["corpa"]),
            (MarkKind::SubjectToken, &["corp", "a", ""]),
        ];
        let keys: std::collections::HashSet<_> = cases.iter().map(|(kind, parts)| MarkKey::new(*kind, parts)).collect();
        assert_eq!(keys.len(), cases.len());
        assert_eq!(
            MarkKey::new(MarkKind::SubjectToken, &["corp", "a"]),
            MarkKey::new(MarkKind::SubjectToken, &["corp", "a"])
        );
    }

    #[test]
    fn the_written_key_hides_the_id() {
        let written = MarkKey::new(MarkKind::DpopProof, &["corp", "a-known-jti"]).written("cambio:");
        assert!(written.starts_with("cambio:dpop-proof:"), "{written}");
        assert_eq!(written.len(), "cambio:dpop-proof:".len() + 43);
        assert!(!written.contains("jti"));
    }
}
