//! `cambio conformance`: what RFC 8693 asks of a token endpoint, put to any.

mod arguments;
mod http;
mod tokens;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use crate::adapters::config::load::{Environment, ProcessEnvironment};
use crate::tools::conformance::answer::Observation;
use crate::tools::conformance::case::{CaseStep, ConformanceCase};
use crate::tools::conformance::cases;
use crate::tools::conformance::inputs::Inputs;
use crate::tools::conformance::request::{CaseRequest, Destination};
use crate::tools::conformance::table::{self, Row};
use crate::tools::conformance::verdict::CaseVerdict;
use arguments::Arguments;
use http::Asker;
use tokens::Tokens;

/// What `cambio conformance --help` prints.
pub const HELP: &str = arguments::HELP;

/// The suite could not run: wrong arguments, an input that can't be read, no keys. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Trouble(String);

/// Runs the suite and prints its results. Exit status 0: no MUST was broken, 1: one was, or a case had no answer,
/// 2: it could not run.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match run_with(arguments, &ProcessEnvironment) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("cambio: {trouble}");
            ExitCode::from(2)
        }
    }
}

fn run_with(
    arguments: impl Iterator<Item = OsString>,
    environment: &dyn Environment,
) -> Result<bool, Trouble> {
    let arguments = arguments::read(arguments, environment)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(trouble)?;
    let rows = runtime.block_on(all(&arguments))?;
    let mut out = std::io::stdout().lock();
    // Whoever reads through `head` has seen enough.
    let _ = out.write_all(arguments.format.render(&rows).as_bytes()).and_then(|()| out.flush());
    Ok(table::conforms(&rows) && !(arguments.strict && warned(&rows)))
}

fn warned(rows: &[Row]) -> bool {
    rows.iter().any(|(_, verdict)| matches!(verdict, CaseVerdict::Warn(_)))
}

async fn all(arguments: &Arguments) -> Result<Vec<Row>, Trouble> {
    let mut tokens = Tokens::new(&arguments.tokens);
    let mut suite =
        Suite { asker: Asker::new(arguments)?, inputs: arguments.inputs(&mut tokens)?, answers: Vec::new() };
    suite.asker.about(&mut suite.inputs, arguments).await?;
    let mut rows = Vec::new();
    for case in cases::all().filter(|case| cases::chosen(case, &arguments.only)) {
        tokens.renew(&mut suite.inputs, suite.asker.now())?;
        rows.push((case, suite.run(case).await));
    }
    if rows.is_empty() {
        return Err(Trouble("--only names no case and no section".to_owned()));
    }
    Ok(rows)
}

/// What the cases share: the connection to the server, the inputs, and the answers so far.
struct Suite {
    asker: Asker,
    inputs: Inputs,
    answers: Vec<(CaseRequest, Observation)>,
}

impl Suite {
    async fn run(&mut self, case: &ConformanceCase) -> CaseVerdict {
        let mut seen = Vec::new();
        loop {
            match case.next(&self.inputs, &seen) {
                CaseStep::Done(verdict) => return verdict,
                CaseStep::Ask(request) => match self.ask(*request).await {
                    Ok(answer) => seen.push(answer),
                    Err(error) => return CaseVerdict::Error(error),
                },
            }
        }
    }

    /// What was asked before is not asked again.
    async fn ask(&mut self, request: CaseRequest) -> Result<Observation, String> {
        if let Some((_, answer)) = self.answers.iter().find(|(before, _)| before.same(&request)) {
            return Ok(answer.clone());
        }
        let mut answer = self.asker.ask(&self.inputs, &request).await?;
        if request.endpoint == Destination::Token {
            self.asker.introspect(&self.inputs, &mut answer).await;
        }
        self.answers.push((request, answer.clone()));
        Ok(answer)
    }
}

fn trouble(error: impl std::fmt::Display) -> Trouble {
    Trouble(error.to_string())
}
