//! Starts, reloads and stops Cambio: the only place that connects all parts.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::setpriority_process;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::adapters::audit::AuditLog;
use crate::adapters::config::load::{Before, Environment, attempt, load};
use crate::adapters::config::settings::audience_files::AudienceFiles;
use crate::adapters::config::watch::{ConfigWatch, WatchPace};
use crate::adapters::config::{AuditOutput, Config, Listen, Problem, Realm};
use crate::adapters::descriptors::{self, ConnectionShare};
use crate::adapters::drain::{self, Drain};
use crate::adapters::memory;
use crate::adapters::metrics::Metrics;
use crate::adapters::net::budget::MemoryBudget;
use crate::adapters::store::MarkStore;
use crate::adapters::tls;
use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::discovery::differences;
use crate::edge::admin::AdminThread;
use crate::edge::gateway::generation::Generation;
use crate::edge::gateway::services::{Services, Systems};
use crate::edge::gateway::setup_error::StartError;
use crate::edge::health::Shared;
use crate::edge::server;
use crate::edge::server::Server;
use crate::words::clock::Clock;

/// How long a Cambio that stops goes on serving: callers who use their connections learn that they end.
const NOTICE: Duration = Duration::from_secs(2);

/// Longest time for which a stop waits for audit lines.
const FLUSH: Duration = Duration::from_secs(1);

/// A Cambio that listens.
#[derive(Debug)]
pub struct Running {
    /// Where callers connect.
    pub address: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    shared: Arc<Shared>,
    reload: SyncSender<()>,
    drain: Drain,
    drain_timeout: Duration,
    serving: JoinHandle<()>,
    admin_thread: AdminThread,
}

/// Loads the configuration, binds the listeners and serves.
///
/// # Errors
/// Configuration, keys, certificates, addresses or the audit file can't be used.
#[expect(clippy::unused_async, reason = "it spawns and binds, so it must run inside a runtime")]
pub async fn start(
    config: &Path,
    environment: Arc<dyn Environment>,
    clock: Clock,
    pace: WatchPace,
) -> Result<Running, StartError> {
    let loaded = load(config, &*environment).map_err(StartError::Config)?;
    start_with(loaded, config, environment, clock, pace)
}

/// Serves with a configuration that was loaded already.
///
/// # Errors
/// See [`start`].
pub fn start_with(
    mut loaded: Config,
    path: &Path,
    environment: Arc<dyn Environment>,
    clock: Clock,
    pace: WatchPace,
) -> Result<Running, StartError> {
    loaded.audience_files.abridge();
    let metrics = Arc::new(Metrics::new()?);
    let audit = AuditLog::open(&loaded.audit, loaded.admin.shows_policy(), Arc::clone(&metrics)).map_err(|error| {
        StartError::File {
            path: match &loaded.audit {
                AuditOutput::File { path, .. } => path.clone(),
                AuditOutput::Stdout => PathBuf::from("stdout"),
            },
            error,
        }
    })?;
    let mut listen = loaded.listen.clone();
    let share = descriptors_for(&listen);
    listen.max_connections = share.callers;
    let upstream = UpstreamClient::with_connections(&loaded.upstream, share.upstream)
        .map_err(|error| StartError::tls("upstream", error))?;
    let certificate = loaded.upstream.client_certificate.as_ref();
    if let Some(expires) = certificate.and_then(|pair| tls::expires(&pair.certificate)) {
        metrics.certificate_expires("upstream.clientCertificate", expires);
    }
    let admin_address = loaded.admin.address;
    let watch = ConfigWatch::new(&loaded, path, pace);
    let store = MarkStore::new(&loaded.store, clock.clone(), Arc::clone(&metrics))
        .map_err(|error| StartError::tls("store.redis", error))?;
    let budget = MemoryBudget::of(memory::budget(memory::usable(loaded.memory)));
    let state = Generation::new(loaded, None, &clock, upstream.via())?;
    let systems = Systems { upstream, store, audit };
    let services = Services::new(state, systems, Arc::clone(&metrics), Arc::clone(&budget), clock.clone());
    let gateway = Arc::new(services);
    let (drain, watch_drain) = drain::channel();
    let shared = Arc::new(Shared::new(Arc::clone(&gateway)));

    let server = Server::new(&listen, budget).map_err(|error| StartError::tls("listen.tls", error))?;
    let public = bind("listen.address", listen.address)?;
    let private = bind("admin.address", admin_address)?;
    let (address, admin) = (local(&public, listen.address), local(&private, admin_address));

    log_broken(&gateway.generation().config.audience_files);
    shared.load_ended(Ok(()), clock.now());
    compare_endpoints(&gateway);
    let (reload, requests) = mpsc::sync_channel(1);
    let reloading = Reloading { path: path.to_owned(), environment, clock, watch, requests, retired: Vec::new() };
    reloading.start(Arc::clone(&shared))?;
    let admin_thread =
        AdminThread::start(private, Arc::clone(&shared)).map_err(|error| StartError::Thread { error })?;
    let serving = tokio::spawn(server.serve(public, gateway, watch_drain, metrics));
    tracing::info!(%address, %admin, "cambio {} is serving", env!("CARGO_PKG_VERSION"));
    Ok(Running { address, admin, shared, reload, drain, drain_timeout: listen.drain_timeout, serving, admin_thread })
}

