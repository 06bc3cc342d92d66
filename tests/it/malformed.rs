//! The request lock: exchanges written so that one parser sees them and another does not. The identity provider reads
//! as liberally as any server might, and still no exchange may reach it that the owner forbids.

use cambio::tools::demo::IdpOptions;
use cambio::words::clock::Clock;

use crate::support::faults::FaultyIdp;
use crate::support::files::{BACK_END_API, NOBODY};
use crate::support::world::{EXCHANGE_GRANT, Plan, TOKEN_PATH, World, exchange_fields, login};
use crate::support::{client, form, keys, raw, token};

/// One way to write an exchange.
#[derive(Clone)]
struct Shape {
    method: &'static str,
    target: String,
    version: &'static str,
    headers: Vec<String>,
    body: Vec<u8>,
    /// How the body's length is told.
    framing: &'static str,
}

/// A change to a shape. Two changes of one group are not combined.
struct Mutation {
    group: &'static str,
    name: &'static str,
    apply: fn(&mut Shape),
}

macro_rules! mutations {
    ($($group:literal { $($name:literal => $apply:expr,)* })*) => {
        &[$($(Mutation { group: $group, name: $name, apply: $apply },)*)*]
    };
}

const CONTENT_TYPE: &str = "Content-Type: application/x-www-form-urlencoded";

