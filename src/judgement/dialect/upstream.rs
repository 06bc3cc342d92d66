//! A refusal of the identity provider: what it means, and what mends it.

use serde::Deserialize;

use crate::words::refusal::Reason;
use crate::words::refusal::excerpt::{excerpt, without};

/// Longest part of a description that is repeated.
const DESCRIPTION: usize = 200;

/// How Keycloak begins to say that the subject has no role of the audience.
const NOT_AVAILABLE: &str = "Requested audience not available";

/// How Keycloak says that the audience does not exist.
const NOT_FOUND: &str = "Audience not found";

/// An error answer of RFC 6749 section 5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuthRefusal {
    status: u16,
    code: String,
    description: String,
}

/// What Cambio asked the identity provider for.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamRequest<'a> {
    /// The name of the realm.
    pub realm: &'a str,
    /// The client id.
    pub client: &'a str,
    /// The requested audience, if there is one.
    pub audience: Option<&'a str>,
}

#[derive(Deserialize)]
struct Members {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl OAuthRefusal {
    /// Reads an answer. The description is made fit for a log: none of the request's `secrets` is in it.
    pub fn read<'s>(status: u16, body: &[u8], secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let looks_like_code =
            |code: &str| code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        match serde_json::from_slice::<Members>(body) {
            Ok(members) if looks_like_code(&members.error) => {
                let description = excerpt(&without(&members.error_description, secrets), DESCRIPTION);
                Self { status, code: members.error, description }
            }
            _ => Self { status, code: String::new(), description: String::new() },
        }
    }

    /// The `error`; nothing if the answer is no OAuth error.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Whether the client was not accepted. Keycloak answers some wrong assertions with 400 `unauthorized_client`.
    pub fn is_about_client(&self) -> bool {
        if self.is_about_audience() {
            return false;
        }
        self.status == 401 || matches!(self.code.as_str(), "invalid_client" | "unauthorized_client")
    }

    /// The reason that a dialect with words of its own answers, as far as the answer tells.
    pub fn reason(&self) -> Reason {
        if self.is_about_audience() {
            return Reason::ResourceUnknown;
        }
        match (self.status, self.code.as_str()) {
            (401, _) | (_, "invalid_client") => Reason::ClientUnauthenticated,
            (403, _) | (_, "access_denied" | "unauthorized_client") => Reason::ClientNotPermitted,
            (_, "invalid_scope") => Reason::ScopeNotPermitted,
            (_, "invalid_target") => Reason::ResourceUnknown,
            (_, "invalid_grant") => Reason::RefreshTokenInvalid,
            (_, "invalid_dpop_proof") => Reason::DpopProofInvalid,
            (_, "use_dpop_nonce") => Reason::DpopNonceRequired,
            (_, "not_allowed") => Reason::OfflineNotPermitted,
            // Cambio wrote the rest of the request, so the identity provider refuses the token.
            (400, "invalid_request" | "invalid_token") => Reason::SubjectTokenInactive,
            _ => Reason::UpstreamRefused,
        }
    }

    /// Whether the identity provider accepts the client and has no such audience for it. Keycloak says of an audience that
    /// does not exist `invalid_client`.
    fn is_about_audience(&self) -> bool {
        match (self.status, self.code.as_str()) {
            (400, "invalid_client") => self.description == NOT_FOUND,
            (400, "invalid_request") => self.description.starts_with(NOT_AVAILABLE),
            _ => false,
        }
    }

    /// What the identity provider said, and what mends it, for the audit log.
    pub fn detail(&self, request: UpstreamRequest<'_>) -> String {
        let UpstreamRequest { realm, .. } = request;
        let said = match (self.code.as_str(), self.description.as_str()) {
            ("", _) => "something that is no OAuth error".to_owned(),
            (code, "") => code.to_owned(),
            (code, description) => format!("{code}, {description:?}"),
        };
        match self.hint(request) {
            Some(hint) => format!("realm {realm} answered {} {said}: {hint}", self.status),
            None => format!("realm {realm} answered {} {said}", self.status),
        }
    }

    fn hint(&self, request: UpstreamRequest<'_>) -> Option<String> {
        let of_text = HINTS.iter().find(|(text, _)| self.description.contains(text)).map(|(_, hint)| *hint);
        let hint = of_text.or_else(|| self.is_about_client().then_some(CLIENT))?;
        let audience = request.audience.unwrap_or(request.client);
        let hint = hint.replace("{client}", &excerpt(request.client, DESCRIPTION));
        Some(hint.replace("{audience}", &excerpt(audience, DESCRIPTION)))
    }
}

/// What a refused client lacks.
const CLIENT: &str =
    "the identity provider has no client {client}, the client is disabled, or its credentials are wrong";

