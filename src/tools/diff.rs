//! `cambio diff`: what changes for whom between two configurations.
//!
//! The comparison is exact, because a policy is finite: a permission looks at few parts of a request, and every name that
//! no permission mentions counts alike. Conditions are compared by their text.

mod changes;
mod compare;
mod delta;
mod facts;
mod json;
mod merge;
mod request;
mod right;
mod settings;
mod versions;
mod words;

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use jiff::civil::Date;
use jiff::tz::Offset;

use self::compare::Differences;
use self::versions::Versions;
use crate::adapters::config::load::review::{Review, review};
use crate::adapters::config::load::{Environment, ProcessEnvironment};
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

const EXIT_STATUS: &str = "\
Exit status: 0 no difference, 1 differences, 2 a file can't be read or is wrong.
Files and environment variables with secrets may be missing.";

/// The arguments of `cambio diff`.
#[derive(Debug, Parser)]
#[command(after_help = EXIT_STATUS)]
pub struct DiffArguments {
    /// The configuration file before the change
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The configuration file after the change
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// How to print the differences
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: DiffOutput,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DiffOutput {
    /// One line for each difference
    Text,
    /// One JSON object
    Json,
}

/// Compares the two configurations. Exit status 1: they differ.
pub fn run(arguments: &DiffArguments) -> Result<ExitCode, CommandFailure> {
    let today = Offset::UTC.to_datetime(Clock::System.now()).date();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let differ = run_at(arguments, &ProcessEnvironment, today, &mut out, &mut err);
    match differ {
        Ok(false) => Ok(ExitCode::SUCCESS),
        Ok(true) => Ok(ExitCode::FAILURE),
        Err(failure) => Err(failure),
    }
}

/// Compares the two configurations from a day on, and prints the differences to `out`, and what could not be read to `err`.
/// Returns whether they differ.
pub fn run_at(
    arguments: &DiffArguments,
    env: &dyn Environment,
    today: Date,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<bool, CommandFailure> {
    let reviews = read(Versions { old: &arguments.old, new: &arguments.new }, env)?;
    for problem in reviews.old.absent.iter().chain(&reviews.new.absent) {
        writeln!(err, "not read: {problem}").map_err(CommandFailure::of)?;
    }
    let differences = Differences::of(reviews.as_ref(), today);
    let text = match arguments.output {
        DiffOutput::Text => differences.text(),
        DiffOutput::Json => format!("{:#}\n", differences.json()),
    };
    let differ = !differences.is_empty();
    // The process ends. Freeing large policies takes long, and nobody gains.
    drop(differences);
    std::mem::forget(reviews);
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that closed the pipe early, such as `head`, is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandFailure::of(error)),
        _ => Ok(differ),
    }
}

fn read(paths: Versions<&PathBuf>, env: &dyn Environment) -> Result<Versions<Review>, CommandFailure> {
    let read = paths.map(|path: &PathBuf| review(Path::new(path), env));
    match (read.old, read.new) {
        (Ok(old), Ok(new)) => Ok(Versions { old, new }),
        (old, new) => {
            let problems = [old.err(), new.err()].into_iter().flatten().flatten();
            let lines: Vec<_> = problems.map(|problem| problem.to_string()).collect();
            Err(CommandFailure(format!("the configurations can't be compared:\n{}", lines.join("\n"))))
        }
    }
}

#[cfg(test)]
mod tests;