#[rustfmt::skip]
const MUTATIONS: &[Mutation] = mutations! {
    "path" {
        "trailing slash" => |s| s.target.push('/'),
        "query" => |s| s.target.push_str("?a=b"),
        "empty query" => |s| s.target.push('?'),
        "double slash" => |s| s.target = format!("/{TOKEN_PATH}"),
        "double slash within" => |s| s.target = TOKEN_PATH.replace("/protocol", "//protocol"),
        "dot segment" => |s| s.target = TOKEN_PATH.replace("/protocol", "/./protocol"),
        "dot-dot segment" => |s| s.target = format!("/x/..{TOKEN_PATH}"),
        "encoded dot-dot" => |s| s.target = format!("/x/%2e%2E{TOKEN_PATH}"),
        "encoded letter" => |s| s.target = TOKEN_PATH.replace("token", "%74oken"),
        "encoded letter in the realm" => |s| s.target = TOKEN_PATH.replace("corp", "c%6Frp"),
        "encoded slash" => |s| s.target = TOKEN_PATH.replace("/token", "%2Ftoken"),
        "doubly encoded slash" => |s| s.target = TOKEN_PATH.replace("/token", "%252ftoken"),
        "backslash" => |s| s.target = TOKEN_PATH.replace("/token", "\\token"),
        "matrix parameter" => |s| s.target.push_str(";a=b"),
        "matrix parameter within" => |s| s.target = TOKEN_PATH.replace("/protocol", ";x/protocol"),
        "upper case" => |s| s.target = TOKEN_PATH.replace("token", "TOKEN"),
        "realm in upper case" => |s| s.target = TOKEN_PATH.replace("corp", "CORP"),
        "encoded space" => |s| s.target.push_str("%20"),
        "encoded NUL" => |s| s.target.push_str("%00"),
        "absolute form" => |s| s.target = format!("http://sso.example.org{TOKEN_PATH}"),
        "absolute form, another authority" => |s| s.target = format!("http://other.example{TOKEN_PATH}"),
        "absolute form, https" => |s| s.target = format!("https://sso.example.org{TOKEN_PATH}"),
        "another path" => |s| s.target = "/realms/corp/protocol/openid-connect/userinfo".into(),
        "account page" => |s| s.target = "/realms/corp/account".into(),
    }
    "method" {
        "PUT" => |s| s.method = "PUT",
        "GET" => |s| s.method = "GET",
        "PATCH" => |s| s.method = "PATCH",
        "lower case" => |s| s.method = "post",
        "unknown" => |s| s.method = "POKE",
    }
    "type" {
        "charset" => |s| header(s, "content-type", &format!("{CONTENT_TYPE}; charset=UTF-8")),
        "charset UTF-16" => |s| header(s, "content-type", &format!("{CONTENT_TYPE}; charset=utf-16")),
        "charset twice" => |s| header(s, "content-type", &format!("{CONTENT_TYPE}; charset=utf-8; charset=utf-7")),
        "boundary" => |s| header(s, "content-type", &format!("{CONTENT_TYPE}; boundary=x")),
        "upper case type" => |s| header(s, "content-type", "CONTENT-TYPE: APPLICATION/X-WWW-FORM-URLENCODED"),
        "text/plain" => |s| header(s, "content-type", "Content-Type: text/plain"),
        "JSON type" => |s| header(s, "content-type", "Content-Type: application/json"),
        "JSON" => json,
        "multipart" => |s| header(s, "content-type", "Content-Type: multipart/form-data; boundary=x"),
        "no type" => |s| header(s, "content-type", ""),
        "empty type" => |s| header(s, "content-type", "Content-Type:"),
        "two types" => |s| s.headers.push("Content-Type: text/plain".into()),
        "list of types" => |s| header(s, "content-type", &format!("{CONTENT_TYPE}, text/plain")),
        "type with a space" => |s| header(s, "content-type", "Content-Type: application / x-www-form-urlencoded"),
        "prefix of a type" => |s| header(s, "content-type", "Content-Type: application/x-www-form-urlencoded-x"),
    }
    "coding" {
        "gzip in name" => |s| s.headers.push("Content-Encoding: gzip".into()),
        "identity" => |s| s.headers.push("Content-Encoding: identity".into()),
        "deflate" => |s| s.headers.push("Content-Encoding: deflate".into()),
    }
    "body" {
        "another grant first" => |s| prepend(s, "grant_type=password&"),
        "another grant last" => |s| s.body.extend(b"&grant_type=password"),
        "empty grant first" => |s| prepend(s, "grant_type=&"),
        "encoded name" => |s| replace(s, "grant%5Ftype=", "%67rant%5Ftype="),
        "encoded value" => |s| replace(s, "token%2Dexchange", "%74oken%2D%65xchange"),
        "500 fields before" => |s| prepend(s, &"a=b&".repeat(500)),
        "30 KB before" => |s| prepend(s, &format!("a={}&", "x".repeat(30_000))),
        "100 KB before" => |s| prepend(s, &format!("a={}&", "x".repeat(100_000))),
        "1001 fields before" => |s| prepend(s, &"a=b&".repeat(1001)),
        "bad escape" => |s| s.body.extend(b"&x=%zz"),
        "cut escape" => |s| s.body.extend(b"&x=%4"),
        "invalid UTF-8" => |s| s.body.extend(b"&x=%ff%fe"),
        "ampersands" => |s| { prepend(s, "&&"); s.body.extend(b"&&"); },
        "semicolons" => |s| replace_all(s, "&", ";"),
        "line breaks" => |s| replace_all(s, "&", "\r\n"),
        "byte order mark" => |s| prepend(s, "\u{feff}"),
        "NUL" => |s| replace(s, "grant%5Ftype", "%00grant%5Ftype"),
        "space after the name" => |s| replace(s, "grant%5Ftype=", "grant%5Ftype+="),
        "space before the value" => |s| replace(s, "grant%5Ftype=", "grant%5Ftype=+"),
        "space after the value" => |s| replace(s, "token%2Dexchange&", "token%2Dexchange+&"),
        "name in upper case" => |s| replace(s, "grant%5Ftype", "Grant%5FType"),
        "value in upper case" => |s| replace(s, "token%2Dexchange", "TOKEN%2DEXCHANGE"),
        "list syntax" => |s| replace(s, "grant%5Ftype", "grant%5Ftype[]"),
        "in the query string" => |s| {
            let body = String::from_utf8(std::mem::take(&mut s.body)).unwrap();
            s.target = format!("{}?{body}", s.target);
        },
        "half in the query string" => |s| {
            let grant = form::encode(&[("grant_type", EXCHANGE_GRANT)]);
            replace(s, &grant, "a=b");
            s.target = format!("{}?{grant}", s.target);
        },
        "another grant in the query string" => |s| s.target.push_str("?grant_type=password"),
        "the audience twice" => |s| s.body.extend(b"&audience=other-api"),
        "the client twice" => |s| s.body.extend(b"&client_id=reporting-app"),
        "the token type missing" => |s| replace(s, "subject%5Ftoken%5Ftype=", "x="),
    }
    "credentials" {
        "Basic" => |s| { bare(s); s.headers.push("Authorization: Basic ZnJvbnQtZW5kLWFwcDpmcm9udC1lbmQtc2VjcmV0".into()); },
        "Basic, lower case" => |s| { bare(s); s.headers.push("Authorization: basic  ZnJvbnQtZW5kLWFwcDpmcm9udC1lbmQtc2VjcmV0".into()); },
        "Basic as well" => |s| s.headers.push("Authorization: Basic ZnJvbnQtZW5kLWFwcDpmcm9udC1lbmQtc2VjcmV0".into()),
        "another's Basic" => |s| s.headers.push("Authorization: Basic cmVwb3J0aW5nLWFwcDpyZXBvcnRpbmctc2VjcmV0".into()),
        "Basic twice" => |s| { for _ in 0..2 { s.headers.push("Authorization: Basic ZnJvbnQtZW5kLWFwcDpmcm9udC1lbmQtc2VjcmV0".into()); } },
        "Bearer" => |s| s.headers.push("Authorization: Bearer x".into()),
        "not base64" => |s| s.headers.push("Authorization: Basic !".into()),
    }
    "framing" {
        "chunked" => |s| s.framing = "chunked",
        "chunked and length" => |s| s.framing = "both",
        "length twice" => |s| s.framing = "twice",
        "gzip, chunked" => |s| s.framing = "gzip",
        "chunked twice" => |s| s.framing = "chunked twice",
        "two hosts" => |s| s.headers.push("Host: other.example".into()),
        "no host" => |s| header(s, "host", ""),
        "empty host" => |s| header(s, "host", "Host:"),
        "HTTP/1.0" => |s| s.version = "HTTP/1.0",
    }
    "header" {
        "method override" => |s| s.headers.push("X-HTTP-Method-Override: POST".into()),
        "rewritten URL" => |s| s.headers.push(format!("X-Original-URL: {TOKEN_PATH}")),
        "forwarded prefix" => |s| s.headers.push("X-Forwarded-Prefix: /x".into()),
        "forwarded host" => |s| s.headers.push("X-Forwarded-Host: sso.example.org".into()),
        "content type by Connection" => |s| s.headers.push("Connection: content-type".into()),
        "upgrade" => |s| { s.headers.push("Connection: upgrade".into()); s.headers.push("Upgrade: h2c".into()); },
        "expect" => |s| s.headers.push("Expect: 100-continue".into()),
    }
};

