//! `cambio seal-key`: a key that seals refresh tokens.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::*;

use super::CliError;
use crate::adapters::seal;

/// Writes a new key to standard output, or to a file that is not there yet and that its owner alone can read.
///
/// # Errors
/// When the arguments make no sense, there is no randomness, or the file can't be made.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, CliError> {
    run_with(arguments, &mut std::io::stdout().lock()).map(|()| ExitCode::SUCCESS)
}

fn run_with(arguments: impl Iterator<Item = OsString>, output: &mut impl Write) -> Result<(), CliError> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut file = None;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") if file.is_none() => file = Some(PathBuf::from(parser.value()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    let key = seal::generate().map_err(|error| CliError(error.to_string()))?;
    let failed = |error: std::io::Error| CliError(error.to_string());
    let Some(path) = file else { return writeln!(output, "{}", key.expose()).map_err(failed) };
    let failed = |error: std::io::Error| CliError(format!("{}: {error}", path.display()));
    let options = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = options.map_err(failed)?;
    writeln!(file, "{}", key.expose()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::adapters::seal::Seal;

    fn call(arguments: &[&str]) -> (Result<(), CliError>, Vec<u8>) {
        let mut output = Vec::new();
        (run_with(arguments.iter().map(OsString::from), &mut output), output)
    }

    #[test]
    fn the_key_is_all_of_the_output() {
        let (result, output) = call(&[]);
        result.unwrap();
        assert!(Seal::from_texts([output.as_slice()]).is_ok());
    }

    #[test]
    fn a_file_is_private_and_never_overwritten() {
        let path = std::env::temp_dir().join(format!("cambio-seal-{}", uuid::Uuid::new_v4()));
        let arguments = ["--out", path.to_str().unwrap()];
        call(&arguments).0.unwrap();
        let written = std::fs::read(&path).unwrap();
        assert!(Seal::from_texts([written.as_slice()]).is_ok());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(call(&arguments).0.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), written);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn other_arguments_are_refused() {
        for arguments in [&["x"][..], &["--out"], &["--out", "a", "--out", "b"], &["--force"]] {
            assert!(call(arguments).0.is_err(), "{arguments:?}");
        }
    }
}
