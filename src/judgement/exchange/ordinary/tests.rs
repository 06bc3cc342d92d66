use proptest::prelude::*;

use super::*;
use crate::judgement::exchange::lenient::Governed;

const FORM: &str = "application/x-www-form-urlencoded";
const LOGIN: &str = "grant_type=password&client_id=app&username=alice&password=";
const URN: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

fn head(target: &str, headers: &[(&str, &[u8])]) -> Parts {
    let mut request = http::Request::post(target);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

fn typed(content_type: &str) -> Parts {
    head("/token", &[("content-type", content_type.as_bytes())])
}

/// `text` in an EBCDIC charset: only the letters, digits and signs of a grant.
fn ebcdic(text: &str) -> Vec<u8> {
    let of = |byte: u8| match byte {
        b'a'..=b'i' => byte - b'a' + 0x81,
        b'j'..=b'r' => byte - b'j' + 0x91,
        b's'..=b'z' => byte - b's' + 0xA2,
        b'_' => 0x6D,
        b'=' => 0x7E,
        b':' => 0x7A,
        b'-' => 0x60,
        other => other,
    };
    text.bytes().map(of).collect()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"))
}

#[test]
fn logins_in_every_shape_pass() {
    let many = format!("{LOGIN}x{}", "&a=b".repeat(2_000));
    for (name, body) in [
        ("plain", b"x".as_slice()),
        ("semicolon", b"pa;ss"),
        ("semicolon before a name", b"pa;username=x"),
        ("percent", b"100%sure"),
        ("percent at the end", b"100%"),
        ("percent, then hexadecimal digits", b"100%de"),
        ("CRLF at the end", b"x\r\n"),
        ("LF at the end", b"x\n"),
        ("CRLF within", b"a\r\nb"),
        ("tab", b"a\tb"),
        ("NUL", b"a\0"),
        ("Latin-1", b"gar\xE7on"),
        ("escaped Latin-1", b"gar%E7on"),
        ("Shift JIS", b"\x83p\x83X"),
        ("UTF-8", "пароль".as_bytes()),
        ("byte order mark within", b"\xEF\xBB\xBFx"),
        ("a parameter twice", b"x&a=1&a=2"),
        ("the grant twice", b"x&grant_type=password"),
        ("a field without a name", b"x&=y"),
        ("a field without a value", b"x&y"),
        ("backslashes", br"DOM\user\x41"),
        ("quotes and brackets", br#"["a"]{b}<c>"#),
        ("an ampersand of HTML", b"x&amp;a=b"),
    ] {
        let whole = [LOGIN.as_bytes(), body].concat();
        assert!(is_ordinary(&typed(FORM), &whole), "{name}");
    }
    for (name, body) in [
        ("a device code", "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=a;b"),
        ("a client assertion", "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer&a=100%"),
        ("many parameters", &many),
        ("JSON", r#"{"grant_type":"password","username":"a\u0062"}"#),
        ("no form at all", "hello"),
    ] {
        assert!(is_ordinary(&typed(FORM), body.as_bytes()), "{name}");
    }
}

#[test]
fn logins_under_every_head_pass_unless_it_hides_letters() {
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"grant_type\"\r\n\r\npassword\r\n--x--\r\n";
    let login = format!("{LOGIN}a%20b&scope=openid+email");
    let latin = format!("{LOGIN}%E7");
    for (name, content_type, body, expected) in [
        ("UTF-8", format!("{FORM};charset=UTF-8"), &login, true),
        ("UTF-8, quoted", format!("{FORM}; charset=\"utf-8\""), &latin, true),
        ("UTF-8 without a hyphen", format!("{FORM}; charset=utf8"), &latin, true),
        ("Latin-1", format!("{FORM}; charset=ISO-8859-1"), &latin, true),
        ("Latin-9", format!("{FORM}; charset=iso_8859-15"), &latin, true),
        ("Windows", format!("{FORM}; charset=windows-1252"), &latin, true),
        ("Shift JIS", format!("{FORM}; charset=Shift_JIS"), &latin, true),
        ("ASCII", format!("{FORM}; charset=US-ASCII"), &latin, true),
        ("UTF-16", format!("{FORM}; charset=UTF-16"), &latin, true),
        ("no such charset", format!("{FORM}; charset=nonsense"), &login, true),
        ("no such charset, and bytes that may be letters there", format!("{FORM}; charset=nonsense"), &latin, false),
        ("empty charset", format!("{FORM}; charset="), &login, true),
        ("EBCDIC, and characters that are no letters there", format!("{FORM}; charset=IBM037"), &login, true),
        ("EBCDIC, and bytes that are letters there", format!("{FORM}; charset=IBM037"), &latin, false),
        ("EBCDIC behind UTF-8", format!("{FORM}; charset=utf-8; charset=IBM037"), &latin, false),
        ("EBCDIC as an extended parameter", format!("{FORM}; charset*=''IBM037"), &latin, false),
        ("EBCDIC without an equals sign", format!("{FORM} charset IBM037"), &latin, false),
        ("UTF-7", format!("{FORM}; charset=UTF-7"), &login, false),
        ("UTF-7 of mail boxes", format!("{FORM}; charset=utf-7-imap"), &login, false),
        ("unicode_escape", format!("{FORM}; charset=unicode_escape"), &login, false),
        ("another parameter", format!("{FORM}; boundary=x; q=0.1"), &latin, true),
        ("a list", format!("{FORM}, {FORM}"), &latin, true),
        ("none", String::new(), &latin, true),
        ("text", "text/plain".to_owned(), &latin, true),
        ("JSON", "application/json".to_owned(), &latin, true),
        ("no media type", "form".to_owned(), &login, true),
        ("no media type, and bytes that may be letters there", "form".to_owned(), &latin, false),
        ("parts", "multipart/form-data; boundary=x".to_owned(), &multipart.to_owned(), true),
        (
            "parts in base64",
            "multipart/form-data; boundary=x".to_owned(),
            &multipart.replace("\r\n\r\n", "\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
            false,
        ),
        (
            "parts in another charset",
            "multipart/form-data; boundary=x".to_owned(),
            &multipart.replace("\r\n\r\n", "\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n"),
            false,
        ),
        ("CBOR", "application/cbor".to_owned(), &"\u{A1}jgrant_typehpassword".to_owned(), false),
        ("another type of forms", "application/www-form-urlencoded".to_owned(), &login, true),
        ("another type of JSON", "application/vnd.example+json".to_owned(), &"{}".to_owned(), true),
        ("a signed request", "application/jwt".to_owned(), &"e30.e30.x".to_owned(), false),
        ("compressed", "application/zlib".to_owned(), &login, false),
        ("XML", "application/xml".to_owned(), &"<grant_type>password</grant_type>".to_owned(), false),
    ] {
        assert_eq!(is_ordinary(&typed(&content_type), body.as_bytes()), expected, "{name}");
    }
    let both = [("content-type", FORM.as_bytes()), ("content-type", b"application/x-www-form-urlencoded;charset=\xFF")];
    assert!(is_ordinary(&head("/token", &both), login.as_bytes()));
    assert!(!is_ordinary(&head("/token", &both), latin.as_bytes()));
}

#[test]
fn codings_and_query_strings() {
    for (name, target, coding, expected) in [
        ("none", "/token", "", true),
        ("identity", "/token", "identity, Identity", true),
        ("gzip", "/token", "gzip", false),
        ("identity, then gzip", "/token", "identity, gzip", false),
        ("query", "/token?a=b&c=%zz;d", "", true),
        ("empty query", "/token?", "", true),
        ("query with another grant", "/token?grant_type=password", "", true),
        ("query with a governed grant", "/token?x=urn:ietf:params:oauth:grant-type:token%2Dexchange", "", false),
    ] {
        let head = head(target, &[("content-type", FORM.as_bytes()), ("content-encoding", coding.as_bytes())]);
        assert_eq!(is_ordinary(&head, LOGIN.as_bytes()), expected, "{name}");
    }
    assert!(!is_ordinary(&typed(FORM), b"\x1F\x8B\x08\x00"), "compressed without a word");
}

#[test]
fn what_some_server_could_read_as_governed_is_not_ordinary() {
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
    let utf_32 = |text: &str| text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<u8>>();
    let wide = |text: &str| {
        let full = |c: char| char::from_u32(u32::from(c) + 0xFEE0).unwrap();
        text.chars().map(full).collect::<String>().into_bytes()
    };
    let escaped_urn = URN.replace(':', "%3A");
    let form = format!("grant_type={escaped_urn}&subject_token=x");
    for (name, body) in [
        ("semicolon", format!("grant_type=password;grant_type={URN}").into_bytes()),
        ("line feed", format!("grant_type={URN}\n").into_bytes()),
        ("lines", format!("a=b\r\ngrant_type={URN}").into_bytes()),
        ("half an escape", format!("grant_type={URN}&a=%4").into_bytes()),
        ("Latin-1", [format!("grant_type={URN}&a=").as_bytes(), b"\xE9"].concat()),
        ("byte order mark", format!("\u{FEFF}grant_type={escaped_urn}").into_bytes()),
        ("NUL after it", format!("grant_type={URN}\0").into_bytes()),
        ("no name", format!("=x&grant_type={URN}").into_bytes()),
        ("escaped twice", format!("grant_type={}", URN.replace(':', "%253A")).into_bytes()),
        ("UTF-16", utf_16(&format!("grant_type={URN}"))),
        ("UTF-16 of an escaped form", utf_16(&form)),
        ("UTF-32 of an escaped form", utf_32(&form)),
        ("escaped UTF-16", format!("grant_type={}", escaped(&utf_16(URN))).into_bytes()),
        ("white space within escapes", form.replace("%3A", "%\r\n3A").into_bytes()),
        ("escapes within escapes, with white space", form.replace("%3A", "%25%0A3A").into_bytes()),
        ("overlong", form.replace("%3A", "%E0%80%BA").into_bytes()),
        ("full width", wide(&format!("grant_type={URN}"))),
        ("another case", form.replace("token-", "to\u{212A}en-").into_bytes()),
        ("without a dot", form.replace("ietf", "\u{131}etf").into_bytes()),
        ("digits of another script", form.replace("urn", "%\u{667}\u{665}rn").into_bytes()),
        ("JSON5", format!(r#"{{"grant_type":"{}"}}"#, URN.replace("token", r"tok\x65n")).into_bytes()),
        ("a backslash for nothing", format!(r#"{{"grant_type":"{}"}}"#, URN.replace("token", r"t\oken")).into_bytes()),
        ("a member of a list", format!("[{{\"name\":\"grant_type\",\"value\":\"{URN}\"}}]").into_bytes()),
        ("attributes", format!("<p n=\"grant_type\" v=\"{URN}\"/>").into_bytes()),
        ("a refresh token of Cambio", b"grant_type=refresh_token;refresh_token=cambio%5Frt_x".to_vec()),
        ("a subject token without a grant", b"subject_token=x".to_vec()),
        ("a charset of its own", b"_charset_=IBM037&a=%81".to_vec()),
        ("escaped beyond reason", format!("a=%{}41", "25".repeat(20)).into_bytes()),
    ] {
        for content_type in [FORM, "text/plain", "application/json", "form; charset=utf-16"] {
            assert!(!is_ordinary(&typed(content_type), &body), "{name} as {content_type}");
        }
    }
    let spelled = format!("{}={}", escaped(&ebcdic("grant_type")), escaped(&ebcdic(URN)));
    for charset in ["IBM037", "cp1047", "ebcdic-us", "nonsense"] {
        let head = typed(&format!("{FORM}; charset={charset}"));
        assert!(!is_ordinary(&head, spelled.as_bytes()), "{charset}");
        assert!(!is_ordinary(&head, &ebcdic(&format!("grant_type={URN}"))), "{charset}");
    }
    for (name, spelled) in [
        ("UTF-7", format!("+AGc-rant_type={URN}").replace("token", "+AHQ-oken")),
        ("UTF-7 of IMAP", format!("&AGc-rant_type={URN}").replace("token", "&AHQ-oken")),
    ] {
        for charset in ["u7", "U7", "cp65000", "x-RFC3501", "nonsense"] {
            let head = typed(&format!("{FORM}; charset={charset}"));
            assert!(!is_ordinary(&head, spelled.as_bytes()), "{name} as {charset}");
        }
    }
    let utf_7 = format!("+AGc-rant_type={URN}").replace("token", "+AHQ-oken");
    assert!(!is_ordinary(&typed(&format!("{FORM}; charset=utf-7")), utf_7.as_bytes()));
}

/// One way to write the letters of a text, and the charset with which a server reads them again.
#[derive(Clone, Copy, Debug)]
enum Writing {
    Utf8,
    Utf16Be,
    Utf16Le,
    Utf32Le,
    Ebcdic,
}

impl Writing {
    fn write(self, text: &str) -> Vec<u8> {
        match self {
            Self::Utf8 => text.as_bytes().to_vec(),
            Self::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Self::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Self::Utf32Le => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
            Self::Ebcdic => ebcdic(text),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Utf8 => "utf-8",
            Self::Utf16Be => "utf-16be",
            Self::Utf16Le => "utf-16le",
            Self::Utf32Le => "utf-32le",
            Self::Ebcdic => "IBM037",
        }
    }
}

/// Escapes every byte for which `which` has a bit.
fn partly_escaped(bytes: &[u8], which: u64) -> Vec<u8> {
    let escape = |(at, byte): (usize, &u8)| match which >> (at % 64) & 1 {
        1 => format!("%{byte:02x}").into_bytes(),
        _ => vec![*byte],
    };
    bytes.iter().enumerate().flat_map(escape).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// A server reads a form in one charset and decodes escapes once or twice, before or after. Whatever it reads as a
    /// governed grant never passes.
    #[test]
    fn no_governed_grant_passes_in_any_writing(
        grant in prop::sample::select(Governed::ALL.to_vec()),
        writing in prop::sample::select(vec![Writing::Utf8, Writing::Utf16Be, Writing::Utf16Le, Writing::Utf32Le, Writing::Ebcdic]),
        (inner, outer, second) in (any::<u64>(), any::<u64>(), any::<u64>()),
        written_first in any::<bool>(),
        upper in any::<bool>(),
        before in prop::sample::select(vec!["", "a=b&", "x=100%&", "x=pa;", "=y&", "\r\n", "\u{FEFF}", "é=1&", "grant_type=password;"]),
        after in prop::sample::select(vec!["", "&a=%zz", "\r\n", "\n", "\0", "&=", ";b=c", "&x=\u{FFFD}"]),
        content_type in prop::sample::select(vec![FORM, "text/plain", "", "application/json", "multipart/form-data", "*/*"]),
    ) {
        // EBCDIC has other capitals.
        let urn = if upper && !matches!(writing, Writing::Ebcdic) { grant.urn().to_uppercase() } else { grant.urn().to_owned() };
        let pair = format!("grant_type={urn}");
        let told = if written_first {
            partly_escaped(&partly_escaped(&writing.write(&pair), inner), second)
        } else {
            // Escaped as text, then written: the letters of the escapes are in the charset, too.
            let text = String::from_utf8(partly_escaped(pair.as_bytes(), inner)).unwrap();
            let hex = |text: &str| if matches!(writing, Writing::Ebcdic) { pair.clone() } else { text.to_owned() };
            partly_escaped(&writing.write(&hex(&text)), outer)
        };
        let body = [before.as_bytes(), &told, after.as_bytes()].concat();
        let content_type = format!("{content_type}; charset={}", writing.label());
        prop_assert!(!is_ordinary(&typed(&content_type), &body), "{}", String::from_utf8_lossy(&body));
    }

    #[test]
    fn looking_never_panics(body in prop::collection::vec(any::<u8>(), 0..300), content_type in "[ -~]{0,60}") {
        is_ordinary(&typed(&content_type), &body);
    }
}

#[test]
fn ascii_in_utf_7_is_seen_and_words_are_not() {
    for (name, text, expected) in [
        ("a letter", "+AHI-", true),
        ("without an end", "+AHI", true),
        ("behind others", "+/v8AcgB1-", true),
        ("in a long run", &format!("+{}AHI-", "4pyT5ZWK".repeat(9)), true),
        ("in a mail box's name", "&AHI-", true),
        ("a scope", "scope=openid+email+profile+address+phone+offline_access+roles+web-origins", false),
        ("fields", "grant_type=password&client_id=a&client_secret=b&username=c&password=d&acr-values=e", false),
        ("a plus sign, and an ampersand", "+-&-", false),
    ] {
        assert_eq!(respells(text.as_bytes(), b'+', b'/') || respells(text.as_bytes(), b'&', b','), expected, "{name}");
    }
}
