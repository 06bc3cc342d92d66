//! CERN SSO: Keycloak, also below `/auth`, where clients leave out what their subject token is.
//! Beside the exchange there is a door by which an application has a token for another API as itself.

use super::{Rules, keycloak};
use crate::words::oauth::urn::TokenType;

/// The dialect.
pub static RULES: Rules = Rules {
    token_paths: &["/auth{path}/protocol/openid-connect/token"],
    api_access_paths: &["{path}/api-access/token", "/auth{path}/api-access/token"],
    subject_token_type: Some(TokenType::AccessToken),
    ..keycloak::RULES_OF_KEYCLOAK
};
