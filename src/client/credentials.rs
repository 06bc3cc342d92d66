//! Client credentials as a request carries them.
