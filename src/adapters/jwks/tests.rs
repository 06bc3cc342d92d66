//! Keys against a small server that answers as each test says. Time is a clock that stands still until it is moved;
//! nothing here sleeps.

mod because_of_tokens;
mod server;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

use self::server::{Answer, Server};
use super::*;
use crate::adapters::net::proxied::Dialer;
use crate::adapters::net::url::PublicAddress;
use crate::adapters::tls;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::words::clock::ManualClock;

/// Sends every outcome on.
fn sending(sender: mpsc::UnboundedSender<Result<(), String>>) -> FetchObserver {
    Box::new(move |outcome| drop(sender.send(outcome.map_err(ToString::to_string))))
}

impl JwksCache {
    /// Fetches the keys once.
    async fn warm(&self) {
        if self.held().is_none() {
            self.scheduled().await.ok();
        }
    }
}

const LIMITS: JwksLimits = JwksLimits {
    refresh_interval: Duration::from_secs(300),
    max_stale: Duration::from_secs(3600),
    unknown_kid_cooldown: Duration::from_secs(10),
};

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn seconds(count: i64) -> SignedDuration {
    SignedDuration::from_secs(count)
}

/// A key set of one new key, and its kid.
fn key_set() -> (String, String) {
    let key = SigningKey::from_pem(generate(KeyKind::Ed25519).unwrap().expose().as_bytes()).unwrap();
    (json!({ "keys": [key.jwk()] }).to_string(), key.kid().to_owned())
}

fn good(body: &str) -> Answer {
    Answer::Reply(200, &[("content-type", "application/json")], body.to_owned())
}

fn jwks_of(source: Source) -> (JwksCache, Arc<ManualClock>, mpsc::UnboundedReceiver<Result<(), String>>) {
    let (clock, hand) = Clock::manual(start());
    let (sender, outcomes) = mpsc::unbounded_channel();
    let fetcher = Fetcher::with_tls(source, tls::nobody().unwrap(), Dialer::default());
    (JwksCache::new(fetcher, LIMITS, clock, sending(sender)), hand, outcomes)
}

