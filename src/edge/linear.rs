//! Every reader of bytes from outside takes time in proportion to its input. The readers of bodies, which look for tokens and
//! grants in any text, are held to exact counts beside their code (`judgement/exchange/lenient.rs`).
//!
//! A row has a reader, and inputs that would be costly if names were compared with each other, if text was copied for each
//! of its parts, or if what was read was read again.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use serde_json::{Map, Value, json};

use crate::adapters::net::via::Via;
use crate::adapters::upstream::headers::strip_hop_by_hop;
use crate::edge::gateway::metadata::amend::{Offers, amend};
use crate::edge::server::head_scanner::HeadScanner;
use crate::judgement::client::certificate::header;
use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::registry::Workloads;
use crate::judgement::dialect::{Dialect, RealmPath};
use crate::judgement::exchange::accepts::Accepts;
use crate::judgement::exchange::classify::classify;
use crate::judgement::exchange::doors::Doors;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::parse;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::peek;
use crate::judgement::policy::decide::decide;
use crate::judgement::policy::request::{ExchangeRequest, WantedScope};
use crate::judgement::policy::samples;
use crate::judgement::route::RouteTable;
use crate::judgement::route::media_type::MediaType;
use crate::words::oauth::bytes::linear::assert_time;
use crate::words::oauth::form::Form;
use crate::words::oauth::json;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::GRANT_TOKEN_EXCHANGE;

/// Texts with a number each, with something before and after, joined.
fn numbered(count: usize, before: &str, after: &str, between: &str) -> String {
    (0..count).map(|n| format!("{before}{n}{after}")).collect::<Vec<_>>().join(between)
}

fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::post(target).header("host", "sso.example.org");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn form_head() -> Parts {
    head("/realms/corp/protocol/openid-connect/token", &[("content-type", "application/x-www-form-urlencoded")])
}

#[test]
fn words() {
    let object = |size: usize| format!("{{{}}}", numbered(size, "\"name", "\":1", ","));
    assert_time("JSON, names", 1_000, object, |text| json::object(text.as_bytes()).unwrap());
    assert_time("JSON, names in order", 1_000, object, |text| json::members(text.as_bytes()).unwrap());
    assert_time("JSON, texts of members", 1_000, object, |text| json::texts(text).map(|texts| texts.len()).unwrap());
    let list = |size: usize| format!("{{\"a\":[{}]}}", numbered(size, "{\"b\":[", "]}", ","));
    assert_time("JSON, lists", 1_000, list, |text| json::object(text.as_bytes()).unwrap());
    let escapes = |size: usize| format!("{{\"a\":\"{}\"}}", "\\u0061".repeat(size));
    assert_time("JSON, escapes", 4_000, escapes, |text| json::object(text.as_bytes()).unwrap());
    assert_time("JSON, open brackets", 4_000, |size| "[".repeat(size), |text| json::object(text.as_bytes()).is_err());
    for (name, unit) in
        [("plain", "abc"), ("escapes", "%41"), ("spaces", "+a"), ("letters", "%C3%A9"), ("equal signs", "=")]
    {
        let form = |size: usize| format!("a={}", unit.repeat(size));
        assert_time(&format!("form, {name}"), 4_000, form, |text| Form::parse(text.as_bytes()).unwrap());
    }
    let fields = |size: usize| numbered(size, "name", "=1", "&");
    assert_time("form, names", 200, fields, |text| Form::parse(text.as_bytes()).unwrap().repeated(&[]).is_some());
    assert_time("scope", 1_000, |size| numbered(size, "scope", "", " "), |text| Scope::parse(text).unwrap());
    assert_time("scope, spaces", 8_000, |size| " ".repeat(size), |text| Scope::parse(text).unwrap());
}

