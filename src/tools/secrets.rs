//! `cambio seal-key` makes a key that seals refresh tokens. `cambio client-secret` hashes a client's secret for
//! `realms.*.clients`.

use std::io::{IsTerminal as _, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;

use crate::adapters::seal;
use crate::judgement::client::secret::SecretHash;
use crate::tools::failure::CommandFailure;
use crate::tools::private_file;
use crate::words::secret::Secret;

/// Longest secret that is read.
const LONGEST: u64 = 1024;

/// The arguments of `cambio seal-key`.
#[derive(Debug, Args)]
pub struct SealKeyArguments {
    /// New file for the key (mode 0600); without it standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The arguments of `cambio client-secret`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ClientSecretArguments {
    /// Hash a new secret with Argon2id instead of SHA-256, as secrets from standard input always are
    #[arg(long)]
    argon2id: bool,
}

/// Writes a new key to standard output, or to a new file that only its owner can read.
pub fn seal_key(arguments: &SealKeyArguments) -> Result<ExitCode, CommandFailure> {
    make_seal_key(arguments, &mut std::io::stdout().lock()).map(|()| ExitCode::SUCCESS)
}

/// Prints the hash of a client's secret.
///
/// A secret from standard input is hashed with Argon2id, because nobody can know how it was chosen. Without one, as on a
/// terminal or with `</dev/null`, a secret with 256 random bits is made and printed to standard error, and its hash
/// (SHA-256, or Argon2id on request) to standard output. `>` then catches what belongs in a file.
pub fn client_secret(arguments: ClientSecretArguments) -> Result<ExitCode, CommandFailure> {
    let given = if std::io::stdin().is_terminal() { None } else { Some(read(&mut std::io::stdin().lock())?) };
    hash(arguments.argon2id, given, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
}

fn make_seal_key(arguments: &SealKeyArguments, output: &mut impl Write) -> Result<(), CommandFailure> {
    let key = seal::generate().map_err(CommandFailure::of)?;
    let Some(path) = &arguments.out else {
        return writeln!(output, "{}", key.expose()).map_err(CommandFailure::of);
    };
    let line = Secret::new(format!("{}\n", key.expose()));
    private_file::create(path, line.expose().as_bytes())
        .map_err(|error| CommandFailure(format!("{}: {error}", path.display())))
}

fn hash(
    argon2id: bool,
    given: Option<Secret>,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<ExitCode, CommandFailure> {
    let given = given.filter(|secret| !secret.expose().is_empty());
    let argon2id = argon2id || given.is_some();
    let secret = if let Some(secret) = given {
        secret
    } else {
        let secret = Secret::new(URL_SAFE_NO_PAD.encode(random::<32>()?));
        writeln!(notes, "secret {}", secret.expose()).map_err(CommandFailure::of)?;
        secret
    };
    let hash = if argon2id {
        SecretHash::argon2id(&secret, &random()?)
            .ok_or_else(|| CommandFailure("there is no memory for the hash".to_owned()))?
    } else {
        SecretHash::sha256(&secret)
    };
    writeln!(output, "{hash}").and_then(|()| output.flush()).map_err(CommandFailure::of)?;
    Ok(ExitCode::SUCCESS)
}

/// The secret without the line break at its end.
fn read(input: &mut impl Read) -> Result<Secret, CommandFailure> {
    let mut text = String::new();
    input
        .take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| CommandFailure(format!("standard input: {error}")))?;
    let secret = Secret::new(text);
    let text = secret.expose();
    let bare = text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text);
    if text.len() as u64 > LONGEST || bare.contains(char::is_control) {
        return Err(CommandFailure("the secret must be one line of at most 1024 bytes".to_owned()));
    }
    Ok(Secret::new(bare))
}

fn random<const N: usize>() -> Result<[u8; N], CommandFailure> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| CommandFailure("there are no random numbers".to_owned()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::adapters::seal::Seal;

    fn call(argon2id: bool, given: Option<&str>) -> Result<(String, String), String> {
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let given = given.map(|text| read(&mut text.as_bytes())).transpose().map_err(|error| error.0)?;
        hash(argon2id, given, &mut output, &mut notes).map_err(|error| error.0)?;
        Ok((String::from_utf8(output).unwrap(), String::from_utf8(notes).unwrap()))
    }

    #[test]
    fn what_is_printed_is_the_secrets_hash() {
        for (name, argon2id, given, prefix) in [
            ("made", false, None, "sha256:"),
            ("made, with Argon2id", true, None, "$argon2id$"),
            ("nothing given", false, Some(""), "sha256:"),
            ("given", false, Some("hunter2\n"), "$argon2id$"),
        ] {
            let (output, notes) = call(argon2id, given).unwrap();
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
        assert_ne!(call(false, None).unwrap().0, call(false, None).unwrap().0);
    }

    #[test]
    fn other_input_is_refused() {
        let long = "x".repeat(1025);
        for (name, given) in [("two lines", "a\nb\n"), ("long", long.as_str())] {
            assert!(call(false, Some(given)).is_err(), "{name}");
        }
    }

    fn seal_key_call(out: Option<PathBuf>) -> (Result<(), CommandFailure>, Vec<u8>) {
        let mut output = Vec::new();
        (make_seal_key(&SealKeyArguments { out }, &mut output), output)
    }

    #[test]
    fn the_key_is_all_of_the_output() {
        let (result, output) = seal_key_call(None);
        result.unwrap();
        assert!(Seal::from_texts([output.as_slice()]).is_ok());
    }

    #[test]
    fn a_file_is_private_and_never_overwritten() {
        let path = std::env::temp_dir().join(format!("cambio-seal-{}", uuid::Uuid::new_v4()));
        seal_key_call(Some(path.clone())).0.unwrap();
        let written = std::fs::read(&path).unwrap();
        assert!(Seal::from_texts([written.as_slice()]).is_ok());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(seal_key_call(Some(path.clone())).0.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), written);
        std::fs::remove_file(&path).unwrap();
    }
}
