//! The cached keys of one issuer, and the task that keeps them fresh.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::setup_error::StartError;
use crate::adapters::config::{JwksLimits, Proxies, ServerAccess};
use crate::adapters::jwks::fetch::{FetchError, Fetcher};
use crate::adapters::jwks::{JwksCache, Source};
use crate::adapters::metrics::FetchCounts;
use crate::adapters::net::via::Via;
use crate::words::clock::Clock;

/// An issuer's keys and the task that keeps them fresh. The task ends with the last generation that uses the keys.
pub(super) struct KeyCache {
    /// The keys.
    pub(super) jwks: JwksCache,
    /// How often they were fetched.
    pub(super) fetches: Arc<FetchCounts>,
    made_from: KeySourceSettings,
    task: JoinHandle<()>,
}

/// The source of keys and the limits of their cache. Equal settings share one cache.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KeySourceSettings {
    pub(super) source: Source,
    pub(super) limits: JwksLimits,
    pub(super) access: ServerAccess,
}

/// Starts key caches, or keeps those of the previous generation.
#[derive(Clone, Copy)]
pub(super) struct KeyCaches<'a> {
    pub(super) clock: &'a Clock,
    pub(super) via: &'a Arc<Via>,
    /// The proxies of the environment.
    pub(super) proxies: &'a Proxies,
}

impl KeyCaches<'_> {
    /// The cache of the issuer with this name: `previous`, if its settings are equal, or a new one, which goes on counting.
    pub(super) fn open(
        self,
        name: &str,
        settings: KeySourceSettings,
        previous: Option<&Arc<KeyCache>>,
    ) -> Result<Arc<KeyCache>, StartError> {
        let fetches = previous.map(|cache| Arc::clone(&cache.fetches)).unwrap_or_default();
        self.open_counted(name, settings, &fetches, previous)
    }

    /// Like [`Self::open`], for keys whose fetches count with those of other keys.
    pub(super) fn open_counted(
        self,
        name: &str,
        settings: KeySourceSettings,
        fetches: &Arc<FetchCounts>,
        previous: Option<&Arc<KeyCache>>,
    ) -> Result<Arc<KeyCache>, StartError> {
        match previous {
            Some(cache) if cache.made_from == settings => Ok(Arc::clone(cache)),
            _ => KeyCache::start(name, settings, fetches, self).map(Arc::new),
        }
    }
}

impl KeyCache {
    /// Fetches in the background, at once and again before the keys are old.
    fn start(
        name: &str,
        made_from: KeySourceSettings,
        counts: &Arc<FetchCounts>,
        caches: KeyCaches<'_>,
    ) -> Result<Self, StartError> {
        let KeyCaches { clock, via, .. } = caches;
        let KeySourceSettings { source, access, .. } = &made_from;
        let fetcher = Fetcher::new(source.clone(), access)
            .map_err(|error| StartError::tls(format_args!("keys of {name}"), error))?
            .signed(via);
        let counted = Arc::clone(counts);
        let count = move |outcome: Result<(), &FetchError>| counted.fetched(outcome.is_ok());
        let jwks = JwksCache::new(fetcher, made_from.limits, clock.clone(), Box::new(count));
        let fresh = jwks.clone();
        let task = tokio::spawn(async move { fresh.keep_fresh().await });
        Ok(Self { jwks, fetches: Arc::clone(counts), made_from, task })
    }
}

impl Drop for KeyCache {
    fn drop(&mut self) {
        self.task.abort();
    }
}
