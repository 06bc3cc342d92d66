//! `cambio keys`: makes a realm's signing keys, shows them and turns them.

mod folder;
mod generate;
mod list;
mod rotate;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use self::generate::To;
use crate::adapters::config::load::{Problem, parse_period};
use crate::judgement::issue::key::{KeyKind, SigningKeyError};
use crate::words::clock::Clock;

/// How the command is called.
pub const USAGE: &str = "\
cambio keys generate [--type rsa|p256|p384|ed25519] [--out FILE | --dir FOLDER]
       cambio keys list --dir FOLDER [--json]
       cambio keys rotate --dir FOLDER [--type TYPE] [--min-published 10m] [--now]";

/// How long a key is published before it signs, unless told otherwise. Resource servers keep key sets for minutes.
const MIN_PUBLISHED: SignedDuration = SignedDuration::from_mins(10);

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The arguments are not as [`USAGE`] says.
    #[error("{0}\nusage: {USAGE}")]
    Usage(String),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The file exists; a key in use is never overwritten.
    #[error("{0} exists and is not overwritten")]
    Exists(PathBuf),
    /// The file can't be read or written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// The folder's keys are not in order.
    #[error("the folder is not in order:\n{}", .0.iter().map(|one| format!("  {one}")).collect::<Vec<_>>().join("\n"))]
    Folder(Vec<Problem>),
    /// Another process is changing the folder.
    #[error("another `cambio keys` is at work in {0}")]
    Busy(PathBuf),
    /// Nothing is to be added.
    #[error("the key {0} is next already: `cambio keys rotate` puts it to use")]
    NextIsThere(String),
    /// Nothing can take the place of the active key.
    #[error("no key is next: `cambio keys generate --dir` adds one; rotate once resource servers have it")]
    NextIsMissing,
    /// Resource servers may not have fetched the next key.
    #[error(
        "the key {kid} is published since {since} only: resource servers that keep key sets may not have it before {from}. Wait, or rotate --now and accept that they refuse new tokens until they fetch the keys again"
    )]
    TooYoung {
        /// The next key.
        kid: String,
        /// Since when it is published.
        since: Timestamp,
        /// When it may sign.
        from: Timestamp,
    },
    /// Standard output or error can't be written.
    #[error("output: {0}")]
    Output(std::io::Error),
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Generate { kind: KeyKind, to: To },
    List { folder: PathBuf, json: bool },
    Rotate { folder: PathBuf, kind: Option<KeyKind>, min_published: SignedDuration },
}

/// Runs the command with what follows `keys` on the command line.
///
/// # Errors
/// When nothing was done, or not all of it; the text says what to do.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), KeysError> {
    run_at(arguments, Clock::System.now(), &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
}

/// The same at a time of the caller's, with its results to `output` and remarks to `notes`.
///
/// # Errors
/// As [`run`].
pub fn run_at(
    arguments: impl Iterator<Item = OsString>,
    now: Timestamp,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    // Whole seconds are enough for people. Up, so that nothing is published or kept for less than it should be.
    let second = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil);
    let now = now.round(second).unwrap_or(now);
    match read(arguments)? {
        Command::Generate { kind, to } => generate::run(kind, &to, now, output, notes)?,
        Command::List { folder, json } => list::run(&folder, json, output)?,
        Command::Rotate { folder, kind, min_published } => {
            rotate::run(&folder, kind, min_published, now, output, notes)?;
        }
    }
    output.flush().map_err(KeysError::Output)
}

fn read(arguments: impl Iterator<Item = OsString>) -> Result<Command, KeysError> {
    use lexopt::prelude::{Long, Value};
    let usage = |error: lexopt::Error| KeysError::Usage(error.to_string());
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut name = None;
    let (mut kind, mut file, mut folder, mut min_published) = (None, None, None, None);
    let (mut json, mut at_once) = (false, false);
    while let Some(argument) = parser.next().map_err(usage)? {
        let sub = name.as_deref().unwrap_or_default();
        match argument {
            Value(word) if name.is_none() => name = Some(word.to_string_lossy().into_owned()),
            Long("type") if sub != "list" => {
                kind = Some(kind_named(&parser.value().map_err(usage)?.to_string_lossy())?);
            }
            Long("out") if sub == "generate" => file = Some(PathBuf::from(parser.value().map_err(usage)?)),
            Long("dir") => folder = Some(PathBuf::from(parser.value().map_err(usage)?)),
            Long("json") if sub == "list" => json = true,
            Long("now") if sub == "rotate" => at_once = true,
            Long("min-published") if sub == "rotate" => {
                min_published = Some(duration(&parser.value().map_err(usage)?.to_string_lossy())?);
            }
            other => return Err(usage(other.unexpected())),
        }
    }
    let needed = |folder: Option<PathBuf>| {
        folder.ok_or_else(|| KeysError::Usage("--dir names the folder of the keys".to_owned()))
    };
    Ok(match name.as_deref() {
        Some("generate") => Command::Generate {
            kind: kind.unwrap_or(KeyKind::Rsa),
            to: match (file, folder) {
                (None, None) => To::Output,
                (Some(file), None) => To::File(file),
                (None, Some(folder)) => To::Folder(folder),
                (Some(_), Some(_)) => {
                    return Err(KeysError::Usage("--out and --dir exclude each other".to_owned()));
                }
            },
        },
        Some("list") => Command::List { folder: needed(folder)?, json },
        Some("rotate") => {
            let least = min_published.unwrap_or(MIN_PUBLISHED);
            let min_published = if at_once { SignedDuration::MIN } else { least };
            Command::Rotate { folder: needed(folder)?, kind, min_published }
        }
        Some(other) => return Err(KeysError::Usage(format!("no subcommand {other:?}"))),
        None => return Err(KeysError::Usage("a subcommand is missing".to_owned())),
    })
}

fn kind_named(name: &str) -> Result<KeyKind, KeysError> {
    match name {
        "rsa" => Ok(KeyKind::Rsa),
        "p256" => Ok(KeyKind::P256),
        "p384" => Ok(KeyKind::P384),
        "ed25519" => Ok(KeyKind::Ed25519),
        _ => Err(KeysError::Usage("--type is rsa, p256, p384 or ed25519".to_owned())),
    }
}

fn duration(text: &str) -> Result<SignedDuration, KeysError> {
    let parsed = parse_period(text).map(|period: Duration| SignedDuration::try_from(period));
    match parsed {
        Some(Ok(duration)) => Ok(duration),
        _ => Err(KeysError::Usage("--min-published is a duration, such as 30s, 10m or 1h".to_owned())),
    }
}

#[cfg(test)]
mod tests;
