//! `certs` with our keys in it, and discovery, from a cache that knows the public origin.

use bytes::Bytes;
use http::Request;
use serde_json::Value;

use crate::support::client::{self, Answer};
use crate::support::faults::{Endpoint, Fault};
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, World};

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

#[tokio::test]
async fn a_realm_without_configuration_keeps_its_own_keys() {
    let world = World::start().await;
    let path = CERTS_PATH.replace("corp", "partner");
    let through = get(&world, &path, &[]).await;
    assert_eq!(through.body, client::get(world.idp.address(), &path).await.body);
}
