//! `cambio check`: reads the configuration as `serve` would, and prints every problem, or what is loaded.

mod files;
mod findings;
mod online;
mod sarif;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use jiff::civil::Date;
use jiff::tz::Offset;

use self::files::FilesReport;
use self::findings::{Findings, FindingsForm, count, ended_permissions, print_problems};
pub use self::online::{OnlineFindings, ask};
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

const AFTER_HELP: &str = "\
With FILE, no other file is read but that of --config, and no secret is needed:
  cambio check audiences/orders.yaml
  cambio check --config cambio.yaml audiences/orders.yaml
With --online, a problem is also what makes exchanges fail at the identity provider, and
what leads callers past Cambio. The probes of token endpoints have no token and no
credentials.
Exit status: 0 no problem, 1 problems.";

const AFTER_DOCTOR_HELP: &str = "\
Reads only: the probes of token endpoints have no token and no credentials.
Exit status: 0 no problem, 1 exchanges fail, callers get past Cambio, or the files have problems.";

/// The arguments of `cambio check`.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
pub struct CheckArguments {
    #[command(flatten)]
    config: ConfigFileArguments,
    /// Audience files to check alone, or, with --config, against that cambio.yaml
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also ask the identity provider and the issuers whether they are set up for what the files say
    #[arg(long, conflicts_with = "files")]
    online: bool,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: FindingsForm,
}

/// The arguments of `cambio doctor`: `cambio check --online`.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_DOCTOR_HELP)]
pub struct DoctorArguments {
    #[command(flatten)]
    config: ConfigFileArguments,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: FindingsForm,
}

impl From<DoctorArguments> for CheckArguments {
    fn from(arguments: DoctorArguments) -> Self {
        let DoctorArguments { config, output } = arguments;
        Self { config, files: Vec::new(), online: true, output }
    }
}

/// Checks the files and prints every problem, or what is loaded. Exit status 1: there are problems.
pub fn run(arguments: &CheckArguments) -> Result<ExitCode, CommandFailure> {
    let today = Offset::UTC.to_datetime(Clock::System.now()).date();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let good = run_with(arguments, &ProcessEnvironment, today, &mut Streams { out: &mut out, err: &mut err })?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Standard output and standard error.
struct Streams<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

fn run_with(
    arguments: &CheckArguments,
    env: &dyn Environment,
    today: Date,
    streams: &mut Streams<'_>,
) -> Result<bool, CommandFailure> {
    let Streams { out, err } = streams;
    if !arguments.files.is_empty() {
        let report = FilesReport::of(&arguments.files, arguments.config.named(), env, today);
        if arguments.output == FindingsForm::Text {
            report.write(*out, *err).map_err(CommandFailure::of)?;
        }
        return finish(&report.findings, arguments.output, *out);
    }
    let path = arguments.config.path(env)?;
    if arguments.output != FindingsForm::Text {
        let findings = findings(&path, env, arguments.online, today)?;
        return finish(&findings, arguments.output, *out);
    }
    let Some(config) = good(&path, env, *err).map_err(CommandFailure::of)? else {
        return Ok(false);
    };
    let config = Arc::new(config);
    let further = Further::of(&config, arguments.online.then_some(path.as_path()))?;
    summary(&config, today, &further, *out).map_err(CommandFailure::of)?;
    // The process ends. Freeing a large policy takes long, and nobody gains.
    std::mem::forget(config);
    let problems = &further.online.problems;
    if problems.is_empty() {
        return Ok(true);
    }
    out.flush().map_err(CommandFailure::of)?;
    print_problems(problems, *err).map_err(CommandFailure::of)?;
    Ok(false)
}

/// Prints the findings unless the form is text, and says whether there is no problem.
fn finish(findings: &Findings, form: FindingsForm, out: &mut dyn Write) -> Result<bool, CommandFailure> {
    let document = match form {
        FindingsForm::Text => None,
        FindingsForm::Json => Some(findings.json()),
        FindingsForm::Sarif => Some(sarif::sarif(findings)),
    };
    if let Some(document) = document {
        writeln!(out, "{document:#}").map_err(CommandFailure::of)?;
    }
    Ok(findings.is_good())
}

/// What is found in all files of a configuration.
fn findings(path: &Path, env: &dyn Environment, online: bool, today: Date) -> Result<Findings, CommandFailure> {
    let config = match load(path, env) {
        Ok(config) => config,
        Err(problems) => return Ok(Findings { problems, ..Findings::default() }),
    };
    let problems = config.audience_files.problems();
    let config = Arc::new(config);
    let online = (online && problems.is_empty()).then_some(path);
    let Further { shortage, online } =
        if problems.is_empty() { Further::of(&config, online)? } else { Further::default() };
    let mut warnings = [config.warnings.as_slice(), &ended(&config, today)].concat();
    warnings.sort();
    std::mem::forget(config);
    let notes = shortage.into_iter().collect();
    Ok(Findings { problems, warnings, notes, online })
}

/// What no file says.
#[derive(Default)]
struct Further {
    /// The file descriptors that are missing.
    shortage: Option<String>,
    online: OnlineFindings,
}

impl Further {
    /// `online`: the `cambio.yaml` to ask about.
    fn of(config: &Arc<Config>, online: Option<&Path>) -> Result<Self, CommandFailure> {
        let online = match online {
            None => OnlineFindings::default(),
            Some(file) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(CommandFailure::of)?;
                let found = runtime.block_on(online::ask(config, file, &Clock::System));
                // The system may still look a name up, and nobody waits for the answer any more.
                runtime.shutdown_background();
                found?
            }
        };
        let shortage = descriptors::shortage(descriptors::highest_limit(), config.listen.max_connections);
        Ok(Self { shortage, online })
    }
}

