//! CERN SSO: Keycloak, also below `/auth`. Clients may leave out `subject_token_type`.
//! At the API access endpoint, an application gets a token for another API on its own behalf.

use super::keycloak;
use super::rules::DialectRules;
use crate::words::oauth::urn::TokenType;

/// The dialect.
pub const RULES: DialectRules = DialectRules {
    token_paths: &["/auth{path}/protocol/openid-connect/token"],
    api_access_paths: &["{path}/api-access/token", "/auth{path}/api-access/token"],
    subject_token_type: Some(TokenType::AccessToken),
    ..keycloak::RULES
};
