//! `cambio migrate keycloak`: audience files that grant what a realm's legacy token exchange (V1) granted.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::*;

use super::CliError;
use crate::tools::migrate::{self, Migration, MigrationOptions};

/// Largest export that is read, in bytes: a realm with all of its users can be large.
const MAX_BYTES: u64 = 1 << 30;

/// Runs the command with what follows `migrate` on the command line.
///
/// # Errors
/// When nothing was written: the arguments make no sense, the export can't be understood, or a file is there already.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Result<ExitCode, CliError> {
    run_with(arguments, &mut std::io::stdout().lock()).map(|()| ExitCode::SUCCESS)
}

struct Arguments {
    export: PathBuf,
    out: PathBuf,
    realm: Option<String>,
    owner: Option<String>,
    report: Option<PathBuf>,
    force: bool,
}

fn run_with(arguments: impl Iterator<Item = OsString>, output: &mut impl Write) -> Result<(), CliError> {
    let arguments = parse(arguments)?;
    let export = read(&arguments.export)?;
    let options = MigrationOptions { realm: arguments.realm.as_deref(), owner: arguments.owner.as_deref() };
    let migration = migrate::keycloak(&export, options)
        .map_err(|error| CliError(format!("{}: {error}", arguments.export.display())))?;
    write(&migration, &arguments)?;
    let result = output.write_all(migration.report.as_bytes()).and_then(|()| {
        writeln!(
            output,
            "\n{} audience file{} in {}; what they say is checked by `cambio check`",
            migration.files.len(),
            if migration.files.len() == 1 { "" } else { "s" },
            arguments.out.display()
        )
    });
    match result {
        // Whoever reads through `head` has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(CliError(error.to_string())),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Arguments, CliError> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let usage =
        || CliError("say `cambio migrate keycloak REALM-EXPORT.json`; see `cambio --help`".to_owned());
    match parser.next()? {
        Some(Value(system)) if system == "keycloak" => {}
        _ => return Err(usage()),
    }
    let (mut export, mut out, mut report, mut force) = (None, None, None, false);
    let (mut realm, mut owner) = (None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") if out.is_none() => out = Some(PathBuf::from(parser.value()?)),
            Long("report") if report.is_none() => report = Some(PathBuf::from(parser.value()?)),
            Long("realm") if realm.is_none() => realm = Some(parser.value()?.string()?),
            Long("owner") if owner.is_none() => owner = Some(owner_name(parser.value()?.string()?)?),
            Long("force") => force = true,
            Value(path) if export.is_none() => export = Some(PathBuf::from(path)),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Arguments {
        export: export.ok_or_else(usage)?,
        out: out.unwrap_or_else(|| PathBuf::from("audiences")),
        realm,
        owner,
        report,
        force,
    })
}

fn owner_name(name: String) -> Result<String, CliError> {
    if name.trim().is_empty() || name.contains(char::is_control) {
        return Err(CliError("--owner is the name of a team".to_owned()));
    }
    Ok(name)
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, CliError> {
    let failed = |error: std::io::Error| CliError(format!("{}: {error}", path.display()));
    // A whole export holds secrets in plain text.
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    File::open(path).map_err(failed)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(CliError(format!("{}: larger than 1 GiB", path.display())));
    }
    Ok(bytes)
}

/// All files, or none where one of them is there already and may not be replaced.
fn write(migration: &Migration, arguments: &Arguments) -> Result<(), CliError> {
    let texts = migration.files.iter().map(|(name, text)| (arguments.out.join(name), text));
    let report = arguments.report.iter().map(|path| (path.clone(), &migration.report));
    let files: Vec<_> = texts.chain(report).collect();
    if !arguments.force {
        let there: Vec<_> = files
            .iter()
            .filter(|(path, _)| path.symlink_metadata().is_ok())
            .map(|(path, _)| path.display().to_string())
            .collect();
        if !there.is_empty() {
            return Err(CliError(format!("not overwritten without --force: {}", there.join(", "))));
        }
    }
    let failed = |path: &Path, error: std::io::Error| CliError(format!("{}: {error}", path.display()));
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