/// Every mutation alone, and so many pairs.
const PAIRS: usize = 220;

#[tokio::test]
async fn no_shape_of_a_forbidden_exchange_gets_through() {
    let plan = Plan::new().await;
    let world = plan.audience("back-end-api", &format!("{BACK_END_API}{NOBODY}")).start().await;
    let faults = world.idp.faults();
    let alice = world.alice().await;
    let shapes = shapes(&alice);
    for (kind, lenient) in [("as Keycloak", false), ("as liberal as any", true)] {
        faults.lenient(lenient);
        for (name, shape) in &shapes {
            let bytes = shape.bytes();
            let before = faults.exchanged();
            let answer = raw::send(world.address(), &bytes).await;
            assert_eq!(faults.exchanged(), before, "{name} ({kind}) reached the identity provider");
            assert!(!answer.text().contains("access_token"), "{name} ({kind}): {}", answer.head);
            assert!(answer.status < 500 || answer.status == 501, "{name} ({kind}): {}", answer.head);
        }
    }
}

/// A generator that makes nothing that any server performs would prove nothing.
#[tokio::test]
async fn servers_perform_many_of_these_shapes() {
    let idp = FaultyIdp::start(IdpOptions { port: 0, clock: Clock::System, keys: Some(keys()) }).await.unwrap();
    let login = login(idp.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    let shapes = shapes(&login.access_token());
    for (kind, lenient, fraction) in [("as Keycloak", false, 4), ("as liberal as any", true, 2)] {
        idp.faults().lenient(lenient);
        let before = idp.faults().exchanged();
        for (_, shape) in &shapes {
            raw::send(idp.address(), &shape.bytes()).await;
        }
        let performed = idp.faults().exchanged() - before;
        assert!(performed * fraction > shapes.len(), "{performed} of {} {kind}", shapes.len());
        println!("{performed} of {} shapes are performed {kind}", shapes.len());
    }
}

/// Reasons of the request lock, by the mutation that provokes each.
#[tokio::test]
async fn the_lock_says_why() {
    let world = World::start().await;
    let alice = world.alice().await;
    // Where a body ends is not agreed upon: no request yet, so no line, and the connection ends.
    for name in ["chunked and length", "length twice"] {
        let answer = raw::send(world.address(), &mutated(name, &alice).bytes()).await;
        assert_eq!((answer.status, answer.header("connection")), (400, "close"), "{name}: {}", answer.head);
    }
    assert_eq!(world.audit_so_far(), 0);
    for (name, reason) in [
        ("encoded letter", "path_not_canonical"),
        ("double slash within", "path_not_canonical"),
        ("matrix parameter", "path_not_canonical"),
        ("trailing slash", "path_not_canonical"),
        ("gzip, chunked", "framing_refused"),
        ("chunked twice", "framing_refused"),
        ("two hosts", "framing_refused"),
        ("absolute form, another authority", "framing_refused"),
        ("PUT", "method_not_allowed"),
        ("100 KB before", "body_too_large"),
        ("text/plain", "content_type_not_form"),
        ("charset UTF-16", "content_type_not_form"),
        ("no type", "content_type_not_form"),
        ("gzip in name", "content_coding_refused"),
        ("bad escape", "form_malformed"),
        ("invalid UTF-8", "form_malformed"),
        ("another grant last", "parameter_repeated"),
        ("list syntax", "grant_type_ambiguous"),
        ("value in upper case", "grant_type_ambiguous"),
        ("space after the value", "grant_type_ambiguous"),
        ("query", "parameter_in_query"),
        ("Basic as well", "credentials_ambiguous"),
        ("another's Basic", "credentials_ambiguous"),
        ("not base64", "credentials_malformed"),
        ("another path", "exchange_elsewhere"),
        ("account page", "exchange_elsewhere"),
    ] {
        let mut shape = mutated(name, &alice);
        if name == "not base64" {
            bare(&mut shape);
        }
        let before = world.audit_so_far();
        let answer = raw::send(world.address(), &shape.bytes()).await;
        assert!((400..500).contains(&answer.status), "{name}: {}", answer.head);
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], reason, "{name}: {line}");
    }
}

