//! The URNs of RFC 8693 section 3, RFC 7523 and the grants that Keycloak offers beside them.

/// `grant_type` of a token exchange (RFC 8693 section 2.1).
pub const GRANT_TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// `grant_type` of the JWT authorization grant (RFC 7523 section 2.1).
pub const GRANT_JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// `grant_type` with which User-Managed Access turns an access token into a requesting party token.
pub const GRANT_UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";
/// `grant_type` of client-initiated backchannel authentication (CIBA Core section 10.1).
pub const GRANT_CIBA: &str = "urn:openid:params:grant-type:ciba";
/// `grant_type` with which an offer of a credential becomes a token (OpenID for Verifiable Credential Issuance 1.0 section 6).
pub const GRANT_PRE_AUTHORIZED_CODE: &str = "urn:ietf:params:oauth:grant-type:pre-authorized_code";
/// `client_assertion_type` of a JWT client assertion (RFC 7523 section 2.2).
pub const CLIENT_ASSERTION_JWT: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// `client_assertion_type` of a SPIFFE JWT-SVID (draft-ietf-oauth-spiffe-client-auth).
pub const CLIENT_ASSERTION_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";

/// A token type identifier (RFC 8693 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenType {
    /// An OAuth 2.0 access token.
    AccessToken,
    /// An OpenID Connect ID token.
    IdToken,
    /// A JWT of any profile.
    Jwt,
    /// An identity assertion authorization grant (draft-ietf-oauth-identity-assertion-authz-grant).
    IdJag,
    /// An OAuth 2.0 refresh token.
    RefreshToken,
    /// A SAML 1.1 assertion.
    Saml1,
    /// A SAML 2.0 assertion.
    Saml2,
}

impl TokenType {
    /// Every token type.
    pub const ALL: [Self; 7] =
        [Self::AccessToken, Self::IdToken, Self::Jwt, Self::IdJag, Self::RefreshToken, Self::Saml1, Self::Saml2];

    /// The token type that a full URN names; short names are not accepted on the wire.
    pub fn from_urn(urn: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.urn() == urn)
    }

    /// The token type that a configuration file names, for instance `access_token`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The full URN.
    pub const fn urn(self) -> &'static str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::IdJag => "urn:ietf:params:oauth:token-type:id-jag",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
            Self::Saml1 => "urn:ietf:params:oauth:token-type:saml1",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
        }
    }

    /// The name in configuration, audit and metrics: the last part of the URN, with `_` for `-`.
    pub fn name(self) -> &'static str {
        if self == Self::IdJag {
            return "id_jag";
        }
        self.urn().rsplit_once(':').map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_type_is_found_by_its_urn_and_by_its_name() {
        for kind in TokenType::ALL {
            assert_eq!(TokenType::from_urn(kind.urn()), Some(kind));
            assert_eq!(TokenType::from_name(kind.name()), Some(kind));
            assert_eq!(TokenType::from_urn(kind.name()), None);
        }
        assert_eq!(TokenType::from_urn("urn:ietf:params:oauth:token-type:ACCESS_TOKEN"), None);
    }
}
