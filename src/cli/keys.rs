//! `cambio keys generate`: makes a realm's signing key.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::issue::key::{KeyError, KeyKind, SigningKey, generate};

/// How the command is called.
pub const USAGE: &str = "cambio keys generate [--type rsa|p256|p384|ed25519] [--out FILE]";

/// Why no key was written.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The arguments are not as [`USAGE`] says.
    #[error("{0}\nusage: {USAGE}")]
    Usage(String),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file exists; a key in use is never overwritten.
    #[error("{0} exists and is not overwritten")]
    Exists(PathBuf),
    /// The file can't be written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// Standard output or error can't be written.
    #[error("output: {0}")]
    Output(std::io::Error),
}

/// Runs the command with what follows `keys` on the command line. The private key goes to the file (mode 0600), or
/// without `--out` to standard output; the public JWK goes to standard output, or without `--out` to standard error,
/// so that `>` catches one thing only. The `kid` always goes to standard error.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<(), KeysError> {
    run_with(arguments, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
}

fn run_with(
    arguments: impl Iterator<Item = OsString>,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    let (kind, file) = read(arguments)?;
    let pem = generate(kind)?;
    let key = SigningKey::from_pem(pem.expose().as_bytes())?;
    match &file {
        None => {
            write!(output, "{}", pem.expose()).map_err(KeysError::Output)?;
            writeln!(notes, "{}", key.jwk()).map_err(KeysError::Output)?;
        }
        Some(path) => {
            create(path, pem.expose().as_bytes())?;
            writeln!(output, "{}", key.jwk()).map_err(KeysError::Output)?;
        }
    }
    writeln!(notes, "kid {}", key.kid()).map_err(KeysError::Output)?;
    output.flush().map_err(KeysError::Output)
}

fn read(arguments: impl Iterator<Item = OsString>) -> Result<(KeyKind, Option<PathBuf>), KeysError> {
    use lexopt::prelude::{Long, Value};
    let usage = |error: lexopt::Error| KeysError::Usage(error.to_string());
    let mut parser = lexopt::Parser::from_args(arguments);
    let (mut command, mut kind, mut file) = (false, KeyKind::Rsa, None);
    while let Some(argument) = parser.next().map_err(usage)? {
        match argument {
            Value(word) if !command && word == "generate" => command = true,
            Long("type") => {
                let name = parser.value().map_err(usage)?;
                kind = match name.to_str() {
                    Some("rsa") => KeyKind::Rsa,
                    Some("p256") => KeyKind::P256,
                    Some("p384") => KeyKind::P384,
                    Some("ed25519") => KeyKind::Ed25519,
                    _ => return Err(KeysError::Usage("--type is rsa, p256, p384 or ed25519".to_owned())),
                };
            }
            Long("out") => file = Some(PathBuf::from(parser.value().map_err(usage)?)),
            other => return Err(usage(other.unexpected())),
        }
    }
    if command { Ok((kind, file)) } else { Err(KeysError::Usage("a subcommand is missing".to_owned())) }
}

fn create(path: &Path, bytes: &[u8]) -> Result<(), KeysError> {
    let failed = |cause| KeysError::File { path: path.to_owned(), cause };
    let mut file = match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(KeysError::Exists(path.to_owned()));
        }
        Err(error) => return Err(failed(error)),
    };
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn call(arguments: &[&str]) -> (Result<(), KeysError>, String, String) {
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let result = run_with(arguments.iter().map(OsString::from), &mut output, &mut notes);
        (result, String::from_utf8(output).unwrap(), String::from_utf8(notes).unwrap())
    }

    #[test]
    fn without_a_file_the_key_is_all_of_the_output() {
        for (kind, algorithm) in
            [("rsa", "RS256"), ("p256", "ES256"), ("p384", "ES384"), ("ed25519", "EdDSA")]
        {
            let (result, output, notes) = call(&["generate", "--type", kind]);
            result.unwrap();
            let key = SigningKey::from_pem(output.as_bytes()).unwrap();
            assert_eq!(key.jwk()["alg"], algorithm);
            assert_eq!(notes, format!("{}\nkid {}\n", key.jwk(), key.kid()));
            assert!(!notes.contains("PRIVATE"));
        }
    }

    #[test]
    fn a_file_is_private_and_never_overwritten() {
        let folder = std::env::temp_dir().join(format!("cambio-keys-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("corp.pem");
        let arguments = ["generate", "--type=p256", "--out", path.to_str().unwrap()];
        let (result, output, _) = call(&arguments);
        result.unwrap();
        let written = std::fs::read(&path).unwrap();
        assert_eq!(output, format!("{}\n", SigningKey::from_pem(&written).unwrap().jwk()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(call(&arguments).0, Err(KeysError::Exists(_))));
        assert_eq!(std::fs::read(&path).unwrap(), written);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn other_arguments_are_refused() {
        let cases: [(&str, &[&str]); 6] = [
            ("nothing", &[]),
            ("another subcommand", &["list"]),
            ("twice", &["generate", "generate"]),
            ("another type", &["generate", "--type", "rsa1024"]),
            ("type without a value", &["generate", "--type"]),
            ("unknown option", &["generate", "--force"]),
        ];
        for (name, arguments) in cases {
            let (result, output, _) = call(arguments);
            assert!(matches!(result, Err(KeysError::Usage(_))), "{name}");
            assert_eq!(output, "", "{name}");
        }
    }
}