fn jwks(server: &Server) -> (JwksCache, Arc<ManualClock>) {
    let url = server.url("/certs").parse().unwrap();
    let (jwks, hand, _) = jwks_of(Source::Url { url, public: None });
    (jwks, hand)
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept() {
    let (set, kid) = key_set();
    let server = Server::start([good(&set)]).await;
    let (jwks, _) = jwks(&server);
    assert!(jwks.held().is_none() && jwks.age().is_none());
    jwks.warm().await;
    jwks.warm().await;
    assert!(jwks.held().unwrap().contains(&kid));
    assert!(jwks.keys(Some(&kid)).await.unwrap().contains(&kid));
    assert!(jwks.keys(None).await.unwrap().contains(&kid));
    assert_eq!(server.hits(), 1);
    assert_eq!(jwks.age(), Some(SignedDuration::ZERO));
}

#[tokio::test]
async fn a_rotation_is_followed_when_a_token_names_the_new_key() {
    let ((old, old_kid), (new, new_kid)) = (key_set(), key_set());
    let server = Server::start([good(&old), good(&new)]).await;
    let (jwks, _) = jwks(&server);
    jwks.warm().await;
    let keys = jwks.keys(Some(&new_kid)).await.unwrap();
    assert!(keys.contains(&new_kid) && !keys.contains(&old_kid));
    assert_eq!(server.hits(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_callers_cause_one_fetch() {
    let ((old, _), (new, kid)) = (key_set(), key_set());
    for cold in [true, false] {
        let release = Arc::new(Notify::new());
        let server = Server::start([good(&old)]).await;
        let (jwks, _) = jwks(&server);
        if !cold {
            jwks.warm().await;
            server.arrived.notified().await;
        }
        let before = server.hits();
        server.then(Answer::Held(Arc::clone(&release), new.clone()));
        let (asked, mut asking) = mpsc::unbounded_channel();
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let (jwks, kid, asked) = (jwks.clone(), kid.clone(), asked.clone());
                tokio::spawn(async move {
                    asked.send(()).unwrap();
                    jwks.keys(Some(&kid)).await.unwrap().contains(&kid)
                })
            })
            .collect();
        for _ in 0..100 {
            asking.recv().await.unwrap();
        }
        server.arrived.notified().await;
        release.notify_one();
        for caller in callers {
            assert!(caller.await.unwrap(), "cold: {cold}");
        }
        assert_eq!(server.hits() - before, 1, "cold: {cold}");
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_end_the_fetch() {
    let ((old, _), (new, kid)) = (key_set(), key_set());
    let release = Arc::new(Notify::new());
    let server = Server::start([good(&old), Answer::Held(Arc::clone(&release), new)]).await;
    let (jwks, _) = jwks(&server);
    jwks.warm().await;
    server.arrived.notified().await;
    let (gone, wanted) = (jwks.clone(), kid.clone());
    let caller = tokio::spawn(async move { gone.keys(Some(&wanted)).await.map(|_| ()) });
    server.arrived.notified().await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    release.notify_one();
    assert!(jwks.keys(Some(&kid)).await.unwrap().contains(&kid));
    assert_eq!(server.hits(), 2);
}

#[tokio::test]
async fn nothing_bad_replaces_good_keys() {
    let (set, kid) = key_set();
    let private = json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "x", "alg": "HS256"}]}).to_string();
    let html = "<!doctype html><title>Bad gateway</title>".to_owned();
    let huge = format!("{}{}", key_set().0, " ".repeat(1024 * 1024));
    let reply = |status, headers, body: &str| Answer::Reply(status, headers, body.to_owned());
    let (json, none) = ("the key set is no JSON object: not valid JSON", "the key set has no key for signatures");
    let moved = "redirected (302 Found); redirects are not followed";
    let cases = [
        ("error page with status 200", reply(200, &[("content-type", "text/html")], &html), json),
        ("error page", reply(502, &[], &html), "status 502 Bad Gateway"),
        ("500 with keys in it", reply(500, &[], &key_set().0), "status 500 Internal Server Error"),
        ("404", reply(404, &[], "{}"), "status 404 Not Found"),
        ("201 with keys in it", reply(201, &[], &key_set().0), "status 201 Created"),
        ("204", reply(204, &[], ""), "status 204 No Content"),
        ("empty set", good(r#"{"keys":[]}"#), "the key set is empty"),
        ("no set", good("{}"), "the key set has no member keys that is a list"),
        ("keys of null", good(r#"{"keys":[null]}"#), none),
        ("empty body", good(""), json),
        ("cut off", good(&set[..set.len() - 2]), json),
        ("symmetric key only", good(&private), none),
        ("a key for encryption only", good(r#"{"keys":[{"kty":"RSA","use":"enc"}]}"#), none),
        ("huge", good(&huge), "the answer is larger than 1024 KiB"),
        ("no gzip", reply(200, &[("content-encoding", "gzip")], &key_set().0), "the answer's content coding is broken"),
        ("brotli", reply(200, &[("content-encoding", "br")], &key_set().0), "the answer has the content coding \"br\""),
        ("redirect", reply(302, &[("location", "/elsewhere")], &key_set().0), moved),
        ("redirect to another origin", reply(302, &[("location", "http://127.0.0.1:1/")], ""), moved),
        ("hang-up", Answer::Hangup, "no connection: "),
    ];
    for (name, answer, expected) in cases {
        let server = Server::start([good(&set), answer]).await;
        let url = server.url("/certs").parse().unwrap();
        let (jwks, hand, mut outcomes) = jwks_of(Source::Url { url, public: None });
        jwks.warm().await;
        assert_eq!(outcomes.recv().await.unwrap(), Ok(()), "{name}");
        hand.advance(seconds(60));
        assert!(jwks.keys(Some("unknown")).await.unwrap().contains(&kid), "{name}");
        let error = outcomes.recv().await.unwrap().unwrap_err();
        assert!(error.starts_with(expected), "{name}: {error}");
        assert_eq!(server.hits(), 2, "{name}: redirects are not followed, failures not repeated");
        assert_eq!(jwks.age(), Some(seconds(60)), "{name}: a failure makes keys no younger");
    }
}

#[tokio::test]
async fn a_question_asked_before_an_answer_came_is_answered_by_it() {
    let server = Server::start([good(&key_set().0)]).await;
    let (jwks, _) = jwks(&server);
    jwks.warm().await;
    let answered = jwks.0.replace(0, Cause::Scheduled).await.unwrap();
    assert_eq!((answered.generation, server.hits()), (1, 1));
    assert_eq!(jwks.0.replace(1, Cause::Scheduled).await.unwrap().generation, 2);
    assert_eq!(server.hits(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up() {
    let server = Server::start([Answer::Never]).await;
    let (jwks, _) = jwks(&server);
    let error = jwks.keys(None).await.unwrap_err();
    assert_eq!(error.to_string(), "the issuer's keys can't be had: no answer within 5 s");
}

#[tokio::test]
async fn stale_keys_are_used_up_to_the_bound_and_not_beyond() {
    let (set, kid) = key_set();
    let server = Server::start([good(&set), Answer::Reply(500, &[], String::new())]).await;
    let (jwks, hand) = jwks(&server);
    jwks.warm().await;
    hand.advance(seconds(3600));
    assert!(jwks.keys(Some(&kid)).await.unwrap().contains(&kid));
    hand.advance(seconds(1));
    let error = jwks.keys(Some(&kid)).await.unwrap_err();
    assert_eq!(error.to_string(), "the issuer's keys can't be had: status 500 Internal Server Error");
    assert!(jwks.held().is_none());
    assert_eq!(jwks.age(), Some(seconds(3601)));
    server.then(good(&set));
    hand.advance(seconds(1));
    assert!(jwks.keys(Some(&kid)).await.unwrap().contains(&kid));
    assert_eq!(jwks.age(), Some(SignedDuration::ZERO));
}

#[tokio::test]
async fn without_keys_failures_are_not_repeated_at_once() {
    let server = Server::start([Answer::Reply(503, &[], String::new())]).await;
    let (jwks, hand) = jwks(&server);
    for (name, advance, hits) in [("first", 0, 1), ("at once", 0, 1), ("a second on", 1, 2)] {
        hand.advance(seconds(advance));
        let error = jwks.keys(Some("a")).await.unwrap_err();
        assert_eq!(error.to_string(), "the issuer's keys can't be had: status 503 Service Unavailable", "{name}");
        assert_eq!(server.hits(), hits, "{name}");
    }
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/certs", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let (jwks, _, mut outcomes) = jwks_of(Source::Url { url, public: None });
    jwks.warm().await;
    assert!(outcomes.recv().await.unwrap().unwrap_err().starts_with("no connection"));
    assert!(jwks.keys(None).await.is_err());
}

#[tokio::test]
async fn the_public_address_is_asked_for() {
    let server = Server::start([good(&key_set().0)]).await;
    let url = server.url("/realms/corp/protocol/openid-connect/certs").parse().unwrap();
    let public = Some(PublicAddress::of("https://sso.example.org/realms/corp").unwrap());
    let (jwks, ..) = jwks_of(Source::Url { url, public });
    jwks.keys(None).await.unwrap();
    let seen = server.seen.lock().unwrap();
    let (target, headers) = &seen[0];
    assert_eq!(target, "/realms/corp/protocol/openid-connect/certs");
    assert_eq!(headers["host"], "sso.example.org");
    assert_eq!(headers["x-forwarded-host"], "sso.example.org");
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers.get_all("host").iter().count(), 1);
}

type Document<'a> = Box<dyn Fn(&Server) -> String + 'a>;

/// Documents of an issuer with tenants, and of Google, whose old tokens have another `iss` than its document.
#[tokio::test]
async fn discovery_of_an_issuer_with_another_name() {
    const PATTERN: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let (set, kid) = key_set();
    for (issuer, named, expected) in [
        (PATTERN, PATTERN, Ok(())),
        ("urn:acme:idp", "urn:acme:idp", Ok(())),
        (
            PATTERN,
            "https://login.microsoftonline.com/t-1/v2.0",
            Err("that of one tenant, and issuer.url has {tenantid}"),
        ),
        ("https://login.microsoftonline.com/t-1/v2.0", PATTERN, Err("that of all tenants: write its issuer")),
        ("accounts.google.com", "https://accounts.google.com", Err("begins with https://, which issuer.url lacks")),
        ("accounts.google.com", "http://accounts.google.com", Err("another issuer")),
    ] {
        let server = Server::start([]).await;
        let document = json!({"issuer": named, "jwks_uri": server.url("/keys")}).to_string();
        server.script.lock().unwrap().extend([good(&document), good(&set)]);
        let url = server.url("/d").parse().unwrap();
        let (jwks, _, mut outcomes) = jwks_of(Source::Discovery { url, issuer: issuer.to_owned() });
        jwks.warm().await;
        match (outcomes.recv().await.unwrap(), expected) {
            (Ok(()), Ok(())) => assert!(jwks.held().unwrap().contains(&kid), "{issuer}, {named}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{issuer}, {named}: {error}"),
            (found, expected) => panic!("{issuer}, {named}: {found:?}, not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn discovery() {
    let issuer = "https://login.partner.example";
    let (set, kid) = key_set();
    let other = Server::start([good(&set)]).await;
    let document = |issuer: Value, keys: Value| json!({"issuer": issuer, "jwks_uri": keys}).to_string();
    let wrong_issuer = "discovery: the document is about another issuer";
    let wrong_place = "discovery: jwks_uri is neither https nor of the document's origin";
    let no_url = "discovery: jwks_uri is not a URL that keys can be fetched from";
    let cases: [(&str, Document<'_>, Result<(), &str>); 11] = [
        ("of the same origin", Box::new(|own| document(json!(issuer), json!(own.url("/keys")))), Ok(())),
        (
            "a slash more",
            Box::new(|own| document(json!(format!("{issuer}/")), json!(own.url("/k")))),
            Err("discovery: the issuer in the document has a slash at the end, which issuer.url lacks"),
        ),
        (
            "two slashes more",
            Box::new(|own| document(json!(format!("{issuer}//")), json!(own.url("/k")))),
            Err(wrong_issuer),
        ),
        ("issuer missing", Box::new(|own| document(Value::Null, json!(own.url("/k")))), Err(wrong_issuer)),
        ("of another origin", Box::new(|_| document(json!(issuer), json!(other.url("/keys")))), Err(wrong_place)),
        ("no jwks_uri", Box::new(|_| document(json!(issuer), Value::Null)), Err("discovery: no jwks_uri")),
        ("a file", Box::new(|_| document(json!(issuer), json!("file:///etc/passwd"))), Err(no_url)),
        ("relative", Box::new(|_| document(json!(issuer), json!("/keys"))), Err(no_url)),
        ("with credentials", Box::new(|_| document(json!(issuer), json!("https://a:b@host/keys"))), Err(no_url)),
        ("HTML", Box::new(|_| "<html>".to_owned()), Err("discovery: the document is no JSON object")),
        (
            "issuer twice",
            Box::new(|own| document(json!(issuer), json!(own.url("/k"))).replacen('{', r#"{"issuer":"x","#, 1)),
            Err("discovery: the document is no JSON object"),
        ),
    ];
    for (name, document, expected) in cases {
        let server = Server::start([]).await;
        server.script.lock().unwrap().extend([good(&document(&server)), good(&set)]);
        let url = server.url("/.well-known/openid-configuration").parse().unwrap();
        let (jwks, _, mut outcomes) = jwks_of(Source::Discovery { url, issuer: issuer.to_owned() });
        jwks.warm().await;
        assert_eq!(outcomes.recv().await.unwrap(), expected.map_err(ToOwned::to_owned), "{name}");
        assert_eq!(jwks.held().is_some_and(|keys| keys.contains(&kid)), expected.is_ok(), "{name}");
    }
    assert_eq!(other.hits(), 0);
    let server = Server::start([]).await;
    server.script.lock().unwrap().push_back(good(&document(json!(issuer), json!(server.url("/keys")))));
    let url = server.url("/.well-known/openid-configuration").parse().unwrap();
    let (jwks, ..) = jwks_of(Source::Discovery { url, issuer: format!("{issuer}/") });
    let error = jwks.keys(None).await.unwrap_err().to_string();
    assert!(error.ends_with("the issuer in the document lacks the slash at the end of issuer.url"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_in_the_background() {
    let folder = std::env::temp_dir().join(format!("cambio-jwks-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).unwrap();
    let path = folder.join("jwks.json");
    let ((first, first_kid), (second, second_kid)) = (key_set(), key_set());
    let (jwks, _, mut outcomes) = jwks_of(Source::File(path.clone()));
    let keeper = tokio::spawn({
        let jwks = jwks.clone();
        async move { jwks.keep_fresh().await }
    });
    assert_eq!(outcomes.recv().await.unwrap(), Err("entity not found".to_owned()));
    std::fs::write(&path, &first).unwrap();
    while outcomes.recv().await.unwrap().is_err() {}
    assert!(jwks.held().unwrap().contains(&first_kid));
    std::fs::write(&path, "{").unwrap();
    while outcomes.recv().await.unwrap().is_ok() {}
    assert!(jwks.held().unwrap().contains(&first_kid));
    std::fs::write(&path, &second).unwrap();
    while outcomes.recv().await.unwrap().is_err() {}
    assert!(jwks.held().unwrap().contains(&second_kid));
    keeper.abort();
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_background_task_keeps_its_interval_and_backs_off_after_failures() {
    let folder = std::env::temp_dir().join(format!("cambio-jwks-{}", uuid::Uuid::new_v4()));
    let (jwks, _, mut outcomes) = jwks_of(Source::File(folder));
    let keeper = tokio::spawn(async move { jwks.keep_fresh().await });
    let mut before = tokio::time::Instant::now();
    for pause in [0, 1, 2, 4, 8, 16, 30, 30].map(Duration::from_secs) {
        outcomes.recv().await.unwrap().unwrap_err();
        let passed = before.elapsed();
        // A tenth less, by chance, and a timer's millisecond more.
        assert!(passed >= pause * 9 / 10 && passed <= pause + Duration::from_millis(5), "{pause:?}: {passed:?}");
        before = tokio::time::Instant::now();
    }
    keeper.abort();
}

#[test]
fn futures_can_be_spawned() {
    fn sendable<T: Send>(_: T) {}
    let (clock, _) = Clock::manual(start());
    let fetcher = Fetcher::with_tls(Source::File("x".into()), tls::nobody().unwrap(), Dialer::default());
    let jwks = JwksCache::new(fetcher, LIMITS, clock, sending(mpsc::unbounded_channel().0));
    sendable(jwks.keys(None));
    sendable(jwks.keep_fresh());
}