/// The permissions that ended before `today` (UTC).
fn ended(config: &Config, today: Date) -> Vec<Problem> {
    let files = config.audience_files.in_force.iter();
    files
        .flat_map(|(path, version)| {
            let permissions = version.audience.permissions.iter();
            ended_permissions(path, &version.bytes, permissions.map(|one| one.expires), today)
        })
        .collect()
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
    summary(&config, today, &Further::default(), out)?;
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

fn summary(config: &Config, today: Date, further: &Further, out: &mut dyn Write) -> io::Result<()> {
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
    let warnings = config.warnings.iter().cloned().chain(ended(config, today)).map(|warning| warning.to_string());
    let warnings = warnings.chain(ended_observing(config, today));
    for (realm, audience) in audiences.iter().copied() {
        let (permissions, owner) = (count(audience.permissions.len(), "permission"), &audience.owner);
        let ways: Vec<_> = audience.issuances().iter().map(|one| one.as_str()).collect();
        let issuance = ways.join(" and ");
        writeln!(out, "audience {} in {realm}: owner {owner}, {permissions}, {issuance}", audience.name)?;
    }
    let Further { shortage, online } = further;
    online.seen.iter().try_for_each(|line| writeln!(out, "keys     {}", printable(line)))?;
    let warnings = warnings.chain(online.warnings.iter().map(ToString::to_string));
    for warning in warnings.chain(shortage.iter().cloned()) {
        writeln!(out, "warning  {warning}")?;
    }
    online.notes.iter().try_for_each(|note| writeln!(out, "note     {note}"))?;
    if !online.problems.is_empty() {
        return Ok(());
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

/// A warning for everything whose last day of observing (UTC) was before `today`.
fn ended_observing(config: &Config, today: Date) -> impl Iterator<Item = String> {
    let realms = config.realms.values().map(|one| (format!("realms.{}.observeUntil", one.name), one.observed_until));
    let audiences = config.policy.realms.values().flat_map(|realm| realm.values());
    let audiences = audiences.map(|one| (format!("audience {}: observeUntil", one.name), one.observed_until));
    let all = std::iter::once(("observeUntil".to_owned(), config.observed_until)).chain(realms).chain(audiences);
    all.filter_map(move |(place, until)| {
        let last = until.map(ObservedUntil::last).filter(|last| *last < today)?;
        Some(format!("{place} ended with {last}: nothing is observed any more; remove the line"))
    })
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
        assert!(
            out.contains("back-end-api.yaml:4:52: permissions[0].expires: the permission ended with 2027-06-30"),
            "{out}"
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let (good, out, err) = checked(Path::new("/nonexistent/cambio.yaml"), Date::constant(2026, 1, 1));
        assert!(!good && out.is_empty());
        assert!(err.starts_with("/nonexistent/cambio.yaml: can't be read"), "{err}");
        assert!(err.ends_with("1 problem in 1 file\ncambio serve does not start with these files\n"), "{err}");
    }
}
