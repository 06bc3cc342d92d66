//! Signatures that were verified before.
//!
//! Whether a key made a signature depends on the key, the text and nothing else, so the answer is good for ever. A caller that
//! exchanges one token many times pays for one verification. Everything else about a token (issuer, times, audience,
//! revocation) is checked anew each time, and a token whose key has left the set finds no key here either.

use std::sync::LazyLock;

use aws_lc_rs::digest::{Context, SHA256};
use moka::sync::Cache;

/// Number of signatures that are remembered: at about 150 bytes each, a little over half a MiB.
const CAPACITY: u64 = 4096;

static PROVEN: LazyLock<Cache<ProvenSignature, ()>> = LazyLock::new(|| Cache::new(CAPACITY));

/// A key's signature of a text, as a SHA-256 digest of all three.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::judgement) struct ProvenSignature([u8; 32]);

impl ProvenSignature {
    /// The signature that the key with this fingerprint would have made of this text. The text is a JWS signing input
    /// (RFC 7515 section 5.1), which has no line feed and names the algorithm.
    pub(super) fn new(fingerprint: &[u8; 32], text: &str, signature: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in [&fingerprint[..], text.as_bytes(), b"\n", signature] {
            context.update(part);
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }

    /// Whether it was verified.
    pub(in crate::judgement) fn is_known(&self) -> bool {
        PROVEN.contains_key(self)
    }

    /// Remembers that it was verified.
    pub(in crate::judgement) fn remember(self) {
        PROVEN.insert(self, ());
    }
}
