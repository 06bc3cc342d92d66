//! Signatures that were verified before.
//!
//! Whether a key made a signature depends on the key, the text and nothing else, so the answer is good for ever. A caller that
//! exchanges one token many times pays for one verification. Everything else about a token (issuer, times, audience,
//! revocation) is checked anew each time, and a token whose key has left the set finds no key here either.

use std::sync::LazyLock;

use aws_lc_rs::digest::{Context, SHA256};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// Number of signatures that are remembered: those that were asked for last.
const CAPACITY: u64 = 4096;

static PROVEN: LazyLock<Cache<SignatureDigest, ()>> =
    LazyLock::new(|| Cache::builder().max_capacity(CAPACITY).eviction_policy(EvictionPolicy::lru()).build());

/// What the check of a signature depends on: key, text and signature, as one SHA-256 digest. The signature may be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::judgement) struct SignatureDigest([u8; 32]);

impl SignatureDigest {
    /// The digest for the key with this fingerprint. The text is a JWS signing input (RFC 7515 section 5.1): it has no line
    /// feed, and it names the algorithm.
    pub(super) fn new(fingerprint: &[u8; 32], text: &str, signature: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in [&fingerprint[..], text.as_bytes(), b"\n", signature] {
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }

    /// Whether the signature was verified before, and is remembered.
    pub(in crate::judgement) fn is_known(&self) -> bool {
        PROVEN.get(self).is_some()
    }

    /// Remembers that the signature is right.
    pub(in crate::judgement) fn remember(self) {
        PROVEN.insert(self, ());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signatures_that_come_last_are_remembered() {
        let digest = |number: u64| SignatureDigest::new(&[0; 32], &number.to_string(), b"signature");
        assert!(!digest(0).is_known());
        for number in 0..3 * CAPACITY {
            digest(number).remember();
        }
        PROVEN.run_pending_tasks();
        assert!(PROVEN.entry_count() <= CAPACITY);
        assert!(!digest(0).is_known(), "the first has made room");
        digest(u64::MAX).remember();
        PROVEN.run_pending_tasks();
        assert!(digest(u64::MAX).is_known());
    }
}
