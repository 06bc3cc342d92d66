//! Starts, reloads and stops Cambio: the only place that connects all parts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::adapters::audit::AuditLog;
use crate::adapters::config::load::{Environment, attempt, load};
use crate::adapters::config::settings::audience_files::AudienceFiles;
use crate::adapters::config::watch::ConfigWatch;
use crate::adapters::config::{AuditOutput, Config, Listen, Problem};
use crate::adapters::descriptors::{self, ConnectionShare};
use crate::adapters::drain::{self, Drain};
use crate::adapters::metrics::Metrics;
use crate::adapters::store::MarkStore;
use crate::adapters::upstream::client::UpstreamClient;
use crate::edge::gateway::generation::Generation;
use crate::edge::gateway::services::Services;
use crate::edge::gateway::setup_error::StartError;
use crate::edge::health::Shared;
use crate::edge::server::Server;
use crate::edge::{admin, server};
use crate::words::clock::Clock;

/// A Cambio that listens.
#[derive(Debug)]
pub struct Running {
    /// Where callers connect.
    pub address: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    shared: Arc<Shared>,
    reload: mpsc::Sender<()>,
    drain: Drain,
    drain_timeout: Duration,
    serving: JoinHandle<()>,
    helpers: Vec<JoinHandle<()>>,
}

/// Loads the configuration, binds the listeners and serves.
///
/// # Errors
/// Configuration, keys, certificates, addresses or the audit file can't be used.
#[expect(clippy::unused_async, reason = "it spawns and binds, so it must run inside a runtime")]
pub async fn start(config: &Path, environment: Arc<dyn Environment>, clock: Clock) -> Result<Running, StartError> {
    let loaded = load(config, &*environment).map_err(StartError::Config)?;
    start_with(loaded, config, environment, clock)
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
) -> Result<Running, StartError> {
    loaded.audience_files.abridge();
    let metrics = Arc::new(Metrics::new()?);
    let audit = AuditLog::open(&loaded.audit).map_err(|error| StartError::File {
        path: match &loaded.audit {
            AuditOutput::File(path) => path.clone(),
            AuditOutput::Stdout => PathBuf::from("stdout"),
        },
        error,
    })?;
    let mut listen = loaded.listen.clone();
    let share = descriptors_for(&listen);
    listen.max_connections = share.callers;
    let upstream = UpstreamClient::with_connections(&loaded.upstream, share.upstream)
        .map_err(|error| StartError::tls("upstream", error))?;
    let admin_address = loaded.admin;
    let watch = ConfigWatch::new(&loaded, path);
    let store = MarkStore::new(&loaded.store, clock.clone(), Arc::clone(&metrics))
        .map_err(|error| StartError::tls("store.redis", error))?;
    let state = Generation::new(loaded, None, &clock, &metrics, upstream.via())?;
    let gateway = Arc::new(Services::new(state, upstream, store, Arc::clone(&metrics), audit, clock.clone()));
    let (drain, watch_drain) = drain::channel();
    let shared = Arc::new(Shared::new(Arc::clone(&gateway)));

    let server = Server::new(&listen).map_err(|error| StartError::tls("listen.tls", error))?;
    let public = bind("listen.address", listen.address)?;
    let private = bind("admin.address", admin_address)?;
    let (address, admin) = (local(&public, listen.address), local(&private, admin_address));

    log_broken(&gateway.generation().config.audience_files);
    shared.load_ended(Ok(()), clock.now());
    let (reload, reloads) = mpsc::channel(1);
    let helpers = vec![
        tokio::spawn(admin::serve(private, Arc::clone(&shared))),
        tokio::spawn(watch_configuration(
            Arc::clone(&shared),
            Reloading { path: path.to_owned(), environment, clock, watch, reloads },
        )),
    ];
    let serving = tokio::spawn(server.serve(public, gateway, watch_drain, metrics));
    tracing::info!(%address, %admin, "cambio {} is serving", env!("CARGO_PKG_VERSION"));
    Ok(Running { address, admin, shared, reload, drain, drain_timeout: listen.drain_timeout, serving, helpers })
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

    /// Stops: no new connections, requests in flight get `listen.drainTimeout`.
    pub async fn stop(self) {
        self.shared.stop();
        let outcome = self.drain.drain(self.drain_timeout).await;
        tracing::info!(?outcome, "drained");
        self.serving.abort();
        for helper in self.helpers {
            helper.abort();
        }
    }

    /// Waits until serving ends by itself, which happens only if the accept loop fails.
    pub async fn ended(&mut self) {
        let _ = (&mut self.serving).await;
    }
}

struct Reloading {
    path: PathBuf,
    environment: Arc<dyn Environment>,
    clock: Clock,
    watch: ConfigWatch,
    reloads: mpsc::Receiver<()>,
}

/// Loads changed files. A configuration that can't be loaded changes nothing, and the error is logged.
async fn watch_configuration(shared: Arc<Shared>, mut reloading: Reloading) {
    loop {
        tokio::select! {
            () = reloading.watch.changed() => {}
            request = reloading.reloads.recv() => {
                if request.is_none() {
                    return;
                }
                if let Err(error) = shared.services.audit.reopen() {
                    tracing::error!(%error, "the audit file could not be opened again; lines still go to the old file");
                }
            }
        }
        let result = reload(&shared, &mut reloading).await;
        if let Err(error) = &result {
            tracing::error!("configuration refused, the last good one stays in use: {error}");
        }
        shared.load_ended(result, reloading.clock.now());
    }
}

async fn reload(shared: &Shared, reloading: &mut Reloading) -> Result<(), StartError> {
    let previous = shared.services.generation();
    // Apart from the requests, since a file may take long to check.
    let attempt = {
        let (path, environment) = (reloading.path.clone(), Arc::clone(&reloading.environment));
        let previous = Arc::clone(&previous);
        move || attempt(&path, &*environment, &previous.config.audience_files)
    };
    let (loaded, sources) = tokio::task::spawn_blocking(attempt).await?;
    reloading.watch.follow(sources);
    let mut loaded = loaded.map_err(|mut problems| {
        Problem::abridge(&mut problems);
        StartError::Config(problems)
    })?;
    loaded.audience_files.abridge();
    for key in needs_restart(&previous.config, &loaded) {
        tracing::warn!("{key} changed; the change takes effect at the next start");
    }
    let services = &shared.services;
    let state = Generation::new(loaded, Some(&previous), &reloading.clock, &services.metrics, services.upstream.via())?;
    tracing::info!(config_hash = %state.config.hash, policy_hash = %state.config.policy.hash, "configuration loaded");
    log_broken(&state.config.audience_files);
    shared.services.replace(state);
    Ok(())
}

/// Says which audience files are broken, whose they are, and what is in force instead.
fn log_broken(files: &AudienceFiles) {
    for file in &files.broken {
        let (owner, in_force) = (file.owner(), file.in_force());
        tracing::error!(file = %file.path.display(), owner, in_force, "audience file refused: {}", file.text());
    }
}

/// Keys whose change takes effect only at the next start.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let listen = |config: &Config| Listen {
        max_form_bytes: 0,
        max_token_bytes: 0,
        body_timeout: Duration::ZERO,
        ..config.listen.clone()
    };
    let checks = [
        ("upstream", old.upstream != new.upstream),
        ("listen", listen(old) != listen(new)),
        ("admin", old.admin != new.admin),
        ("store", old.store != new.store),
        ("audit", old.audit != new.audit),
        ("log", old.log != new.log),
        ("runtime", old.threads != new.threads),
    ];
    checks.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect()
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
