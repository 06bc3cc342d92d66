//! Stage 2: the client, authenticated.

pub mod assertion;
pub mod certificate;
pub mod credentials;
pub mod guess;
pub mod registry;
pub mod secret;
pub mod verify;
pub mod web_origins;
