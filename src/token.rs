//! Stage 3: the subject token, checked.

pub mod claims;
pub mod jws;
pub mod keys;
pub mod verify;