/// The exchange with one mutation.
fn mutated(name: &str, subject_token: &str) -> Shape {
    let mutation = MUTATIONS.iter().find(|mutation| mutation.name == name).unwrap();
    let mut shape = Shape::new(subject_token);
    (mutation.apply)(&mut shape);
    shape
}

/// A body that never comes to its end.
#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::start().await;
    let head = format!("POST {TOKEN_PATH} HTTP/1.1\r\nHost: a\r\n{CONTENT_TYPE}\r\nContent-Length: 100\r\n\r\ngrant");
    let answer = raw::send(world.address(), head.as_bytes()).await;
    assert_eq!(answer.status, 408, "{}", answer.head);
    assert_eq!(world.audit(1).await[0]["reason"], "body_timeout");
}

/// What the lock lets pass is worth nothing if it lets nothing pass.
#[tokio::test]
async fn harmless_shapes_of_a_permitted_exchange_pass() {
    let world = World::start().await;
    let alice = world.alice().await;
    for name in
        ["charset", "upper case type", "Basic", "chunked", "encoded name", "encoded value", "expect", "absolute form"]
    {
        let shape = mutated(name, &alice);
        let answer = raw::send(world.address(), &shape.bytes()).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert!(answer.text().contains("issued_token_type"), "{name}");
    }
}

