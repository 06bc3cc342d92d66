//! `cambio`: argv to command to exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    cambio::cli::run(std::env::args_os().skip(1))
}
