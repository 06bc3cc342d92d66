//! The adapter against the demo's identity provider.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::adapters::audit::AuditLog;
use crate::adapters::config::{AuditOutput, Config};
use crate::judgement::client::credentials::Credentials;
use crate::judgement::client::secret::SecretHash;
use crate::judgement::client::verify::AuthenticatedClient;
use crate::words::clock::{Clock, ManualClock};

use crate::adapters::drain;
use crate::adapters::metrics::Metrics;
use crate::adapters::net::budget::MemoryBudget;
use crate::adapters::net::connection::{Connection, ConnectionFacts, ListedProxies};
use crate::adapters::store::MarkStore;
use crate::adapters::upstream::client::UpstreamClient;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::case::RequestContext;
use crate::edge::gateway::generation::Generation;
use crate::edge::gateway::services::{Services, Systems};
use crate::tools::demo::misbehaviour::faults::{Endpoint, Fault, FaultyIdp};
use crate::tools::demo::{IdpOptions, Keys, Received};
use crate::words::oauth::form::Form;
use crate::words::oauth::urn::CLIENT_ASSERTION_JWT;
use crate::words::refusal::Refusal;
use crate::words::secret::Secret;

const ISSUER: &str = "http://sso.example.org/realms/corp";

/// The identity provider's keys, made once: RSA takes its time.
fn keys() -> Keys {
    static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys::generate().unwrap());
    KEYS.clone()
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A gate before the demo's identity provider, with this in its realm.
struct World {
    idp: FaultyIdp,
    services: Services,
    connection: Arc<Connection>,
    clock: Clock,
    hand: Arc<ManualClock>,
    folder: Folder,
    peer: &'static str,
}

impl World {
    async fn new(realm: &str) -> Self {
        Self::with(realm, "", "192.0.2.7:4711").await
    }

    async fn with(realm: &str, listen: &str, peer: &'static str) -> Self {
        let folder = Folder(std::env::temp_dir().join(format!("cambio-authenticate-{}", uuid::Uuid::new_v4())));
        std::fs::create_dir(&folder.0).unwrap();
        let (clock, hand) = Clock::manual("2026-11-02T08:00:00Z".parse::<Timestamp>().unwrap());
        let idp = FaultyIdp::start(IdpOptions { port: 0, clock: clock.clone(), keys: Some(keys()) }).await.unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let config = configure(&folder.0, &idp, realm, listen);
        let upstream = UpstreamClient::new(&config.upstream).unwrap();
        let store = MarkStore::new(&config.store, clock.clone(), Arc::clone(&metrics)).unwrap();
        let output = AuditOutput::File { path: folder.0.join("audit.jsonl"), fsync: false };
        let audit = AuditLog::open(&output, false, Arc::clone(&metrics)).unwrap();
        let proxies = Arc::new(ListedProxies::of(&config.listen));
        let state = Generation::new(config, None, &clock, upstream.via()).unwrap();
        let systems = Systems { upstream, store, audit };
        let services = Services::new(state, systems, metrics, MemoryBudget::unlimited(), clock.clone());
        let address: std::net::SocketAddr = peer.parse().unwrap();
        let trusted = proxies.contain(address.ip());
        let facts =
            ConnectionFacts::new(address, "192.0.2.1:8080".parse().unwrap(), false, trusted).with_proxies(&proxies);
        let connection = Arc::new(Connection::new(facts, drain::channel().1, ()));
        Self { idp, services, connection, clock, hand, folder, peer }
    }

    /// Puts another configuration in force.
    fn reconfigure(&self, realm: &str) {
        let config = configure(&self.folder.0, &self.idp, realm, "");
        let state =
            Generation::new(config, Some(&self.services.generation()), &self.clock, self.services.upstream.via())
                .unwrap();
        self.services.replace(state);
    }

    async fn ask(&self, headers: &[(&str, &str)], form: &str) -> Result<AuthenticatedClient, Refusal> {
        let state = self.services.generation();
        let head = head(headers);
        let realm = &state.realms[0];
        let form = Form::parse(form.as_bytes()).unwrap();
        let credentials = Credentials::read(&head.headers, &form, &realm.config.clients.workloads)?;
        let context = RequestContext { services: &self.services, generation: &state, connection: &self.connection };
        let mut record = context.record(&head, Some(realm));
        record.not_audited();
        Case::new(context, realm, head, record).prove_client(&credentials).await
    }

