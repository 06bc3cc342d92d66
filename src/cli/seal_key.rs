//! `cambio seal-key`: a key that seals refresh tokens.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::adapters::seal;
use crate::tools::failure::CommandFailure;

/// The arguments of `cambio seal-key`.
#[derive(Debug, Args)]
pub struct SealKeyArguments {
    /// New file for the key (mode 0600); without it standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes a new key to standard output, or to a new file that only its owner can read.
///
/// # Errors
/// There is no randomness, or the file can't be made.
pub fn run(arguments: &SealKeyArguments) -> Result<ExitCode, CommandFailure> {
    run_with(arguments, &mut std::io::stdout().lock()).map(|()| ExitCode::SUCCESS)
}

fn run_with(arguments: &SealKeyArguments, output: &mut impl Write) -> Result<(), CommandFailure> {
    let key = seal::generate().map_err(CommandFailure::of)?;
    let Some(path) = &arguments.out else {
        return writeln!(output, "{}", key.expose()).map_err(CommandFailure::of);
    };
    let failed = |error: std::io::Error| CommandFailure(format!("{}: {error}", path.display()));
    let options = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = options.map_err(failed)?;
    writeln!(file, "{}", key.expose()).and_then(|()| file.sync_all()).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::adapters::seal::Seal;

    fn call(out: Option<PathBuf>) -> (Result<(), CommandFailure>, Vec<u8>) {
        let mut output = Vec::new();
        (run_with(&SealKeyArguments { out }, &mut output), output)
    }

    #[test]
    fn the_key_is_all_of_the_output() {
        let (result, output) = call(None);
        result.unwrap();
        assert!(Seal::from_texts([output.as_slice()]).is_ok());
    }

    #[test]
    fn a_file_is_private_and_never_overwritten() {
        let path = std::env::temp_dir().join(format!("cambio-seal-{}", uuid::Uuid::new_v4()));
        call(Some(path.clone())).0.unwrap();
        let written = std::fs::read(&path).unwrap();
        assert!(Seal::from_texts([written.as_slice()]).is_ok());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(call(Some(path.clone())).0.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), written);
        std::fs::remove_file(&path).unwrap();
    }
}
