//! The listener that callers use.

pub mod head_scanner;
pub mod listener;
pub mod tls;
