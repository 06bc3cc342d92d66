//! What the demo's identity provider remembers while it runs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::HOST;
use jiff::Timestamp;

use crate::tools::demo::directory::{DemoClient, DemoRealm, DemoUser};
use crate::tools::demo::keys::{Keys, RealmKey, RealmKeyError};
use crate::tools::demo::received::Layout;
use crate::words::clock::Clock;

/// The provider's memory, shared by every connection.
#[derive(Debug)]
pub struct Provider {
    pub(super) clock: Clock,
    /// Signs refresh tokens, which only the provider reads, with HS512 as Keycloak does.
    pub(super) refresh_key: hmac::Key,
    pub(super) encryption: Arc<RealmKey>,
    keys: Mutex<HashMap<&'static str, Vec<Arc<RealmKey>>>>,
    codes: Mutex<HashMap<String, Code>>,
    ended: Mutex<HashSet<String>>,
    /// Sessions that have tokens, by user.
    sessions: Mutex<HashMap<&'static str, BTreeSet<String>>>,
}

/// An authorization code that was not redeemed yet.
#[derive(Debug)]
pub(super) struct Code {
    pub(super) client: &'static DemoClient,
    pub(super) user: &'static DemoUser,
    pub(super) realm: &'static str,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
}

/// The realm of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) provider: &'a Provider,
    pub(super) layout: Layout,
    pub(super) realm: &'static DemoRealm,
    pub(super) issuer: &'a str,
    pub(super) now: Timestamp,
}

impl Provider {
    pub(super) fn new(clock: Clock, keys: &Keys) -> Result<Self, RealmKeyError> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        Ok(Self {
            clock,
            refresh_key: hmac::Key::generate(hmac::HMAC_SHA512, &random).map_err(|_| RealmKeyError)?,
            encryption: Arc::clone(&keys.encryption),
            keys: Mutex::new(HashMap::from([
                ("corp", vec![Arc::clone(&keys.corp)]),
                ("partner", vec![Arc::clone(&keys.partner)]),
            ])),
            codes: Mutex::default(),
            ended: Mutex::default(),
            sessions: Mutex::default(),
        })
    }

    /// The key that signs in a realm now.
    pub fn signing_key(&self, realm: &str) -> Option<Arc<RealmKey>> {
        self.keys(realm).into_iter().next()
    }

    /// The realm's keys, the signing one first.
    pub(super) fn keys(&self, realm: &str) -> Vec<Arc<RealmKey>> {
        lock(&self.keys).get(realm).cloned().unwrap_or_default()
    }

    /// Makes `key` the signing key; the earlier ones stay published if `keep`.
    pub(super) fn rotate(&self, realm: &'static str, key: Arc<RealmKey>, keep: bool) {
        let mut keys = lock(&self.keys);
        let keys = keys.entry(realm).or_default();
        if !keep {
            keys.clear();
        }
        keys.insert(0, key);
    }

    pub(super) fn add_code(&self, code: Code) -> String {
        let name = uuid::Uuid::new_v4().to_string();
        lock(&self.codes).insert(name.clone(), code);
        name
    }

    /// A code can be used once, even if the use fails.
    pub(super) fn take_code(&self, name: &str) -> Option<Code> {
        lock(&self.codes).remove(name)
    }

    pub(super) fn note_session(&self, user: &'static DemoUser, session: &str) {
        lock(&self.sessions).entry(user.id).or_default().insert(session.to_owned());
    }

    /// The user's sessions that have not ended.
    pub(super) fn sessions(&self, user: &DemoUser) -> Vec<String> {
        let all = lock(&self.sessions).get(user.id).cloned().unwrap_or_default();
        all.into_iter().filter(|session| !self.is_ended(session)).collect()
    }

    pub(super) fn end_session(&self, session: &str) {
        lock(&self.ended).insert(session.to_owned());
    }

    pub(super) fn is_ended(&self, session: &str) -> bool {
        lock(&self.ended).contains(session)
    }
}

/// The base URL that callers see, determined like Keycloak's with `--hostname-strict=false --proxy-headers=xforwarded`.
pub(super) fn base_url(headers: &HeaderMap) -> String {
    let header =
        |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).and_then(|v| v.split(',').next()).map(str::trim);
    let scheme = header("x-forwarded-proto").unwrap_or("http");
    let host = header("x-forwarded-host").or_else(|| header(HOST.as_str())).unwrap_or("localhost");
    format!("{scheme}://{host}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
