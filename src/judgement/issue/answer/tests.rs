use super::*;

#[test]
fn reads_an_answer_or_says_why_not() {
    for (name, status, body, expected) in [
        ("an error", 403, r#"{"error":"access_denied"}"#, Reason::UpstreamRefused),
        ("a redirect", 302, "", Reason::UpstreamRefused),
        ("created, with a token", 201, r#"{"access_token":"x"}"#, Reason::UpstreamRefused),
        ("HTML", 200, "<html>", Reason::UpstreamGarbage),
        ("a list", 200, "[]", Reason::UpstreamGarbage),
        ("no token", 200, "{}", Reason::UpstreamGarbage),
        ("a token that is no text", 200, r#"{"access_token":1}"#, Reason::UpstreamGarbage),
        ("two tokens", 200, r#"{"access_token":"x","access_token":"y"}"#, Reason::UpstreamGarbage),
        ("more after it", 200, r#"{"access_token":"x"}{}"#, Reason::UpstreamGarbage),
        ("not UTF-8", 200, "{\"access_token\":\"\\ud800\"}", Reason::UpstreamGarbage),
    ] {
        assert_eq!(UpstreamAnswer::read(status, body.as_bytes()).unwrap_err().reason, expected, "{name}");
    }
    let answer = UpstreamAnswer::read(200, br#"{"access_token":"s3cret"}"#).unwrap();
    assert_eq!(answer.token().expose(), "s3cret");
    assert_eq!(format!("{answer:?}"), r#"{"access_token"}"#);
}

#[test]
fn other_tokens_are_dropped_and_the_order_is_kept() {
    let body = br#"{"z":1,"access_token":"eyA.eyB.c","refresh_expires_in":1800,"refresh_token":"r","id_token":"i","x":"eyJ.eyJ.s","a":{"b":[1.5]}}"#;
    let mut answer = UpstreamAnswer::read(200, body).unwrap();
    assert_eq!(answer.drop_other_tokens(), ["refresh_token", "id_token", "x"]);
    answer.members_mut().set("a", "new");
    answer.members_mut().set("scope", "email");
    assert_eq!(
        answer.into_members().to_json(),
        r#"{"z":1,"access_token":"eyA.eyB.c","refresh_expires_in":0,"a":"new","scope":"email"}"#
    );
}
