//! `cambio serve`: the gate, until SIGTERM or SIGINT.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use crate::adapters::config::Config;
use crate::adapters::config::load::{Environment, ProcessEnvironment, load};
use crate::adapters::config::watch::WatchPace;
use crate::adapters::logs::Logs;
use crate::edge::app;
use crate::edge::gateway::setup_error::StartError;
use crate::tools::config_file::ConfigFileArguments;
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

/// Longest time for which the end of the process waits for log lines.
const FLUSH: Duration = Duration::from_millis(500);

/// Runs the gate.
pub(super) fn run(arguments: &ConfigFileArguments) -> Result<ExitCode, CommandFailure> {
    let environment = Arc::new(ProcessEnvironment);
    let path = arguments.path(&*environment)?;
    let config = load(&path, &*environment).map_err(|problems| CommandFailure::of(StartError::Config(problems)))?;
    let logs = Logs::start(&config.log).map_err(CommandFailure::of)?;
    forbid_cores();
    let runtime = runtime(&config)?;
    let ended = runtime.block_on(serve(config, path, environment));
    // Threads that still wait for a file, a name or a pipe end with the process.
    runtime.shutdown_background();
    logs.flush(FLUSH);
    ended
}

async fn serve(config: Config, path: PathBuf, environment: Arc<dyn Environment>) -> Result<ExitCode, CommandFailure> {
    let listen = |kind| signal(kind).map_err(|error| CommandFailure(format!("signals: {error}")));
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut quit = listen(SignalKind::quit())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let mut reopen = listen(SignalKind::user_defined1())?;
    // Nothing is done for this one, but it must not end the process.
    let _second = listen(SignalKind::user_defined2())?;
    let started = app::start_with(config, &path, environment, Clock::System, WatchPace::SERVE);
    let mut running = started.map_err(CommandFailure::of)?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = quit.recv() => break,
            _ = reopen.recv() => running.reopen_audit(),
            _ = hangup.recv() => running.reload(),
            () = running.ended() => return Err(CommandFailure("the listener ended".into())),
        }
    }
    tracing::info!("stopping: for a moment callers are still served, then requests in flight are finished");
    running.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Forbids cores: the memory of the process has keys, secrets and tokens. The limit does not hold for a program that takes
/// cores from the kernel, so the process also says that it is not to be dumped. Then other processes of its user can't read
/// its memory, either.
fn forbid_cores() {
    let forbidden = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let forbidden = forbidden.and_then(|()| {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
    });
    if let Err(error) = forbidden {
        tracing::warn!(%error, "cores can't be forbidden: a crash may write keys and tokens to a file");
    }
}

/// One thread runs everything on itself; several threads share the work.
fn runtime(config: &Config) -> Result<Runtime, CommandFailure> {
    let mut builder = if config.threads == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder
        .worker_threads(config.threads)
        .enable_all()
        .build()
        .map_err(|error| CommandFailure(format!("the runtime can't start: {error}")))
}
