//! Keycloak's error answers: its status codes and its own words wherever it knows the case, fixed text otherwise.
//! Nothing in an answer depends on what was sent or configured; the cause stands in the audit line.

use http::StatusCode;

use super::{Answer, Asked, Members, Refused, Rules};
use crate::words::oauth::error::ErrorCode;
use crate::words::refusal::Reason;

/// The dialect.
pub static RULES: Rules = RULES_OF_KEYCLOAK;

/// The same, for dialects that differ in little.
pub(super) const RULES_OF_KEYCLOAK: Rules = Rules {
    token_paths: &[],
    introspection_paths: &[],
    api_access_paths: &[],
    json: false,
    subject_token_type: None,
    subject_tokens: None,
    requested_tokens: None,
    subject_issuer: false,
    audience_of_client: false,
    drops_offline: false,
    refreshes: false,
    required_claims: &[],
    audience_is_host: false,
    carried: &[],
    defaults: &[],
    refusal,
    upstream_refusals: true,
    challenges: false,
    members: Members::AsTheyAre,
    cache_control: "no-store",
};

/// What the caller is told.
pub fn refusal(refused: &Refused<'_>) -> Answer {
    match refused.asked {
        Asked::Exchange => answer(refused.reason),
        Asked::Assertion => grant_answer(refused.reason),
        Asked::Refresh => refresh_answer(refused.reason),
    }
}

