//! The files as written.
