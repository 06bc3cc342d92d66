use serde_json::{Value, json};

use super::*;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{PublicError, Reason};

fn refuse(dialect: Dialect, reason: Reason, detail: &str, request: RequestKind) -> PublicError {
    (dialect.rules().refusal)(&DialectRefusal { reason, detail, request })
}

fn answer(dialect: Dialect, reason: Reason) -> (u16, &'static str, &'static str) {
    let answer = refuse(dialect, reason, "", RequestKind::Exchange);
    (answer.status.as_u16(), answer.code.as_str(), answer.description)
}

#[test]
fn every_reason_has_a_printable_answer_in_every_dialect() {
    for dialect in Dialect::ALL {
        for reason in Reason::ALL {
            for request in [RequestKind::Exchange, RequestKind::Assertion, RequestKind::Refresh] {
                let answer = refuse(dialect, *reason, "", request);
                let name = format!("{} {reason} {request:?}", dialect.name());
                assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{name}");
                // RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E
                let printable = |byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
                assert!(!answer.description.is_empty() && answer.description.bytes().all(printable), "{name}");
                assert!(answer.code.as_str().bytes().all(printable), "{name}");
                let body: Value = serde_json::from_slice(&answer.body()).unwrap();
                assert_eq!(body, json!({"error": answer.code.as_str(), "error_description": answer.description}));
            }
        }
    }
}

#[test]
fn statuses_and_codes_are_those_of_the_pages() {
    let rfc6749 = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        // RFC 8693 section 2.2.2, RFC 9449 sections 5 and 8, and RFC 6749 section 4.1.2.1.
        "invalid_target",
        "invalid_dpop_proof",
        "use_dpop_nonce",
        "temporarily_unavailable",
        "server_error",
    ];
    for (dialect, statuses, codes) in [
        (Dialect::Pace, &[401, 403, 405, 422, 429, 500, 503, 508][..], &rfc6749[..5]),
        (Dialect::Forgerock, &[400, 401, 405, 408, 413, 429, 500, 503, 508], &rfc6749[..]),
        (Dialect::KeyBridge, &[400, 401, 405, 408, 413, 429, 500, 503, 508], &rfc6749[..]),
        (Dialect::Rfc8693, &[400, 401, 405, 408, 413, 429, 500, 503, 508], &rfc6749[..]),
    ] {
        for reason in Reason::ALL {
            for request in [RequestKind::Exchange, RequestKind::Assertion, RequestKind::Refresh] {
                let answer = refuse(dialect, *reason, "", request);
                let name = format!("{} {reason} {request:?}: {answer:?}", dialect.name());
                assert!(statuses.contains(&answer.status.as_u16()), "{name}");
                assert!(codes.contains(&answer.code.as_str()), "{name}");
                assert_eq!(answer.status == 401, answer.code.as_str() == "invalid_client", "{name}");
            }
        }
    }
}

#[test]
fn cern_and_terradue_say_what_keycloak_says() {
    for reason in Reason::ALL {
        for dialect in [Dialect::Cern, Dialect::Terradue] {
            assert_eq!(answer(dialect, *reason), answer(Dialect::Keycloak, *reason), "{reason}");
        }
    }
}

#[test]
fn pace_tells_trust_from_content() {
    for (reason, status, code) in [
        (Reason::ClientUnauthenticated, 401, "invalid_client"),
        (Reason::SubjectTokenIssuerUntrusted, 403, "invalid_grant"),
        (Reason::SubjectTokenSignature, 403, "invalid_grant"),
        (Reason::SubjectTokenAlgorithm, 403, "invalid_grant"),
        (Reason::SubjectTokenKeyUnknown, 403, "invalid_grant"),
        (Reason::ClientNotPermitted, 403, "unauthorized_client"),
        (Reason::AudienceUnknown, 403, "unauthorized_client"),
        (Reason::ParameterMissing, 422, "invalid_request"),
        (Reason::ParameterRepeated, 422, "invalid_request"),
        (Reason::ParameterUnknown, 422, "invalid_request"),
        (Reason::SubjectTokenTypeUnsupported, 422, "invalid_request"),
        (Reason::SubjectTokenExpired, 422, "invalid_grant"),
        (Reason::SubjectTokenClaims, 422, "invalid_grant"),
        (Reason::SubjectTokenAudience, 422, "invalid_grant"),
        (Reason::GrantTypeUnsupported, 422, "unsupported_grant_type"),
        (Reason::KeysUnavailable, 500, "invalid_request"),
        (Reason::Internal, 500, "invalid_request"),
    ] {
        let answer = answer(Dialect::Pace, reason);
        assert_eq!((answer.0, answer.1), (status, code), "{reason}");
    }
}

