//! What a realm asks of `DPoP` proofs.

use std::path::PathBuf;

use jiff::SignedDuration;
use jsonwebtoken::Algorithm;

/// What a realm asks of `DPoP` proofs (RFC 9449).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpop {
    /// The only algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// How old a proof may be.
    pub window: SignedDuration,
    /// Where the key of nonces comes from; `None` where no nonce is demanded.
    pub nonce: Option<NonceSource>,
}

/// Where the key comes from by which nonces are known as ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NonceSource {
    /// Made at the start: a nonce of one replica means nothing to another.
    Random,
    /// A file that replicas share.
    File(PathBuf),
}
