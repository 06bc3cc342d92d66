use super::*;

#[test]
fn names_are_unique() {
    let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    assert_eq!(names.len(), Reason::ALL.len());
}

#[test]
fn every_public_error_is_an_error_of_http_and_oauth() {
    for reason in Reason::ALL {
        let PublicError { status, code, description } = reason.public();
        assert!(status.is_client_error() || status.is_server_error(), "{reason}");
        assert_eq!(status == StatusCode::UNAUTHORIZED, code.as_str() == "invalid_client", "{reason}");
        // RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E
        let printable = |byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
        assert!(!description.is_empty() && description.bytes().all(printable), "{reason}");
        let body: serde_json::Value = serde_json::from_slice(&reason.public().body()).unwrap();
        assert_eq!(body["error"], code.as_str(), "{reason}");
    }
}

#[test]
fn a_reason_knows_whether_it_is_about_the_subject_token() {
    for (reason, expected) in [
        (Reason::SubjectTokenExpired, true),
        (Reason::SubjectTokenIssuerUntrusted, true),
        (Reason::SubjectTokenTypeUnsupported, true),
        (Reason::SubjectTokenTypeNotPermitted, false),
        (Reason::ActorTokenInvalid, false),
        (Reason::ClientNotPermitted, false),
    ] {
        assert_eq!(reason.is_about_subject_token(), expected, "{reason}");
    }
}