impl Shape {
    fn new(subject_token: &str) -> Self {
        assert!(token::claims(subject_token).is_object());
        Self {
            method: "POST",
            target: TOKEN_PATH.to_owned(),
            version: "HTTP/1.1",
            headers: vec!["Host: sso.example.org".into(), "Connection: close".into(), CONTENT_TYPE.into()],
            body: form::encode(&exchange_fields(subject_token)).into_bytes(),
            framing: "length",
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        for line in &self.headers {
            head.push_str(line);
            head.push_str("\r\n");
        }
        let length = format!("Content-Length: {}\r\n", self.body.len());
        let (framing, chunked) = match self.framing {
            "chunked" => ("Transfer-Encoding: chunked\r\n".to_owned(), true),
            "both" => (format!("{length}Transfer-Encoding: chunked\r\n"), true),
            "twice" => (format!("{length}{length}"), false),
            "gzip" => ("Transfer-Encoding: gzip, chunked\r\n".to_owned(), true),
            "chunked twice" => ("Transfer-Encoding: chunked, chunked\r\n".to_owned(), true),
            _ => (length, false),
        };
        let mut bytes = format!("{head}{framing}\r\n").into_bytes();
        if !chunked {
            bytes.extend(&self.body);
            return bytes;
        }
        for chunk in self.body.chunks(self.body.len() / 2 + 1) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        bytes
    }
}

fn shapes(subject_token: &str) -> Vec<(String, Shape)> {
    let base = Shape::new(subject_token);
    let mut shapes = vec![("plain".to_owned(), base.clone())];
    for mutation in MUTATIONS {
        let mut shape = base.clone();
        (mutation.apply)(&mut shape);
        shapes.push((mutation.name.to_owned(), shape));
    }
    let pairs: Vec<_> = MUTATIONS
        .iter()
        .enumerate()
        .flat_map(|(index, first)| MUTATIONS[index + 1..].iter().map(move |second| (first, second)))
        .filter(|(first, second)| first.group != second.group)
        .collect();
    // Evenly over all pairs, the same ones in each run.
    for (first, second) in pairs.iter().step_by(pairs.len() / PAIRS) {
        let mut shape = base.clone();
        // Later groups look for text of the base body, which earlier ones may have taken away: then it stays.
        (first.apply)(&mut shape);
        (second.apply)(&mut shape);
        shapes.push((format!("{} + {}", first.name, second.name), shape));
    }
    shapes
}

/// Replaces the header of this name by a line; an empty one removes it.
fn header(shape: &mut Shape, name: &str, line: &str) {
    shape.headers.retain(|old| !old.to_ascii_lowercase().starts_with(&format!("{name}:")));
    if !line.is_empty() {
        shape.headers.push(line.to_owned());
    }
}

fn prepend(shape: &mut Shape, text: &str) {
    shape.body.splice(0..0, text.bytes());
}

fn replace(shape: &mut Shape, old: &str, new: &str) {
    let body = String::from_utf8(std::mem::take(&mut shape.body)).unwrap();
    shape.body = body.replacen(old, new, 1).into_bytes();
}

fn replace_all(shape: &mut Shape, old: &str, new: &str) {
    let body = String::from_utf8(std::mem::take(&mut shape.body)).unwrap();
    shape.body = body.replace(old, new).into_bytes();
}

/// Takes the client's credentials out of the body.
fn bare(shape: &mut Shape) {
    let fields = form::encode(&[("client_id", "front-end-app"), ("client_secret", "front-end-secret")]);
    replace(shape, &format!("{fields}&"), "");
}

/// The same fields as a JSON object.
fn json(shape: &mut Shape) {
    let fields = String::from_utf8(std::mem::take(&mut shape.body)).unwrap();
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = fields.split('&').filter_map(|field| field.split_once('='));
    let object: serde_json::Map<_, _> = pairs.map(|(name, value)| (decode(name), decode(value).into())).collect();
    shape.body = serde_json::Value::from(object).to_string().into_bytes();
    header(shape, "content-type", "Content-Type: application/json");
}

/// Realms whose names a URL has to encode. The identity provider does not know them, which it says at the one spelling.
#[tokio::test]
async fn a_realm_with_an_escaped_name_has_one_spelling() {
    let more = "realms:\n  spaced: { issuer: 'http://sso.example.org/realms/my%20realm', subjectIssuers: [spaced] }\n  \
        umlaut: { issuer: 'http://sso.example.org/realms/m%C3%BCnchen', subjectIssuers: [umlaut] }\n";
    let world = Plan::new().await.configure("realms:\n", more).start().await;
    let login = [("grant_type", "password"), ("client_id", "front-end-app"), ("username", "alice"), ("password", "x")];
    for (own, others) in [
        ("my%20realm", ["my%20%72ealm", "%6dy%20realm", "my%2520realm", "my%20realm%20"]),
        ("m%C3%BCnchen", ["m%c3%bcnchen", "m%C3%bcnchen", "%6D%C3%BCnchen", "m%25C3%25BCnchen"]),
    ] {
        let target = |name: &str, endpoint: &str| format!("/realms/{name}/protocol/openid-connect/{endpoint}");
        let received = || world.idp.faults().received().into_iter().map(|one| one.target).collect::<Vec<_>>();
        let passed = client::send(world.address(), client::form_request(&target(own, "token"), &login)).await;
        assert_eq!(passed.status, 404, "{own}: {}", passed.text());
        assert_eq!(received().last(), Some(&target(own, "token")), "as the caller wrote it");
        let before = world.audit_so_far();
        let fields = exchange_fields("x");
        let exchanged = client::send(world.address(), client::form_request(&target(own, "token"), &fields)).await;
        assert_ne!(exchanged.status, 200);
        assert_eq!(world.audit_after(before).await["realm"], if own.contains("20") { "spaced" } else { "umlaut" });
        for other in others {
            for endpoint in ["token", "token/introspect", "revoke", "userinfo", "certs"] {
                let (before, asked) = (world.audit_so_far(), received().len());
                let request = client::form_request(&target(other, endpoint), &login);
                let refused = client::send(world.address(), request).await;
                assert_eq!(refused.status, 400, "{other} {endpoint}: {}", refused.text());
                assert_eq!(world.audit_after(before).await["reason"], "path_not_canonical", "{other} {endpoint}");
                assert_eq!(received().len(), asked, "{other} {endpoint}");
            }
        }
    }
}