/// What the caller of a token exchange is told.
#[expect(clippy::too_many_lines, reason = "one table, a line for each reason")]
pub fn answer(reason: Reason) -> Answer {
    match reason {
        Reason::PathNotCanonical => bad_request("Path is not canonical"),
        Reason::FramingRefused | Reason::TokenAmbiguous => bad_request("Malformed request"),
        Reason::MethodNotAllowed => {
            error(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::InvalidRequest, "Method not allowed")
        }
        Reason::BodyTooLarge => {
            error(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::InvalidRequest, "Request too large")
        }
        Reason::BodyTimeout => {
            error(StatusCode::REQUEST_TIMEOUT, ErrorCode::InvalidRequest, "Request timeout")
        }
        // A body that is no form has no parameters: Keycloak's answer to JSON.
        Reason::ContentTypeNotForm | Reason::GrantTypeMissing => {
            bad_request("Missing form parameter: grant_type")
        }
        Reason::ContentCodingRefused => bad_request("Content coding is not supported"),
        Reason::FormMalformed => bad_request("Malformed form"),
        Reason::GrantTypeAmbiguous | Reason::GrantTypeUnsupported => {
            error(StatusCode::BAD_REQUEST, ErrorCode::UnsupportedGrantType, "Unsupported grant_type")
        }
        Reason::ParameterRepeated => bad_request("duplicated parameter"),
        Reason::ParameterInQuery => bad_request("Parameters are not accepted in the query string"),
        Reason::ParameterMissing => {
            bad_request("Missing form parameter: subject_token or subject_token_type")
        }
        Reason::ParameterUnknown => bad_request("Unsupported parameter"),
        Reason::CredentialsAmbiguous => bad_request("More than one client authentication method"),
        Reason::CredentialsMalformed
        | Reason::ClientMissing
        | Reason::ClientUnauthenticated
        | Reason::ClientAssertionReplayed => error(
            StatusCode::UNAUTHORIZED,
            ErrorCode::InvalidClient,
            "Invalid client or Invalid client credentials",
        ),
        Reason::CredentialsSingleUse => bad_request("This client authentication method can't be used here"),
        Reason::DpopProofInvalid => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidDpopProof, "DPoP proof is invalid")
        }
        Reason::DpopNonceRequired => {
            error(StatusCode::BAD_REQUEST, ErrorCode::UseDpopNonce, "DPoP proof needs a nonce")
        }
        Reason::RefreshTokenInvalid => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidGrant, "Invalid refresh token")
        }
        Reason::RefreshTokenReused => error(
            StatusCode::BAD_REQUEST,
            ErrorCode::InvalidGrant,
            "Maximum allowed refresh token reuse exceeded",
        ),
        Reason::TokenOfAnotherClient => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidToken, "Unmatching clients")
        }
        Reason::ExchangeElsewhere => bad_request("This grant_type is served at the token endpoint only"),
        Reason::DoorClosed => forbidden("This grant is closed by policy"),
        Reason::SubjectTokenTypeUnsupported => bad_request("Invalid token type, must be access token"),
        Reason::RequestedTokenTypeUnsupported | Reason::RefreshTokenRefused => {
            bad_request("requested_token_type unsupported")
        }
        Reason::ActorTokenUnsupported => bad_request("actor_token is not supported"),
        Reason::ActorTokenInvalid => bad_request("Invalid actor token"),
        Reason::OfflineNotPermitted => Answer {
            status: StatusCode::BAD_REQUEST,
            code: "not_allowed",
            description: "Offline tokens not allowed for the user or client",
        },
        Reason::ResourceUnknown => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidTarget, "Resource not found")
        }
        // RFC 8693 section 2.2.2: unable to issue a token for the targets that were indicated.
        Reason::IssuanceConflict => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidTarget, "The audiences can't have one token")
        }
        Reason::AudienceMissing => bad_request("Missing form parameter: audience"),
        Reason::AudiencesTooMany => bad_request("Too many audiences"),
        Reason::ScopeMalformed | Reason::ScopeNotPermitted => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidScope, "Invalid scopes")
        }
        Reason::SubjectTokenMalformed
        | Reason::SubjectTokenIssuerUntrusted
        | Reason::SubjectTokenAlgorithm
        | Reason::SubjectTokenCritical
        | Reason::SubjectTokenKeyUnknown
        | Reason::SubjectTokenSignature
        | Reason::SubjectTokenExpired
        | Reason::SubjectTokenNotYetValid
        | Reason::SubjectTokenClaims
        | Reason::SubjectTokenRule
        | Reason::SubjectTokenBound
        | Reason::SubjectTokenOurs
        | Reason::SubjectTokenInactive
        | Reason::SubjectTokenUsed
        | Reason::SubjectMappingFailed
        | Reason::GrantRefused
        | Reason::SubjectTokenDelegated => bad_request("Invalid token"),
        Reason::SubjectTokenAudience => forbidden("Client is not within the token audience"),
        Reason::KeysUnavailable
        | Reason::IntrospectionUnavailable
        | Reason::StoreUnavailable
        | Reason::DirectoryUnavailable
        | Reason::ClientAuthenticationUnavailable => away(StatusCode::SERVICE_UNAVAILABLE),
        // One answer for every denial: who may exchange for what is no caller's business. The Answer* reasons among them
        // mean that the identity provider would grant more than the audience's owner does.
        Reason::RealmUnknown
        | Reason::AudienceUnknown
        | Reason::ClientNotPermitted
        | Reason::IssuerNotPermitted
        | Reason::MayActViolated
        | Reason::ActorRequired
        | Reason::ActorNotPermitted
        | Reason::DelegationTooDeep
        | Reason::DelegationCycle
        | Reason::ImpersonationNotPermitted
        | Reason::ImpersonationProtected
        | Reason::ImpersonationSubjectUnknown
        | Reason::SubjectTokenTypeNotPermitted
        | Reason::RequestedTokenTypeNotPermitted
        | Reason::ConditionNotMet
        | Reason::ConditionFailed
        | Reason::PermissionExpired
        | Reason::AnswerLocked
        | Reason::AnswerRoles
        | Reason::AnswerScope
        | Reason::AnswerLifetime
        | Reason::RoleMappingFailed
        | Reason::ClaimTemplateFailed => forbidden("Client not allowed to exchange"),
        Reason::UpstreamUnavailable => away(StatusCode::BAD_GATEWAY),
        Reason::UpstreamTimeout => away(StatusCode::GATEWAY_TIMEOUT),
        // It can't be used, or answered something else than it was asked.
        Reason::UpstreamRefused
        | Reason::UpstreamGarbage
        | Reason::AnswerSignature
        | Reason::AnswerAudience
        | Reason::AnswerSubject
        | Reason::AnswerTokenType
        | Reason::AnswerBinding => broken(StatusCode::BAD_GATEWAY),
        Reason::KeyCollision | Reason::SigningFailed | Reason::CallerGone | Reason::Internal => {
            broken(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// What the caller of a JWT authorization grant is told: what is wrong with the assertion is wrong with the grant
/// (RFC 7521 section 4.1.1).
pub fn grant_answer(reason: Reason) -> Answer {
    match answer(reason) {
        Answer { status: StatusCode::BAD_REQUEST, description: "Invalid token", .. } => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidGrant, "Invalid assertion")
        }
        other => other,
    }
}

/// What the caller of a refresh is told: where the owner's permission has gone or the subject is not trusted any more, the
/// grant is over (RFC 6749 section 5.2), and clients that know this code let their users log in again.
pub fn refresh_answer(reason: Reason) -> Answer {
    match answer(reason) {
        Answer { status: StatusCode::FORBIDDEN, description, .. } => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidGrant, description)
        }
        Answer { status: StatusCode::BAD_REQUEST, description: "Invalid token", .. } => {
            error(StatusCode::BAD_REQUEST, ErrorCode::InvalidGrant, "Invalid refresh token")
        }
        other => other,
    }
}

