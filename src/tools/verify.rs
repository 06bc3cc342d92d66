//! `cambio verify`: whether the gate would accept a token, check by check, with the gate's own code.

mod authority;
mod report;

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::Algorithm;

use crate::adapters::config::load::{Environment, ProcessEnvironment, load};
use crate::adapters::config::{Config, ServerAccess};
use crate::adapters::jwks::Source;
use crate::adapters::jwks::fetch::Fetcher;
use crate::judgement::jose::claims;
use crate::judgement::jose::jws::{self, DEFAULT_TOKEN_BYTES, MAX_TOKEN_BYTES, SUPPORTED};
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{self, Expectations, TokenError, UnverifiedToken, VerifiedToken, Verifier};
use crate::tools::config_file::ConfigFileArguments;
use crate::tools::failure::CommandFailure;
use crate::tools::verify::authority::TokenAuthority;
use crate::tools::verify::report::TokenReport;
use crate::words::clock::Clock;
use crate::words::oauth::confirmation::Evidence;
use crate::words::oauth::urn::TokenType;
use crate::words::secret::Secret;

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
    config: ConfigFileArguments,
    /// Realm or issuer in the configuration; without it the one that the token's iss names
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    issuer: Option<String>,
    /// Client that presents the token; without it the party in the token's azp
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    client: Option<String>,
    /// JWK set to check the token with, instead of a configuration
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "issuer", "client"])]
    jwks: Option<PathBuf>,
    /// What iss must be
    #[arg(long, value_name = "ISS", requires = "jwks", allow_hyphen_values = true)]
    iss: Option<String>,
    /// What aud must contain; if given several times, one of the values
    #[arg(long = "aud", value_name = "AUD", requires = "jwks", allow_hyphen_values = true)]
    audiences: Vec<String>,
    /// Algorithms that the token may be signed with, separated by commas; without it any
    #[arg(long = "alg", value_name = "LIST", requires = "jwks", value_delimiter = ',', value_parser = algorithm)]
    algorithms: Vec<Algorithm>,
    /// Check the signature only, over any payload
    #[arg(long, requires = "jwks", conflicts_with_all = ["iss", "audiences", "claims", "at"])]
    jws: bool,
    /// Check as of this time, such as 2027-01-31T12:00:00Z, instead of now
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// Show iss, sub, aud, azp, act, may_act and the times of a valid token
    #[arg(long)]
    claims: bool,
}

impl VerifyArguments {
    /// The algorithms of `--alg`, or all that are supported.
    fn algorithms(&self) -> Vec<Algorithm> {
        if self.algorithms.is_empty() {
            SUPPORTED.iter().map(|(_, algorithm)| *algorithm).collect()
        } else {
            self.algorithms.clone()
        }
    }
}

/// Reads a token from standard input and checks it. Exit status 0: the token is valid, 1: it is not.
pub fn run(arguments: &VerifyArguments) -> Result<ExitCode, CommandFailure> {
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    let valid = run_with(arguments, &ProcessEnvironment, &Clock::System, &mut input, &mut out)?;
    Ok(if valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_with(
    arguments: &VerifyArguments,
    environment: &dyn Environment,
    clock: &Clock,
    input: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<bool, CommandFailure> {
    let now = arguments.at.unwrap_or_else(|| clock.now());
    let mut check = TokenCheck { arguments, now, report: TokenReport::default() };
    let valid = if let Some(file) = &arguments.jwks {
        let token = token(input)?;
        let fetcher = Fetcher::new(Source::File(file.clone()), &ServerAccess::default()).map_err(CommandFailure::of)?;
        let keys = fetch(&fetcher)?;
        check.report.keys(&keys, &file.display());
        let checked = if arguments.jws { check.payload(&token, &keys) } else { check.with_key_set(&token, &keys) };
        checked.is_some()
    } else {
        let file = arguments.config.path(environment)?;
        let token = token(input)?;
        let config = load(&file, environment).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            CommandFailure(format!("the configuration can't be loaded:\n{}", lines.join("\n")))
        })?;
        check.with_config(&token, &config)?
    };
    let report = check.report.0 + if valid { "valid\n" } else { "invalid\n" };
    out.write_all(report.as_bytes()).and_then(|()| out.flush()).map_err(CommandFailure::of)?;
    Ok(valid)
}

/// Reads standard input without the line break at its end. All else belongs to the token and is checked.
fn token(input: &mut dyn Read) -> Result<Secret, CommandFailure> {
    let mut bytes = Vec::new();
    // Room for a line break and one byte more than a token may have: the check then says that it is too long.
    let limit = u64::try_from(MAX_TOKEN_BYTES).unwrap_or(u64::MAX) + 3;
    input.take(limit).read_to_end(&mut bytes).map_err(CommandFailure::of)?;
    // A token is ASCII. All other bytes become a character that no token contains.
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Secret::new(text))
}

/// The check of one token, as of one time.
struct TokenCheck<'a> {
    arguments: &'a VerifyArguments,
    now: Timestamp,
    report: TokenReport,
}

