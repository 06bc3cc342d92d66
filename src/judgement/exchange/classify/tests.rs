use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::words::oauth::urn;

const FORM: &str = "application/x-www-form-urlencoded";
const EXCHANGE: &str = urn::GRANT_TOKEN_EXCHANGE;
const CLOSED: Doors = Doors {
    jwt_bearer: GovernedDoor::Closed,
    uma_ticket: false,
    ciba: false,
    requested_issuer: false,
    requested_subject: GovernedDoor::Closed,
    broker_token: false,
    pre_authorized_code: false,
    introspection_jwt: false,
};
const OPEN: Doors = Doors {
    jwt_bearer: GovernedDoor::Open,
    uma_ticket: true,
    ciba: true,
    requested_issuer: true,
    requested_subject: GovernedDoor::Open,
    broker_token: true,
    pre_authorized_code: true,
    introspection_jwt: true,
};

fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::builder().method("POST").uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn form_head() -> Parts {
    head("/realms/corp/protocol/openid-connect/token", &[("content-type", FORM)])
}

fn short(classified: &Classified) -> String {
    match classified {
        Classified::Other => "other".into(),
        Classified::Open(door) => format!("open {}", door.name()),
        Classified::Refused(refusal) | Classified::Closed(_, refusal) => refusal.reason.as_str().into(),
        Classified::Exchange(..) => "exchange".into(),
        Classified::Refresh(_) => "refresh".into(),
    }
}

#[test]
fn ordinary_requests_are_what_they_say() {
    for (name, body, closed, open) in [
        ("password", "grant_type=password&username=a&password=b&client_id=c".to_owned(), "other", "other"),
        ("code", "code=x&redirect_uri=https%3A%2F%2Fapp%2Fcb&grant_type=authorization_code".into(), "other", "other"),
        ("empty optional parameter", "grant_type=refresh_token&refresh_token=x&scope=".into(), "other", "other"),
        ("plus", "grant_type=client_credentials&scope=openid+profile".into(), "other", "other"),
        ("%20", "grant_type=client_credentials&scope=openid%20profile".into(), "other", "other"),
        ("escaped name", "grant%5Ftype=password&username=a".into(), "other", "other"),
        ("name in another case", "Grant_Type=password&username=a".into(), "other", "other"),
        ("byte order mark", "\u{FEFF}grant_type=password&username=a".into(), "other", "other"),
        ("grant that nobody knows", "grant_type=urn:example:new".into(), "other", "other"),
        ("exchange", format!("grant_type={EXCHANGE}&subject_token=x"), "exchange", "exchange"),
        ("exchange, escaped name", format!("%67rant_type={EXCHANGE}&subject_token=x"), "exchange", "exchange"),
        ("several audiences", format!("grant_type={EXCHANGE}&audience=a&audience=b"), "exchange", "exchange"),
        ("omitted requested_subject", format!("grant_type={EXCHANGE}&requested_subject="), "exchange", "exchange"),
        ("jwt-bearer", format!("grant_type={}&assertion=x", urn::GRANT_JWT_BEARER), "door_closed", "open jwt_bearer"),
        (
            "uma-ticket",
            format!("grant_type={}&permission=a&permission=b", urn::GRANT_UMA_TICKET),
            "door_closed",
            "open uma_ticket",
        ),
        ("CIBA", format!("grant_type={}&auth_req_id=x", urn::GRANT_CIBA), "door_closed", "open ciba"),
        (
            "pre-authorized code",
            format!("grant_type={}&pre-authorized_code=x", urn::GRANT_PRE_AUTHORIZED_CODE),
            "door_closed",
            "open pre_authorized_code",
        ),
        (
            "requested_issuer",
            format!("grant_type={EXCHANGE}&requested_issuer=x"),
            "door_closed",
            "open requested_issuer",
        ),
        (
            "requested_subject",
            format!("grant_type={EXCHANGE}&requested_subject=x"),
            "door_closed",
            "open requested_subject",
        ),
    ] {
        assert_eq!(short(&classify(&form_head(), body.as_bytes(), &CLOSED)), closed, "{name}, closed");
        assert_eq!(short(&classify(&form_head(), body.as_bytes(), &OPEN)), open, "{name}, open");
    }
}

