//! `cambio check`: reads the configuration as `serve` would, and prints every problem, or what is loaded.

mod online;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use jiff::civil::Date;
use jiff::tz::Offset;

pub use self::online::{misplaced_endpoints, unknown_clients};
use crate::adapters::config::Config;
use crate::adapters::config::load::{Environment, ProcessEnvironment, load};
use crate::adapters::config::problem::{Problem, printable};
use crate::adapters::descriptors;
use crate::judgement::client::registry::Method;
use crate::judgement::dialect::Dialect;
use crate::judgement::policy::observed_until::ObservedUntil;
use crate::tools::config_file::ConfigFileArguments;
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

/// The arguments of `cambio check`.
#[derive(Debug, Parser)]
pub struct CheckArguments {
    #[command(flatten)]
    config: ConfigFileArguments,
    /// Also ask the identity provider, and warn of unknown clients and of misplaced endpoints
    #[arg(long)]
    online: bool,
}

/// Checks the files and prints every problem, or what is loaded. Exit status 1: there are problems, or a directory could
/// not be asked.
pub fn run(arguments: &CheckArguments) -> Result<ExitCode, CommandFailure> {
    let path = arguments.config.path(&ProcessEnvironment)?;
    let today = Offset::UTC.to_datetime(Clock::System.now()).date();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let Some(config) = good(&path, &ProcessEnvironment, &mut err).map_err(CommandFailure::of)? else {
        return Ok(ExitCode::FAILURE);
    };
    let mut found = if arguments.online { online::ask(&config)? } else { Vec::new() };
    found.extend(descriptors::shortage(descriptors::highest_limit(), config.listen.max_connections));
    summary(&config, today, &found, &mut out).map_err(CommandFailure::of)?;
    // The process ends. Freeing a large policy takes long, and nobody gains.
    std::mem::forget(config);
    Ok(ExitCode::SUCCESS)
}

