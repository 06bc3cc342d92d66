//! Signing keys of realms.
