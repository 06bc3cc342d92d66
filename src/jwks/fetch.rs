//! Fetching a JWK set.
