//! The request lock: the grant of a token request.

use cambio::judgement::exchange::classify::{Classified, classify, classify_known};
use cambio::judgement::exchange::doors::{Doors, GovernedDoor};
use cambio::judgement::exchange::grant::Grant;
use cambio::words::oauth::form::Form;
use cambio::words::oauth::urn;

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
const TYPES: [Option<&str>; 6] = [
    Some("application/x-www-form-urlencoded"),
    Some("application/x-www-form-urlencoded; charset=utf-8"),
    Some("application/json"),
    Some("multipart/form-data; boundary=x"),
    Some("text/plain"),
    None,
];

/// The first byte chooses the media type, the rest is the body. No body in which one of the readers of this file finds a
/// token exchange is classified as another grant, whatever its media type.
pub fn check(input: &[u8]) {
    let Some((choice, body)) = input.split_first() else { return };
    let mut request = http::Request::builder().method("POST").uri("/realms/corp/protocol/openid-connect/token");
    if let Some(kind) = TYPES[usize::from(*choice) % TYPES.len()] {
        request = request.header("content-type", kind);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    for doors in [Doors::default(), OPEN] {
        let classified = classify(&head, body, &doors);
        if is_exchange(body) {
            assert!(classified != Classified::Other, "some reader finds an exchange, and the body passes");
            assert!(classify_known(&head, body, &doors) != Classified::Other);
        }
        match classified {
            Classified::Exchange(grant, form) => {
                let expected = match grant {
                    Grant::TokenExchange => urn::GRANT_TOKEN_EXCHANGE,
                    Grant::JwtBearer => urn::GRANT_JWT_BEARER,
                    Grant::ApiAccess => panic!("a form never asks for it"),
                };
                assert_eq!(form.one("grant_type"), Some(expected));
                let again = classify(&head, form.encode().as_bytes(), &doors);
                assert!(again == Classified::Exchange(grant, form), "written anew, the request is another");
            }
            Classified::Refresh(form) => assert_eq!(form.one("grant_type"), Some("refresh_token")),
            Classified::Open(_) => assert!(doors == OPEN, "a closed door lets a request pass"),
            Classified::Closed(door, _) => assert!(!door.is_open(doors), "an open door is closed"),
            Classified::Other | Classified::Refused(_) => {}
        }
    }
}

fn is_exchange(body: &[u8]) -> bool {
    strict(body) || sloppy(body) || json(body)
}

fn strict(body: &[u8]) -> bool {
    Form::parse(body).is_ok_and(|form| form.all("grant_type").any(|grant| grant == urn::GRANT_TOKEN_EXCHANGE))
}

/// A careless reader of forms: any separator, any percent sign, names in any case, white space around both.
fn sloppy(body: &[u8]) -> bool {
    body.split(|byte| b"&;".contains(byte)).any(|field| {
        let (name, value) = super::cut(field, b'=');
        let name = percent_decoded(name).trim_ascii().to_ascii_lowercase();
        name == b"grant_type" && percent_decoded(value).trim_ascii() == urn::GRANT_TOKEN_EXCHANGE.as_bytes()
    })
}

/// A careless reader of JSON, which keeps the last of several members.
fn json(body: &[u8]) -> bool {
    let value = serde_json::from_slice::<serde_json::Value>(body);
    value.is_ok_and(|value| value.get("grant_type").is_some_and(|grant| grant == urn::GRANT_TOKEN_EXCHANGE))
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let digit = |at: usize| text.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push((high * 16 + low) as u8);
                at += 2;
            }
            (b'+', ..) => decoded.push(b' '),
            _ => decoded.push(byte),
        }
        at += 1;
    }
    decoded
}
