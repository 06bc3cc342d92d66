//! Terradue IAM: Keycloak with four parameters. Requests have neither `audience` nor `subject_token_type`: the new token
//! is for the requesting client, and comes with a refresh token if the client may have one.

use super::keycloak;
use super::rules::DialectRules;
use crate::words::oauth::urn::TokenType;

/// The dialect.
pub const RULES: DialectRules = DialectRules {
    subject_token_type: Some(TokenType::AccessToken),
    audience_of_client: true,
    drops_offline: true,
    refreshes: true,
    ..keycloak::RULES
};
