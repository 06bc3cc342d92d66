//! `cambio migrate keycloak`: audience files that grant what a realm's legacy token exchange (V1) granted.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use super::{Migration, MigrationOptions};
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
    /// Realm export with its clients
    #[arg(value_name = "REALM-EXPORT.json")]
    export: PathBuf,
    /// Folder for the audience files
    #[arg(long, value_name = "FOLDER", default_value = "audiences")]
    out: PathBuf,
    /// Name of the realm in cambio.yaml; without it the name in the export
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    realm: Option<String>,
    /// Owner in the files until their teams are named; without it "to be named"
    #[arg(long, value_name = "TEAM", allow_hyphen_values = true, value_parser = owner_name)]
    owner: Option<String>,
    /// File for the report, besides standard output
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Replace existing files; without it nothing is written if one of them exists
    #[arg(long, overrides_with = "force")]
    force: bool,
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
    let export = read(&arguments.export)?;
    let options = MigrationOptions { realm: arguments.realm.as_deref(), owner: arguments.owner.as_deref() };
    let migration = super::keycloak(&export, options)
        .map_err(|error| CommandFailure(format!("{}: {error}", arguments.export.display())))?;
    write(&migration, arguments)?;
    let result = output.write_all(migration.report.as_bytes()).and_then(|()| {
        writeln!(
            output,
            "\n{} audience file{} in {}; check them with `cambio check`",
            migration.files.len(),
            if migration.files.len() == 1 { "" } else { "s" },
            arguments.out.display()
        )
    });
    match result {
        // A reader that closed the pipe early, such as `head`, is no failure.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CommandFailure::of(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn owner_name(name: &str) -> Result<String, &'static str> {
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err("the owner is the name of a team");
    }
    Ok(name.to_owned())
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, CommandFailure> {
    let failed = |error: std::io::Error| CommandFailure(format!("{}: {error}", path.display()));
    // An export can hold secrets in plain text.
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    File::open(path).map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(CommandFailure(format!("{}: larger than 1 GiB", path.display())));
    }
    Ok(bytes)
}

/// Writes all files, or none if one of them exists and may not be replaced.
fn write(migration: &Migration, arguments: &MigrateKeycloakArguments) -> Result<(), CommandFailure> {
    let texts = migration.files.iter().map(|(name, text)| (arguments.out.join(name), text));
    let report = arguments.report.iter().map(|path| (path.clone(), &migration.report));
    let files: Vec<_> = texts.chain(report).collect();
    if !arguments.force {
        let existing: Vec<_> = files
            .iter()
            .filter(|(path, _)| path.symlink_metadata().is_ok())
            .map(|(path, _)| path.display().to_string())
            .collect();
        if !existing.is_empty() {
            return Err(CommandFailure(format!("not overwritten without --force: {}", existing.join(", "))));
        }
    }
    let failed = |path: &Path, error: std::io::Error| CommandFailure(format!("{}: {error}", path.display()));
    if !migration.files.is_empty() {
        fs::create_dir_all(&arguments.out).map_err(|error| failed(&arguments.out, error))?;
    }
    for (path, text) in files {
        let mut options = OpenOptions::new();
        options.write(true);
        if arguments.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let mut file = options.open(&path).map_err(|error| failed(&path, error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(&path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
