//! The commands.

pub mod arguments;
pub mod check;
pub mod client_secret;
pub mod completions;
pub mod config_file;
pub mod keys;
pub mod man;
mod output;
pub mod schema;
pub mod seal_key;
pub mod serve;
pub mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use self::arguments::{Command, CommandLine};
use crate::tools::{conformance, demo, migrate};

/// Runs the command that the arguments name. The first argument is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match CommandLine::try_parse_from(arguments) {
        Ok(line) => execute(line.command),
        // Help and the version go to standard output, what is wrong with the arguments to standard error.
        Err(answer) => {
            let _ = answer.print();
            if answer.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
        }
    }
}

fn execute(command: Command) -> ExitCode {
    let status_of_failure = match command {
        // Their status 1 is a verdict.
        Command::Verify(_) | Command::Conformance(_) => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    };
    let result = match command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Conformance(arguments) => conformance::command::run(&arguments),
        Command::Keys(arguments) => keys::run(&arguments),
        Command::SealKey(arguments) => seal_key::run(&arguments),
        Command::ClientSecret(arguments) => client_secret::run(&arguments),
        Command::Migrate(arguments) => migrate::command::run(&arguments),
        Command::Demo(arguments) => demo::command::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, CommandLine::command()),
        Command::Man(arguments) => man::run(&arguments, CommandLine::command()),
    };
    result.unwrap_or_else(|failure| {
        eprintln!("cambio: {failure}");
        status_of_failure
    })
}
