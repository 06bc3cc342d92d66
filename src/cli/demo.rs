//! `cambio demo`: the main job on an embedded identity provider.

use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::prelude::*;

use super::CliError;
use crate::tools::demo::walk::{self, WalkVerdict};

/// Runs the demo; `--once` ends it after the walk.
///
/// # Errors
/// When it can't start. A step that does not go as told is the exit status.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, CliError> {
    let mut once = false;
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("once") => once = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError(format!("the runtime can't start: {error}")))?;
    let verdict = runtime
        .block_on(walk::run(once, &mut std::io::stdout()))
        .map_err(|error| CliError(error.to_string()))?;
    Ok(match verdict {
        WalkVerdict::Passed => ExitCode::SUCCESS,
        WalkVerdict::Failed => ExitCode::FAILURE,
    })
}
