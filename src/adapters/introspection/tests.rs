//! An issuer that answers as each test says, by a clock that stands still until it is moved.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::{IntrospectionClient, IntrospectionError};
use crate::adapters::config::{Introspection, OwnClient, SecretMethod, ServerAccess, Upstream};
use crate::adapters::net::coding::CodingError;
use crate::adapters::net::outgoing::OutgoingError;
use crate::adapters::upstream::client::UpstreamClient;
use crate::words::clock::{Clock, ManualClock};
use crate::words::oauth::introspection::MAX_ANSWER_BYTES;
use crate::words::secret::Secret;

const NOW: i64 = 1_800_000_000;

/// Asked for `token`, it answers with what it says now.
struct Issuer {
    url: Uri,
    says: Mutex<(u16, HeaderMap, String)>,
    hits: AtomicUsize,
    seen: Mutex<Option<(Parts, String)>>,
    /// Answers wait for this, if it is there.
    held: Mutex<Option<Arc<Notify>>>,
}

impl Issuer {
    async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Arc::new(Self {
            url: format!("http://{}/introspect?a=b", listener.local_addr().unwrap()).parse().unwrap(),
            says: Mutex::new((200, HeaderMap::new(), active(3600).to_string())),
            hits: AtomicUsize::new(0),
            seen: Mutex::default(),
            held: Mutex::default(),
        });
        let shared = Arc::clone(&issuer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        issuer
    }

