//! `cambio verify`: whether the gate would accept a token, check by check, with the gate's own code.

mod arguments;
mod authority;
mod report;

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::Algorithm;

pub use self::arguments::VerifyArguments;
use self::authority::TokenAuthority;
use self::report::TokenReport;
use crate::adapters::config::Config;
use crate::adapters::config::load::{Environment, ProcessEnvironment, load};
use crate::adapters::jwks::Source;
use crate::adapters::jwks::fetch::Fetcher;
use crate::judgement::jose::claims;
use crate::judgement::jose::jws::MAX_TOKEN_BYTES;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{self, Expectations, UnverifiedToken};
use crate::judgement::token::AudienceRule;
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;
use crate::words::oauth::confirmation::Evidence;
use crate::words::oauth::urn::TokenType;
use crate::words::secret::Secret;

/// Reads a token from standard input and checks it. Exit status 0: the token is valid, 1: it is not.
///
/// # Errors
/// The token could not be checked.
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
    let mut report = TokenReport::new();
    let valid = if let Some(file) = &arguments.jwks {
        let token = token(input)?;
        let fetcher = Fetcher::new(Source::File(file.clone()), None, None).map_err(CommandFailure::of)?;
        let keys = fetch(&fetcher)?;
        report.keys(&keys, &file.display());
        if arguments.jws {
            payload(&mut report, &token, &keys, &arguments.algorithms()).is_some()
        } else {
            with_key_set(&mut report, &token, &keys, arguments, now).is_some()
        }
    } else {
        let file = arguments.config.path(environment)?;
        let token = token(input)?;
        let config = load(&file, environment).map_err(|problems| {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            CommandFailure(format!("the configuration can't be loaded:\n{}", lines.join("\n")))
        })?;
        with_config(&mut report, &token, &config, arguments, now)?
    };
    report.verdict(valid);
    out.write_all(report.text().as_bytes()).and_then(|()| out.flush()).map_err(CommandFailure::of)?;
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

/// Checks the signature only, over any payload.
fn payload(report: &mut TokenReport, jws: &Secret, keys: &KeySet, algorithms: &[Algorithm]) -> Option<()> {
    let verified = verify::verify_payload(jws.expose(), keys, algorithms);
    let (header, payload) = verified.map_err(|error| report.failed_token(error)).ok()?;
    report.ok("form", "a compact JWS");
    report.ok("alg", &format!("{:?}", header.algorithm));
    report.key(header.kid.as_deref());
    report.ok("signature", &format!("over {} bytes of payload", payload.len()));
    report.unchecked("claims", "with --jws the payload may be anything");
    Some(())
}

/// Checks a token with a key set and with what the arguments ask for.
fn with_key_set(
    report: &mut TokenReport,
    token: &Secret,
    keys: &KeySet,
    arguments: &VerifyArguments,
    now: Timestamp,
) -> Option<()> {
    let unverified = verify::peek(token.expose()).map_err(|error| report.failed_token(error)).ok()?;
    let own = unverified.issuer().to_owned();
    let issuer = arguments.iss.as_deref();
    let algorithms = arguments.algorithms();
    let expect =
        Expectations { issuer: issuer.unwrap_or(&own), algorithms: &algorithms, leeway: jiff::SignedDuration::ZERO };
    let token = verified(report, unverified, keys, &expect, now)?;
    if issuer.is_none() {
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
fn with_config(
    report: &mut TokenReport,
    token: &Secret,
    config: &Config,
    arguments: &VerifyArguments,
    now: Timestamp,
) -> Result<bool, CommandFailure> {
    let unverified = match verify::peek(token.expose()) {
        Ok(unverified) => unverified,
        Err(error) => {
            report.failed_token(error);
            return Ok(false);
        }
    };
    let Some(authority) = TokenAuthority::find(config, arguments.issuer.as_deref(), unverified.issuer())? else {
        report.failed("iss", "no realm and no issuer of the configuration has it");
        return Ok(false);
    };
    let keys = fetch(&authority.fetcher(config)?)?;
    report.keys(&keys, &authority);
    let checks = authority.checks();
    let Some(token) = verified(report, unverified, &keys, &checks.expectations(), now) else {
        return Ok(false);
    };
    // The audience check depends on the client that presents the token. If no client is named, it is the token's party.
    let party = token.claims().get("azp").and_then(serde_json::Value::as_str).unwrap_or_default();
    let client = arguments.client.as_deref().unwrap_or(party);
    let accepted = checks.accept(&token, TokenType::Jwt, client, Evidence::default());
    let judged = matches!(checks.audience, AudienceRule::AnyOf(_)) || arguments.client.is_some();
    report.accepted(accepted.as_ref().err(), judged, checks.checks.rules.len());
    if accepted.is_ok() && arguments.claims {
        report.claims(token.claims());
    }
    Ok(accepted.is_ok())
}

/// Checks signature, `iss`, `sub` and times.
fn verified(
    report: &mut TokenReport,
    unverified: UnverifiedToken,
    keys: &KeySet,
    expect: &Expectations<'_>,
    now: Timestamp,
) -> Option<verify::VerifiedToken> {
    match unverified.verify(keys, expect, now) {
        Ok(token) => {
            report.verified(&token, expect, now);
            Some(token)
        }
        Err(error) => {
            report.failed_token(error);
            None
        }
    }
}

/// Fetches the keys once, as the gate's key cache does.
fn fetch(fetcher: &Fetcher) -> Result<Arc<KeySet>, CommandFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandFailure::of)?;
    let keys = runtime.block_on(fetcher.fetch());
    keys.map(Arc::new).map_err(|error| CommandFailure(format!("keys from {fetcher}: {error}")))
}

#[cfg(test)]
mod tests;
