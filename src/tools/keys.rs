//! `cambio keys`: makes, lists and rotates a realm's signing keys.

mod arguments;
mod commands;
mod error;
mod folder;

use std::io::Write;
use std::process::ExitCode;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

use crate::tools::failure::CommandFailure;
pub use crate::tools::keys::arguments::KeysArguments;
use crate::tools::keys::arguments::KeysCommand;
pub use crate::tools::keys::error::KeysError;
use crate::words::clock::Clock;

/// Runs the command.
pub fn run(arguments: &KeysArguments) -> Result<ExitCode, CommandFailure> {
    let (mut output, mut notes) = (std::io::stdout().lock(), std::io::stderr().lock());
    run_at(arguments, Clock::System.now(), &mut output, &mut notes).map_err(CommandFailure::of)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the command as if it were `now`, with its results on `output` and remarks on `notes`.
///
/// # Errors
/// Nothing was done, or not all of it; the text says what to do.
pub fn run_at(
    arguments: &KeysArguments,
    now: Timestamp,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    // Whole seconds are enough for people. Rounded up, so that no key is published or kept for less than it should be.
    let second = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
    let now = now.round(second).unwrap_or(now);
    match &arguments.command {
        KeysCommand::Generate(arguments) => commands::generate(arguments, now, output, notes)?,
        KeysCommand::List(arguments) => commands::list(arguments, output)?,
        KeysCommand::Rotate(arguments) => commands::rotate(arguments, now, output, notes)?,
    }
    output.flush().map_err(KeysError::Output)
}

#[cfg(test)]
mod tests;
