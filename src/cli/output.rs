//! Text on standard output.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use crate::tools::failure::CommandFailure;

/// Prints the text. A reader that closed the pipe early, such as `head`, is no failure.
pub(super) fn print(text: &[u8]) -> Result<ExitCode, CommandFailure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandFailure::of(error)),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}
