//! Commands.

pub mod check;
pub mod client_secret;
pub mod conformance;
pub mod demo;
pub mod keys;
pub mod migrate;
pub mod schema;
pub mod seal_key;
pub mod serve;
pub mod verify;

use std::ffi::OsString;
use std::process::ExitCode;

use jiff::tz::Offset;
use lexopt::prelude::*;

use crate::adapters::config::load::ProcessEnvironment;
use crate::words::clock::Clock;

const USAGE: &str = "\
cambio stands in front of your identity provider and governs token exchange.

Usage: cambio COMMAND

Commands:
  serve   [--config FILE]                    run the gate
  check   [--config FILE]                    check configuration and audience files as serve would, all errors at once
  schema  [config|audience] [--markdown]     print the JSON Schema, or the reference as Markdown
  verify  --jwks FILE [--iss ISS] [--aud AUD…] [--alg LIST] [--jws]    check the token on standard input by a key set
  verify  [--config FILE] [--issuer NAME] [--client ID]    the same by the rules of a realm or issuer
  conformance --token-endpoint URL --client-id ID [OPTION…]
                                             put RFC 8693 to any token endpoint, case by case; --help lists its options
  keys    generate [--type TYPE] [--out FILE | --dir FOLDER]
                                             make a signing key: rsa (default), p256, p384 or ed25519; or a folder of them
  keys    list --dir FOLDER [--json]         show a folder's keys: id, algorithm, state, since when
  keys    rotate --dir FOLDER [--type TYPE] [--min-published 10m] [--now]
                                             the next key signs, the active one retires, a new one is next
  seal-key [--out FILE]                      make a key for refreshTokens.keyFiles
  client-secret [--argon2id]                 hash a client's secret from standard input, or make one and print its hash
  migrate keycloak REALM-EXPORT.json [--out ./audiences] [--realm NAME] [--owner TEAM] [--report FILE] [--force]
                                             write audience files that grant what Keycloak's legacy exchange (V1) granted
  demo    [--once]                           show the main job on an embedded identity provider

Options:
  -c, --config     the configuration file; without it $CAMBIO_CONFIG, else ./cambio.yaml
      --at TIME    verify: as of this time (RFC 3339) instead of now
      --claims     verify: show iss, sub, aud, azp and times of a valid token
  -h, --help       this text
  -V, --version    the version

Exit status: 0 all is well, 1 it is not, 2 no such command; of verify: 0 valid, 1 not, 2 it could not be checked;
of conformance: 0 no MUST was broken, 1 one was, 2 it could not run.
";

/// A command line that can't be understood, or a command that failed: the text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CliError(pub String);

impl From<lexopt::Error> for CliError {
    fn from(error: lexopt::Error) -> Self {
        Self(format!("{error}; see `cambio --help`"))
    }
}

/// Runs the command that the arguments name.
pub fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let command = arguments.next();
    let arguments: Vec<_> = arguments.collect();
    if asks_for_help(&arguments) {
        return print(match command.as_ref().and_then(|command| command.to_str()) {
            Some("conformance") => conformance::HELP,
            _ => USAGE,
        });
    }
    let arguments = arguments.into_iter();
    let result = match command.as_ref().and_then(|command| command.to_str()) {
        Some("serve") => serve::run(arguments),
        Some("check") => check(arguments),
        Some("schema") => schema(arguments),
        Some("keys") => {
            keys::run(arguments).map(|()| ExitCode::SUCCESS).map_err(|error| CliError(error.to_string()))
        }
        Some("seal-key") => seal_key::run(arguments),
        Some("client-secret") => client_secret::run(arguments).map(|()| ExitCode::SUCCESS),
        Some("migrate") => migrate::run(arguments),
        Some("demo") => demo::run(arguments),
        Some("conformance") => return conformance::run(arguments),
        Some("verify") => return verify::run(arguments),
        Some("-h" | "--help" | "help") => return print(USAGE),
        Some("-V" | "--version") => return print(concat!("cambio ", env!("CARGO_PKG_VERSION"), "\n")),
        _ => {
            let command =
                command.map(|command| format!("cambio: no command {:?}\n\n", command.to_string_lossy()));
            eprint!("{}{USAGE}", command.unwrap_or_default());
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("cambio: {error}");
        ExitCode::FAILURE
    })
}

fn check(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, CliError> {
    let path = serve::config_path(arguments, &ProcessEnvironment)?;
    let today = Offset::UTC.to_datetime(Clock::System.now()).date();
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    match check::run(&path, &ProcessEnvironment, today, &mut out, &mut err) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) => Err(CliError(error.to_string())),
    }
}

fn schema(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, CliError> {
    let mut what = schema::What::default();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        what = match argument {
            Value(name) if name == "config" => schema::What::Config,
            Value(name) if name == "audience" => schema::What::Audience,
            Long("markdown") => schema::What::Markdown,
            other => return Err(other.unexpected().into()),
        };
    }
    match schema::run(what, &mut std::io::stdout().lock()) {
        // Whoever reads through `head` has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CliError(error.to_string())),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}

/// Whether what follows a command asks what can be said.
fn asks_for_help(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| argument == "--help" || argument == "-h")
}

/// Prints to standard output; a closed pipe is no fault of ours.
fn print(text: &str) -> ExitCode {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_can_be_asked_for_help() {
        for (name, arguments, expected) in [
            ("alone", &["--help"][..], true),
            ("short, after a subcommand", &["generate", "-h"], true),
            ("after an option", &["--config", "x", "--help"], true),
            ("not asked", &["--config", "x"], false),
            ("nothing", &[], false),
        ] {
            let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
            assert_eq!(asks_for_help(&arguments), expected, "{name}");
        }
    }
}
