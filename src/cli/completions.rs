//! `cambio completions`: what a shell needs to complete Cambio's commands and options.

use std::process::ExitCode;

use clap::Args;
use clap_complete::Shell;

use super::output::print;
use crate::tools::failure::CommandFailure;

/// The arguments of `cambio completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the completions. `cambio` is the whole command line.
///
/// # Errors
/// Standard output can't be written.
pub fn run(arguments: &CompletionsArguments, mut cambio: clap::Command) -> Result<ExitCode, CommandFailure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut cambio, "cambio", &mut script);
    print(&script)
}
