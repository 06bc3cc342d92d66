//! From a permit to an issued token.

pub mod forward;
pub mod key;
pub mod reissue;
