use proptest::prelude::*;

use super::*;
use crate::words::oauth::bytes::linear::assert_steps;

/// [`kids`] one beginning after the other, each from its beginning to its end: the meaning of [`kids`], in quadratic time.
fn slowly(text: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Header {
        kid: String,
    }
    let base64url = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let kid = |at: usize| {
        let rest = &text[at..];
        let length = rest.iter().take(MAX_HEADER).take_while(|byte| base64url(byte)).count();
        if rest.get(length) != Some(&b'.') {
            return None;
        }
        let header = URL_SAFE_NO_PAD.decode(&rest[..length]).ok()?;
        serde_json::from_slice::<Header>(&header).ok().map(|header| header.kid)
    };
    memchr::memmem::find_iter(text, BEGIN).filter_map(kid).collect()
}

fn both(text: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut fast, mut slow): (Vec<_>, _) = (kids(text).collect(), slowly(text));
    fast.sort();
    slow.sort();
    (fast, slow)
}

/// Headers: some are JSON, some nearly.
fn header() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(vec!["kid", "kid", "alg", "\\u006bid", "k\\\"id", "}", "{", "a\\\\"]);
    let text = "[ -~é]{0,6}".prop_map(|text| serde_json::Value::from(text).to_string());
    let value = prop_oneof![
        4 => Just("\"ours\"".to_owned()),
        2 => text,
        1 => proptest::sample::select(vec![
            "1", "[]", "[\"}\",{\"kid\":\"in\"}]", "{\"kid\":\"in\"}", "{\"a\":{\"b\":\"{\"}}", "null", "\"\\\\\"", "\"\\\"}\"",
            "\"", "}", "{", "\\", "\"\\\"",
        ]).prop_map(str::to_owned),
    ];
    let member = (name, value).prop_map(|(name, value)| format!("\"{name}\":{value}"));
    let space = proptest::sample::select(vec!["", "", "", " ", " \t\n", "\u{c}", "x"]);
    (proptest::collection::vec(member, 0..5), space.clone(), space)
        .prop_map(|(members, before, after)| format!("{{{before}{}}}{after}", members.join(",")))
}

