//! A realm's requirements for `DPoP` proofs.

use std::path::PathBuf;

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;

/// A realm's requirements for `DPoP` proofs (RFC 9449).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpop {
    /// The algorithms that Cambio accepts, and no others.
    pub algorithms: Vec<Algorithm>,
    /// Greatest age of a proof.
    pub window: SignedDuration,
    /// Where the key for nonces comes from; `None` if Cambio demands no nonce.
    pub nonce: Option<NonceSource>,
}

/// Where the key comes from with which Cambio recognises its nonces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonceSource {
    /// Made when the process starts: replicas do not know each other's nonces.
    Random,
    /// A file that replicas share.
    File(PathBuf),
}
