//! `cambio demo`: the main job on an embedded identity provider.

use std::process::ExitCode;

use clap::Args;

use super::walk::{self, WalkVerdict};
use crate::tools::failure::CommandFailure;

/// The arguments of `cambio demo`.
#[derive(Clone, Copy, Debug, Args)]
pub struct DemoArguments {
    /// End after the last step instead of serving until Ctrl-C
    #[arg(long)]
    once: bool,
}

/// Runs the demo. Exit status 1: a step did not end as announced.
///
/// # Errors
/// The demo can't start, or a request gets no answer.
pub fn run(arguments: &DemoArguments) -> Result<ExitCode, CommandFailure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailure(format!("the runtime can't start: {error}")))?;
    let verdict = runtime.block_on(walk::run(arguments.once, &mut std::io::stdout()));
    Ok(match verdict.map_err(CommandFailure::of)? {
        WalkVerdict::Passed => ExitCode::SUCCESS,
        WalkVerdict::Failed => ExitCode::FAILURE,
    })
}
