//! The cached documents of a realm: its keys, with Cambio's merged in, and its discovery document.
//!
//! Keys come from the cache that checks tokens, so Cambio publishes every `kid` that it accepts. Discovery is cached
//! per configured origin, because Keycloak builds its URLs from the requested Host.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, AGE, CACHE_CONTROL, CONTENT_ENCODING,
    CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, EXPIRES, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
    LAST_MODIFIED, ORIGIN, SET_COOKIE, TRAILER, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use crate::adapters::net::body::Body;
use crate::adapters::net::connection::Connection;
use crate::adapters::upstream::headers::PublicOrigin;
use crate::adapters::upstream::origins::PublicOrigins;
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::jose::keys::KeySet;

/// How long a discovery document is served before it is fetched again.
const DISCOVERY_LIFE: Duration = Duration::from_secs(60);
/// How long an old document is served if the fetch fails.
const DISCOVERY_STALE: Duration = Duration::from_secs(3600);
/// Bytes of a realm's documents in the cache: one for each origin, path and prefix of a listed proxy.
const DOCUMENTS: u64 = 1 << 20;

/// Headers of the identity provider's answer that do not belong to the document.
const ABOUT_ONE_ANSWER: [HeaderName; 10] =
    [ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LENGTH, DATE, ETAG, EXPIRES, LAST_MODIFIED, SET_COOKIE, TRAILER];

/// A listed proxy's header with the path under which it serves Cambio.
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// A request for a document under one of the realm's origins. Nothing else of the caller's request goes into it, so that
/// no caller chooses the answers to others.
pub struct DocumentRequest<'r> {
    /// The origin in the document: the one that the caller named, if the configuration lists it, else the issuer's.
    pub origin: &'r PublicOrigin,
    /// The document's path, without a slash at the end.
    pub path: &'r str,
    /// Further headers that determine the document.
    pub headers: HeaderMap,
    /// The name of the document in the cache.
    pub name: String,
}

impl<'r> DocumentRequest<'r> {
    /// The request of a caller.
    pub fn of(origins: &'r PublicOrigins, head: &'r Parts, connection: &Connection) -> Self {
        let origin = origins.of(head, connection);
        let path = head.uri.path();
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut name = format!("{}://{}{path}", origin.scheme(), String::from_utf8_lossy(origin.host.as_bytes()));
        let mut headers = HeaderMap::new();
        if connection.facts().trusted {
            for value in head.headers.get_all(&X_FORWARDED_PREFIX) {
                name.push('\n');
                name.push_str(&String::from_utf8_lossy(value.as_bytes()));
                headers.append(X_FORWARDED_PREFIX, value.clone());
            }
        }
        Self { origin, path, headers, name }
    }
}

/// A document with its entity tag.
#[derive(Debug)]
pub struct PublishedDocument {
    body: Bytes,
    /// The identity provider's headers, without those about one answer only, and with the entity tag.
    headers: HeaderMap,
    etag: HeaderValue,
    fetched: Timestamp,
}

/// The published documents of one realm.
#[derive(Debug)]
pub struct Published {
    discovery: moka::future::Cache<String, Arc<PublishedDocument>>,
    keys: arc_swap::ArcSwapOption<KeysDocument>,
}

/// A document of keys, and its sources.
#[derive(Debug)]
struct KeysDocument {
    upstream: Arc<KeySet>,
    /// The number of Cambio's keys in the document. A generation's keys only become fewer, so the number identifies
    /// them.
    own: usize,
    document: Arc<PublishedDocument>,
}

impl Default for Published {
    fn default() -> Self {
        let discovery = moka::future::Cache::builder()
            .weigher(|name: &String, document: &Arc<PublishedDocument>| document.size(name))
            .max_capacity(DOCUMENTS)
            .time_to_live(DISCOVERY_STALE)
            .build();
        Self { discovery, keys: arc_swap::ArcSwapOption::empty() }
    }
}

impl Published {
    /// The document of these keys, if it exists and no retired key's time has ended since.
    pub fn keys(
        &self,
        upstream: &Arc<KeySet>,
        own: Option<&KeyRing>,
        now: Timestamp,
    ) -> Option<Arc<PublishedDocument>> {
        let made = self.keys.load();
        let made = made.as_ref().filter(|made| Arc::ptr_eq(&made.upstream, upstream))?;
        (made.own == count(own, now)).then(|| Arc::clone(&made.document))
    }

