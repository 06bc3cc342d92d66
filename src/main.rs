//! `cambio`: arguments to command to exit status.

use std::process::ExitCode;

/// musl's allocator asks the system for each block of some KiB anew: four times for a request.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cambio::cli::run(std::env::args_os())
}
