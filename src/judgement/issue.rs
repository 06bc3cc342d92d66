//! From an allowed request and the identity provider's answer to the answer that is handed out.
//!
//! Pure: the gateway fetches the answer and verifies the token in it. Then [`forward`], [`reissue`] or [`translate`] makes
//! a [`Conformed`]; [`mint`] needs no answer. Nothing else makes one, and only a `Conformed` may leave.

pub mod answer;
mod conformed;
pub mod forward;
pub mod id_token;
pub mod key;
mod members;
pub mod mint;
pub mod refresh;
pub mod reissue;
pub mod ring;
pub mod translate;

pub use self::answer::Verified;
pub use self::conformed::{Conformed, IssuedFacts, RefreshTokenFor};

#[cfg(test)]
mod tests;
