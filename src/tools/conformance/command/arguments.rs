//! The arguments of `cambio conformance`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ::http::{HeaderValue, Uri};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, value_parser};

use super::token_options::TokenArguments;
use super::tokens::{Tokens, first_line};
use crate::adapters::config::load::Environment;
use crate::tools::conformance::inputs::{Inputs, SuiteClient};
use crate::tools::conformance::table::Format;
use crate::tools::failure::CommandFailure;
use crate::words::secret::Secret;

const NOTES: &str = "\
Secrets and tokens come from files, commands or the environment ($CAMBIO_SUBJECT_TOKEN, $CAMBIO_ACTOR_TOKEN and so on),
never from arguments, which other users of the machine can see. Commands run again when their token is about to expire.

Exit status: 0 no MUST was broken, 1 one was or a case had no answer, 2 the suite could not run.";

/// The arguments of `cambio conformance`.
#[expect(clippy::doc_markdown, reason = "a help text shows no Markdown")]
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub struct ConformanceArguments {
    /// Token endpoint
    #[arg(long, value_name = "URL", value_parser = url)]
    token_endpoint: Uri,
    /// Host header, if the server is known by another name than the one in the URL
    #[arg(long, value_name = "NAME", value_parser = host)]
    pub(super) host: Option<HeaderValue>,
    /// Client that exchanges
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    client_id: String,
    /// File with the client's secret; else $CAMBIO_CLIENT_SECRET; without either the client is public
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// How the client usually authenticates
    #[arg(long, value_name = "METHOD", default_value = "basic")]
    client_auth: ClientAuthentication,
    #[command(flatten)]
    pub(super) tokens: TokenArguments,
    /// Audience that the client may ask for; can be given twice
    #[arg(long = "audience", value_name = "NAME", allow_hyphen_values = true)]
    audiences: Vec<String>,
    /// Resource that the client may ask for; can be given several times
    #[arg(long = "resource", value_name = "URI", allow_hyphen_values = true)]
    resources: Vec<String>,
    /// Scopes that the client may ask for, separated by spaces
    #[arg(long, value_name = "SCOPES", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    scope: String,
    /// Name that is no audience
    #[arg(long, value_name = "NAME", default_value = "no-such-audience-of-rfc8693", allow_hyphen_values = true)]
    unknown_audience: String,
    /// Issuer of the server, whose metadata and keys are read
    #[arg(long, value_name = "URL")]
    pub(super) issuer: Option<String>,
    /// Keys of the server, if it has no metadata
    #[arg(long, value_name = "URL")]
    pub(super) jwks_url: Option<String>,
    /// Introspection endpoint, which is asked about the issued tokens
    #[arg(long, value_name = "URL", value_parser = url)]
    introspection_endpoint: Option<Uri>,
    /// Client that introspects; without it the client that exchanges
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    introspection_client_id: Option<String>,
    /// File with the secret of that client; else $CAMBIO_INTROSPECTION_CLIENT_SECRET
    #[arg(long, value_name = "FILE", requires = "introspection_client_id")]
    introspection_client_secret_file: Option<PathBuf>,
    /// Trusted certificates (PEM), instead of the system's
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(super) ca: Option<PathBuf>,
    /// Check no certificates
    #[arg(long, overrides_with = "insecure")]
    pub(super) insecure: bool,
    /// Format of the results
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format())]
    pub(super) format: Format,
    /// Section or case to run, such as 2.1, 'RFC 6749 5.2' or actor; can be given several times
    #[arg(long, value_name = "SECTION|ID")]
    pub(super) only: Vec<String>,
    /// Exit with status 1 if a SHOULD is broken, too
    #[arg(long, overrides_with = "strict")]
    pub(super) strict: bool,
    /// Time limit for each answer, from 1 to 600
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = value_parser!(u64).range(1..=600))]
    timeout: u64,
}

/// How a client sends its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ClientAuthentication {
    /// In the Authorization header
    Basic,
    /// In the form
    Post,
}

impl ConformanceArguments {
    /// The inputs of the cases. Keys and metadata are read later.
    ///
    /// # Errors
    /// There is no subject token, or a file or a command gives nothing.
    pub(super) fn inputs(&self, environment: &dyn Environment, tokens: &Tokens) -> Result<Inputs, CommandFailure> {
        let client = self.client(environment)?;
        Ok(Inputs {
            endpoint: self.token_endpoint.clone(),
            insecure: self.insecure,
            introspector: self.introspector(environment, &client)?,
            client,
            subject: tokens.subject()?.ok_or_else(|| CommandFailure(NO_SUBJECT.to_owned()))?,
            tokens: tokens.for_cases()?,
            audiences: self.audiences.clone(),
            resources: self.resources.clone(),
            scopes: self.scope.split_whitespace().map(str::to_owned).collect(),
            unknown_audience: self.unknown_audience.clone(),
            issuer: self.issuer.clone(),
            keys: None,
            metadata: None,
            introspection: self.introspection_endpoint.clone(),
        })
    }

    /// The time limit for each answer.
    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    fn client(&self, environment: &dyn Environment) -> Result<SuiteClient, CommandFailure> {
        Ok(SuiteClient {
            id: self.client_id.clone(),
            secret: secret(self.client_secret_file.as_deref(), "CAMBIO_CLIENT_SECRET", environment)?,
            basic: self.client_auth == ClientAuthentication::Basic,
        })
    }

    /// The client that introspects.
    fn introspector(&self, environment: &dyn Environment, client: &SuiteClient) -> Result<SuiteClient, CommandFailure> {
        let Some(id) = self.introspection_client_id.clone() else { return Ok(client.clone()) };
        let file = self.introspection_client_secret_file.as_deref();
        let secret = secret(file, "CAMBIO_INTROSPECTION_CLIENT_SECRET", environment)?;
        Ok(SuiteClient { id, secret, basic: client.basic })
    }
}

const NO_SUBJECT: &str =
    "no subject token: give --subject-token-file, --subject-token-command or $CAMBIO_SUBJECT_TOKEN";

/// A secret from a file, else from the environment.
fn secret(
    file: Option<&Path>,
    variable: &str,
    environment: &dyn Environment,
) -> Result<Option<Secret>, CommandFailure> {
    match file {
        Some(file) => first_line(file).map(Some),
        None => Ok(environment.var(variable).map(Secret::new)),
    }
}

fn url(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error: ::http::uri::InvalidUri| error.to_string())?;
    let web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if web && uri.query().is_none() && !text.contains(['#', '@']) {
        Ok(uri)
    } else {
        Err("an http or https URL without query, fragment and credentials is needed".to_owned())
    }
}

fn host(name: &str) -> Result<HeaderValue, &'static str> {
    name.parse().map_err(|_| "a host is a name, with a port if necessary")
}

fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(["table", "markdown", "json"])
        .try_map(|name| Format::from_name(&name).ok_or("there is no such format"))
}
