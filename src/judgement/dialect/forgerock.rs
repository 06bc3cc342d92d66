//! `ForgeRock` Access Management: realms below realms, and one text for everything that is wrong with an exchange.
//!
//! The subject token says who may act for its subject (`may_act`). The introspection endpoint returns `act`.

use http::StatusCode;

use super::refusal::DialectRefusal;
use super::rfc8693;
use super::rules::{Account, AnswerMember, AnswerShape, DialectRules, TokenCustoms, TopRealm};
use crate::words::oauth::error::ErrorCode;
use crate::words::refusal::{Cause, PublicError, Reason};

/// The dialect. Access Management is deployed at `/openam` or `/am`, or alone at a host.
pub const RULES: DialectRules = DialectRules {
    token_paths: &[
        "/oauth2/realms/root/realms/{realm}/access_token",
        "/openam/oauth2/realms/root/realms/{realm}/access_token",
        "/am/oauth2/realms/root/realms/{realm}/access_token",
    ],
    introspection_paths: &[
        "/oauth2/realms/root/realms/{realm}/introspect",
        "/openam/oauth2/realms/root/realms/{realm}/introspect",
        "/am/oauth2/realms/root/realms/{realm}/introspect",
    ],
    top_realm: Some(TopRealm {
        name: "root",
        token_paths: &[
            "/oauth2/access_token",
            "/openam/oauth2/access_token",
            "/am/oauth2/access_token",
            "/oauth2/realms/root/access_token",
            "/openam/oauth2/realms/root/access_token",
            "/am/oauth2/realms/root/access_token",
        ],
        introspection_paths: &[
            "/oauth2/introspect",
            "/openam/oauth2/introspect",
            "/am/oauth2/introspect",
            "/oauth2/realms/root/introspect",
            "/openam/oauth2/realms/root/introspect",
            "/am/oauth2/realms/root/introspect",
        ],
    }),
    // The page's text for narrowing has `scopes=write`, its requests have `scope`.
    scope_alias: Some("scopes"),
    tokens: TokenCustoms {
        access_only: &["auth_level", "subname", "user_id"],
        needs_may_act: true,
        plain_actors: true,
    },
    account,
    drops_offline: true,
    refreshes: true,
    // "Any other claims related to the subject, such as user_id and subname", and the authentication level, which is
    // copied from access tokens. ID tokens have none: `token.set` of the audience's file can set the client's.
    // A nonce is copied from ID token to ID token.
    carried: &["auth_level", "nonce", "realm", "subname", "user_id"],
    refusal,
    members: AnswerShape::Only(&[
        AnswerMember::Copied("access_token"),
        // null beside ID tokens.
        AnswerMember::OrNull("refresh_token"),
        AnswerMember::Copied("issued_token_type"),
        AnswerMember::Copied("scope"),
        // Also for ID tokens.
        AnswerMember::Instead("token_type", "N_A", "Bearer"),
        AnswerMember::Copied("expires_in"),
    ]),
    ..rfc8693::RULES
};

/// The account in `(usr!NAME)` or `(age!CLIENT)`.
pub fn account(sub: &str) -> Option<Account<'_>> {
    let (kind, name) = sub.strip_prefix('(')?.strip_suffix(')')?.split_once('!')?;
    match kind {
        "usr" => Some(Account::User(name)),
        "age" => Some(Account::Client(name)),
        _ => None,
    }
}

/// The answer to a refusal. `ForgeRock`'s documentation knows two cases. Other cases are answered as RFC 6749 says.
pub fn refusal(refused: &DialectRefusal<'_>) -> PublicError {
    let bad = |text| PublicError::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text);
    match refused.cause() {
        Cause::UntrustedToken
        | Cause::SubjectToken
        | Cause::TokenType
        | Cause::Actor
        | Cause::Target
        | Cause::Denied => bad("Invalid token exchange."),
        Cause::Request if matches!(refused.reason, Reason::ParameterMissing | Reason::ActorTokenIncomplete) => {
            match refused.detail {
                "subject_token" => bad("Subject token is required."),
                "subject_token_type" => bad("Subject token type is required."),
                "actor_token" => bad("Actor token is required."),
                "actor_token_type" => bad("Actor token type is required."),
                _ => rfc8693::refusal(refused),
            }
        }
        _ => rfc8693::refusal(refused),
    }
}
