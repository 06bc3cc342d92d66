use super::*;
use crate::words::refusal::Reason;

fn answer(reason: Reason, request: RequestKind) -> PublicError {
    refusal(&DialectRefusal { reason, detail: "", request })
}

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
        (Reason::SubjectTokenExpired, 400, r#"{"error":"invalid_request","error_description":"Invalid token"}"#),
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
        (Reason::ParameterRepeated, 400, r#"{"error":"invalid_request","error_description":"duplicated parameter"}"#),
        (
            Reason::ClientMissing,
            401,
            r#"{"error":"invalid_client","error_description":"Invalid client or Invalid client credentials"}"#,
        ),
    ] {
        assert_eq!(reason.public().status.as_u16(), status, "{reason}");
        assert_eq!(String::from_utf8(reason.public().body()).unwrap(), body, "{reason}");
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
        assert_eq!(answer(reason, RequestKind::Assertion).code.as_str(), code, "{reason}");
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
        assert_eq!(answer(reason, RequestKind::Refresh).code.as_str(), code, "{reason}");
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
        assert_eq!(reason.public().status.as_u16(), status, "{reason}");
    }
}