impl Running {
    /// Loads the configuration again, as SIGHUP does, and opens the audit file anew.
    pub fn reload(&self) {
        // A reload that already waits is enough.
        let _ = self.reload.try_send(());
    }

    /// What the listeners share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Opens the audit file anew, as SIGUSR1 does.
    pub fn reopen_audit(&self) {
        self.shared.services.audit.reopen();
    }

    /// Stops. Readiness ends at once. For a moment, callers are still served, and learn with their answers that they must
    /// connect elsewhere. Then there are no new connections, and requests in flight get the rest of
    /// `listen.drainTimeout`.
    pub async fn stop(self) {
        self.shared.stop();
        let alone = self.shared.services.metrics.open_connections() == 0;
        let notice = if alone { Duration::ZERO } else { NOTICE.min(self.drain_timeout / 2) };
        let outcome = self.drain.drain(notice, self.drain_timeout).await;
        self.shared.services.audit.flush(FLUSH).await;
        tracing::info!(?outcome, "drained");
        self.serving.abort();
        self.admin_thread.stop().await;
    }

    /// Waits until serving ends by itself, which happens only if the accept loop fails.
    pub async fn ended(&mut self) {
        let _ = (&mut self.serving).await;
    }
}

/// Loads changed files, on a thread of its own: however many files there are, and however slow they are, no request waits.
struct Reloading {
    path: PathBuf,
    environment: Arc<dyn Environment>,
    clock: Clock,
    watch: ConfigWatch,
    requests: Receiver<()>,
    /// Generations that requests may still use. Whoever uses a generation last frees its memory, which takes a while for a
    /// large policy: that is this thread.
    retired: Vec<Arc<Generation>>,
}

impl Reloading {
    /// How long after a failed load Cambio tries again, though no file changed: the reason may have passed.
    const RETRY: Duration = Duration::from_secs(60);

    /// The clock that gives files their times, also in tests in which tokens have another clock.
    const CLOCK_OF_FILES: Clock = Clock::System;

    /// The lowest priority.
    const NICE: i32 = 19;

    /// Starts the thread. It ends when nobody can request a reload any more.
    fn start(self, shared: Arc<Shared>) -> Result<(), StartError> {
        let runtime = tokio::runtime::Handle::current();
        let run = move || {
            // Key caches refresh themselves in the runtime.
            let _guard = runtime.enter();
            // Requests come first. On Linux, this is about the calling thread and the threads that it starts.
            if let Err(error) = setpriority_process(None, Self::NICE) {
                tracing::warn!(%error, "loading the configuration competes with requests for CPU time");
            }
            self.run(&shared);
        };
        let started = thread::Builder::new().name("configuration".to_owned()).spawn(run);
        started.map(drop).map_err(|error| StartError::Thread { error })
    }