/// Pieces of a text, without anything between them: headers begin at any place of a run of base64url.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let planted = (header(), "[A-Za-z0-9_-]{0,9}")
        .prop_map(|(header, junk)| format!("{junk}{}", URL_SAFE_NO_PAD.encode(header)).into_bytes());
    // Several objects in one run, one alignment or another.
    let nested = (header(), header()).prop_map(|(one, two)| URL_SAFE_NO_PAD.encode(format!("{one}{two}")).into_bytes());
    prop_oneof![
        4 => planted,
        1 => nested,
        3 => Just(b".".to_vec()),
        1 => "[.eyJ%&= -]{1,4}".prop_map(String::into_bytes),
        1 => (1..2100_usize).prop_map(|length| b"ey".repeat(length / 2)),
        1 => (1..2100_usize).prop_map(|length| b"eyJh".repeat(length / 4)),
        1 => (1500..1600_usize).prop_map(|length| {
            URL_SAFE_NO_PAD.encode(format!("{{\"x\":\"{}\",\"kid\":\"long\"}}", "a".repeat(length))).into_bytes()
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn finds_what_a_search_from_every_beginning_finds(pieces in proptest::collection::vec(piece(), 1..12)) {
        let text = [pieces.concat(), b".".to_vec()].concat();
        let (fast, slow) = both(&text);
        prop_assert_eq!(fast, slow, "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn finds_a_header_at_every_place_of_a_run(header in header(), before in "[A-Za-z0-9_-]{0,64}") {
        let text = format!("{before}{}.e30.AA", URL_SAFE_NO_PAD.encode(&header));
        let (fast, slow) = both(text.as_bytes());
        prop_assert_eq!(fast, slow, "{} {}", before, header);
    }
}

#[test]
fn headers_of_every_length_about_the_limit() {
    let mut found = 0;
    for length in 1500..1560 {
        let header = format!("{{\"x\":\"{}\",\"kid\":\"long\"}}", "a".repeat(length));
        for before in ["", "e", "ey", "eyJ", "A", "AA", "AAAA"] {
            let (fast, slow) = both(format!("{before}{}.", URL_SAFE_NO_PAD.encode(&header)).as_bytes());
            found += fast.len();
            assert_eq!(fast, slow, "{length} behind {before:?}");
        }
    }
    assert!(found > 100 && found < 400, "{found}: the limit lies among these lengths");
}

#[test]
fn finds_a_token_of_ours_wherever_a_parser_could() {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token = format!("{}.e30.AA", encode(r#"{"alg":"ES256","kid":"ours","typ":"JWT"}"#));
    let other = format!("{}.e30.AA", encode(r#"{"alg":"ES256","kid":"theirs"}"#));
    for (name, body, expected) in [
        ("plain", format!("token={token}&client_id=a"), true),
        ("another name", format!("a={token}"), true),
        ("JSON", format!("{{\"token\": \"{token}\"}}"), true),
        ("escaped dots", format!("token={}", token.replace('.', "%2E")), true),
        ("escaped twice", format!("token={}", token.replace('.', "%252e")), true),
        ("broken over lines", format!("token={}", token.replace('.', "\r\n.")), true),
        ("other members", format!("{}.e30.AA", encode(r#"{"typ":"x","b":[1],"kid":"ours"}"#)), true),
        ("within a longer word", format!("token=eyJey{token}"), true),
        ("behind its own beginning", format!("token={}{token}", "eyJh".repeat(100)), true),
        ("a refresh token", "token=cambio%5Frt_x".into(), true),
        ("a refresh token in another case", "token=x_CAMBIO_RT_x".into(), true),
        ("not quite a refresh token", "token=cambio_rt&x=_rt_&ambio_rt_".into(), false),
        ("another kid", format!("token={other}"), false),
        ("both", format!("token={other}&b={token}"), true),
        ("no JWS", "token=eyJhbGciOiJFUzI1NiJ9".into(), false),
        ("opaque", "token=0f9a-11&token_type_hint=access_token".into(), false),
        ("escaped beyond reason", format!("a=%{}41", "25".repeat(20)), true),
    ] {
        assert_eq!(carries_token_of_ours(body.as_bytes(), |kid| kid == "ours"), expected, "{name}");
    }
}

#[test]
fn searching_is_linear() {
    let objects = |text: &str| URL_SAFE_NO_PAD.encode(text.repeat(100));
    for (name, unit) in [
        ("beginnings", "ey".to_owned()),
        ("beginnings, aligned", "eyJh".to_owned()),
        ("beginnings and dots", "ey.".to_owned()),
        ("long beginnings and dots", format!("{}.", "ey".repeat(1024))),
        ("longer beginnings and dots", format!("{}.", "ey".repeat(4000))),
        ("objects within objects", format!("{}.", objects("{\"a\":"))),
        ("braces", format!("{}.", objects("}  {\" "))),
        ("quotes", format!("{}.", objects("{\"\\\\\"") + "fX0")),
        ("backslashes", format!("{}.", objects("\\\\\\\\\\\"") + "In19")),
        ("ends", format!("{}.", objects("{\"kid\":\"x\"}"))),
        ("every alignment", format!("{}.", "eyeyeyZeyZZeyZZZ".repeat(128))),
        ("dots", ".".to_owned()),
        ("underscores", "cambio_rt".to_owned()),
        ("escapes", "%2565y.".to_owned()),
        ("escapes of escapes", format!("ey%{}41.", "25".repeat(6))),
        ("white space", "e\ny .".to_owned()),
    ] {
        let input = |size: usize| unit.repeat(size / unit.len() + 1).into_bytes();
        assert_steps(name, 100, input, |text| carries_token_of_ours(text, |kid| kid == "ours"));
    }
}
