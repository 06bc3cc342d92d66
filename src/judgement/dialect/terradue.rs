//! Terradue IAM: Keycloak with four parameters. Neither audience nor type of the subject token are sent: the new token is
//! for the client that asks, and brings a refresh token where the client may have one.

use super::{Rules, keycloak};
use crate::words::oauth::urn::TokenType;

/// The dialect.
pub static RULES: Rules = Rules {
    subject_token_type: Some(TokenType::AccessToken),
    audience_of_client: true,
    drops_offline: true,
    refreshes: true,
    ..keycloak::RULES_OF_KEYCLOAK
};