#[test]
fn paths_and_heads() {
    let rules = Dialect::Keycloak.rules();
    let table = RouteTable::new([RealmPath { path: "/realms/corp", endpoints: None, rules, realm: "" }]);
    let door = "/realms/corp/protocol/openid-connect/token";
    for (name, unit) in [
        ("slashes", "/"),
        ("segments", "/token"),
        ("doors", door),
        ("parts of doors", "/protocol/openid-connect"),
        ("escapes", "/%74oken"),
        ("escapes of escapes", "%25"),
        ("broken escapes", "%2%u00"),
        ("parameters", "/token;a"),
        ("dots", "/.."),
        ("realms", "/realms/c%6Frp"),
        ("invisible letters", "/to%E2%80%8Bken"),
        ("overlong letters", "/%C1%B4oken"),
    ] {
        let path = |size: usize| head(&format!("/{}", unit.repeat(size / unit.len())), &[]);
        assert_time(&format!("path, {name}"), 4_000, path, |head| table.route(head));
    }
    let query = |size: usize| head(&format!("{door}?{}", "%2567rant".repeat(size)), &[]);
    assert_time("query", 500, query, |head| table.route(head));
    for (name, field, unit) in [
        ("media types", "content-type", "a/b;c=d;"),
        ("quotation marks", "content-type", "\"\\\"a"),
        ("lists of types", "content-type", "text/plain;charset=x,"),
        ("accepted types", "accept", "application/jw,"),
        ("upgrades", "upgrade", "websocke,"),
    ] {
        let with = |size: usize| head("/", &[(field, &unit.repeat(size))]);
        assert_time(&format!("head, {name}"), 500, with, |head| {
            (table.route(head), classify(head, b"a=b", &Doors::default()))
        });
    }
    let parameters = |size: usize| format!("a/b{}", ";c=\"d\\\\\"".repeat(size));
    assert_time("media type", 1_000, parameters, |text| MediaType::parse(text.as_bytes()).unwrap());
    let via = Via::new();
    let hops = |size: usize| lines("via", &format!("1.1 {}", "cambio-012345678abcdef, ".repeat(size)));
    assert_time("Via", 500, hops, |headers| via.loop_mark(headers));
    let options = |size: usize| lines("connection", &numbered(size, "x-", "", ","));
    assert_time("Connection", 500, options, |headers| strip_hop_by_hop(&mut headers.clone()));
    let bytes =
        |size: usize| format!("GET / HTTP/1.1\r\n{}", "content-lengt:\r\ntransfer-encodin".repeat(size)).into_bytes();
    assert_time("heads in pieces", 1_000, bytes, |bytes| {
        let mut scanner = HeadScanner::default();
        bytes.clone().chunks_mut(7).for_each(|piece| scanner.scan(piece));
    });
}

fn lines(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
}

#[test]
fn requests_and_credentials() {
    let exchange = |more: String| format!("grant_type={GRANT_TOKEN_EXCHANGE}&client_id=a&subject_token=b&{more}");
    let read = |text: &String| {
        let form = Form::parse(text.as_bytes()).unwrap();
        let accepts = Accepts { unknown_parameters: true, ..Accepts::default() };
        let head = form_head();
        (classify(&head, text.as_bytes(), &Doors::default()), parse(Grant::TokenExchange, form, &head, &accepts))
    };
    for (name, field, end) in [
        ("audiences", "audience=", ""),
        ("one audience", "audience=x&a", "=1"),
        ("resources", "resource=https://a/", ""),
        ("unknown parameters", "name", "=1"),
        ("parameters like known ones", "x%2573cope", "=1"),
    ] {
        let request = |size: usize| exchange(numbered(size, field, end, "&"));
        assert_time(&format!("exchange, {name}"), 100, request, read);
    }
    assert_time("exchange, a long name", 4_000, |size| exchange(format!("{}=1", "%2541".repeat(size))), read);
    assert_time("exchange, scopes", 1_000, |size| exchange(format!("scope={}", numbered(size, "s", "", "+"))), read);
    for (name, secret) in [("plain", "ab"), ("escapes", "%41"), ("colons", ":"), ("spaces", "+")] {
        use base64::Engine as _;
        let basic = |size: usize| {
            let text = format!("client:{}", secret.repeat(size));
            lines("authorization", &format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text)))
        };
        let workloads = Workloads::default();
        assert_time(&format!("Basic, {name}"), 2_000, basic, |headers| {
            Credentials::read(headers, &Form::new(), &workloads).unwrap()
        });
    }
}

#[test]
fn certificates() {
    for (name, value) in [
        ("RFC 9440", ":AAAA"),
        ("PEM", "-----BEGIN CERTIFICATE-----"),
        ("PEM, both ends", "-----BEGIN CERTIFICATE-----AA-----END CERTIFICATE-----"),
        ("PEM, escaped", "%2D-----BEGIN%20CERTIFICATE"),
        ("base64", "MIIA,"),
        ("XFCC", "By=a;"),
        ("XFCC, elements", "Hash=a,"),
        ("XFCC, quotation marks", "By=\"\\\"a\","),
    ] {
        let values = |size: usize| value.repeat(size);
        assert_time(&format!("certificate, {name}"), 500, values, |text| {
            header::read(text.as_bytes(), std::iter::empty()).map(|all| all.len())
        });
        let chain = |size: usize| vec![value; size].join(",");
        assert_time(&format!("chain, {name}"), 500, chain, |text| {
            header::read(b":AAAA:", std::iter::once(text.as_bytes())).map(|all| all.len())
        });
    }
}