#[test]
fn what_is_not_one_thing_is_refused() {
    for (name, body, expected) in [
        ("empty", String::new(), "grant_type_missing"),
        ("no grant", "a=b".into(), "grant_type_missing"),
        ("empty grant", "grant_type=&a=b".into(), "grant_type_missing"),
        ("two grants", format!("grant_type=password&grant_type={EXCHANGE}"), "parameter_repeated"),
        ("empty and full", format!("grant_type=&grant_type={EXCHANGE}"), "parameter_repeated"),
        ("same name, escaped", format!("grant_type={EXCHANGE}&grant%5Ftype=password"), "parameter_repeated"),
        ("other parameter twice", format!("grant_type={EXCHANGE}&username=a&username=b"), "parameter_repeated"),
        ("permission twice", format!("grant_type={EXCHANGE}&permission=a&permission=b"), "parameter_repeated"),
        ("upper case", format!("grant_type={}", EXCHANGE.to_uppercase()), "grant_type_ambiguous"),
        ("space after", format!("grant_type={EXCHANGE}+"), "grant_type_ambiguous"),
        ("space before", format!("grant_type=%20{EXCHANGE}"), "grant_type_ambiguous"),
        ("NUL after", format!("grant_type={EXCHANGE}%00"), "grant_type_ambiguous"),
        ("escaped twice", format!("grant_type={}", EXCHANGE.replace(':', "%253A")), "grant_type_ambiguous"),
        ("name in upper case", format!("grant_type=password&GRANT_TYPE={EXCHANGE}"), "grant_type_ambiguous"),
        ("name with a bracket", format!("grant_type=password&grant_type[]={EXCHANGE}"), "grant_type_ambiguous"),
        ("hidden in a value", format!("grant_type=password&x=%26grant_type={EXCHANGE}"), "grant_type_ambiguous"),
        (
            "jwt-bearer in upper case",
            "grant_type=URN:ietf:params:oauth:grant-type:jwt-bearer".into(),
            "grant_type_ambiguous",
        ),
        ("one of a list", format!("grant_type=password,{EXCHANGE}"), "grant_type_ambiguous"),
        ("raw semicolon", format!("grant_type=password;grant_type={EXCHANGE}"), "form_malformed"),
        ("bad escape", format!("grant_type={EXCHANGE}&a=%zz"), "form_malformed"),
        ("line feed", format!("grant_type={EXCHANGE}\n"), "form_malformed"),
        ("JSON", format!("{{\"grant_type\":\"{EXCHANGE}\"}}"), "grant_type_ambiguous"),
    ] {
        assert_eq!(short(&classify(&form_head(), body.as_bytes(), &OPEN)), expected, "{name}");
    }
}

#[test]
fn the_head_of_an_exchange_must_be_that_of_a_plain_form() {
    const TYPE: (&str, &str) = ("content-type", FORM);
    const UTF_16: (&str, &str) = ("content-type", "application/x-www-form-urlencoded;charset=utf-16");
    const IDENTITY: (&str, &str) = ("content-encoding", "identity");
    // A password grant passes, unless the head could hide a governed grant in it.
    for (name, target, headers, exchange, login) in [
        ("plain", "/", vec![TYPE], "exchange", "other"),
        (
            "charset",
            "/",
            vec![("content-type", "application/x-www-form-urlencoded; charset=UTF-8")],
            "exchange",
            "other",
        ),
        ("identity", "/", vec![TYPE, ("content-encoding", "Identity")], "exchange", "other"),
        ("no type", "/", vec![], "content_type_not_form", "other"),
        ("two types", "/", vec![TYPE, TYPE], "content_type_not_form", "other"),
        ("JSON", "/", vec![("content-type", "application/json")], "content_type_not_form", "other"),
        ("UTF-16", "/", vec![UTF_16], "content_type_not_form", "other"),
        ("gzip", "/", vec![TYPE, ("content-encoding", "gzip")], "content_coding_refused", "content_coding_refused"),
        ("two codings", "/", vec![TYPE, IDENTITY, IDENTITY], "content_coding_refused", "other"),
        ("no coding", "/", vec![TYPE, ("content-encoding", "")], "content_coding_refused", "other"),
        ("query", "/?grant_type=x", vec![TYPE], "parameter_in_query", "other"),
        ("empty query", "/?", vec![TYPE], "parameter_in_query", "other"),
        ("method", "/", vec![TYPE, ("x-http-method-override", "PUT")], "method_not_allowed", "other"),
        (
            "query with a governed grant",
            "/?grant_type=urn:ietf:params:oauth:grant-type:token-exchange",
            vec![TYPE],
            "parameter_in_query",
            "parameter_in_query",
        ),
    ] {
        let head = head(target, &headers);
        let body = format!("grant_type={EXCHANGE}&subject_token=x");
        assert_eq!(short(&classify(&head, body.as_bytes(), &CLOSED)), exchange, "{name}");
        assert_eq!(short(&classify(&head, b"grant_type=password&username=a", &CLOSED)), login, "{name}");
    }
}