/// A part of Keycloak's description (26.2 to 26.7), and what mends the cause. The first that fits counts.
const HINTS: &[(&str, &str)] = &[
    (
        "Standard token exchange is not enabled",
        "in Keycloak, switch on Standard token exchange in the capability config of client {client}",
    ),
    (
        "No token exchange provider available",
        "in Keycloak, switch on Standard token exchange in the capability config of client {client}",
    ),
    (
        "Client is not within the token audience",
        "Keycloak exchanges only tokens with client {client} in aud: in Keycloak, add an Audience mapper for {client} to a \
         client scope of the client that the subject token is issued to; if {client} is in aud, switch on Standard token \
         exchange in its capability config",
    ),
    (
        "Client is not the holder of the token",
        "client {client} is public, and exchanges only tokens that were issued to it: let a confidential client exchange",
    ),
    (
        "Public client is not allowed",
        "Keycloak lets no public client do this: switch on Client authentication of client {client}",
    ),
    (
        "Client not allowed to exchange",
        "in Keycloak, switch on Standard token exchange in the capability config of client {client}, which must not be public",
    ),
    (
        NOT_AVAILABLE,
        "the user has no role of client {audience} that client {client} may see: in Keycloak, give the user a role of \
         {audience}; if Full scope allowed is off at {client}, add the role to its dedicated scope",
    ),
    (
        NOT_FOUND,
        "the realm has no client {audience}: create the client in Keycloak, or correct audience in the audience's file",
    ),
    ("audience client disabled", "in Keycloak, enable client {audience}"),
    ("Client disabled", "in Keycloak, enable clients {audience} and {client}"),
    (
        "Invalid scopes",
        "client {client} does not have each of the requested client scopes: in Keycloak, add the missing scope to the client \
         scopes of {client}, or take the scope out of the permission",
    ),
    (
        "offline_access not allowed",
        "Keycloak's exchange gives no offline tokens: take offline_access out of the request, or let the permission mint",
    ),
    (
        "Offline tokens not allowed",
        "in Keycloak, give the user the realm role offline_access, and client {client} the client scope offline_access",
    ),
    (
        "Refresh token not valid as requested_token_type",
        "in Keycloak, set Allow refresh token in Standard Token Exchange of client {client} to Same session",
    ),
    (
        "requested_token_type unsupported",
        "for refresh tokens, set Allow refresh token in Standard Token Exchange of client {client} to Same session in Keycloak",
    ),
    (
        "Missing consents",
        "client {client} needs the user's consent, and an exchange can't ask for it: let the user consent in a login, or \
         switch off Consent required",
    ),
    (
        "Sender-constrained token exchange rejected",
        "the subject token is bound to a key or a certificate, and Keycloak exchanges such tokens only for the client that \
         they were issued to",
    ),
    ("DPoP proof is missing", "the token is bound to a key: the caller must send a DPoP proof"),
    (
        "Client certificate missing",
        "the token is bound to another certificate, or Keycloak does not see the caller's certificate: pass it on with \
         Keycloak's X.509 look-up",
    ),
    (
        "No Identity Provider for provided issuer",
        "in Keycloak, add an identity provider with the iss of the subject token as its issuer",
    ),
    (
        "Identity Provider is not configured for JWT Authorization Grant",
        "in Keycloak, switch on JWT Authorization Grant of the identity provider with the iss of the subject token",
    ),
    ("Identity Provider is not enabled", "in Keycloak, enable the identity provider with the iss of the subject token"),
    (
        "Identity Provider is not allowed for the client",
        "in Keycloak, add the identity provider to those that client {client} may use for JWT Authorization Grant",
    ),
    (
        "JWT Authorization Grant is not supported",
        "in Keycloak, switch on JWT Authorization Grant in the capability config of client {client}",
    ),
    (
        "User not found",
        "no user of the realm is linked to the subject of the token: in Keycloak, link the user to the identity provider \
         with the token's sub (user, Identity provider links), or let the permission mint",
    ),
    ("User is not enabled", "in Keycloak, enable the user"),
    ("User disabled", "in Keycloak, enable the user"),
    (
        "Account is not fully set up",
        "the user has required actions: the user must log in once, or take the actions away",
    ),
    (
        "Token reuse",
        "the assertion was used before: get a new subject token, or allow assertion reuse at the identity provider in Keycloak",
    ),
    ("Session not active", "the user's session has ended at the identity provider: the user must log in again"),
    ("session not active", "the user's session has ended at the identity provider: the user must log in again"),
    ("Stale token", "the token is older than the realm's, the client's or the user's not-before time in Keycloak"),
    ("refresh token reuse exceeded", "the refresh token was used before: the user must log in again"),
    (
        "Invalid token",
        "Keycloak does not accept the subject token, which Cambio accepts: its session has ended or its user is disabled; it \
         has just expired (realms.*.leeway); or Keycloak sees another issuer than the token's, for instance because its \
         hostname is not fixed",
    ),
    ("Invalid client or Invalid client credentials", CLIENT),
];

#[cfg(test)]
mod tests;