#[test]
fn tokens_and_keys() {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
    for (name, member) in [("names", "\":1"), ("texts", "\":\"\\u0061\"")] {
        let members = |size: usize| numbered(size, "\"name", member, ",");
        let token = |header: &str, claims: &str| format!("{}.{}.AA", encode(header), encode(claims));
        assert_time(
            &format!("token, header, {name}"),
            500,
            |size| token(&format!("{{\"alg\":\"RS256\",{}}}", members(size)), "{\"iss\":\"a\"}"),
            |token| peek(token).is_ok(),
        );
        assert_time(
            &format!("token, claims, {name}"),
            500,
            |size| token("{\"alg\":\"RS256\"}", &format!("{{\"iss\":\"a\",{}}}", members(size))),
            |token| peek(token).is_ok(),
        );
    }
    assert_time("token, dots", 4_000, |size| ".".repeat(size), |token| peek(token).is_ok());
    let x = encode(&"x".repeat(32));
    let key = |kid: &str, n: usize| {
        // Most are no keys: their numbers differ, and their kid does not.
        json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "x": x, "kid": kid, "n": n, "d": n}).to_string()
    };
    let set = |keys: Vec<String>| format!("{{\"keys\":[{}]}}", keys.join(","));
    let sets: [(&str, &dyn Fn(usize) -> String); 3] = [
        ("one kid", &|size| set((0..size).map(|n| key("a", n)).collect())),
        ("many kids", &|size| set((0..size).map(|n| key(&n.to_string(), n)).collect())),
        ("no keys", &|size| set(vec!["1".to_owned(); size])),
    ];
    for (name, text) in sets {
        assert_time(&format!("key set, {name}"), 200, text, |text| KeySet::parse(text.as_bytes()).unwrap());
    }
    let document = |size: usize| {
        format!(
            "{{\"scopes_supported\":[{}],{}}}",
            numbered(size, "\"s", "\"", ","),
            numbered(size, "\"m", "\":1", ",")
        )
    };
    let mut offers = Offers::default();
    offers.add("scopes_supported", "new");
    assert_time("discovery document", 500, document, |text| amend(text.as_bytes(), &offers).unwrap());
}

#[test]
fn decisions() {
    let everything = samples::audience(
        "back-end-api",
        vec![crate::judgement::policy::model::Permission { scopes: Names::Any, ..samples::permission() }],
    );
    let policy = samples::policy([everything.clone()]);
    let texts = |name: &str, size: usize| (0..size).map(|n| json!(format!("{name}{n}"))).collect::<Vec<_>>();
    let claims = |size: usize| -> (Map<String, Value>, Scope) {
        let scope = numbered(size, "scope", "", " ");
        let mut claims = samples::keycloak_claims();
        claims.insert("scope".to_owned(), json!(scope));
        claims.insert("aud".to_owned(), json!(texts("aud", size)));
        claims.insert("groups".to_owned(), json!(texts("group", size)));
        claims.insert("realm_access".to_owned(), json!({"roles": texts("role", size)}));
        let clients = (0..size).map(|n| (format!("client{n}"), json!({"roles": ["a"]})));
        let clients = clients.chain([("back-end-api".to_owned(), json!({"roles": texts("own", size)}))]);
        claims.insert("resource_access".to_owned(), Value::Object(clients.collect()));
        (claims, Scope::parse(&scope).unwrap())
    };
    let audiences = ["back-end-api".to_owned()];
    assert_time("decision", 500, claims, |(claims, scope)| {
        let request = ExchangeRequest { scope: WantedScope::Exactly(scope), ..samples::request(&audiences, claims) };
        decide(&policy, "corp", &request, samples::now()).unwrap()
    });
    assert_time("decision without a scope", 500, claims, |(claims, _)| {
        decide(&policy, "corp", &samples::request(&audiences, claims), samples::now()).unwrap()
    });
    let contract = samples::contract(everything);
    assert_time("issued token, checked", 500, claims, |(claims, _)| contract.check(&samples::issued(claims)).is_err());
    assert_time("issued token, narrowed", 500, claims, |(claims, _)| {
        contract.narrow(&samples::issued(claims), samples::now()).is_ok()
    });
}
