//! `ForgeRock` Access Management: realms below realms, and one text for whatever is wrong with an exchange.
//!
//! Who may act for whom stands in the tokens (`may_act`); the introspection endpoint shows it with `act`.

use http::StatusCode;

use super::{Answer, Cause, Member, Members, Refused, Rules, rfc8693};
use crate::words::oauth::error::ErrorCode;
use crate::words::refusal::Reason;

/// The dialect.
pub static RULES: Rules = Rules {
    token_paths: &[
        "/oauth2/realms/root/realms/{realm}/access_token",
        "/openam/oauth2/realms/root/realms/{realm}/access_token",
    ],
    introspection_paths: &[
        "/oauth2/realms/root/realms/{realm}/introspect",
        "/openam/oauth2/realms/root/realms/{realm}/introspect",
    ],
    drops_offline: true,
    refreshes: true,
    // "Any other claims related to the subject, such as user_id and subname", and the authentication level, which is
    // copied from access tokens; ID tokens have none, and `token.set` of the audience's file says the client's.
    // A nonce goes from ID token to ID token.
    carried: &["auth_level", "nonce", "realm", "subname", "user_id"],
    refusal,
    members: Members::Only(&[
        Member::Copied("access_token"),
        // null with ID tokens.
        Member::OrNull("refresh_token"),
        Member::Copied("issued_token_type"),
        Member::Copied("scope"),
        // ID tokens, too.
        Member::Instead("token_type", "N_A", "Bearer"),
        Member::Copied("expires_in"),
    ]),
    ..rfc8693::RULES_OF_RFC8693
};

/// What the caller is told. The page knows two cases; the rest is RFC 6749's.
pub fn refusal(refused: &Refused<'_>) -> Answer {
    let bad = |text| Answer::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidRequest, text);
    match refused.cause() {
        Cause::Untrusted | Cause::Token | Cause::TokenType | Cause::Actor | Cause::Target | Cause::Denied => {
            bad("Invalid token exchange.")
        }
        Cause::Request if refused.reason == Reason::ParameterMissing => match refused.detail {
            "subject_token" => bad("Subject token is required."),
            "subject_token_type" => bad("Subject token type is required."),
            "actor_token" => bad("Actor token is required."),
            "actor_token_type" => bad("Actor token type is required."),
            _ => rfc8693::refusal(refused),
        },
        _ => rfc8693::refusal(refused),
    }
}
