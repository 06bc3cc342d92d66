//! `cambio replay`: which decisions of an audit log a changed configuration would decide otherwise.
//!
//! The gate decides again what a line holds. A line holds no claims, so each decision is made twice: once as if every condition
//! were true, and once as if none were. What both say is certain; of the rest, the report says what it depends on.

mod bounds;
mod recorded;
mod tally;

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;

use self::bounds::Bounds;
use self::recorded::{Recorded, recorded};
use self::tally::Tally;
use crate::adapters::config::load::review::deciding;
use crate::adapters::config::load::{Environment, ProcessEnvironment};
use crate::adapters::config::problem::Problem;
use crate::tools::config_file::ConfigFileArguments;
use crate::tools::explain::{AuditLine, time};
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

const AFTER_HELP: &str = "\
Examples:
  cambio replay audit.json --config new/cambio.yaml
  zcat audit.json.gz | cambio replay - --config new/cambio.yaml
Files and environment variables with secrets may be missing.
Exit status: 0 no decision is known to change, 1 decisions change, 2 trouble.";

/// Longest line that is read, in bytes. No line of Cambio is as long.
const LONGEST_LINE: u64 = 1 << 20;

/// The arguments of `cambio replay`.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
pub struct ReplayArguments {
    /// The audit log; - is standard input
    #[arg(value_name = "AUDIT-LOG")]
    log: PathBuf,
    #[command(flatten)]
    config: ConfigFileArguments,
    /// Decide as of this time, such as 2027-01-31T12:00:00Z, instead of now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// How to print the changes
    #[arg(long, value_enum, default_value_t)]
    output: ChangesForm,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ChangesForm {
    /// One line for each group of equal changes
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// Decides the lines of the log again. Exit status 1: a decision changes.
pub fn run(arguments: &ReplayArguments) -> Result<ExitCode, CommandFailure> {
    let mut out = io::stdout().lock();
    let path = arguments.config.path(&ProcessEnvironment)?;
    let tally = if arguments.log.as_os_str() == "-" {
        replay(&path, &ProcessEnvironment, arguments, io::stdin().lock())?
    } else {
        let file = File::open(&arguments.log).map_err(|error| arguments.failed(&error))?;
        replay(&path, &ProcessEnvironment, arguments, BufReader::with_capacity(1 << 16, file))?
    };
    let text = match arguments.output {
        ChangesForm::Text => tally.text(),
        ChangesForm::Json => format!("{:#}\n", tally.json()),
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that closed the pipe early, such as `head`, is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandFailure::of(error)),
        _ => Ok(if tally.changes() { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
    }
}

fn replay(
    config: &Path,
    env: &dyn Environment,
    arguments: &ReplayArguments,
    mut log: impl BufRead,
) -> Result<Tally, CommandFailure> {
    if log.fill_buf().map_err(|error| arguments.failed(&error))?.starts_with(&[0x1f, 0x8b]) {
        let way = "zcat FILE | cambio replay - --config NEW";
        return Err(CommandFailure(format!("{}: is compressed: {way}", arguments.log.display())));
    }
    let config = deciding(config, env).map_err(|problems| wrong(&problems))?;
    // A running Cambio may have a last good version of a broken file, which nobody knows here.
    if !config.audience_files.broken.is_empty() {
        return Err(wrong(&config.audience_files.problems()));
    }
    let mut bounds = Bounds::new(config, arguments.at.unwrap_or_else(|| Clock::System.now()))?;
    let (mut tally, mut line) = (Tally::default(), Vec::new());
    loop {
        line.clear();
        let read = log.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
        if read.map_err(|error| arguments.failed(&error))? == 0 {
            return Ok(tally);
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST_LINE {
            log.skip_until(b'\n').map_err(|error| arguments.failed(&error))?;
        }
        add(&line, &mut bounds, &mut tally);
    }
}

fn wrong(problems: &[Problem]) -> CommandFailure {
    let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
    CommandFailure(format!("the configuration can't be loaded:\n{}", lines.join("\n")))
}

/// Decides one line again.
fn add(bytes: &[u8], bounds: &mut Bounds, tally: &mut Tally) {
    if bytes.trim_ascii().is_empty() {
        return;
    }
    let Ok(line) = serde_json::from_slice::<AuditLine>(bytes) else {
        let is_last = bytes.last() != Some(&b'\n');
        return tally.skip(if is_last { "cut off, or no JSON: the last line" } else { "no audit line in JSON" });
    };
    if line.event != "token_exchange" {
        return tally.skip(&format!("event {}", line.event));
    }
    match recorded(&line) {
        Recorded::Elsewhere(why) => tally.skip(&why),
        Recorded::Decision(before) => {
            let after = bounds.decide(&line);
            tally.decided(&line, &before, after);
        }
    }
}

impl ReplayArguments {
    fn failed(&self, error: &io::Error) -> CommandFailure {
        CommandFailure(format!("{}: {error}", self.log.display()))
    }
}