#[test]
fn a_detail_does_not_grow_with_the_request() {
    let body = format!("grant_type={EXCHANGE}&{0}=1&{0}=2", "é".repeat(10_000));
    let Classified::Refused(refusal) = classify(&form_head(), body.as_bytes(), &CLOSED) else {
        panic!("not refused");
    };
    assert!(refusal.detail.len() < 600 && refusal.detail.is_ascii());
}

/// A reader of forms that is lenient in another way than the one in the code: it decodes, drops and trims freely.
fn lenient_reader_finds_an_exchange(body: &[u8]) -> bool {
    let text: String = body.iter().map(|byte| char::from(*byte)).collect();
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    let is = |text: &str, wanted: &str| {
        let once = decode(text);
        [text.to_owned(), decode(&once), once].iter().any(|text| {
            let kept: String = text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
            kept.eq_ignore_ascii_case(wanted)
        })
    };
    text.split(['&', ';'])
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| is(name.trim_end_matches("[]"), "grant_type") && is(value, EXCHANGE))
}

/// The bytes of `text` for which `which` has a bit, as hexadecimal digits after `sign`.
fn escaped(text: &str, sign: &str, which: u64) -> String {
    let mut escaped = String::new();
    for (at, byte) in text.bytes().enumerate() {
        if which >> (at % 64) & 1 == 1 {
            write!(escaped, "{sign}{byte:02x}").unwrap();
        } else {
            escaped.push(char::from(byte));
        }
    }
    escaped
}

