//! What the command line says.

use std::ffi::OsString;
use std::path::PathBuf;

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use lexopt::prelude::{Long, Short};

use super::{SUPPORTED, Trouble, config_file};
use crate::adapters::config::load::Environment;
use crate::judgement::jose::jws;

/// How the command is called.
pub const USAGE: &str = "\
cambio verify --jwks FILE [--iss ISS] [--aud AUD…] [--alg LIST] [--jws] [--at TIME] [--claims] < TOKEN
cambio verify [--config FILE] [--issuer NAME] [--client ID] [--at TIME] [--claims] < TOKEN";

/// The command line, understood.
pub(super) struct Arguments {
    pub(super) by: By,
    /// `--iss`
    pub(super) issuer: Option<String>,
    /// `--aud`
    pub(super) audiences: Vec<String>,
    /// `--alg`, or all that are supported.
    pub(super) algorithms: Vec<Algorithm>,
    /// `--client`
    pub(super) client: Option<String>,
    /// `--jws`
    pub(super) jws: bool,
    /// `--claims`
    pub(super) claims: bool,
    /// `--at`
    pub(super) at: Option<Timestamp>,
}

/// What the token is held to.
pub(super) enum By {
    /// A key set in a file.
    Jwks(PathBuf),
    /// A configuration, and which of its realms and issuers; without a name, the one that the token's `iss` says.
    Config { file: PathBuf, issuer: Option<String> },
}

pub(super) fn read(
    arguments: impl Iterator<Item = OsString>,
    environment: &dyn Environment,
) -> Result<Arguments, Trouble> {
    let (mut key_set, mut config, mut name) = (None, None, None);
    let (mut issuer, mut audiences, mut algorithms) = (None, Vec::new(), Vec::new());
    let (mut client, mut jws, mut claims, mut at) = (None, false, false, None);
    let lexopt = |error: lexopt::Error| usage(&error.to_string());
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(lexopt)? {
        match argument {
            Long("jwks") => key_set = Some(PathBuf::from(text(&mut parser)?)),
            Short('c') | Long("config") => config = Some(PathBuf::from(text(&mut parser)?)),
            Long("issuer") => name = Some(text(&mut parser)?),
            Long("iss") => issuer = Some(text(&mut parser)?),
            Long("aud") => audiences.push(text(&mut parser)?),
            Long("alg") => {
                for name in text(&mut parser)?.split(',') {
                    algorithms.push(algorithm(name)?);
                }
            }
            Long("client") => client = Some(text(&mut parser)?),
            Long("at") => {
                let time = text(&mut parser)?
                    .parse()
                    .map_err(|_| usage("--at is a time such as 2027-01-31T12:00:00Z"))?;
                at = Some(time);
            }
            Long("jws") => jws = true,
            Long("claims") => claims = true,
            other => return Err(lexopt(other.unexpected())),
        }
    }
    let told = issuer.is_some() || !audiences.is_empty() || !algorithms.is_empty();
    let by = match key_set {
        Some(_) if config.is_some() || name.is_some() || client.is_some() => {
            return Err(usage("--jwks goes with --iss, --aud and --alg, not with a configuration's issuer"));
        }
        Some(_) if jws && (issuer.is_some() || !audiences.is_empty() || claims || at.is_some()) => {
            return Err(usage("--jws checks a signature and no claims: it goes with --jwks and --alg only"));
        }
        Some(file) => By::Jwks(file),
        None if told || jws => {
            return Err(usage(
                "--iss, --aud, --alg and --jws go with --jwks; a configuration has its own rules",
            ));
        }
        None => By::Config {
            file: match config {
                Some(file) => file,
                None => config_file(environment)?,
            },
            issuer: name,
        },
    };
    if algorithms.is_empty() {
        algorithms.extend(SUPPORTED.iter().map(|(_, algorithm)| *algorithm));
    }
    Ok(Arguments { by, issuer, audiences, algorithms, client, jws, claims, at })
}

fn text(parser: &mut lexopt::Parser) -> Result<String, Trouble> {
    use lexopt::ValueExt;
    parser.value().and_then(ValueExt::string).map_err(|error| usage(&error.to_string()))
}

fn algorithm(name: &str) -> Result<Algorithm, Trouble> {
    jws::algorithm(name).ok_or_else(|| {
        let names: Vec<_> = SUPPORTED.iter().map(|(name, _)| *name).collect();
        usage(&format!("--alg {name:?} is not supported: there are {}", names.join(", ")))
    })
}

fn usage(problem: &str) -> Trouble {
    Trouble(format!("{problem}\nusage: {}", USAGE.replace('\n', "\n       ")))
}
