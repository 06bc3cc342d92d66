//! The answer lock.
