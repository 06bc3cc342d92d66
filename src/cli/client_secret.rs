//! `cambio client-secret`: the hash of a client's secret for `realms.*.clients`.

use std::ffi::OsString;
use std::io::{IsTerminal as _, Read, Write};

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::CliError;
use crate::judgement::client::secret::SecretHash;
use crate::words::secret::Secret;

/// Longest secret that is read.
const LONGEST: u64 = 1024;

/// Runs the command with what follows `client-secret` on the command line.
///
/// A secret that comes through standard input is hashed by Argon2id, as nobody can know how it was chosen. From a
/// terminal, a secret of 256 bits of chance is made and printed to standard error, and its hash (SHA-256, or Argon2id if
/// asked for) to standard output, so that `>` catches what belongs in a file.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), CliError> {
    let given = if std::io::stdin().is_terminal() { None } else { Some(read(&mut std::io::stdin().lock())?) };
    run_with(arguments, given, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
}

fn run_with(
    arguments: impl Iterator<Item = OsString>,
    given: Option<Secret>,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), CliError> {
    use lexopt::prelude::Long;
    let (mut parser, mut argon2id) = (lexopt::Parser::from_args(arguments), false);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("argon2id") => argon2id = true,
            other => return Err(other.unexpected().into()),
        }
    }
    // Nothing on standard input, as with </dev/null, asks for a new secret, too.
    let given = given.filter(|secret| !secret.expose().is_empty());
    let failed = |error: std::io::Error| CliError(error.to_string());
    let secret = if let Some(secret) = given {
        argon2id = true;
        secret
    } else {
        let secret = Secret::new(URL_SAFE_NO_PAD.encode(chance::<32>()?));
        writeln!(notes, "secret {}", secret.expose()).map_err(failed)?;
        secret
    };
    let hash = if argon2id {
        SecretHash::argon2id(&secret, &chance()?)
            .ok_or_else(|| CliError("no memory for the hash".to_owned()))?
    } else {
        SecretHash::sha256(&secret)
    };
    writeln!(output, "{hash}").and_then(|()| output.flush()).map_err(failed)
}

/// The secret without the line break at its end.
fn read(input: &mut impl Read) -> Result<Secret, CliError> {
    let mut text = String::new();
    input
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| CliError(format!("standard input: {error}")))?;
    let secret = Secret::new(text);
    let text = secret.expose();
    let bare = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text);
    if text.len() as u64 > LONGEST || bare.contains(char::is_control) {
        return Err(CliError("the secret is one line of at most 1024 bytes".to_owned()));
    }
    Ok(Secret::new(bare))
}

fn chance<const N: usize>() -> Result<[u8; N], CliError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| CliError("no random numbers".to_owned()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: &[&str], given: Option<&str>) -> Result<(String, String), String> {
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let given = given.map(|text| read(&mut text.as_bytes())).transpose().map_err(|error| error.0)?;
        run_with(arguments.iter().map(OsString::from), given, &mut output, &mut notes)
            .map_err(|error| error.0)?;
        Ok((String::from_utf8(output).unwrap(), String::from_utf8(notes).unwrap()))
    }

    #[test]
    fn what_is_printed_is_the_secrets_hash() {
        for (name, arguments, given, prefix) in [
            ("made", &[][..], None, "sha256:"),
            ("made, by Argon2id", &["--argon2id"], None, "$argon2id$"),
            ("nothing given", &[], Some(""), "sha256:"),
            ("given", &[], Some("hunter2\n"), "$argon2id$"),
        ] {
            let (output, notes) = call(arguments, given).unwrap();
            assert!(output.starts_with(prefix), "{name}: {output}");
            let secret = match given {
                Some("hunter2\n") => {
                    assert_eq!(notes, "", "{name}");
                    "hunter2"
                }
                _ => notes.trim_end().strip_prefix("secret ").unwrap(),
            };
            assert!(SecretHash::parse(output.trim_end()).unwrap().matches(&Secret::new(secret)), "{name}");
        }
        assert_ne!(call(&[], None).unwrap().0, call(&[], None).unwrap().0);
    }

    #[test]
    fn other_input_is_refused() {
        let long = "x".repeat(1025);
        for (name, arguments, given) in [
            ("an option", &["--sha256"][..], None),
            ("a secret among the arguments", &["hunter2"], None),
            ("two lines", &[], Some("a\nb\n")),
            ("long", &[], Some(long.as_str())),
        ] {
            assert!(call(arguments, given).is_err(), "{name}");
        }
    }
}
