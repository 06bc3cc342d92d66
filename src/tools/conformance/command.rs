//! `cambio conformance`: tests any token endpoint against RFC 8693.

mod arguments;
mod http;
mod token_options;
mod tokens;

use std::io::Write as _;
use std::process::ExitCode;

pub use self::arguments::ConformanceArguments;
use self::http::Asker;
use self::tokens::Tokens;
use super::answer::Observation;
use super::case::{CaseStep, ConformanceCase};
use super::cases;
use super::inputs::Inputs;
use super::request::{CaseRequest, Destination};
use super::table::{self, Row};
use super::verdict::CaseVerdict;
use crate::adapters::config::load::{Environment, ProcessEnvironment};
use crate::tools::failure::CommandFailure;

/// Runs the suite and prints its results. Exit status 0: no MUST was broken, 1: one was, or a case had no answer.
///
/// # Errors
/// The suite could not run: an input or the keys can't be read.
pub fn run(arguments: &ConformanceArguments) -> Result<ExitCode, CommandFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let rows = runtime.map_err(CommandFailure::of)?.block_on(all(arguments, &ProcessEnvironment))?;
    let mut out = std::io::stdout().lock();
    // A reader that closed the pipe early, such as `head`, is no failure.
    let _ = out.write_all(arguments.format.render(&rows).as_bytes()).and_then(|()| out.flush());
    let good = table::conforms(&rows) && !(arguments.strict && warned(&rows));
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn warned(rows: &[Row]) -> bool {
    rows.iter().any(|(_, verdict)| matches!(verdict, CaseVerdict::Warn(_)))
}

async fn all(arguments: &ConformanceArguments, environment: &dyn Environment) -> Result<Vec<Row>, CommandFailure> {
    let tokens = Tokens::new(arguments.tokens.sources(environment));
    let inputs = arguments.inputs(environment, &tokens)?;
    let mut suite = Suite { asker: Asker::new(arguments)?, inputs, answers: Vec::new() };
    suite.asker.about(&mut suite.inputs, arguments).await?;
    let mut rows = Vec::new();
    for case in cases::all().filter(|case| cases::chosen(case, &arguments.only)) {
        tokens.renew(&mut suite.inputs, suite.asker.now())?;
        rows.push((case, suite.run(case).await));
    }
    if rows.is_empty() {
        return Err(CommandFailure("--only names no case and no section".to_owned()));
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

    /// The answer to a request. A request that was sent before is not sent again.
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