/// Bodies made of the pieces of an exchange, each perhaps escaped, padded or put into another case.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "grant_type",
        EXCHANGE,
        "password",
        "=",
        "=",
        "&",
        "&",
        ";",
        "subject_token",
        "\t",
        "%0d",
        "audience",
        "x",
        "+",
        "%20",
        "%00",
        "\n",
        "[]",
        "%26",
        "%3d",
        "requested_subject",
        "\0",
        "%",
    ]);
    let piece = (piece, 0..8_u8, any::<u64>()).prop_map(|(text, how, which)| match how {
        0 => text.to_uppercase(),
        1 => escaped(text, "%", u64::MAX),
        2 => escaped(text, "%25", u64::MAX),
        3 => escaped(text, "%", which),
        _ => text.to_owned(),
    });
    let field = prop_oneof![
        3 => (piece.clone(), piece.clone()).prop_map(|(name, value)| format!("{name}={value}")),
        3 => Just(format!("grant_type={EXCHANGE}")),
        2 => piece.clone().prop_map(|value| format!("grant_type={value}")),
        2 => piece.prop_map(|name| format!("{name}={EXCHANGE}")),
    ];
    let separator = prop::sample::select(vec!["&", "&", "&", ";", "%26", "&&", "& "]);
    prop::collection::vec((field, separator), 1..4).prop_map(|fields| {
        fields.into_iter().map(|(field, separator)| field + separator).collect::<String>().into_bytes()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_passes_in_which_a_lenient_reader_finds_an_exchange(body in bodies()) {
        let classified = classify(&form_head(), &body, &CLOSED);
        if lenient_reader_finds_an_exchange(&body) {
            let safe = matches!(classified, Classified::Refused(_) | Classified::Closed(..) | Classified::Exchange(..));
            prop_assert!(safe, "{:?} is {classified:?}", String::from_utf8_lossy(&body));
            prop_assert!(carries_governed_grant(&body));
        }
    }

    #[test]
    fn classifying_never_panics(body in prop::collection::vec(any::<u8>(), 0..300)) {
        classify(&form_head(), &body, &OPEN);
        carries_governed_grant(&body);
    }

    #[test]
    fn open_doors_let_no_plain_exchange_through(body in bodies()) {
        let wanted = |door: GovernedGrant| String::from_utf8_lossy(&body).contains(door.name());
        match classify(&form_head(), &body, &OPEN) {
            Classified::Open(door) => prop_assert!(wanted(door) || body.contains(&b'%')),
            Classified::Other => prop_assert!(!lenient_reader_finds_an_exchange(&body)),
            Classified::Refused(_) | Classified::Closed(..) | Classified::Exchange(..) | Classified::Refresh(_) => {}
        }
    }

    #[test]
    fn ordinary_requests_pass_in_every_shape(
        secret in "(?s).{1,20}",
        order in Just(vec![0, 1, 2, 3, 4]).prop_shuffle(),
        which in any::<u64>(),
        content_type in prop::sample::select(vec![
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-Urlencoded; charset=utf-8",
            "application/x-www-form-urlencoded;charset=\"UTF-8\"",
        ]),
    ) {
        let secret = crate::words::oauth::form::encode(&secret);
        let secret = if which & 1 == 1 { secret.replace('+', "%20") } else { secret };
        let fields = [
            format!("{}=password", escaped("grant_type", "%", which)),
            format!("{}=alice", escaped("username", "%", which)),
            format!("password={secret}"),
            "scope=".to_owned(),
            "client_id=app".to_owned(),
        ];
        let body = order.iter().map(|at| fields[*at].as_str()).collect::<Vec<_>>().join("&");
        let classified = classify(&head("/", &[("content-type", content_type)]), body.as_bytes(), &CLOSED);
        prop_assert_eq!(classified, Classified::Other, "{}", body);
    }
}

#[test]
fn a_refresh_token_of_ours_is_ours_to_answer_or_goes_nowhere() {
    for (name, body, expected) in [
        ("ours", "grant_type=refresh_token&refresh_token=cambio_rt_x&client_id=a".to_owned(), "refresh"),
        ("escaped", "grant_type=refresh_token&refresh_token=cambio%5Frt%5Fx".into(), "refresh"),
        ("the upstream's", "grant_type=refresh_token&refresh_token=eyJ.x.y".into(), "other"),
        (
            "the upstream's, with ours as scope",
            "grant_type=refresh_token&refresh_token=e&scope=cambio_rt_x".into(),
            "refresh_token_invalid",
        ),
        (
            "another case of the name",
            "grant_type=refresh_token&Refresh_Token=cambio_rt_x".into(),
            "refresh_token_invalid",
        ),
        (
            "another case of the prefix",
            "grant_type=refresh_token&refresh_token=Cambio_RT_x".into(),
            "refresh_token_invalid",
        ),
        ("space before it", "grant_type=refresh_token&refresh_token=+cambio_rt_x".into(), "refresh_token_invalid"),
        ("space within", "grant_type=refresh_token&refresh_token=cambio%20_rt_x".into(), "refresh_token_invalid"),
        ("escaped twice", "grant_type=refresh_token&refresh_token=cambio%255Frt_x".into(), "refresh_token_invalid"),
        ("another grant", "grant_type=password&refresh_token=cambio_rt_x".into(), "refresh_token_invalid"),
        (
            "another case of the grant",
            "grant_type=Refresh_Token&refresh_token=cambio_rt_x".into(),
            "refresh_token_invalid",
        ),
        ("twice", "grant_type=refresh_token&refresh_token=e&refresh_token=cambio_rt_x".into(), "parameter_repeated"),
        ("no grant", "refresh_token=cambio_rt_x".into(), "grant_type_missing"),
        ("a door", format!("grant_type={}&auth_req_id=cambio_rt_x", urn::GRANT_CIBA), "refresh_token_invalid"),
        ("as the subject of an exchange", format!("grant_type={EXCHANGE}&subject_token=cambio_rt_x"), "exchange"),
        (
            "an exchange in disguise",
            format!("grant_type=refresh_token&refresh_token=cambio_rt_x&x=grant_type={EXCHANGE}"),
            "grant_type_ambiguous",
        ),
        (
            "a grant in another case",
            "GRANT_TYPE=refresh_token&refresh_token=cambio_rt_x".into(),
            "grant_type_ambiguous",
        ),
    ] {
        assert_eq!(short(&classify(&form_head(), body.as_bytes(), &OPEN)), expected, "{name}");
    }
}

/// At a path of a page that knows the exchange alone, what is no grant of Keycloak is refused in the page's words.
#[test]
fn at_the_path_of_a_page_nothing_passes_but_grants_of_keycloak() {
    for (body, expected) in [
        ("grant_type=password&username=a", "other"),
        ("grant_type=authorization_code&code=c", "other"),
        ("grant_type=client_credentials", "other"),
        ("grant_type=refresh_token&refresh_token=r", "other"),
        ("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code", "other"),
        ("grant_type=urn:example:grant", "grant_type_unsupported"),
        ("grant_type=Password", "grant_type_unsupported"),
        ("grant_type=password%20", "grant_type_unsupported"),
        ("username=a", "grant_type_missing"),
        ("", "grant_type_missing"),
    ] {
        let told = short(&classify_known(&form_head(), body.as_bytes(), &CLOSED));
        let expected = if expected == "other" { short(&Classified::Other) } else { expected.to_owned() };
        assert_eq!(told, expected, "{body}");
    }
    let mut head = form_head();
    head.headers.insert("content-type", "text/plain".parse().unwrap());
    let told = classify_known(&head, b"grant_type=password", &CLOSED);
    assert!(matches!(&told, Classified::Refused(refusal) if refusal.reason == Reason::ContentTypeNotForm), "{told:?}");
    let exchange = b"grant_type=urn:ietf:params:oauth:grant-type:token-exchange";
    assert_eq!(
        short(&classify_known(&form_head(), exchange, &CLOSED)),
        short(&classify(&form_head(), exchange, &CLOSED)),
        "the rest is as everywhere"
    );
}
