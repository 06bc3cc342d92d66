//! `cambio test`: tests of audience files, which stand beside them.

mod coverage;
mod expectation;
mod file;
mod report;
mod stand_in;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;

use self::coverage::Coverage;
use self::file::TestFile;
use self::report::{Report, TestOutcome};
use crate::adapters::config::load::{Environment, ProcessEnvironment, test_files};
use crate::tools::config_file::ConfigFileArguments;
use crate::tools::explain::{Gate, time};
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

const AFTER_HELP: &str = "\
Tests are in files whose names end in .test.yaml, in the folder of the audience files:
  audience: back-end-api
  tests:
    - name: front-end-app gets the user's own roles
      request: { client: front-end-app, scope: email, claims: { sub: alice } }
      expect: { allowed: true, scope: email }
Without --config and without ./cambio.yaml, the folder of the first test file is tested alone. The realm is a
stand-in, which signs, and trusts the issuers that the permissions name.
Exit status: 0 all tests pass, 1 a test fails, 2 the tests can't be run.";

/// The arguments of `cambio test`.
#[derive(Debug, Parser)]
#[command(after_help = AFTER_HELP)]
pub struct TestArguments {
    #[command(flatten)]
    config: ConfigFileArguments,
    /// Test files; without them every *.test.yaml in the folder of the audience files
    files: Vec<PathBuf>,
    /// Fail if a permission, a condition or a role rule of a tested audience is in no test
    #[arg(long)]
    strict: bool,
    /// Decide as of this time, such as 2027-01-31T12:00:00Z, if a file states none
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t)]
    output: ReportForm,
}

/// The form of a report.
#[expect(clippy::doc_markdown, reason = "a help text shows no Markdown")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReportForm {
    /// In words
    #[default]
    Text,
    /// JUnit XML
    Junit,
}

/// Runs the tests. Exit status 0: all pass, 1: one fails.
pub fn run(arguments: &TestArguments) -> Result<ExitCode, CommandFailure> {
    let passed = run_with(arguments, &ProcessEnvironment, &Clock::System, &mut io::stdout().lock())?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_with(
    arguments: &TestArguments,
    environment: &dyn Environment,
    clock: &Clock,
    out: &mut dyn Write,
) -> Result<bool, CommandFailure> {
    let gate = match arguments.config.found(environment) {
        Some(config) => Gate::load(&config, environment)?,
        None => stand_in::gate(arguments.folder(), environment)?,
    };
    let paths = arguments.paths(&gate)?;
    let now = arguments.at.unwrap_or_else(|| clock.now());
    let mut report = Report::default();
    let mut coverage = Coverage::default();
    for path in &paths {
        let file = TestFile::read(path)?;
        for test in &file.tests {
            let question = file.question(test);
            let explanation = gate.explain(&question, file.at.unwrap_or(now));
            let explanation =
                explanation.map_err(|error| CommandFailure(format!("{}: {}: {error}", path.display(), test.name)))?;
            coverage.add(&explanation);
            report.add(TestOutcome::of(path, test, &explanation));
        }
    }
    report.untested = coverage.untested(&gate);
    let text = match arguments.output {
        ReportForm::Text => report.to_string(),
        ReportForm::Junit => report.junit(),
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CommandFailure::of)?;
    Ok(report.passes() && (!arguments.strict || report.untested.is_empty()))
}

impl TestArguments {
    /// The folder of the first test file, or this one.
    fn folder(&self) -> &Path {
        let parent = self.files.first().and_then(|file| file.parent());
        parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn paths(&self, gate: &Gate) -> Result<Vec<PathBuf>, CommandFailure> {
        if !self.files.is_empty() {
            return Ok(self.files.clone());
        }
        let folder = gate.generation().config.sources.audiences.clone().unwrap_or_default();
        let files = test_files(&folder).map_err(|error| CommandFailure(format!("{}: {error}", folder.display())))?;
        if files.is_empty() {
            return Err(CommandFailure(format!("no file in {} ends in .test.yaml", Path::display(&folder))));
        }
        Ok(files)
    }
}