#[test]
fn forgerock_has_one_text_for_what_is_wrong_with_an_exchange() {
    for reason in [
        Reason::SubjectTokenMalformed,
        Reason::SubjectTokenExpired,
        Reason::SubjectTokenSignature,
        Reason::SubjectTokenTypeUnsupported,
        Reason::SubjectTokenTypeNotPermitted,
        Reason::RequestedTokenTypeUnsupported,
        Reason::ActorTokenInvalid,
        Reason::MayActViolated,
        Reason::ActorRequired,
        Reason::ClientNotPermitted,
    ] {
        assert_eq!(answer(Dialect::Forgerock, reason), (400, "invalid_request", "Invalid token exchange."));
    }
    let missing = refuse(Dialect::Forgerock, Reason::ParameterMissing, "subject_token_type", RequestKind::Exchange);
    assert_eq!(
        String::from_utf8(missing.body()).unwrap(),
        r#"{"error":"invalid_request","error_description":"Subject token type is required."}"#
    );
    assert_eq!(missing.status, 400);
    let missing = refuse(Dialect::Forgerock, Reason::ParameterMissing, "subject_token", RequestKind::Exchange);
    assert_eq!(missing.description, "Subject token is required.");
}

#[test]
fn rfc8693_tells_tokens_from_targets() {
    for dialect in [Dialect::Rfc8693, Dialect::KeyBridge] {
        for (reason, status, code) in [
            (Reason::AudienceUnknown, 400, "invalid_target"),
            (Reason::ResourceUnknown, 400, "invalid_target"),
            (Reason::ClientNotPermitted, 400, "invalid_target"),
            (Reason::SubjectTokenExpired, 400, "invalid_request"),
            (Reason::ActorTokenInvalid, 400, "invalid_request"),
            (Reason::ActorNotPermitted, 400, "invalid_request"),
            (Reason::ScopeNotPermitted, 400, "invalid_scope"),
            (Reason::ClientMissing, 401, "invalid_client"),
        ] {
            let answer = answer(dialect, reason);
            assert_eq!((answer.0, answer.1), (status, code), "{reason}");
        }
        assert_eq!(
            refuse(dialect, Reason::ClientNotPermitted, "", RequestKind::Refresh).code.as_str(),
            "invalid_grant",
            "a permission that has gone ends the grant"
        );
    }
}

#[test]
fn paths_are_those_of_the_pages() {
    for (dialect, path, realm, expected) in [
        (Dialect::Keycloak, "/realms/corp", "corp", vec![]),
        (Dialect::Cern, "/realms/cern", "cern", vec!["/auth/realms/cern/protocol/openid-connect/token"]),
        (Dialect::Terradue, "/realms/master", "master", vec![]),
        (Dialect::Pace, "/realms/pace", "pace", vec!["/protocol/openid-connect/token"]),
        (Dialect::KeyBridge, "/realms/kb", "kb", vec!["/token/oauth2"]),
        (
            Dialect::Forgerock,
            "/realms/corp",
            "mySubRealm",
            vec![
                "/oauth2/realms/root/realms/mySubRealm/access_token",
                "/openam/oauth2/realms/root/realms/mySubRealm/access_token",
                "/am/oauth2/realms/root/realms/mySubRealm/access_token",
            ],
        ),
        (Dialect::Rfc8693, "/realms/corp", "corp", vec![]),
    ] {
        let place = RealmPath { path, endpoints: None, rules: dialect.rules(), realm };
        assert_eq!(place.token_paths().collect::<Vec<_>>(), expected, "{dialect:?}");
        assert_eq!(dialect.rules().has_realm_parameter(), dialect == Dialect::Forgerock, "{dialect:?}");
    }
}