impl TokenCheck<'_> {
    /// Checks the signature only, over any payload.
    fn payload(&mut self, jws: &Secret, keys: &KeySet) -> Option<()> {
        let report = &mut self.report;
        let verified = verify::verify_payload(jws.expose(), keys, &self.arguments.algorithms());
        let (header, payload) = verified.map_err(|error| report.failed_token(error)).ok()?;
        report.ok("form", "a compact JWS");
        report.ok("alg", &format!("{:?}", header.algorithm));
        report.key(header.kid.as_deref());
        report.ok("signature", &format!("over {} bytes of payload", payload.len()));
        report.unchecked("claims", "with --jws the payload may be anything");
        Some(())
    }

    /// Checks a token with a key set and with what the arguments ask for.
    fn with_key_set(&mut self, token: &Secret, keys: &KeySet) -> Option<()> {
        let arguments = self.arguments;
        let unverified = self.read(token, DEFAULT_TOKEN_BYTES)?;
        let own = unverified.issuer().to_owned();
        let issuer = arguments.iss.as_deref().unwrap_or(&own);
        let expect = Expectations { issuer, algorithms: &arguments.algorithms(), leeway: SignedDuration::ZERO };
        let token = self.verified(unverified, Verifier::Keys(keys), &expect)?;
        let report = &mut self.report;
        if arguments.iss.is_none() {
            report.unchecked("iss", "no --iss names the issuer");
        }
        if arguments.audiences.is_empty() {
            report.unchecked("aud", "no --aud names an audience");
        } else {
            let held = claims::audiences(token.claims())
                .map(|held| held.iter().any(|one| arguments.audiences.iter().any(|wanted| wanted == one)));
            match held {
                Ok(true) => report.ok("aud", "contains a value that --aud names"),
                Ok(false) => report.failed("aud", "contains no value that --aud names"),
                Err(error) => report.failed("aud", &error.to_string()),
            }
            held.ok().filter(|held| *held)?;
        }
        if arguments.claims {
            report.claims(token.claims());
        }
        Some(())
    }

    /// Checks a token with the rules of a configuration, as a subject token.
    fn with_config(&mut self, token: &Secret, config: &Config) -> Result<bool, CommandFailure> {
        let arguments = self.arguments;
        let Some(unverified) = self.read(token, config.listen.max_token_bytes) else { return Ok(false) };
        let Some(authority) = TokenAuthority::find(config, arguments.issuer.as_deref(), unverified.issuer())? else {
            self.report.failed("iss", "no realm and no issuer of the configuration has it");
            return Ok(false);
        };
        let keys;
        let verifier = if let Some(secret) = authority.shared_secret() {
            self.report.ok("keys", &format!("the secret of {authority}"));
            Verifier::Secret(secret)
        } else {
            keys = fetch(&authority.fetcher(config)?)?;
            self.report.keys(&keys, &authority);
            Verifier::Keys(&keys)
        };
        let checks = authority.checks();
        let unverified = checks.prepared(unverified);
        let Some(token) = self.verified(unverified, verifier, &checks.expectations()) else {
            return Ok(false);
        };
        // The audience check depends on the client that presents the token. If no client is named, it is the token's party.
        let party = token.claims().get("azp").and_then(serde_json::Value::as_str).unwrap_or_default();
        let client = arguments.client.as_deref().unwrap_or(party);
        let accepted = checks.accept(&token, TokenType::Jwt, client, Evidence::default());
        let judged = !checks.audience.is_own() || arguments.client.is_some();
        self.report.accepted(accepted.as_ref().err(), judged, checks.checks.rules.len());
        if accepted.is_ok() && arguments.claims {
            self.report.claims(token.claims());
        }
        Ok(accepted.is_ok())
    }

    /// Reads a token of at most `limit` bytes.
    fn read(&mut self, token: &Secret, limit: usize) -> Option<UnverifiedToken> {
        let fits = jws::check_length(token.expose(), limit).map_err(TokenError::from);
        fits.and_then(|()| verify::peek(token.expose())).map_err(|error| self.report.failed_token(error)).ok()
    }

    /// Checks signature, `iss`, `sub` and times.
    fn verified(
        &mut self,
        unverified: UnverifiedToken,
        keys: Verifier<'_>,
        expect: &Expectations<'_>,
    ) -> Option<VerifiedToken> {
        let verified = unverified.verify_with(keys, expect, self.now);
        let token = verified.map_err(|error| self.report.failed_token(error)).ok()?;
        self.report.verified(&token, expect, self.now);
        Some(token)
    }
}

/// Fetches the keys once, as the gate's key cache does.
fn fetch(fetcher: &Fetcher) -> Result<Arc<KeySet>, CommandFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandFailure::of)?;
    let failed = |error: &dyn Display| CommandFailure(format!("keys from {fetcher}: {error}"));
    let keys = runtime.block_on(fetcher.fetch(None)).map_err(|error| failed(&error))?;
    keys.check_usable().map_err(|error| failed(&error))?;
    Ok(keys)
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

#[cfg(test)]
mod tests;