    fn says(&self, status: u16, body: impl Into<String>) {
        *self.says.lock().unwrap() = (status, HeaderMap::new(), body.into());
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    fn introspector(&self, method: SecretMethod, cache_for: u64) -> (IntrospectionClient, Arc<ManualClock>) {
        let (clock, hand) = Clock::manual(Timestamp::from_second(NOW).unwrap());
        let client = OwnClient { id: "cam:bio".to_owned(), secret: Secret::new("s&cret ") };
        let cache_for = Duration::from_secs(cache_for);
        let config = Introspection { url: self.url.clone(), client, method, cache_for };
        (IntrospectionClient::issuer(&config, &ServerAccess::default(), clock).unwrap(), hand)
    }
}

async fn answer(issuer: Arc<Issuer>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    issuer.hits.fetch_add(1, Ordering::SeqCst);
    *issuer.seen.lock().unwrap() = Some((head, String::from_utf8(body.to_vec()).unwrap()));
    let wait = issuer.held.lock().unwrap().clone();
    if let Some(wait) = wait {
        wait.notified().await;
    }
    let (status, headers, body) = issuer.says.lock().unwrap().clone();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers;
    Ok(response)
}

fn active(seconds: i64) -> Value {
    json!({ "active": true, "sub": "u-1", "exp": NOW + seconds, "token_type": "Bearer" })
}

/// An identity provider that no issuer's client asks.
fn upstream() -> UpstreamClient {
    let limit = Duration::from_secs(1);
    UpstreamClient::new(&Upstream {
        scheme: http::uri::Scheme::HTTP,
        authority: "127.0.0.1:1".parse().unwrap(),
        ca: None,
        client_certificate: None,
        certificate_for_own_calls_only: true,
        connect_timeout: limit,
        response_timeout: limit,
        idle_timeout: limit,
        max_connections: 1024,
    })
    .unwrap()
}

fn token(text: &str) -> Secret {
    Secret::new(text)
}

#[tokio::test]
async fn it_asks_as_the_configured_client() {
    let issuer = Issuer::start().await;
    let form = "token=opaque+%2B&token_type_hint=access_token";
    for (method, header, body) in [
        // cam%3Abio:s%26cret+
        (SecretMethod::Basic, Some("Basic Y2FtJTNBYmlvOnMlMjZjcmV0Kw=="), form.to_owned()),
        (SecretMethod::Post, None, format!("{form}&client_id=cam%3Abio&client_secret=s%26cret+")),
    ] {
        let (introspector, _) = issuer.introspector(method, 30);
        assert!(introspector.introspect(&upstream(), &token("opaque +")).await.unwrap().is_active());
        let (head, sent) = issuer.seen.lock().unwrap().take().unwrap();
        assert_eq!((head.method, head.uri.to_string()), (Method::POST, "/introspect?a=b".to_owned()));
        assert_eq!(head.headers.get(AUTHORIZATION).map(|value| value.to_str().unwrap()), header);
        assert_eq!(head.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
        assert_eq!(head.headers[USER_AGENT], concat!("cambio/", env!("CARGO_PKG_VERSION")));
        assert_eq!(sent, body);
    }
}

#[tokio::test]
async fn an_answer_serves_for_a_while_and_never_beyond_exp() {
    for (name, body, cache_for, serves) in [
        ("cacheFor", active(3600), 30, 30),
        ("until exp", active(10), 30, 10),
        ("expired", active(-1), 30, 0),
        ("no exp", json!({"active": true}), 30, 30),
        ("exp 0", json!({"active": true, "exp": 0}), 30, 30),
        ("exp as text", json!({"active": true, "exp": "1900000000"}), 30, 0),
        ("not active", json!({"active": false}), 30, 2),
        ("not active, shorter", json!({"active": false, "exp": NOW + 3600}), 1, 1),
        ("off", active(3600), 0, 0),
    ] {
        let issuer = Issuer::start().await;
        issuer.says(200, body.to_string());
        let (introspector, hand) = issuer.introspector(SecretMethod::Basic, cache_for);
        introspector.introspect(&upstream(), &token("a")).await.unwrap();
        if serves > 0 {
            hand.advance(SignedDuration::from_secs(serves) - SignedDuration::from_millis(1));
            introspector.introspect(&upstream(), &token("a")).await.unwrap();
            assert_eq!(issuer.hits(), 1, "{name}");
            hand.advance(SignedDuration::from_millis(1));
        }
        introspector.introspect(&upstream(), &token("a")).await.unwrap();
        assert_eq!(issuer.hits(), 2, "{name}");
        introspector.introspect(&upstream(), &token("b")).await.unwrap();
        assert_eq!(issuer.hits(), 3, "{name}: another token is another question");
    }
}

#[tokio::test]
async fn many_callers_ask_once() {
    let issuer = Issuer::start().await;
    let held = Arc::new(Notify::new());
    *issuer.held.lock().unwrap() = Some(Arc::clone(&held));
    let introspector = Arc::new(issuer.introspector(SecretMethod::Basic, 30).0);
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let introspector = Arc::clone(&introspector);
            tokio::spawn(async move { introspector.introspect(&upstream(), &token("a")).await.unwrap().is_active() })
        })
        .collect();
    held.notify_one();
    for call in calls {
        assert!(call.await.unwrap());
    }
    assert_eq!(issuer.hits(), 1);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_not_remembered() {
    let issuer = Issuer::start().await;
    let (introspector, _) = issuer.introspector(SecretMethod::Basic, 30);
    let large = format!("{{\"active\":true,\"x\":\"{}\"}}", "a".repeat(MAX_ANSWER_BYTES));
    for (status, body, expected) in [
        (401, "{}", "status 401 Unauthorized: the client is not accepted"),
        (403, "{}", "status 403 Forbidden: the client is not accepted"),
        (302, "", "redirected (302 Found)"),
        (500, "", "status 500"),
        (204, "", "status 204"),
        (200, "", "the answer: not valid JSON"),
        (200, "<html>", "the answer: not valid JSON"),
        (200, "{}", "the answer has no boolean `active`"),
        (200, "{\"active\":true,\"active\":true}", "the answer: a member name stands twice"),
        (200, &large, "the answer is larger than 64 KiB"),
    ] {
        issuer.says(status, body);
        let error = introspector.introspect(&upstream(), &token("a")).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{status} {body:.20}: {error}");
    }
    for (coding, expected) in [("br", CodingError::Unknown("br")), ("gzip", CodingError::Broken)] {
        let coded = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        *issuer.says.lock().unwrap() = (200, coded, active(60).to_string());
        let error = introspector.introspect(&upstream(), &token("a")).await.unwrap_err();
        assert!(
            matches!(&error, IntrospectionError::Outgoing(OutgoingError::Coding(found)) if *found == expected),
            "{error}"
        );
    }
    issuer.says(200, active(60).to_string());
    assert!(introspector.introspect(&upstream(), &token("a")).await.unwrap().is_active());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_at_the_time_limit() {
    let issuer = Issuer::start().await;
    *issuer.held.lock().unwrap() = Some(Arc::default());
    let (introspector, _) = issuer.introspector(SecretMethod::Basic, 30);
    assert!(matches!(
        introspector.introspect(&upstream(), &token("a")).await.unwrap_err(),
        IntrospectionError::Outgoing(OutgoingError::Timeout(_))
    ));
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let issuer = Issuer {
        url,
        says: Mutex::default(),
        hits: AtomicUsize::new(0),
        seen: Mutex::default(),
        held: Mutex::default(),
    };
    let (introspector, _) = issuer.introspector(SecretMethod::Basic, 30);
    let error = introspector.introspect(&upstream(), &token("sensitive")).await.unwrap_err();
    assert!(
        matches!(error, IntrospectionError::Outgoing(OutgoingError::Connection(_)))
            && !error.to_string().contains("sensitive"),
        "{error}"
    );
}
