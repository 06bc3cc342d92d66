//! The one wrapper around `jsonwebtoken`.
