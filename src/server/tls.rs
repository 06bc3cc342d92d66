//! TLS of the listener, reloaded with its files.
