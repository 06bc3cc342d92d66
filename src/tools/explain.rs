//! `cambio explain`: what the gate would decide about a request, and why.

mod gate;
mod line;
mod pasted;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use jiff::Timestamp;
use serde_json::{Map, Value};

pub use self::gate::Gate;
pub(in crate::tools) use self::line::AuditLine;
use self::pasted::Pasted;
use crate::adapters::config::load::{Environment, ProcessEnvironment};
use crate::edge::explain::explanation::Explanation;
use crate::edge::explain::question::ExplainQuestion;
use crate::judgement::jose::jws::MAX_TOKEN_BYTES;
use crate::tools::config_file::ConfigFileArguments;
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;
use crate::words::oauth::json;
use crate::words::secret::Secret;

const EXAMPLES: &str = "\
Examples:
  cambio explain --client front-end-app --audience back-end-api --claims claims.json
  cambio explain --client front-end-app --audience back-end-api < token.jwt
  cambio explain --request - < request.txt      a pasted curl command, or the body of a request
  cambio explain --id 01a20ca7-… --audit-log audit.json < token.jwt
Exit status: 0 allowed, 1 refused, 2 no answer.";

/// What a pasted request states itself.
const STATED: [&str; 7] =
    ["client", "audience", "resource", "scope", "claims", "subject_token_type", "requested_token_type"];

/// The arguments of `cambio explain`.
#[expect(clippy::doc_markdown, reason = "a help text shows no Markdown")]
#[derive(Debug, Parser)]
#[command(after_help = EXAMPLES)]
pub struct ExplainArguments {
    #[command(flatten)]
    config: ConfigFileArguments,
    /// The realm's name in cambio.yaml; without it the only realm
    #[arg(long)]
    realm: Option<String>,
    /// The client that requests the exchange
    #[arg(long)]
    client: Option<String>,
    /// A requested audience; can be repeated
    #[arg(long)]
    audience: Vec<String>,
    /// A requested resource; can be repeated
    #[arg(long)]
    resource: Vec<String>,
    /// The requested scope: "email profile"
    #[arg(long)]
    scope: Option<String>,
    /// Read the subject token's claims from this JSON file, not a token from standard input
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// Read the actor token's claims from this JSON file
    #[arg(long, value_name = "FILE")]
    actor_claims: Option<PathBuf>,
    /// The type of the subject token, such as id_token; without it access_token
    #[arg(long, value_name = "TYPE")]
    subject_token_type: Option<String>,
    /// The type of the requested token, such as refresh_token; without it access_token
    #[arg(long, value_name = "TYPE")]
    requested_token_type: Option<String>,
    /// Read a curl command or the body of a request from this file, or from standard input (-)
    #[arg(long, value_name = "FILE", conflicts_with_all = STATED)]
    request: Option<PathBuf>,
    /// Take realm, client, audiences and scope from the line of the audit log with this id
    #[arg(long, requires = "audit_log", conflicts_with = "request")]
    id: Option<String>,
    /// The audit log
    #[arg(long, value_name = "FILE", requires = "id")]
    audit_log: Option<PathBuf>,
    /// Decide as of this time, such as 2027-01-31T12:00:00Z, instead of now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// The form of the answer
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// In words
    #[default]
    Text,
    /// As JSON
    Json,
}

/// Explains the decision about a request. Exit status 0: the request is allowed, 1: it is not.
pub fn run(arguments: &ExplainArguments) -> Result<ExitCode, CommandFailure> {
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    let allowed = run_with(arguments, &ProcessEnvironment, &Clock::System, &mut input, &mut out)?;
    Ok(if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_with(
    arguments: &ExplainArguments,
    environment: &dyn Environment,
    clock: &Clock,
    input: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<bool, CommandFailure> {
    let gate = Gate::load(&arguments.config.path(environment)?, environment)?;
    let now = arguments.at.unwrap_or_else(|| clock.now());
    let question = arguments.question(&gate, input, out)?;
    let explanation = gate.explain(&question, now)?;
    write(&explanation, arguments.output, out).map_err(CommandFailure::of)?;
    Ok(explanation.allowed)
}

fn write(explanation: &Explanation, output: Output, out: &mut dyn Write) -> io::Result<()> {
    match output {
        Output::Text => write!(out, "{explanation}")?,
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(explanation)?)?,
    }
    out.flush()
}

impl ExplainArguments {
    /// The question, with what standard input says.
    fn question(
        &self,
        gate: &Gate,
        input: &mut dyn Read,
        out: &mut dyn Write,
    ) -> Result<ExplainQuestion, CommandFailure> {
        let mut question = ExplainQuestion::default();
        if let (Some(id), Some(log)) = (&self.id, &self.audit_log) {
            let line = line::find(log, id)?;
            if self.output == Output::Text {
                write!(out, "{line}").map_err(CommandFailure::of)?;
            }
            line.ask(&mut question);
        }
        if let Some(file) = &self.request {
            let text = if file.as_os_str() == "-" { standard_input(input)? } else { Secret::new(read(file)?) };
            Pasted::read(&text)?.ask(&mut question, gate);
        }
        let or = |stated: &Option<String>, found: Option<String>| stated.clone().or(found);
        question.realm = or(&self.realm, question.realm);
        question.client = or(&self.client, question.client);
        question.scope = or(&self.scope, question.scope);
        question.subject_token_type = or(&self.subject_token_type, question.subject_token_type);
        question.requested_token_type = or(&self.requested_token_type, question.requested_token_type);
        if !self.audience.is_empty() || !self.resource.is_empty() {
            (question.audience, question.resource) = (self.audience.clone(), self.resource.clone());
        }
        question.claims = self.claims.as_deref().map(claims).transpose()?;
        question.actor_claims = self.actor_claims.as_deref().map(claims).transpose()?;
        if question.claims.is_none() && question.form.is_none() {
            question.subject_token = Some(standard_input(input)?);
        }
        Ok(question)
    }
}

fn claims(file: &Path) -> Result<Map<String, Value>, CommandFailure> {
    let text = read(file)?;
    json::object(text.as_bytes()).map_err(|error| CommandFailure(format!("{}: {error}", file.display())))
}

fn read(file: &Path) -> Result<String, CommandFailure> {
    std::fs::read_to_string(file).map_err(|error| CommandFailure(format!("{}: {error}", file.display())))
}

/// A token or request on standard input, without the white space around it.
fn standard_input(input: &mut dyn Read) -> Result<Secret, CommandFailure> {
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    let limit = u64::try_from(2 * MAX_TOKEN_BYTES).unwrap_or(u64::MAX);
    input.take(limit).read_to_end(&mut bytes).map_err(CommandFailure::of)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| CommandFailure("standard input is not UTF-8".to_owned()))?;
    if text.trim().is_empty() {
        let text = "standard input is empty: write the subject token to it, or name --claims FILE or --request FILE";
        return Err(CommandFailure(text.to_owned()));
    }
    Ok(Secret::new(text.trim()))
}

pub(crate) fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "a time is written as 2027-01-31T12:00:00Z")
}
