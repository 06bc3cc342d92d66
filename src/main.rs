//! `cambio`: arguments to command to exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    cambio::cli::run(std::env::args_os())
}
