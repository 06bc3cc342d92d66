//! What holds for any JWT: signatures (RFC 7515), keys (RFC 7517), registered claims (RFC 7519) and claim rules.

pub mod algorithms;
pub mod checks;
pub mod claims;
pub mod issuer_claims;
pub mod jws;
pub mod keys;
pub mod verify;

#[cfg(test)]
pub(crate) mod tests;