/// The members that an answer of the identity provider has in a dialect.
fn shaped(dialect: Dialect, answer: &Value) -> Vec<(&'static str, Value)> {
    let AnswerShape::Only(members) = dialect.rules().members else { panic!("{dialect:?} has no members of its own") };
    let shaped = members.iter().map(|member| (member.name(), member.value(answer.get(member.name()).cloned())));
    shaped.filter_map(|(name, value)| Some((name, value?))).collect()
}

#[test]
fn answers_have_what_the_pages_promise() {
    let access = TokenType::AccessToken.urn();
    let jwt = TokenType::Jwt.urn();
    let answer = json!({
        "access_token": "t", "expires_in": 300, "refresh_expires_in": 0, "token_type": "Bearer",
        "not-before-policy": 0, "session_state": "s", "scope": "email", "issued_token_type": access,
    });
    let names = |dialect| shaped(dialect, &answer).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(Dialect::Pace), ["access_token", "issued_token_type", "token_type", "expires_in"]);
    assert_eq!(
        names(Dialect::Forgerock),
        ["access_token", "refresh_token", "issued_token_type", "scope", "token_type", "expires_in"]
    );
    assert_eq!(names(Dialect::Rfc8693), ["access_token", "issued_token_type", "token_type", "expires_in", "scope"]);
    let value = |dialect, answer: &Value, name| {
        shaped(dialect, answer).into_iter().find(|(member, _)| *member == name).map(|(_, value)| value)
    };
    assert_eq!(value(Dialect::Pace, &answer, "issued_token_type"), Some(json!(jwt)));
    assert_eq!(value(Dialect::KeyBridge, &answer, "issued_token_type"), Some(json!(jwt)));
    assert_eq!(value(Dialect::Rfc8693, &answer, "issued_token_type"), Some(json!(access)));
    assert_eq!(value(Dialect::Forgerock, &answer, "refresh_token"), Some(Value::Null));
    let id = json!({"access_token": "t", "token_type": "N_A", "issued_token_type": TokenType::IdToken.urn()});
    assert_eq!(value(Dialect::Forgerock, &id, "token_type"), Some(json!("Bearer")));
    assert_eq!(value(Dialect::Rfc8693, &id, "token_type"), Some(json!("N_A")));
    assert_eq!(value(Dialect::KeyBridge, &id, "issued_token_type"), Some(json!(TokenType::IdToken.urn())));
    let bound = json!({"access_token": "t", "token_type": "DPoP"});
    assert_eq!(value(Dialect::Forgerock, &bound, "token_type"), Some(json!("DPoP")), "it is no bearer token");
    for dialect in [Dialect::Keycloak, Dialect::Cern, Dialect::Terradue] {
        assert_eq!(dialect.rules().members, AnswerShape::Unchanged);
    }
}

#[test]
fn forgerocks_subjects_name_users_and_clients() {
    use crate::judgement::dialect::Account;
    for (sub, expected) in [
        ("(usr!demo)", Some(Account::User("demo"))),
        ("(usr!)", Some(Account::User(""))),
        ("(usr!a!b)", Some(Account::User("a!b"))),
        ("(age!myOAuth2Client)", Some(Account::Client("myOAuth2Client"))),
        ("(grp!demo)", None),
        ("(USR!demo)", None),
        ("usr!demo", None),
        ("(usr!demo", None),
        ("x(usr!demo)", None),
        ("5d6a1b0e-6f3c-4c55-9a3b-1f1d0c6a11ce", None),
    ] {
        assert_eq!((Dialect::Forgerock.rules().account)(sub), expected, "{sub}");
        assert_eq!((Dialect::Keycloak.rules().account)(sub), None, "{sub}");
    }
}
