//! The only wiring: configuration and clock to bound listeners.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::load::{Environment, Problem, attempt, load};
use crate::config::watch::Watch;
use crate::config::{Config, Listen};
use crate::drain::{self, Drain};
use crate::gateway::{Gateway, state::State};
use crate::metrics::{Metrics, MetricsError};
use crate::server::Server;
use crate::store::Store;
use crate::upstream::Upstream;
use crate::{admin, server};

/// Why Cambio did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not in order; every problem is listed.
    #[error("the configuration has {} problem{}:\n{}", .0.len(), if .0.len() == 1 { "" } else { "s" }, .0.iter().map(|p| format!("  {p}")).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Problem>),
    /// An address can't be listened on.
    #[error("{key}: can't listen on {address}: {error}")]
    Bind {
        /// The key in the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// The operating system's word.
        error: std::io::Error,
    },
    /// A file can't be opened.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        error: std::io::Error,
    },
    /// TLS can't be set up, towards callers, the identity provider or an issuer.
    #[error("{0}")]
    Tls(String),
    /// A key of `DPoP` nonces can't be had.
    #[error("{0}")]
    Nonce(String),
    /// A metric could not be registered.
    #[error("{0}")]
    Metrics(#[from] MetricsError),
}

/// What the listeners share.
#[derive(Debug)]
pub struct Shared {
    /// The way of a request.
    pub gateway: Arc<Gateway>,
    /// Everything that is counted.
    pub metrics: Arc<Metrics>,
    stopping: AtomicBool,
    last_reload_error: Mutex<Option<String>>,
}

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
/// When anything is in doubt: configuration, keys, certificates, addresses, the audit file.
#[expect(clippy::unused_async, reason = "it spawns and binds, so it must run inside a runtime")]
pub async fn start(
    config: &Path,
    environment: Arc<dyn Environment>,
    clock: Clock,
) -> Result<Running, StartError> {
    let loaded = load(config, &*environment).map_err(StartError::Config)?;
    start_with(loaded, config, environment, clock)
}

/// Serves by a configuration that was loaded already.
///
/// # Errors
/// As [`start`].
pub fn start_with(
    loaded: Config,
    path: &Path,
    environment: Arc<dyn Environment>,
    clock: Clock,
) -> Result<Running, StartError> {
    let metrics = Arc::new(Metrics::new()?);
    let audit = Audit::open(&loaded.audit).map_err(|error| StartError::File {
        path: match &loaded.audit {
            crate::config::AuditOutput::File(path) => path.clone(),
            crate::config::AuditOutput::Stdout => PathBuf::from("stdout"),
        },
        error,
    })?;
    let upstream =
        Upstream::new(&loaded.upstream).map_err(|error| StartError::Tls(format!("upstream: {error}")))?;
    let listen = loaded.listen.clone();
    let admin_address = loaded.admin;
    let watch = Watch::new(&loaded, path);
    let store = Store::new(&loaded.store, clock.clone(), Arc::clone(&metrics))
        .map_err(|error| StartError::Tls(format!("store.redis: {error}")))?;
    let state = State::new(loaded, None, &clock, &metrics)?;
    let gateway = Arc::new(Gateway::new(state, upstream, store, Arc::clone(&metrics), audit, clock.clone()));
    let (drain, watch_drain) = drain::channel();
    let shared = Arc::new(Shared {
        gateway: Arc::clone(&gateway),
        metrics: Arc::clone(&metrics),
        stopping: AtomicBool::new(false),
        last_reload_error: Mutex::new(None),
    });

    let server = Server::new(&listen).map_err(|error| StartError::Tls(error.to_string()))?;
    let public = bind("listen.address", listen.address)?;
    let private = bind("admin.address", admin_address)?;
    let (address, admin) = (local(&public, listen.address), local(&private, admin_address));

    metrics.reloaded(true, clock.now());
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
    Ok(Running {
        address,
        admin,
        shared,
        reload,
        drain,
        drain_timeout: listen.drain_timeout,
        serving,
        helpers,
    })
}

impl Running {
    /// Loads the configuration again, as SIGHUP does, and opens the audit file anew.
    pub fn reload(&self) {
        // A reload that is already waiting does the same.
        let _ = self.reload.try_send(());
    }

    /// What the listeners share.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Stops: no new connections, requests in flight get `listen.drainTimeout`.
    pub async fn stop(self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let outcome = self.drain.drain(self.drain_timeout).await;
        tracing::info!(?outcome, "drained");
        self.serving.abort();
        for helper in self.helpers {
            helper.abort();
        }
    }

    /// Waits until serving ends by itself, which it does only when the accept loop fails.
    pub async fn ended(&mut self) {
        let _ = (&mut self.serving).await;
    }
}

impl Shared {
    /// Whether a stop is under way.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Why the configuration on disk is not in use; `None` if it is.
    pub fn last_reload_error(&self) -> Option<String> {
        self.last_reload_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reload_ended(&self, error: Option<String>, now: jiff::Timestamp) {
        self.metrics.reloaded(error.is_none(), now);
        *self.last_reload_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

impl server::Observer for Metrics {
    fn opened(&self) {
        self.connection_opened();
    }

    fn closed(&self) {
        self.connection_closed();
    }

    fn handshake_failed(&self) {
        Self::handshake_failed(self);
    }

    fn certificate_reloaded(&self, used: bool) {
        Self::certificate_reloaded(self, used);
    }
}

struct Reloading {
    path: PathBuf,
    environment: Arc<dyn Environment>,
    clock: Clock,
    watch: Watch,
    reloads: mpsc::Receiver<()>,
}

/// Loads changed files. What can't be loaded changes nothing and says so.
async fn watch_configuration(shared: Arc<Shared>, mut reloading: Reloading) {
    loop {
        tokio::select! {
            () = reloading.watch.changed() => {}
            asked = reloading.reloads.recv() => {
                if asked.is_none() {
                    return;
                }
                if let Err(error) = shared.gateway.audit().reopen() {
                    tracing::error!(%error, "the audit file could not be opened again; lines go on to the old one");
                }
            }
        }
        let error = reload(&shared, &mut reloading).err();
        if let Some(error) = &error {
            tracing::error!("configuration refused, the last good one stays in use: {error}");
        }
        shared.reload_ended(error.map(|error| error.to_string()), reloading.clock.now());
    }
}

fn reload(shared: &Shared, reloading: &mut Reloading) -> Result<(), StartError> {
    let (loaded, sources) = attempt(&reloading.path, &*reloading.environment);
    reloading.watch.follow(sources);
    let loaded = loaded.map_err(StartError::Config)?;
    let previous = shared.gateway.state();
    for key in needs_restart(&previous.config, &loaded) {
        tracing::warn!("{key} changed; the change takes effect at the next start");
    }
    let state = State::new(loaded, Some(&previous), &reloading.clock, &shared.metrics)?;
    tracing::info!(config_hash = %state.config.hash, policy_hash = %state.config.policy.hash, "configuration loaded");
    shared.gateway.replace(state);
    Ok(())
}

/// Keys whose change a running process can't follow.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let listen = |config: &Config| Listen {
        max_form_bytes: 0,
        body_timeout: std::time::Duration::ZERO,
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

fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    server::bind(address).map_err(|error| StartError::Bind { key, address, error })
}

fn local(listener: &TcpListener, asked: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(asked)
}
