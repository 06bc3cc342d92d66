//! Asks introspection endpoints about tokens (RFC 7662): an issuer about its opaque tokens, the identity provider about
//! whether a token of a realm is still active.

pub mod client;

mod answers;

#[cfg(test)]
mod tests;
