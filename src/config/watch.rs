//! Noticing that configuration files changed.
