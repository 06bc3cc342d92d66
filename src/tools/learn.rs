//! `cambio learn`: audience files that permit the exchanges which somebody saw. The way in for those who run exchange without
//! any permission today: observe, learn, compare, enforce.

mod draft;
mod seen;

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

use self::draft::Lessons;
use self::seen::SeenExchange;
use crate::tools::audience_drafts::{DraftArguments, OWNER};
use crate::tools::failure::CommandFailure;

const AFTER_HELP: &str = "\
Reads audit lines of Cambio, and Keycloak's events as its admin API gives them: a JSON array,
or one object in each line.
Exit status: 0 the files are written, 1 nothing is written, 2 wrong arguments.";

/// The arguments of `cambio learn`.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
pub struct LearnArguments {
    /// Audit logs or files with Keycloak's events; `-` is standard input
    #[arg(value_name = "LOG", required = true)]
    logs: Vec<PathBuf>,
    #[command(flatten)]
    drafts: DraftArguments,
    /// Realm in cambio.yaml whose exchanges count; Keycloak's events need it, for they name none
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    realm: Option<String>,
}

/// Reads the logs, writes the files, and prints what was learned.
///
/// # Errors
/// Nothing was written: a log can't be read, nothing could be learned, or a file exists already.
pub fn run(arguments: &LearnArguments) -> Result<ExitCode, CommandFailure> {
    run_with(arguments, &mut io::stdout().lock()).map(|()| ExitCode::SUCCESS)
}

fn run_with(arguments: &LearnArguments, out: &mut dyn Write) -> Result<(), CommandFailure> {
    let mut lessons = Lessons::new(arguments.realm.as_deref(), arguments.drafts.owner.as_deref().unwrap_or(OWNER));
    for log in &arguments.logs {
        read(log, &mut lessons)?;
    }
    let files = lessons.files();
    let report = lessons.report(&files, &arguments.drafts.out);
    if files.is_empty() {
        return Err(CommandFailure(format!("nothing was learned\n{}", report.trim_end())));
    }
    let texts: Vec<_> = files.iter().map(|(name, text)| (arguments.drafts.out.join(name), text.as_str())).collect();
    arguments.drafts.write(&texts)?;
    match out.write_all(report.as_bytes()).and_then(|()| out.flush()) {
        // A reader that closed the pipe early, such as `head`, is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandFailure::of(error)),
        _ => Ok(()),
    }
}

/// Longest line that is read, in bytes. Keycloak's events can be one line.
const LONGEST_LINE: u64 = 256 << 20;

fn read(log: &Path, lessons: &mut Lessons) -> Result<(), CommandFailure> {
    let failed = |error: io::Error| CommandFailure(format!("{}: {error}", log.display()));
    let mut reader: Box<dyn BufRead> = if log.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(std::fs::File::open(log).map_err(failed)?))
    };
    let start = reader.fill_buf().map_err(failed)?;
    if start.starts_with(&[0x1f, 0x8b]) {
        return Err(CommandFailure(format!("{0}: is compressed: zcat {0} | cambio learn -", log.display())));
    }
    if start.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        let events: Vec<serde_json::Value> = serde_json::from_reader(reader)
            .map_err(|error| CommandFailure(format!("{}: is no JSON array of events: {error}", log.display())))?;
        for event in events {
            lessons.learn(SeenExchange::of(event));
        }
        return Ok(());
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = io::Read::take(&mut reader, LONGEST_LINE).read_until(b'\n', &mut line).map_err(failed)?;
        if read == 0 {
            return Ok(());
        }
        if !line.iter().all(u8::is_ascii_whitespace) {
            lessons.learn(SeenExchange::of_line(&line));
        }
    }
}

#[cfg(test)]
mod tests;
