//! Stage 2: who asks.

pub mod credentials;
