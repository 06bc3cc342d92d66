//! What the command line says.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use ::http::{HeaderValue, Uri};
use lexopt::ValueExt;
use lexopt::prelude::Long;

use super::tokens::{From, Tokens, first_line};
use super::{Trouble, trouble};
use crate::adapters::config::load::Environment;
use crate::tools::conformance::inputs::{Inputs, Need, SuiteClient};
use crate::tools::conformance::table::Format;
use crate::words::oauth::urn::TokenType;
use crate::words::secret::Secret;

/// How the command is called, with all its options.
pub(super) const HELP: &str = "\
Usage: cambio conformance --token-endpoint URL --client-id ID [OPTION…]
  --host NAME                    what Host says, where the server is known by another name than that in URL
  --client-secret-file FILE      the client's secret; else $CAMBIO_CLIENT_SECRET; without either a public client
  --client-auth basic|post       how it usually authenticates; basic unless said
  --subject-token-file FILE      the subject token; else --subject-token-command, else $CAMBIO_SUBJECT_TOKEN
  --subject-token-command CMD    a shell command that prints a fresh one, run again when the token is about to expire
  --subject-token-type TYPE      its type, in full or as access_token (default), id_token, jwt …
  --actor-token-…                the actor token likewise, with --actor-token-type
  --second-actor-token-…, --expired-actor-token-…, --may-act-token-…, --other-may-act-token-…,
  --empty-may-act-token-…, --malformed-may-act-token-…, --expired-subject-token-…, --early-subject-token-…,
  --revoked-subject-token-…, --untrusted-subject-token-…, --id-token-…      tokens for single cases, all likewise
  --audience NAME…  --resource URI…  --scope 'A B'  --unknown-audience NAME
  --issuer URL                   the server's issuer: its metadata and keys are read
  --jwks-url URL                 its keys, if it has no metadata
  --introspection-endpoint URL   where the issued token is asked about: what opaque tokens say, and that it tells the actor
  --introspection-client-id ID, --introspection-client-secret-file FILE
                                 who asks there (secret else $CAMBIO_INTROSPECTION_CLIENT_SECRET); else the client
  --ca FILE | --insecure         whose certificates are trusted; no certificate is checked
  --format table|markdown|json   table unless said
  --only SECTION|ID…             for instance 2.1, 'RFC 6749 5.2' or actor
  --strict                       a SHOULD that is not kept is an exit status of 1, too
  --timeout SECONDS              for each answer, 10 unless said

Secrets and tokens come by file, command or environment ($CAMBIO_ACTOR_TOKEN and so on), never as arguments, which others
can see. Exit status: 0 no MUST was broken, 1 one was or a case had no answer, 2 the suite could not run.
";

/// The command line, understood.
pub(super) struct Arguments {
    endpoint: Uri,
    pub(super) host: Option<HeaderValue>,
    client: SuiteClient,
    /// Where the subject token and the tokens for single cases come from, and what their types are.
    pub(super) tokens: Vec<(Option<Need>, From, String)>,
    audiences: Vec<String>,
    resources: Vec<String>,
    scopes: Vec<String>,
    unknown_audience: String,
    introspection: Option<Uri>,
    introspector: SuiteClient,
    pub(super) issuer: Option<String>,
    pub(super) jwks: Option<String>,
    pub(super) ca: Option<PathBuf>,
    pub(super) insecure: bool,
    pub(super) format: Format,
    pub(super) only: Vec<String>,
    pub(super) strict: bool,
    pub(super) timeout: Duration,
}

/// Options that are given once.
#[derive(Default)]
struct Once(Vec<(String, String)>);

