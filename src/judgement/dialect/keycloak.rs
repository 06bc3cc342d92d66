//! Keycloak, whose words are those of [`Reason::public`](crate::words::refusal::Reason::public).

use http::StatusCode;

use super::refusal::{DialectRefusal, RequestKind};
use super::rules::{AnswerShape, DialectRules, TokenCustoms};
use crate::words::oauth::error::ErrorCode;
use crate::words::refusal::{Cause, PublicError};

/// The dialect. Other dialects differ from it in little.
pub const RULES: DialectRules = DialectRules {
    token_paths: &[],
    top_realm: None,
    introspection_paths: &[],
    api_access_paths: &[],
    json: false,
    refuses_unknown_grants: false,
    subject_token_type: None,
    subject_tokens: None,
    requested_tokens: None,
    subject_issuer: false,
    audience_of_client: false,
    scope_alias: None,
    drops_offline: false,
    refreshes: false,
    required_claims: &[],
    optional_claims: &[],
    audience_is_host: false,
    carried: &[],
    defaults: &[],
    tokens: TokenCustoms { access_only: &[], needs_may_act: false, plain_actors: false },
    account: |_| None,
    refusal,
    upstream_refusals: true,
    public_secrets_ignored: true,
    challenges: false,
    members: AnswerShape::Unchanged,
    cache_control: "no-store",
};

/// The answer to a refusal. A wrong assertion is an invalid grant (RFC 7521 section 4.1.1). A refresh that is denied, or
/// whose subject is not trusted any more, ends the grant (RFC 6749 section 5.2): clients that know this code let their
/// users log in again.
pub fn refusal(refused: &DialectRefusal<'_>) -> PublicError {
    let public = refused.reason.public();
    let invalid_grant = |description| PublicError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidGrant, description);
    let denied = public.status == StatusCode::FORBIDDEN;
    let wrong_token = matches!(refused.reason.cause(), Cause::UntrustedToken | Cause::SubjectToken);
    match refused.request {
        RequestKind::Refresh if denied => invalid_grant(public.description),
        RequestKind::Refresh if wrong_token => invalid_grant("Invalid refresh token"),
        RequestKind::Assertion if wrong_token && !denied => invalid_grant("Invalid assertion"),
        RequestKind::Exchange | RequestKind::Assertion | RequestKind::Refresh => public,
    }
}

#[cfg(test)]
mod tests;