    /// Makes the document of the realm's keys: the identity provider's text, with Cambio's public keys at the end of the
    /// list.
    pub fn keep_keys(
        &self,
        upstream: Arc<KeySet>,
        own: Option<&KeyRing>,
        mut headers: HeaderMap,
        now: Timestamp,
    ) -> Arc<PublishedDocument> {
        let text = merged(&upstream, own, now);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let document = Arc::new(PublishedDocument::new(text.into(), headers, now));
        let made = KeysDocument { upstream, own: count(own, now), document: Arc::clone(&document) };
        self.keys.store(Some(Arc::new(made)));
        document
    }

    /// The discovery document of this name, if it is young enough.
    pub async fn discovery(&self, name: &str, now: Timestamp) -> Option<Arc<PublishedDocument>> {
        let document = self.discovery.get(name).await?;
        document.younger_than(DISCOVERY_LIFE, now).then_some(document)
    }

    /// The discovery document of this name, of any age, for a fetch that fails.
    pub async fn stale_discovery(&self, name: &str) -> Option<Arc<PublishedDocument>> {
        self.discovery.get(name).await
    }

    /// Stores a discovery document that was just fetched, unless the answer is no such document.
    pub async fn keep_discovery(
        &self,
        name: String,
        headers: HeaderMap,
        body: Bytes,
        now: Timestamp,
    ) -> Option<Arc<PublishedDocument>> {
        let parsed: Value = serde_json::from_slice(&body).ok()?;
        parsed.get("issuer")?.as_str()?;
        // A copy: what was read counts in the caller's share of the memory until it is dropped.
        let body = Bytes::copy_from_slice(&body);
        let document = Arc::new(PublishedDocument::new(body, headers, now));
        self.discovery.insert(name, Arc::clone(&document)).await;
        Some(document)
    }
}

impl PublishedDocument {
    fn new(body: Bytes, mut headers: HeaderMap, fetched: Timestamp) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &body);
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default()));
        // Base64url in quotes is always a header value.
        let etag = HeaderValue::from_str(&etag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        for name in ABOUT_ONE_ANSWER {
            headers.remove(name);
        }
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, etag.clone());
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        Self { body, headers, etag, fetched }
    }

    /// The answer to a GET or HEAD, or 304 if the caller has the document already (RFC 9110 section 13.1.2).
    pub fn answer(&self, head: &Parts) -> Response<Body> {
        let mut response = if matches(&head.headers, &self.etag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().clone_from(&self.headers);
            response.headers_mut().remove(CONTENT_TYPE);
            response
        } else {
            let body = if head.method == Method::HEAD { Body::empty() } else { Body::full(self.body.clone()) };
            let mut response = Response::new(body);
            response.headers_mut().clone_from(&self.headers);
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(self.body.len()));
            response
        };
        if let Some(origin) = head.headers.get(ORIGIN)
            && !self.headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN)
        {
            // Public documents: every web page may read them. Keycloak names the page's origin and allows
            // credentials; `*` would fail pages that fetch with credentials.
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        response
    }

    /// The bytes that the document takes in the cache.
    fn size(&self, name: &str) -> u32 {
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum::<usize>();
        u32::try_from(name.len() + self.body.len() + headers + 512).unwrap_or(u32::MAX)
    }

    fn younger_than(&self, life: Duration, now: Timestamp) -> bool {
        now.duration_since(self.fetched).unsigned_abs() < life
    }
}

/// The realm's key set at `now`: the identity provider's keys as it publishes them, then Cambio's.
fn merged(upstream: &KeySet, own: Option<&KeyRing>, now: Timestamp) -> String {
    let own = own.into_iter().flat_map(|ring| ring.published(now));
    upstream.published_with(own.filter(|key| !upstream.publishes(key.kid)).map(|key| key.jwk))
}

fn count(own: Option<&KeyRing>, now: Timestamp) -> usize {
    own.map_or(0, |ring| ring.published(now).count())
}

fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().any(|value| {
        value.as_bytes().split(|&b| b == b',').any(|candidate| {
            let candidate = candidate.trim_ascii();
            candidate == b"*" || candidate.strip_prefix(b"W/").unwrap_or(candidate) == etag.as_bytes()
        })
    })
}