pub(super) fn read(
    arguments: impl Iterator<Item = OsString>,
    environment: &dyn Environment,
) -> Result<Arguments, Trouble> {
    let mut once = Once::default();
    let (mut audiences, mut resources, mut only) = (Vec::new(), Vec::new(), Vec::new());
    let (mut insecure, mut strict) = (false, false);
    let lexopt = |error: lexopt::Error| usage(&error.to_string());
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(lexopt)? {
        let name = match argument {
            Long(name) => name.to_owned(),
            other => return Err(lexopt(other.unexpected())),
        };
        match name.as_str() {
            "insecure" => insecure = true,
            "strict" => strict = true,
            "audience" => audiences.push(text(&mut parser)?),
            "resource" => resources.push(text(&mut parser)?),
            "only" => only.push(text(&mut parser)?),
            other if is_known(other) => once.put(other, text(&mut parser)?)?,
            other => return Err(usage(&format!("no option --{other}"))),
        }
    }
    let ca = once.take("ca").map(PathBuf::from);
    if insecure && ca.is_some() {
        return Err(usage("--insecure trusts everybody, and --ca only some"));
    }
    let endpoint = once.take("token-endpoint").ok_or_else(|| usage("--token-endpoint is missing"))?;
    let tokens = tokens(&mut once, environment)?;
    let client = client(&mut once, environment)?;
    Ok(Arguments {
        endpoint: url("token-endpoint", &endpoint)?,
        host: match once.take("host") {
            None => None,
            Some(name) => Some(name.parse().map_err(|_| usage("--host is a name, and a port if need be"))?),
        },
        introspector: introspector(&mut once, environment, &client)?,
        client,
        tokens,
        audiences,
        resources,
        scopes: once.take("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        unknown_audience: once
            .take("unknown-audience")
            .unwrap_or_else(|| "no-such-audience-of-rfc8693".to_owned()),
        introspection: match once.take("introspection-endpoint") {
            Some(text) => Some(url("introspection-endpoint", &text)?),
            None => None,
        },
        issuer: once.take("issuer"),
        jwks: once.take("jwks-url"),
        ca,
        insecure,
        format: match once.take("format") {
            None => Format::Table,
            Some(name) => Format::from_name(&name)
                .ok_or_else(|| usage("--format is one of table, markdown and json"))?,
        },
        only,
        strict,
        timeout: match once.take("timeout") {
            None => Duration::from_secs(10),
            Some(seconds) => match seconds.parse() {
                Ok(seconds @ 1..=600) => Duration::from_secs(seconds),
                _ => return Err(usage("--timeout is a number of seconds from 1 to 600")),
            },
        },
    })
}

impl Arguments {
    /// What the cases get. Keys and metadata are read later.
    pub(super) fn inputs(&self, tokens: &mut Tokens<'_>) -> Result<Inputs, Trouble> {
        let mut read = tokens.read()?;
        let subject = read.iter().position(|(need, _)| need.is_none());
        let subject = subject.map(|at| read.swap_remove(at).1);
        Ok(Inputs {
            endpoint: self.endpoint.clone(),
            insecure: self.insecure,
            client: self.client.clone(),
            subject: subject.ok_or_else(|| usage(NO_SUBJECT))?,
            tokens: read.into_iter().filter_map(|(need, token)| Some((need?, token))).collect(),
            audiences: self.audiences.clone(),
            resources: self.resources.clone(),
            scopes: self.scopes.clone(),
            unknown_audience: self.unknown_audience.clone(),
            issuer: self.issuer.clone(),
            keys: None,
            metadata: None,
            introspection: self.introspection.clone(),
            introspector: self.introspector.clone(),
        })
    }
}

const NO_SUBJECT: &str =
    "no subject token: give --subject-token-file, --subject-token-command or $CAMBIO_SUBJECT_TOKEN";

const ONCE: [&str; 15] = [
    "token-endpoint",
    "host",
    "client-id",
    "client-secret-file",
    "client-auth",
    "scope",
    "unknown-audience",
    "issuer",
    "jwks-url",
    "introspection-endpoint",
    "introspection-client-id",
    "introspection-client-secret-file",
    "ca",
    "format",
    "timeout",
];

fn is_known(option: &str) -> bool {
    let stem = ["-file", "-command", "-type"].iter().find_map(|end| option.strip_suffix(end));
    ONCE.contains(&option)
        || stem
            .is_some_and(|stem| stem == "subject-token" || Need::TOKENS.iter().any(|(_, name)| *name == stem))
}

fn client(once: &mut Once, environment: &dyn Environment) -> Result<SuiteClient, Trouble> {
    let secret = match once.take("client-secret-file") {
        Some(file) => Some(first_line(&PathBuf::from(file))?),
        None => environment.var("CAMBIO_CLIENT_SECRET").map(Secret::new),
    };
    Ok(SuiteClient {
        id: once.take("client-id").ok_or_else(|| usage("--client-id is missing"))?,
        secret,
        basic: match once.take("client-auth").as_deref() {
            None | Some("basic") => true,
            Some("post") => false,
            Some(_) => return Err(usage("--client-auth is basic or post")),
        },
    })
}

/// Who introspects: another client, if one is named.
fn introspector(
    once: &mut Once,
    environment: &dyn Environment,
    client: &SuiteClient,
) -> Result<SuiteClient, Trouble> {
    let file = once.take("introspection-client-secret-file");
    let Some(id) = once.take("introspection-client-id") else {
        return match file {
            Some(_) => Err(usage("--introspection-client-id is missing")),
            None => Ok(client.clone()),
        };
    };
    let secret = match file {
        Some(file) => Some(first_line(&PathBuf::from(file))?),
        None => environment.var("CAMBIO_INTROSPECTION_CLIENT_SECRET").map(Secret::new),
    };
    Ok(SuiteClient { id, secret, basic: client.basic })
}

fn tokens(
    once: &mut Once,
    environment: &dyn Environment,
) -> Result<Vec<(Option<Need>, From, String)>, Trouble> {
    let named = Need::TOKENS.iter().map(|(need, name)| (Some(*need), *name));
    let mut found = Vec::new();
    let mut usual = TokenType::AccessToken.urn().to_owned();
    for (need, name) in std::iter::once((None, "subject-token")).chain(named) {
        let (file, command) = (once.take(&format!("{name}-file")), once.take(&format!("{name}-command")));
        let kind = match once.take(&format!("{name}-type")) {
            None if need == Some(Need::IdToken) => TokenType::IdToken.urn().to_owned(),
            None => usual.clone(),
            Some(kind) => TokenType::from_name(&kind).map_or(kind, |kind| kind.urn().to_owned()),
        };
        if need.is_none() {
            usual.clone_from(&kind);
        }
        let variable = format!("CAMBIO_{}", name.to_ascii_uppercase().replace('-', "_"));
        let from = match (file, command) {
            (Some(_), Some(_)) => {
                return Err(usage(&format!("--{name}-file and --{name}-command are two tokens")));
            }
            (Some(file), None) => From::File(PathBuf::from(file)),
            (None, Some(command)) => From::Command(command),
            (None, None) => match environment.var(&variable) {
                Some(text) => From::Text(Secret::new(text)),
                None => continue,
            },
        };
        found.push((need, from, kind));
    }
    if found.iter().any(|(need, ..)| need.is_none()) { Ok(found) } else { Err(usage(NO_SUBJECT)) }
}

impl Once {
    fn put(&mut self, name: &str, value: String) -> Result<(), Trouble> {
        if self.0.iter().any(|(other, _)| other == name) {
            return Err(usage(&format!("--{name} stands twice")));
        }
        self.0.push((name.to_owned(), value));
        Ok(())
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(other, _)| other == name)?;
        Some(self.0.swap_remove(at).1)
    }
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Trouble> {
    parser.value().and_then(ValueExt::string).map_err(|error| usage(&error.to_string()))
}

fn url(option: &str, text: &str) -> Result<Uri, Trouble> {
    let uri: Uri = text.parse().map_err(trouble)?;
    let web = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    let plain = uri.query().is_none() && !text.contains(['#', '@']);
    if web && plain {
        Ok(uri)
    } else {
        Err(usage(&format!("--{option} is an http or https URL without query, fragment and credentials")))
    }
}

fn usage(problem: &str) -> Trouble {
    Trouble(format!("{problem}; see `cambio conformance --help`"))
}
