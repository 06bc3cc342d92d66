//! The checks of a token against its issuer's keys and rules.