fn error(status: StatusCode, code: ErrorCode, description: &'static str) -> Answer {
    Answer::new(status, code, description)
}

fn bad_request(description: &'static str) -> Answer {
    error(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, description)
}

fn forbidden(description: &'static str) -> Answer {
    error(StatusCode::FORBIDDEN, ErrorCode::AccessDenied, description)
}

fn away(status: StatusCode) -> Answer {
    error(status, ErrorCode::TemporarilyUnavailable, "The identity provider is not available")
}

fn broken(status: StatusCode) -> Answer {
    error(status, ErrorCode::ServerError, "Internal error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_keycloak_says() {
        for (reason, status, body) in [
            (
                Reason::ClientNotPermitted,
                403,
                r#"{"error":"access_denied","error_description":"Client not allowed to exchange"}"#,
            ),
            (
                Reason::SubjectTokenAudience,
                403,
                r#"{"error":"access_denied","error_description":"Client is not within the token audience"}"#,
            ),
            (
                Reason::SubjectTokenExpired,
                400,
                r#"{"error":"invalid_request","error_description":"Invalid token"}"#,
            ),
            (
                Reason::SubjectTokenTypeUnsupported,
                400,
                r#"{"error":"invalid_request","error_description":"Invalid token type, must be access token"}"#,
            ),
            (
                Reason::RequestedTokenTypeUnsupported,
                400,
                r#"{"error":"invalid_request","error_description":"requested_token_type unsupported"}"#,
            ),
            (
                Reason::GrantTypeMissing,
                400,
                r#"{"error":"invalid_request","error_description":"Missing form parameter: grant_type"}"#,
            ),
            (
                Reason::ParameterRepeated,
                400,
                r#"{"error":"invalid_request","error_description":"duplicated parameter"}"#,
            ),
            (
                Reason::ClientMissing,
                401,
                r#"{"error":"invalid_client","error_description":"Invalid client or Invalid client credentials"}"#,
            ),
        ] {
            assert_eq!(answer(reason).status.as_u16(), status, "{reason}");
            assert_eq!(String::from_utf8(answer(reason).body()).unwrap(), body, "{reason}");
        }
    }

    #[test]
    fn every_answer_is_a_printable_error() {
        for reason in Reason::ALL {
            let answer = answer(*reason);
            assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{reason}");
            // RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E
            let printable = |byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
            assert!(!answer.description.is_empty() && answer.description.bytes().all(printable), "{reason}");
            let body: serde_json::Value = serde_json::from_slice(&answer.body()).unwrap();
            assert_eq!(body["error"], answer.code, "{reason}");
        }
    }

    #[test]
    fn a_bad_assertion_is_a_bad_grant() {
        for (reason, code) in [
            (Reason::SubjectTokenExpired, "invalid_grant"),
            (Reason::SubjectTokenIssuerUntrusted, "invalid_grant"),
            (Reason::ParameterRepeated, "invalid_request"),
            (Reason::ClientNotPermitted, "access_denied"),
        ] {
            assert_eq!(grant_answer(reason).code, code, "{reason}");
        }
    }

    #[test]
    fn a_permission_that_has_gone_ends_the_grant() {
        for (reason, code) in [
            (Reason::ClientNotPermitted, "invalid_grant"),
            (Reason::RefreshTokenInvalid, "invalid_grant"),
            (Reason::RefreshTokenReused, "invalid_grant"),
            (Reason::SubjectTokenIssuerUntrusted, "invalid_grant"),
            (Reason::ScopeNotPermitted, "invalid_scope"),
            (Reason::ClientUnauthenticated, "invalid_client"),
            (Reason::StoreUnavailable, "temporarily_unavailable"),
        ] {
            assert_eq!(refresh_answer(reason).code, code, "{reason}");
        }
    }

    #[test]
    fn a_fault_of_the_identity_provider_is_not_the_callers() {
        for (reason, status) in [
            (Reason::UpstreamUnavailable, 502),
            (Reason::UpstreamTimeout, 504),
            (Reason::UpstreamGarbage, 502),
            (Reason::KeysUnavailable, 503),
            (Reason::AnswerSignature, 502),
            (Reason::Internal, 500),
        ] {
            assert_eq!(answer(reason).status.as_u16(), status, "{reason}");
        }
    }
}