    /// What came of it, and whether the identity provider was asked.
    async fn told(&self, form: &str) -> (String, bool) {
        let before = self.idp.faults().arrived();
        let told = told(self.ask(&[], form).await);
        let asked = !self.introspections(before).is_empty();
        (told, asked)
    }

    /// Requests to the introspection endpoint after the first `before` of all.
    fn introspections(&self, before: usize) -> Vec<Received> {
        let all = self.idp.faults().received().into_iter().skip(before);
        all.filter(|one| one.target.ends_with("/introspect")).collect()
    }

    fn metric(&self, line: &str) -> bool {
        self.services.exposition().unwrap().lines().any(|one| one == line)
    }
}

fn configure(folder: &Path, idp: &FaultyIdp, realm: &str, listen: &str) -> Config {
    let text = format!(
        "upstream: {{ url: 'http://{}', responseTimeout: 500ms }}\n\
         listen: {{ address: '127.0.0.1:0'{listen} }}\nadmin: {{ address: '127.0.0.1:0' }}\n\
         realms:\n  corp:\n    issuer: {ISSUER}\n    subjectIssuers: [corp]\n{}",
        idp.address(),
        realm.replace("IDP", &idp.address().to_string()),
    );
    std::fs::write(folder.join("cambio.yaml"), text).unwrap();
    crate::adapters::config::load::load(&folder.join("cambio.yaml"), &())
        .unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn head(headers: &[(&str, &str)]) -> Parts {
    let mut request = http::Request::post("/realms/corp/protocol/openid-connect/token").header(HOST, "sso.example.org");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn told(result: Result<AuthenticatedClient, Refusal>) -> String {
    result.map_or_else(|refusal| refusal.reason.to_string(), |proven| format!("{} {}", proven.client_id(), proven.by()))
}

const RIGHT: &str = "client_id=front-end-app&client_secret=front-end-secret";
const WRONG: &str = "client_id=front-end-app&client_secret=wrong";
const YES: &str = "front-end-app upstream";
const NO: &str = "client_unauthenticated";

#[tokio::test]
async fn the_identity_provider_judges_whom_the_configuration_does_not_know() {
    let world = World::new("").await;
    let basic = format!("Basic {}", STANDARD.encode("front-end-app:front-end-secret"));
    assert_eq!(told(world.ask(&[(AUTHORIZATION.as_str(), &basic), ("cookie", "a=b")], "").await), YES);
    let sent = world.introspections(0).pop().unwrap();
    assert_eq!(sent.target, "/realms/corp/protocol/openid-connect/token/introspect");
    assert_eq!(sent.headers[HOST], "sso.example.org");
    assert!(!sent.headers.contains_key("cookie") && sent.body.starts_with(b"token="), "{:?}", sent.body);
    for (name, form, expected) in [
        ("right", RIGHT, YES),
        ("wrong", WRONG, NO),
        ("unknown", "client_id=nobody&client_secret=x", NO),
        ("without its secret", "client_id=front-end-app", NO),
        ("public", "client_id=single-page-app", NO),
    ] {
        assert_eq!(world.told(form).await, (expected.to_owned(), true), "{name}");
    }
    let refusal = world.ask(&[], "client_id=single-page-app").await.unwrap_err();
    assert!(refusal.detail.contains("method: none"), "{}", refusal.detail);
    for line in [
        "cambio_client_authentications_total{method=\"upstream\",outcome=\"allowed\",realm=\"corp\"} 2",
        "cambio_client_authentications_total{method=\"upstream\",outcome=\"denied\",realm=\"corp\"} 5",
    ] {
        assert!(world.metric(line), "{line}");
    }
}

#[tokio::test]
async fn its_yes_is_remembered_for_the_very_same_credentials() {
    let world = World::new("    clientAuthentication: { cacheFor: 30s }\n").await;
    for (name, form, wait, expected) in [
        ("first", RIGHT, 0, (YES, true)),
        ("again", RIGHT, 29, (YES, false)),
        ("another secret", WRONG, 0, (NO, true)),
        ("another secret again: a no is not remembered", WRONG, 0, (NO, true)),
        ("another client with that secret", "client_id=other-api&client_secret=front-end-secret", 0, (NO, true)),
        ("later", RIGHT, 1, (YES, true)),
        ("and the clock set back", RIGHT, -10, (YES, false)),
        ("its time is over, whatever the clock shows", RIGHT, 30, (YES, true)),
    ] {
        world.hand.advance(SignedDuration::from_secs(wait));
        let (told, asked) = world.told(form).await;
        assert_eq!((told.as_str(), asked), expected, "{name}");
    }
    world.reconfigure("    clientAuthentication: { cacheFor: 0s }\n");
    for _ in 0..2 {
        assert_eq!(world.told(RIGHT).await, (YES.to_owned(), true));
    }
    world.reconfigure("    clientAuthentication: { unregistered: refuse }\n");
    assert_eq!(world.told(RIGHT).await, (NO.to_owned(), false));
}

#[tokio::test]
async fn assertions_are_never_remembered() {
    let world = World::new("").await;
    let faults = world.idp.faults();
    faults.set(Endpoint::Introspect, Fault::Answer(200, "application/json", r#"{"active":false}"#.to_owned()));
    let claims = json!({ "iss": "app", "sub": "app" });
    let jwt = world.idp.signing_key("partner").unwrap().sign(claims.as_object().unwrap()).unwrap();
    let form = format!("client_assertion_type={CLIENT_ASSERTION_JWT}&client_assertion={jwt}");
    for _ in 0..2 {
        assert_eq!(world.told(&form).await, ("app upstream".to_owned(), true));
    }
}

/// It finds the client by the assertion, whatever `client_id` says: its yes is about nobody in particular.
#[tokio::test]
async fn an_assertion_that_does_not_name_its_client_proves_none_by_the_identity_provider() {
    let world = World::new("").await;
    let faults = world.idp.faults();
    faults.set(Endpoint::Introspect, Fault::Answer(200, "application/json", r#"{"active":false}"#.to_owned()));
    for (name, claims) in [
        ("a workload", json!({ "iss": "https://cluster.example", "sub": "system:serviceaccount:a:weak" })),
        ("another's assertion", json!({ "iss": "https://login.example", "sub": "weak-app" })),
    ] {
        let jwt = world.idp.signing_key("partner").unwrap().sign(claims.as_object().unwrap()).unwrap();
        let form =
            format!("client_id=front-end-app&client_assertion_type={CLIENT_ASSERTION_JWT}&client_assertion={jwt}");
        assert_eq!(world.told(&form).await, (NO.to_owned(), false), "{name}");
    }
}

#[tokio::test]
async fn an_identity_provider_that_is_away_says_nothing() {
    let world = World::new("").await;
    let unavailable = "client_authentication_unavailable";
    let page = |status| Fault::Answer(status, "text/html", "<html>front-end-app</html>".to_owned());
    for (name, fault) in [
        ("hangs up", Fault::CloseAtOnce),
        ("breaks off", Fault::CloseMidBody),
        ("is slow", Fault::Hang),
        ("has a page for everything", page(200)),
        ("redirects", page(302)),
        ("is broken", page(503)),
        ("has moved", page(404)),
        ("knows no such thing", Fault::Answer(200, "application/json", r#"{"active":true}"#.to_owned())),
        (
            "answers at length",
            Fault::Answer(200, "application/json", format!("{{\"active\":false,\"x\":\"{}\"}}", "x".repeat(70_000))),
        ),
    ] {
        world.idp.faults().set(Endpoint::Introspect, fault);
        assert_eq!(told(world.ask(&[], RIGHT).await), unavailable, "{name}");
    }
    world.idp.faults().clear();
    assert_eq!(told(world.ask(&[], RIGHT).await), YES, "a fault is not remembered");
    let World { idp, services, connection, clock, hand, folder, peer } = world;
    let stopped = idp.address();
    idp.stop().await;
    let idp = FaultyIdp::start(IdpOptions { port: 0, clock: clock.clone(), keys: Some(keys()) }).await.unwrap();
    assert_ne!(idp.address(), stopped);
    let world = World { idp, services, connection, clock, hand, folder, peer };
    assert_eq!(told(world.ask(&[], RIGHT).await), YES, "it is remembered");
    world.hand.advance(SignedDuration::from_secs(31));
    assert_eq!(told(world.ask(&[], RIGHT).await), unavailable, "and then forgotten");
    assert!(
        world.metric("cambio_client_authentications_total{method=\"upstream\",outcome=\"failed\",realm=\"corp\"} 10")
    );
}

#[tokio::test]
async fn a_slow_hash_is_computed_once_and_never_outlives_its_configuration() {
    let hash = |secret: &str| SecretHash::argon2id(&Secret::new(secret), b"0123456789abcdef").unwrap();
    let realm = |secret: &str| {
        format!("    clients: {{ batch: [{{ method: client_secret, secretHash: '{}' }}] }}\n", hash(secret))
    };
    let world = World::new(&realm("s3cret")).await;
    let (right, other) = ("client_id=batch&client_secret=s3cret", "client_id=batch&client_secret=other");
    assert_eq!(world.told(right).await, ("batch client_secret".to_owned(), false));
    assert_eq!(world.told(other).await, (NO.to_owned(), false));
    assert_eq!(world.told(right).await.0, "batch client_secret");
    world.reconfigure(&realm("other"));
    assert_eq!(world.told(right).await, (NO.to_owned(), false));
    assert_eq!(world.told(other).await, ("batch client_secret".to_owned(), false));
    world.reconfigure("    dialect: rfc8693\n    clients: { batch: [{ method: none }] }\n");
    assert_eq!(world.told(other).await, (NO.to_owned(), false));
}

/// Many wrong secrets of one client come at once: some are checked, the others are told so, and another client has room.
#[tokio::test]
async fn guesses_at_one_client_leave_room_for_others() {
    let hash = SecretHash::argon2id(&Secret::new("s3cret"), b"0123456789abcdef").unwrap();
    let method = format!("[{{ method: client_secret, secretHash: '{hash}' }}]");
    let world = World::new(&format!("    clients: {{ batch: {method}, other: {method} }}\n")).await;
    let forms: Vec<_> = (0..60).map(|number| format!("client_id=batch&client_secret=guess-{number}")).collect();
    let mut guesses: Vec<_> = forms.iter().map(|form| Some(Box::pin(world.told(form)))).collect();
    let mut other = Some(Box::pin(world.told("client_id=other&client_secret=s3cret")));
    let mut told = Vec::new();
    let mut others = None;
    std::future::poll_fn(|cx| {
        for guess in guesses.iter_mut().chain([&mut other]) {
            if let Some(future) = guess
                && let std::task::Poll::Ready(answer) = future.as_mut().poll(cx)
            {
                told.push(answer.0);
                *guess = None;
            }
        }
        if other.is_none() && others.is_none() {
            others = told.last().cloned();
        }
        if guesses.iter().all(Option::is_none) && other.is_none() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    assert_eq!(others.unwrap(), "other client_secret");
    let busy = told.iter().filter(|answer| *answer == "client_authentication_unavailable").count();
    assert!((30..60).contains(&busy), "{told:?}");
    assert_eq!(told.iter().filter(|answer| *answer == NO).count(), 60 - busy);
}

#[tokio::test]
async fn an_assertion_is_spent() {
    let url = "http://IDP/realms/partner/protocol/openid-connect/certs";
    let world = World::new(&format!(
        "    clients: {{ batch: [{{ method: private_key_jwt, jwksURL: '{url}', algorithms: [RS256] }}] }}\n"
    ))
    .await;
    let form = |realm: &str, jti: &str| {
        let now = world.clock.now().as_second();
        let claims = json!({ "iss": "batch", "sub": "batch", "aud": ISSUER, "exp": now + 60, "iat": now, "jti": jti });
        let jwt = world.idp.signing_key(realm).unwrap().sign(claims.as_object().unwrap()).unwrap();
        format!("client_assertion_type={CLIENT_ASSERTION_JWT}&client_assertion={jwt}")
    };
    let (first, second) = (form("partner", "1"), form("partner", "2"));
    for (name, form, expected) in [
        ("first", &first, "batch private_key_jwt"),
        ("again", &first, "client_assertion_replayed"),
        ("another", &second, "batch private_key_jwt"),
        ("another's key", &form("corp", "3"), NO),
        ("not spent by a wrong one", &form("partner", "3"), "batch private_key_jwt"),
    ] {
        assert_eq!(world.told(form).await, (expected.to_owned(), false), "{name}");
    }
    assert!(world.metric(
        "cambio_client_authentications_total{method=\"private_key_jwt\",outcome=\"allowed\",realm=\"corp\"} 3"
    ));
}

#[tokio::test]
async fn a_proxy_speaks_for_its_callers_if_it_is_trusted() {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    let named = |name: &str| {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters
    };
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = named("authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, &authority_key);
    let right = named("batch").signed_by(&key, &issuer).unwrap();
    let strange = named("batch").self_signed(&key).unwrap();
    let escape = |pem: &str| percent_encoding::utf8_percent_encode(pem, percent_encoding::NON_ALPHANUMERIC).to_string();
    let binary = |der: &[u8]| format!(":{}:", STANDARD.encode(der));

    let ca_file = std::env::temp_dir().join(format!("cambio-ca-{}.pem", uuid::Uuid::new_v4()));
    std::fs::write(&ca_file, ca.pem()).unwrap();
    let listen = format!(
        ", trustedProxies: [10.0.0.0/8], clientCertificateHeader: {{ name: Client-Cert, ca: '{}' }}",
        ca_file.display()
    );
    let realm = "    clients: { batch: [{ method: tls_client_auth, subject: CN=batch }] }\n";
    let malformed = "credentials_malformed";
    let yes = "batch tls_client_auth";
    for (name, peer, headers, expected) in [
        ("RFC 9440", "10.0.0.1:1", vec![binary(right.der())], yes),
        ("nginx", "10.0.0.1:1", vec![escape(&right.pem())], yes),
        ("from anybody", "192.0.2.7:1", vec![binary(right.der())], NO),
        ("nobody vouches for it", "10.0.0.1:1", vec![binary(strange.der())], NO),
        ("none", "10.0.0.1:1", vec![], NO),
        ("empty", "10.0.0.1:1", vec![String::new()], NO),
        ("two", "10.0.0.1:1", vec![binary(right.der()), binary(right.der())], malformed),
        ("rubbish", "10.0.0.1:1", vec!["rubbish".to_owned()], malformed),
        ("no certificate", "10.0.0.1:1", vec![binary(b"rubbish")], malformed),
        ("two in one, the leaf first", "10.0.0.1:1", vec![escape(&format!("{}{}", right.pem(), ca.pem()))], yes),
        ("two in one, a stranger's first", "10.0.0.1:1", vec![escape(&format!("{}{}", strange.pem(), ca.pem()))], NO),
    ] {
        let world = World::with(realm, &listen, peer).await;
        let headers: Vec<_> = headers.iter().map(|value| ("client-cert", value.as_str())).collect();
        assert_eq!(told(world.ask(&headers, "client_id=batch").await), expected, "{name}");
    }
    std::fs::remove_file(ca_file).unwrap();
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let world = World::new("").await;
    world.idp.faults().set(Endpoint::Introspect, Fault::Hang);
    let before = world.idp.faults().arrived();
    let release = async {
        let mut arrived = before;
        while world.introspections(before).is_empty() {
            arrived += 1;
            world.idp.faults().reached(arrived).await;
        }
        world.idp.faults().release();
    };
    let (one, two, three, ()) =
        tokio::join!(world.ask(&[], RIGHT), world.ask(&[], RIGHT), world.ask(&[], RIGHT), release);
    for result in [one, two, three] {
        assert_eq!(told(result), YES);
    }
    assert_eq!(world.introspections(before).len(), 1);
}
