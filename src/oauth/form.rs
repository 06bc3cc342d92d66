//! Strict `application/x-www-form-urlencoded`.