/// Checks the configuration file `path` and its audience files. Prints problems to `err`, one per line as
/// `file:line:column: key: message`, or a summary to `out`, which warns of permissions that ended before `today` (UTC).
/// Returns whether there are no problems.
///
/// # Errors
/// `out` or `err` can't be written.
pub fn run_at(
    path: &Path,
    env: &dyn Environment,
    today: Date,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<bool> {
    let Some(config) = good(path, env, err)? else { return Ok(false) };
    summary(&config, today, &[], out)?;
    Ok(true)
}

/// The configuration, if no file has a problem. Otherwise prints every problem of every file, and what `serve` makes of them.
fn good(path: &Path, env: &dyn Environment, err: &mut dyn Write) -> io::Result<Option<Config>> {
    let config = match load(path, env) {
        Ok(config) if config.audience_files.broken.is_empty() => return Ok(Some(config)),
        Ok(config) => config,
        Err(problems) => {
            print_problems(&problems, err)?;
            writeln!(err, "cambio serve does not start with these files")?;
            return Ok(None);
        }
    };
    print_problems(&config.audience_files.problems(), err)?;
    writeln!(
        err,
        "cambio serve starts with these files, and refuses exchanges for these audiences alone; if it is running, their last \
         good versions stay in force:"
    )?;
    for file in &config.audience_files.broken {
        let audience = file.names.audience.as_deref().map_or_else(|| "unknown".to_owned(), printable);
        writeln!(err, "  audience {audience}, owner {}, {}", file.owner(), printable(&file.path.to_string_lossy()))?;
    }
    Ok(None)
}

fn print_problems(problems: &[Problem], err: &mut dyn Write) -> io::Result<()> {
    for problem in problems {
        writeln!(err, "{problem}")?;
    }
    let files: std::collections::BTreeSet<_> = problems.iter().map(|problem| &problem.file).collect();
    writeln!(err, "{} in {}", count(problems.len(), "problem"), count(files.len(), "file"))
}

fn summary(config: &Config, today: Date, found: &[String], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "upstream {}://{}", config.upstream.scheme, config.upstream.authority)?;
    writeln!(out, "listen   {}, admin {}", config.listen.address, config.admin.address)?;
    for realm in config.realms.values() {
        let from = realm.subject_issuers.join(", ");
        let dialect = match realm.dialect {
            Dialect::Keycloak => String::new(),
            other => format!(" in the dialect {}", other.name()),
        };
        writeln!(
            out,
            "realm    {}: {} at {}{dialect}, subject tokens of {from}",
            realm.name,
            realm.issuer,
            realm.endpoints.as_ref().map_or(&realm.path, |endpoints| &endpoints.token)
        )?;
    }
    for realm in config.realms.values() {
        for (client, methods) in &realm.clients.registered {
            let methods: Vec<_> = methods.iter().map(Method::name).collect();
            writeln!(out, "client   {client} in {}: {}", realm.name, methods.join(", "))?;
        }
    }
    for issuer in config.issuers.values() {
        let preset = issuer.preset.map(|preset| format!(", preset {preset}")).unwrap_or_default();
        writeln!(out, "issuer   {}: {}{preset}", issuer.name, issuer.url)?;
    }
    let realms = config.policy.realms.iter();
    let audiences: Vec<_> = realms.flat_map(|(realm, all)| all.values().map(move |one| (realm, one))).collect();
    let mut warnings: Vec<_> = config.warnings.iter().map(ToString::to_string).collect();
    let of_realms =
        config.realms.values().map(|realm| (format!("realms.{}.observeUntil", realm.name), realm.observed_until));
    let of_audiences =
        audiences.iter().map(|(_, one)| (format!("audience {}: observeUntil", one.name), one.observed_until));
    let observed =
        std::iter::once(("observeUntil".to_owned(), config.observed_until)).chain(of_realms).chain(of_audiences);
    for (place, until) in observed {
        if let Some(last) = until.map(ObservedUntil::last).filter(|last| *last < today) {
            warnings.push(format!("{place} ended with {last}: nothing is observed any more; remove the line"));
        }
    }
    for (realm, audience) in audiences.iter().copied() {
        let (permissions, owner) = (count(audience.permissions.len(), "permission"), &audience.owner);
        let ways: Vec<_> = audience.issuances().iter().map(|one| one.as_str()).collect();
        let issuance = ways.join(" and ");
        writeln!(out, "audience {} in {realm}: owner {owner}, {permissions}, {issuance}", audience.name)?;
        for (index, permission) in audience.permissions.iter().enumerate() {
            // The last day is over.
            if let Some(last) = permission.expires.filter(|last| *last < today) {
                warnings.push(format!("audience {}: permissions[{index}] ended with {last}", audience.name));
            }
        }
    }
    for warning in warnings.iter().chain(found) {
        writeln!(out, "warning  {warning}")?;
    }
    writeln!(
        out,
        "ok       {}, {}, {}, config {}, policy {}",
        count(config.realms.len(), "realm"),
        count(config.issuers.len(), "issuer"),
        count(audiences.len(), "audience"),
        config.hash.get(..12).unwrap_or_default(),
        config.policy.hash.get(..12).unwrap_or_default(),
    )
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(path: &Path, today: Date) -> (bool, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let good = run_at(path, &(), today, &mut out, &mut err).unwrap();
        (good, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// `forward` needs no signing key.
    const MAIN: &str = "\
upstream: { url: 'http://127.0.0.1:8180' }
listen: { address: '127.0.0.1:8080' }
realms: { corp: { issuer: 'https://sso.example.org/realms/corp', subjectIssuers: [corp] } }
";
    const AUDIENCE: &str = "\
audience: back-end-api
owner: payments-team
issuance: forward
permissions: [{ clients: [front-end-app], expires: 2027-06-30 }]
";

    #[test]
    fn says_what_is_loaded() {
        let folder = std::env::temp_dir().join(format!("cambio-check-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("audiences")).unwrap();
        std::fs::write(folder.join("audiences/back-end-api.yaml"), AUDIENCE).unwrap();
        let path = folder.join("cambio.yaml");
        std::fs::write(&path, MAIN).unwrap();
        let (good, out, err) = checked(&path, Date::constant(2026, 1, 1));
        assert!(good, "{err}");
        assert!(out.contains("audience back-end-api in corp: owner payments-team, 1 permission, forward"), "{out}");
        assert!(!out.contains("ended with"), "{out}");
        let (_, out, _) = checked(&path, Date::constant(2030, 1, 1));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(out.contains("warning  audience back-end-api: permissions[0] ended with 2027-06-30"), "{out}");
    }

    #[test]
    fn says_what_is_wrong() {
        let (good, out, err) = checked(Path::new("/nonexistent/cambio.yaml"), Date::constant(2026, 1, 1));
        assert!(!good && out.is_empty());
        assert!(err.starts_with("/nonexistent/cambio.yaml: can't be read"), "{err}");
        assert!(err.ends_with("1 problem in 1 file\ncambio serve does not start with these files\n"), "{err}");
    }
}