    /// A configuration that can't be loaded changes nothing, and the error is logged.
    fn run(mut self, shared: &Shared) {
        let mut failed: Option<Instant> = None;
        loop {
            self.retired.retain(|generation| Arc::strong_count(generation) > 1);
            let mut asked = false;
            let unsettled = match self.requests.recv_timeout(self.watch.pause()) {
                Ok(()) => {
                    asked = true;
                    shared.services.audit.reopen();
                    // Log rotation sends the signal, too: what is being written then must not count.
                    Some(self.watch.look_on_request(Self::CLOCK_OF_FILES.now()))
                }
                Err(RecvTimeoutError::Timeout) => self.watch.look(Self::CLOCK_OF_FILES.now()),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let is_seen = unsettled.is_some() && !asked;
            let again = || self.watch.unsettled().filter(|_| failed.is_some_and(|at| at.elapsed() >= Self::RETRY));
            let Some(unsettled) = unsettled.or_else(|| again().cloned()) else { continue };
            let Some(result) = self.reload(shared, &unsettled, is_seen) else {
                self.watch.look_again();
                continue;
            };
            failed = result.is_err().then(Instant::now);
            if let Err(error) = &result {
                tracing::error!("configuration refused, the last good one stays in use: {error}");
            }
            shared.load_ended(result, self.clock.now());
        }
    }

    /// Loads what the last look saw (`is_seen`), or whatever is there. `None` if a file of the platform changed after the look:
    /// the file may be half written.
    fn reload(
        &mut self,
        shared: &Shared,
        unsettled: &BTreeSet<PathBuf>,
        is_seen: bool,
    ) -> Option<Result<(), StartError>> {
        let previous = shared.services.generation();
        let look = is_seen.then(|| self.watch.seen_last());
        let before = Before { files: &previous.config.audience_files, unsettled, look, serving: true };
        // A thread of its own, so that a panic ends this load alone.
        let attempted = thread::scope(|scope| scope.spawn(|| attempt(&self.path, &*self.environment, before)).join());
        let Ok((loaded, sources)) = attempted else { return Some(Err(StartError::Check)) };
        if is_seen && self.watch.was_overtaken(&sources) {
            return None;
        }
        self.watch.follow(sources);
        Some(self.put_in_force(shared, previous, loaded))
    }

    fn put_in_force(
        &mut self,
        shared: &Shared,
        previous: Arc<Generation>,
        loaded: Result<Config, Vec<Problem>>,
    ) -> Result<(), StartError> {
        let mut loaded = loaded.map_err(|mut problems| {
            Problem::abridge(&mut problems);
            StartError::Config(problems)
        })?;
        loaded.audience_files.abridge();
        for key in loaded.wait_for_restart(&previous.config) {
            tracing::warn!("{key} changed; the change takes effect at the next start");
        }
        let services = &shared.services;
        let state = Generation::new(loaded, Some(&previous), &self.clock, services.upstream.via())?;
        tracing::info!(config_hash = %state.config.hash, policy_hash = %state.config.policy.hash, "configuration loaded");
        log_broken(&state.config.audience_files);
        services.replace(state);
        self.retired.push(previous);
        compare_endpoints(services);
        Ok(())
    }
}

/// Says in the log where the endpoints of a realm are not where the configuration says. Nothing else depends on the answer,
/// so nobody waits for it.
fn compare_endpoints(services: &Arc<Services>) {
    let services = Arc::clone(services);
    let generation = services.generation();
    if !generation.config.realms.values().any(Realm::is_elsewhere) {
        return;
    }
    tokio::spawn(async move {
        for realm in generation.config.realms.values().filter(|realm| realm.is_elsewhere()) {
            let name = &realm.name;
            match differences(&services.upstream, realm).await {
                Ok(found) => found.iter().for_each(|one| tracing::warn!(realm = %name, "{one}")),
                Err(error) => {
                    tracing::warn!(realm = %name, "endpoints are not compared with the discovery document: {error}");
                }
            }
        }
    });
}

/// Says which audience files are broken, whose they are, and what is in force instead.
fn log_broken(files: &AudienceFiles) {
    for file in &files.broken {
        let (owner, in_force) = (file.owner(), file.in_force());
        tracing::error!(file = %file.path.display(), owner, in_force, "audience file refused: {}", file.text());
    }
}

/// The connections for which the process has file descriptors.
fn descriptors_for(listen: &Listen) -> ConnectionShare {
    let limit = descriptors::raise_limit();
    if let Some(shortage) = descriptors::shortage(limit, listen.max_connections) {
        tracing::warn!("{shortage}");
    }
    descriptors::share(limit, listen.max_connections)
}

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    server::bind(address).map_err(|error| StartError::Bind { key, address, error })
}

fn local(listener: &TcpListener, configured: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(configured)
}
