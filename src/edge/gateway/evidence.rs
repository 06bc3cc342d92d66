//! What the caller has shown of itself: a `DPoP` proof and a client certificate.

pub mod certificate;
pub mod dpop;
