use super::*;

const REQUEST: UpstreamRequest<'static> =
    UpstreamRequest { realm: "corp", client: "front-end-app", audience: Some("back-end-api") };

fn error(status: u16, code: &str, description: &str) -> OAuthRefusal {
    let body = serde_json::json!({"error": code, "error_description": description});
    OAuthRefusal::read(status, body.to_string().as_bytes(), [])
}

#[test]
fn a_known_cause_is_told_with_what_mends_it() {
    for (status, code, description, parts) in [
        (
            400,
            "invalid_request",
            "Requested audience not available: back-end-api",
            ["a role of back-end-api", "Full scope"],
        ),
        (400, "invalid_client", "Audience not found", ["no client back-end-api", "audience's file"]),
        (403, "access_denied", "Client is not within the token audience", ["Audience mapper", "front-end-app"]),
        (400, "invalid_grant", "User not found", ["linked", "sub"]),
        (400, "invalid_grant", "Token reuse detected", ["used before", "assertion reuse"]),
        (
            400,
            "invalid_scope",
            "Invalid scopes: emial",
            ["\"Invalid scopes: emial\"", "client scopes of front-end-app"],
        ),
        (
            401,
            "unauthorized_client",
            "Invalid client or Invalid client credentials",
            ["no client front-end-app", "wrong"],
        ),
        (401, "invalid_client", "", ["no client front-end-app", "disabled"]),
    ] {
        let detail = error(status, code, description).detail(REQUEST);
        assert!(detail.starts_with(&format!("realm corp answered {status} {code}")), "{detail}");
        for part in parts {
            assert!(detail.contains(part), "{part}: {detail}");
        }
    }
}

#[test]
fn an_unknown_cause_is_repeated() {
    let detail = error(400, "invalid_request", "The stars are wrong").detail(REQUEST);
    assert_eq!(detail, r#"realm corp answered 400 invalid_request, "The stars are wrong""#);
    let detail = OAuthRefusal::read(502, b"<html>", []).detail(REQUEST);
    assert_eq!(detail, "realm corp answered 502 something that is no OAuth error");
}

#[test]
fn nothing_of_the_request_that_is_secret_is_repeated() {
    let body = br#"{"error":"invalid_grant","error_description":"hunter22-hunter22 is no secret of a"}"#;
    let detail = OAuthRefusal::read(400, body, ["hunter22-hunter22"]).detail(REQUEST);
    assert_eq!(detail, r#"realm corp answered 400 invalid_grant, "… is no secret of a""#);
}

/// A placeholder that is left would be an error in the table.
#[test]
fn every_hint_is_whole() {
    for (text, _) in HINTS {
        let detail = error(400, "invalid_request", text).detail(REQUEST);
        assert!(!detail.contains('{') && !detail.contains("  "), "{detail}");
    }
}

#[test]
fn an_earlier_hint_hides_no_later_one() {
    for (position, (text, hint)) in HINTS.iter().enumerate() {
        let first = HINTS.iter().position(|(earlier, _)| text.contains(earlier));
        assert_eq!(first, Some(position), "{text}: {hint}");
    }
}

#[test]
fn the_identity_providers_refusals_are_told_as_ours() {
    for (status, code, description, expected) in [
        (401, "invalid_client", "", Reason::ClientUnauthenticated),
        // Keycloak's word for a wrong secret.
        (401, "unauthorized_client", "", Reason::ClientUnauthenticated),
        (400, "unauthorized_client", "", Reason::ClientNotPermitted),
        (403, "access_denied", "", Reason::ClientNotPermitted),
        (400, "invalid_scope", "", Reason::ScopeNotPermitted),
        (400, "invalid_grant", "", Reason::RefreshTokenInvalid),
        (400, "invalid_request", "Invalid token", Reason::SubjectTokenInactive),
        (400, "invalid_request", "Requested audience not available: back-end-api", Reason::ResourceUnknown),
        (400, "invalid_client", "Audience not found", Reason::ResourceUnknown),
        (401, "invalid_client", "Audience not found", Reason::ClientUnauthenticated),
        (429, "", "", Reason::UpstreamRefused),
    ] {
        assert_eq!(error(status, code, description).reason(), expected, "{status} {code} {description}");
    }
}
