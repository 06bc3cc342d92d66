//! The arguments of `cambio verify`.

use std::path::PathBuf;

use clap::Parser;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;

use crate::cli::config_file::ConfigFileArguments;
use crate::judgement::jose::jws::{self, SUPPORTED};

const USAGE: &str = "\
cambio verify --jwks FILE [--iss ISS] [--aud AUD]... [--alg LIST] [--at TIME] [--claims] < TOKEN
       cambio verify --jwks FILE [--alg LIST] --jws < TOKEN
       cambio verify [--config FILE] [--issuer NAME] [--client ID] [--at TIME] [--claims] < TOKEN";

const EXIT_STATUS: &str = "Exit status: 0 the token is valid, 1 it is not, 2 it could not be checked.";

/// The arguments of `cambio verify`.
#[expect(clippy::doc_markdown, reason = "a help text shows no Markdown")]
#[derive(Debug, Parser)]
#[command(override_usage = USAGE, after_help = EXIT_STATUS)]
pub struct VerifyArguments {
    #[command(flatten)]
    pub(super) config: ConfigFileArguments,
    /// Realm or issuer in the configuration; without it the one that the token's iss names
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(super) issuer: Option<String>,
    /// Client that presents the token; without it the party in the token's azp
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(super) client: Option<String>,
    /// JWK set to check the token with, instead of a configuration
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "issuer", "client"])]
    pub(super) jwks: Option<PathBuf>,
    /// What iss must be
    #[arg(long, value_name = "ISS", requires = "jwks", allow_hyphen_values = true)]
    pub(super) iss: Option<String>,
    /// What aud must contain; if given several times, one of the values
    #[arg(long = "aud", value_name = "AUD", requires = "jwks", allow_hyphen_values = true)]
    pub(super) audiences: Vec<String>,
    /// Algorithms that the token may be signed with, separated by commas; without it any
    #[arg(long = "alg", value_name = "LIST", requires = "jwks", value_delimiter = ',', value_parser = algorithm)]
    algorithms: Vec<Algorithm>,
    /// Check the signature only, over any payload
    #[arg(long, requires = "jwks", conflicts_with_all = ["iss", "audiences", "claims", "at"])]
    pub(super) jws: bool,
    /// Check as of this time, such as 2027-01-31T12:00:00Z, instead of now
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(super) at: Option<Timestamp>,
    /// Show iss, sub, aud, azp, act, may_act and the times of a valid token
    #[arg(long)]
    pub(super) claims: bool,
}

impl VerifyArguments {
    /// The algorithms of `--alg`, or all that are supported.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        if self.algorithms.is_empty() {
            SUPPORTED.iter().map(|(_, algorithm)| *algorithm).collect()
        } else {
            self.algorithms.clone()
        }
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    jws::algorithm(name).ok_or_else(|| {
        let names: Vec<_> = SUPPORTED.iter().map(|(name, _)| *name).collect();
        format!("not supported: there are {}", names.join(", "))
    })
}

fn time(text: &str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| "a time is written as 2027-01-31T12:00:00Z")
}
