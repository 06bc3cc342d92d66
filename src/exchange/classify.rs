//! Which grant a token request carries.
