//! `certs` with our keys in it, and discovery, from a cache that knows the public origin.

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use crate::support::client::{self, Answer};
use crate::support::faults::{Endpoint, Fault};
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, World, until};

async fn get(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client::send(world.address(), request.body(Bytes::new()).unwrap()).await
}

fn kids(answer: &Answer) -> Vec<String> {
    let keys = answer.json()["keys"].clone();
    keys.as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn certs_are_the_realms_keys_and_ours() {
    let world = World::start().await;
    let direct = kids(&client::get(world.idp.address(), CERTS_PATH).await);
    let merged = get(&world, CERTS_PATH, &[]).await;
    let kids = kids(&merged);
    assert!(direct.iter().all(|kid| kids.contains(kid)), "the encryption key included");
    assert_eq!(kids.len(), direct.len() + 1);
    assert_eq!(merged.header("content-type").split(';').next(), Some("application/json"));
    let ours = merged.json()["keys"].as_array().unwrap().last().cloned().unwrap();
    assert_eq!((&ours["kty"], &ours["use"], &ours["d"]), (&"EC".into(), &"sig".into(), &Value::Null));
}

#[tokio::test]
async fn etag_and_304() {
    let world = World::start().await;
    for path in [CERTS_PATH, DISCOVERY_PATH] {
        let first = get(&world, path, &[]).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') || tag.starts_with("W/\""), "{path}: {tag}");
        for (matching, status) in
            [(tag.clone(), 304), (format!("\"x\", {tag}"), 304), ("*".into(), 304), ("\"x\"".into(), 200)]
        {
            let answer = get(&world, path, &[("if-none-match", &matching)]).await;
            assert_eq!(answer.status, status, "{path} {matching}");
            assert_eq!(answer.header("etag"), tag, "{path}");
            assert_eq!(answer.body.is_empty(), status == 304);
        }
        let head = client::send(world.address(), Request::head(path).body(Bytes::new()).unwrap()).await;
        assert_eq!((head.status.as_u16(), head.header("etag")), (200, tag.as_str()));
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn web_pages_may_read_them_each_by_its_own_origin() {
    let world = World::start().await;
    for path in [CERTS_PATH, DISCOVERY_PATH] {
        // From the cache or not, for one page as for the next.
        for origin in ["https://app.example.org", "http://other.example.net:8080", "null"] {
            let answer = get(&world, path, &[("origin", origin)]).await;
            assert_eq!(answer.header("access-control-allow-origin"), origin, "{path}");
            assert_eq!(answer.header("access-control-allow-credentials"), "true", "{path}");
            assert_eq!(answer.header("vary"), "Origin", "{path}");
        }
        let answer = get(&world, path, &[]).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{path}");
        assert_eq!(answer.header("vary"), "Origin", "{path}");
    }
}

#[tokio::test]
async fn discovery_is_kept_by_configured_origin() {
    let subjects = "subjectIssuers: [corp, partner]\n";
    let others = "publicOrigins: [\"http://login.example.net\", \"http://sso.example.org:8443\"]\n";
    let world = Plan::new().await.configure(subjects, &format!("{subjects}    {others}")).start().await;
    let mut tags = Vec::new();
    for host in ["sso.example.org", "login.example.net", "sso.example.org:8443"] {
        for _ in 0..2 {
            let answer = get(&world, DISCOVERY_PATH, &[("host", host)]).await;
            assert_eq!(answer.json()["issuer"], format!("http://{host}/realms/corp"));
            assert_eq!(answer.json()["jwks_uri"], format!("http://{host}{CERTS_PATH}"));
            tags.push(answer.header("etag").to_owned());
        }
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "one document for each origin");
    // What a stranger says about itself is not believed, and any other name gets the issuer's document.
    world.idp.faults().forget();
    for (header, host) in [("x-forwarded-host", "evil.example"), ("host", "evil.example"), ("host", "10.0.0.1:8080")] {
        let answer = get(&world, DISCOVERY_PATH, &[(header, host)]).await;
        assert_eq!(answer.json()["issuer"], "http://sso.example.org/realms/corp", "{header}: {host}");
        assert_eq!(answer.header("etag"), tags[0], "{header}: {host}");
        let slash = get(&world, &format!("{DISCOVERY_PATH}/"), &[(header, host)]).await;
        assert_eq!(slash.header("etag"), tags[0], "with a slash at the end");
    }
    assert_eq!(world.idp.faults().received().len(), 0, "all from the cache");
    let kids_at = async |path: &str| kids(&get(&world, path, &[("host", "evil.example")]).await);
    assert_eq!(kids_at(CERTS_PATH).await, kids_at(&format!("{CERTS_PATH}/")).await);
}

#[tokio::test]
async fn they_are_served_from_the_cache_and_not_forever() {
    let world = World::start().await;
    for path in [CERTS_PATH, DISCOVERY_PATH] {
        get(&world, path, &[]).await;
        world.idp.faults().forget();
        for _ in 0..10 {
            assert_eq!(get(&world, path, &[]).await.status, 200);
        }
        let asked = world.idp.faults().received().iter().filter(|r| r.target == path).count();
        assert!(asked <= 1, "{path}: asked {asked} times");
    }
}

#[tokio::test]
async fn an_error_page_is_passed_on_and_not_kept() {
    let world = World::start().await;
    world.idp.faults().set(Endpoint::Discovery, Fault::Answer(500, "text/plain", "no".into()));
    assert_eq!(get(&world, DISCOVERY_PATH, &[]).await.status, 500);
    world.idp.faults().clear();
    assert_eq!(get(&world, DISCOVERY_PATH, &[]).await.status, 200);
}

#[tokio::test]
async fn keys_at_hand_do_not_wait_for_one_that_hangs() {
    let world = Plan::new().await.configure("responseTimeout: 2s", "responseTimeout: 30s").start().await;
    // An exchange needs the keys, so they are at hand; nobody has asked for the document yet.
    let token = world.alice().await;
    assert_eq!(world.exchange(&token, &[]).await.status, 200);
    world.idp.faults().set(Endpoint::Certs, Fault::Hang);
    let begun = std::time::Instant::now();
    let answer = get(&world, CERTS_PATH, &[]).await;
    assert_eq!((answer.status.as_u16(), kids(&answer).is_empty()), (200, false));
    assert!(begun.elapsed() < std::time::Duration::from_secs(15), "it waited for responseTimeout");
}

/// A set as the identity provider publishes it, the place of Cambio's keys in it, and what an exchange ends with.
type PublishedSet = (&'static str, String, Result<(), &'static str>);

#[tokio::test]
async fn a_set_passes_as_it_came_whatever_of_it_can_be_used() {
    let plan = Plan::new().await;
    let (corp, other) = (plan.idp.signing_key("corp").unwrap(), plan.idp.signing_key("partner").unwrap());
    let with = |name: &str, value: Value| {
        let mut jwk = corp.jwk();
        jwk[name] = value;
        jwk
    };
    let (good, kid) = (corp.jwk(), Value::from(corp.kid()));
    let mut twin = other.jwk();
    twin["kid"] = kid;
    let many: Vec<_> = (0..64).map(|number| format!(r#"{{"kty":"EC","crv":"P-521","kid":"{number}"}}"#)).collect();
    let zero = {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let number = engine.decode(good["n"].as_str().unwrap()).unwrap();
        with("n", engine.encode([&[0], &number[..]].concat()).into())
    };
    let (es512, unusable) = (r#"{"kty":"EC","crv":"P-521","alg":"ES512","kid":"e"}"#, Err("keys_unusable"));
    let padded = with("n", format!("{}==", good["n"].as_str().unwrap()).into());
    let mut nulls = corp.jwk();
    for name in ["alg", "use", "key_ops"] {
        nulls[name] = Value::Null;
    }
    let cases: [PublishedSet; 18] = [
        ("a byte order mark", format!("\u{feff}{{\"keys\":[{good}OWN]}}"), Ok(())),
        ("as always", format!(r#"{{"keys":[{good}OWN]}}"#), Ok(())),
        (
            "white space and unknown members",
            format!("{{ \"x\": 1.50,\n \"keys\": [ {good} OWN] , \"y\": [] }}\n"),
            Ok(()),
        ),
        (
            "a kid twice, for two algorithms",
            format!(r#"{{"keys":[{good},{}OWN]}}"#, with("alg", "PS256".into())),
            Ok(()),
        ),
        ("an entry twice", format!(r#"{{"keys":[{good},{good}OWN]}}"#), Ok(())),
        ("two keys of one kid", format!(r#"{{"keys":[{good},{twin}OWN]}}"#), unusable),
        (
            "two keys of one kid, and a third",
            format!(r#"{{"keys":[{good},{twin},{}OWN]}}"#, with("kid", "k".into())),
            Err("subject_token_key_unknown"),
        ),
        ("64 more keys", format!(r#"{{"keys":[{},{good}OWN]}}"#, many.join(",")), Ok(())),
        ("ES512", format!(r#"{{"keys":[{es512}OWN]}}"#), unusable),
        ("ES512 among others", format!(r#"{{"keys":[{es512},{good}OWN]}}"#), Ok(())),
        ("Ed448", r#"{"keys":[{"kty":"OKP","crv":"Ed448","alg":"Ed448","kid":"e","x":"AA"}OWN]}"#.to_owned(), unusable),
        ("ML-DSA", format!(r#"{{"keys":[{{"kty":"AKP","alg":"ML-DSA-65","pub":"AA"}},{good}OWN]}}"#), Ok(())),
        ("a null key", format!(r#"{{"keys":[null,{good}OWN]}}"#), Ok(())),
        ("a null alg, use and key_ops", format!(r#"{{"keys":[{nulls}OWN]}}"#), Ok(())),
        ("a leading zero", format!(r#"{{"keys":[{zero}OWN]}}"#), Ok(())),
        ("padded", format!(r#"{{"keys":[{padded}OWN]}}"#), unusable),
        ("a member twice in one key", format!(r#"{{"keys":[{{"kid":"a","kid":"b"}},{good}OWN]}}"#), Ok(())),
        ("keys for encryption only", r#"{"keys":[{"kty":"RSA","use":"enc"}OWN]}"#.to_owned(), unusable),
    ];
    drop(plan);
    for (name, text, expected) in cases {
        let plan = Plan::new().await;
        plan.idp.faults().answer_at(CERTS_PATH, 200, &text.replace("OWN", ""));
        let world = plan.start().await;
        let answer = get(&world, CERTS_PATH, &[]).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let set: Value = serde_json::from_str(answer.text().trim_start_matches('\u{feff}')).unwrap();
        let ours = set["keys"].as_array().unwrap().last().unwrap().to_string();
        assert_eq!(answer.text(), text.replace("OWN", &format!(",{ours}")), "{name}");
        let before = world.audit_so_far();
        let exchanged = world.exchange(&world.alice().await, &[]).await;
        let line = world.audit_after(before).await;
        let outcome = if exchanged.status == 200 { Ok(()) } else { Err(line["reason"].as_str().unwrap()) };
        assert_eq!(outcome, expected, "{name}: {line}");
        let left_out = world.metric(r#"cambio_jwks_keys{issuer="corp",state="left_out"}"#).await;
        let used = world.metric(r#"cambio_jwks_keys{issuer="corp",state="used"}"#).await;
        if outcome == unusable && !name.contains("encryption") {
            assert!(left_out > 0.0 && used < 0.5, "{name}");
            assert!(line["detail"].as_str().unwrap().contains("no usable signing key: key 1"), "{name}: {line}");
        }
    }
}

#[tokio::test]
async fn what_is_no_key_set_passes_as_it_came_and_replaces_nothing() {
    let large = format!(r#"{{"keys":[{{"kid":"a","x":"{}"}}]}}"#, "x".repeat(2 << 20));
    for (name, status, kind, body) in [
        ("a page", 200, "text/html", "<h1>Maintenance</h1>"),
        ("an empty set", 200, "application/json", "{ \"keys\": [] }"),
        ("keys twice", 200, "application/json", r#"{"keys":[],"keys":[]}"#),
        ("no keys", 200, "application/json", r#"{"error":"x"}"#),
        ("a set of 2 MiB", 200, "application/json", &large),
        ("a realm that is disabled", 404, "application/json", r#"{"error":"Realm not enabled"}"#),
        ("an error", 500, "text/plain", "no"),
    ] {
        let plan = Plan::new().await;
        plan.idp.faults().set(Endpoint::Certs, Fault::Answer(status, kind, body.to_owned()));
        let world = plan.start().await;
        let answer = get(&world, CERTS_PATH, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (status, kind), "{name}");
        assert!(answer.text() == body, "{name}");
        let alice = world.alice().await;
        assert_eq!(world.exchange(&alice, &[]).await.status, 503, "{name}");
        assert_eq!(world.audit(1).await[0]["reason"], "keys_unavailable", "{name}");
        world.idp.faults().clear();
        world.clock.advance(jiff::SignedDuration::from_secs(2));
        until("keys", async || (world.exchange(&alice, &[]).await.status == 200).then_some(())).await;
        let good = get(&world, CERTS_PATH, &[]).await;
        assert_eq!(kids(&good).len(), 3, "{name}: two of the realm, one of Cambio");
        world.idp.faults().set(Endpoint::Certs, Fault::Answer(status, kind, body.to_owned()));
        world.clock.advance(jiff::SignedDuration::from_secs(11));
        let other = world.idp.signing_key("partner").unwrap();
        let claims = crate::support::token::claims(&alice);
        world.exchange(&other.sign(claims.as_object().unwrap()).unwrap(), &[]).await;
        assert_eq!(get(&world, CERTS_PATH, &[]).await.body, good.body, "{name}: nothing replaces good keys");
    }
}

#[tokio::test]
async fn private_parts_are_not_published_a_second_time() {
    let plan = Plan::new().await;
    let good = plan.idp.signing_key("corp").unwrap().jwk();
    let set = format!(
        r#"{{"keys":[{{"kty":"EC","kid":"p","d":"c2VjcmV0","x":"AA"}},{{"kty":"oct","kid":"s","k":"c2VjcmV0"}},{good}]}}"#
    );
    plan.idp.faults().answer_at(CERTS_PATH, 200, &set);
    let world = plan.start().await;
    let answer = get(&world, CERTS_PATH, &[]).await;
    assert!(!answer.text().contains("c2VjcmV0"), "{}", answer.text());
    assert!(answer.text().starts_with(r#"{"keys":[{"kty":"EC","kid":"p","x":"AA"},{"#), "{}", answer.text());
    assert_eq!(world.exchange(&world.alice().await, &[]).await.status, 200);
}

#[tokio::test]
async fn every_metadata_document_says_what_cambio_offers() {
    let world = World::start().await;
    let paths = [
        DISCOVERY_PATH.to_owned(),
        "/realms/corp/.well-known/oauth-authorization-server".to_owned(),
        "/.well-known/oauth-authorization-server/realms/corp".to_owned(),
    ];
    let document = r#"{"issuer":"http://sso.example.org/realms/corp","z":1.50,"grant_types_supported":["password"]}"#;
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    for path in &paths {
        world.idp.faults().answer_at(path, 200, document);
        for spelling in [path.clone(), format!("{path}/")] {
            let answer = get(&world, &spelling, &[]).await;
            assert_eq!(answer.json()["grant_types_supported"], serde_json::json!(["password", grant]), "{spelling}");
            let algorithms = &answer.json()["id_token_signing_alg_values_supported"];
            assert_eq!(*algorithms, serde_json::json!(["RS256", "ES256"]), "{spelling}");
            assert!(
                answer.text().starts_with(r#"{"issuer":"http://sso.example.org/realms/corp","z":1.50,"#),
                "{spelling}"
            );
        }
    }
}

#[tokio::test]
async fn a_discovery_document_that_can_t_be_amended_passes_as_it_came() {
    for (name, body) in [
        ("a member twice", r#"{"issuer":"http://sso.example.org/realms/corp","a":1,"a":2}"#),
        ("a byte order mark", "\u{feff}{\"issuer\":\"http://sso.example.org/realms/corp\"}"),
        ("no list", r#"{"issuer":"http://sso.example.org/realms/corp","grant_types_supported":"password"}"#),
        ("no issuer", r#"{"jwks_uri":"x"}"#),
        ("no JSON", "<h1>Maintenance</h1>"),
        ("nothing", ""),
    ] {
        let world = World::start().await;
        world.idp.faults().set(Endpoint::Discovery, Fault::Answer(200, "application/json", body.to_owned()));
        let answer = get(&world, DISCOVERY_PATH, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, body), "{name}");
        let head = client::send(world.address(), Request::head(DISCOVERY_PATH).body(Bytes::new()).unwrap()).await;
        assert!(head.status == 200 && head.body.is_empty(), "{name}");
    }
    let world = World::start().await;
    let marked = r#"{"issued_token_type":"x","access_token":"y"}"#;
    world.idp.faults().answer_at(DISCOVERY_PATH, 200, marked);
    let answer = get(&world, DISCOVERY_PATH, &[]).await;
    assert!(answer.status != 200 && !answer.text().contains("access_token"), "{}", answer.text());
}

#[tokio::test]
async fn a_realm_without_configuration_keeps_its_own_keys() {
    let world = World::start().await;
    let path = CERTS_PATH.replace("corp", "partner");
    let through = get(&world, &path, &[]).await;
    assert_eq!(through.body, client::get(world.idp.address(), &path).await.body);
}
