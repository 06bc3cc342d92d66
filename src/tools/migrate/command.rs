//! `cambio migrate keycloak`: audience files that grant what a realm's legacy token exchange (V1) granted.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::{ExportDocument, MigrateError, MigrationOptions};
use crate::tools::audience_drafts::DraftArguments;
use crate::tools::failure::CommandFailure;

/// Largest export that is read, in bytes. The export of a realm with all its users can be large.
const MAX_BYTES: u64 = 1 << 30;

/// The arguments of `cambio migrate`.
#[derive(Debug, Parser)]
pub struct MigrateArguments {
    #[command(subcommand)]
    system: MigratedSystem,
}

/// The system whose grants are migrated.
#[derive(Debug, Subcommand)]
enum MigratedSystem {
    /// Write audience files that grant what Keycloak's legacy token exchange (V1) granted
    Keycloak(MigrateKeycloakArguments),
}

/// The arguments of `cambio migrate keycloak`.
#[derive(Debug, Args)]
struct MigrateKeycloakArguments {
    /// Files or folders with a realm's export, or with an operator's objects
    #[arg(value_name = "EXPORT", required = true)]
    exports: Vec<PathBuf>,
    #[command(flatten)]
    drafts: DraftArguments,
    /// Name of the realm in cambio.yaml, and of the one to read if there are several
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    realm: Option<String>,
    /// File for the report, besides standard output
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// Nothing was written: the export can't be understood, or a file exists already.
pub fn run(arguments: &MigrateArguments) -> Result<ExitCode, CommandFailure> {
    run_with(arguments, &mut std::io::stdout().lock()).map(|()| ExitCode::SUCCESS)
}

fn run_with(arguments: &MigrateArguments, output: &mut impl Write) -> Result<(), CommandFailure> {
    let MigratedSystem::Keycloak(arguments) = &arguments.system;
    let files = files(&arguments.exports)?;
    let documents: Vec<_> = files.iter().map(|(name, bytes)| ExportDocument { name, bytes }).collect();
    let options = MigrationOptions { realm: arguments.realm.as_deref(), owner: arguments.drafts.owner.as_deref() };
    let migration = super::keycloak(&documents, options).map_err(|error| match error {
        // These name their documents.
        MigrateError::Shape { .. } | MigrateError::NoRealm { .. } | MigrateError::Twice { .. } => {
            CommandFailure::of(error)
        }
        _ => CommandFailure(format!("{}: {error}", shown(&arguments.exports))),
    })?;
    let texts = migration.files.iter().map(|(name, text)| (arguments.drafts.out.join(name), text.as_str()));
    let report = arguments.report.iter().map(|path| (path.clone(), migration.report.as_str()));
    arguments.drafts.write(&texts.chain(report).collect::<Vec<_>>())?;
    let result = output.write_all(migration.report.as_bytes()).and_then(|()| {
        writeln!(
            output,
            "\n{} audience file{} in {}; check them with `cambio check`",
            migration.files.len(),
            if migration.files.len() == 1 { "" } else { "s" },
            arguments.drafts.out.display()
        )
    });
    match result {
        // A reader that closed the pipe early, such as `head`, is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CommandFailure::of(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A file's name and its content. An export can hold secrets in plain text.
type ExportFile = (String, zeroize::Zeroizing<Vec<u8>>);

/// Reads the files, and of a folder the files directly in the folder that can be documents.
fn files(paths: &[PathBuf]) -> Result<Vec<ExportFile>, CommandFailure> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let failed = |error: std::io::Error| CommandFailure(format!("{}: {error}", path.display()));
            let entries = fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            let mut inside: Vec<_> =
                entries.into_iter().map(|entry| entry.path()).filter(|file| is_document(file)).collect();
            inside.sort();
            all.extend(inside);
        } else {
            all.push(path.clone());
        }
    }
    let mut left = MAX_BYTES;
    all.iter()
        .map(|path| {
            let bytes = read(path, left)?;
            left -= bytes.len() as u64;
            Ok((path.display().to_string(), bytes))
        })
        .collect()
}

/// Whether a file of a folder can be a document, by its name.
fn is_document(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["json", "yaml", "yml"].iter().any(|known| extension.eq_ignore_ascii_case(known)) && path.is_file()
}

fn read(path: &Path, limit: u64) -> Result<zeroize::Zeroizing<Vec<u8>>, CommandFailure> {
    let failed = |error: std::io::Error| CommandFailure(format!("{}: {error}", path.display()));
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(CommandFailure(format!("{}: the export is larger than 1 GiB", path.display())));
    }
    Ok(bytes)
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
