//! `cambio serve`: the gate, until SIGTERM or SIGINT.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use lexopt::prelude::*;
use tokio::signal::unix::{SignalKind, signal};

use super::CliError;
use crate::adapters::config::load::{Environment, ProcessEnvironment, load};
use crate::adapters::config::{Config, Log};
use crate::edge::app;
use crate::edge::gateway::setup_error::StartError;
use crate::words::clock::Clock;

/// Runs the gate.
///
/// # Errors
/// When it can't start; the text names every cause.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, CliError> {
    let environment = Arc::new(ProcessEnvironment);
    let path = config_path(arguments, &*environment)?;
    let config =
        load(&path, &*environment).map_err(|problems| CliError(StartError::Config(problems).to_string()))?;
    start_logging(&config.log)?;
    runtime(&config)?.block_on(serve(config, path, environment))
}

/// `--config FILE`, else `CAMBIO_CONFIG`, else `cambio.yaml`.
///
/// # Errors
/// For any other argument, or when none of the three is there.
pub fn config_path(
    arguments: impl Iterator<Item = OsString>,
    environment: &dyn Environment,
) -> Result<PathBuf, CliError> {
    let mut path = environment.var("CAMBIO_CONFIG").map(PathBuf::from);
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('c') | Long("config") => path = Some(parser.value()?.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let usual = PathBuf::from("cambio.yaml");
    match path {
        Some(path) => Ok(path),
        None if usual.exists() => Ok(usual),
        None => {
            Err(CliError("there is no cambio.yaml here: name it by --config FILE or CAMBIO_CONFIG".into()))
        }
    }
}

async fn serve(
    config: Config,
    path: PathBuf,
    environment: Arc<dyn Environment>,
) -> Result<ExitCode, CliError> {
    let failed = |error: std::io::Error| CliError(format!("signals: {error}"));
    let (mut terminate, mut interrupt, mut hangup) = (
        signal(SignalKind::terminate()).map_err(failed)?,
        signal(SignalKind::interrupt()).map_err(failed)?,
        signal(SignalKind::hangup()).map_err(failed)?,
    );
    let mut running = app::start_with(config, &path, environment, Clock::System)
        .map_err(|error| CliError(error.to_string()))?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => running.reload(),
            () = running.ended() => return Err(CliError("the listener ended".into())),
        }
    }
    tracing::info!("stopping: no new connections, requests in flight are finished");
    running.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// One thread runs everything on it; more share the work.
fn runtime(config: &Config) -> Result<tokio::runtime::Runtime, CliError> {
    let mut builder = match config.threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        threads => {
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
    };
    builder.enable_all().build().map_err(|error| CliError(format!("the runtime can't start: {error}")))
}

/// Logs go to standard error, audit lines to standard output: they can be told apart.
fn start_logging(log: &Log) -> Result<(), CliError> {
    let filter = tracing_subscriber::EnvFilter::try_new(&log.level)
        .map_err(|error| CliError(format!("log.level: {error}")))?;
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let started = if log.json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    started.map_err(|error| CliError(format!("logging can't start: {error}")))
}
