//! The only wiring: configuration and clock to bound listeners.
