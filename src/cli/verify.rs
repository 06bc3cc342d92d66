//! `cambio verify`: what the gate would say of a token, check by check, with the gate's own code.

mod arguments;
mod report;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::Algorithm;

use crate::adapters::config::load::{Environment, ProcessEnvironment, load};
use crate::adapters::config::{Config, Realm, TrustedIssuer};
use crate::adapters::jwks::Source;
use crate::adapters::jwks::fetch::Fetcher;
use crate::judgement::jose::claims;
use crate::judgement::jose::jws::{MAX_TOKEN_BYTES, SUPPORTED};
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{self, Expectations, UnverifiedToken};
use crate::judgement::token::{AudienceRule, SubjectChecks};
use crate::words::clock::Clock;
use crate::words::oauth::confirmation::Evidence;
use crate::words::oauth::urn::TokenType;
use crate::words::secret::Secret;
pub use arguments::USAGE;
use arguments::{Arguments, By};
use report::Report;

/// The token could not be checked at all: wrong arguments, or no keys. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Trouble(String);

/// Reads a token from standard input and checks it. Exit status 0: valid, 1: not, 2: it could not be checked.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (mut input, mut out) = (io::stdin().lock(), io::stdout().lock());
    match run_with(arguments, &ProcessEnvironment, &Clock::System, &mut input, &mut out) {
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
    clock: &Clock,
    input: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<bool, Trouble> {
    let arguments = arguments::read(arguments, environment)?;
    let now = arguments.at.unwrap_or_else(|| clock.now());
    let token = token(input)?;
    let mut report = Report::new();
    let valid = match &arguments.by {
        By::Jwks(file) => {
            let keys = fetch(&Fetcher::new(Source::File(file.clone()), None, None).map_err(trouble)?)?;
            report.keys(&keys, &file.display());
            if arguments.jws {
                payload(&mut report, &token, &keys, &arguments.algorithms).is_some()
            } else {
                by_key_set(&mut report, &token, &keys, &arguments, now).is_some()
            }
        }
        By::Config { file, issuer } => {
            let config = load(file, environment).map_err(|problems| {
                let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
                Trouble(format!("the configuration can't be loaded:\n{}", lines.join("\n")))
            })?;
            by_config(&mut report, &token, &config, issuer.as_deref(), &arguments, now)?
        }
    };
    report.verdict(valid);
    out.write_all(report.text().as_bytes()).and_then(|()| out.flush()).map_err(trouble)?;
    Ok(valid)
}

/// What stands on standard input, without the line's end. Whatever else is there belongs to the token, and is judged.
fn token(input: &mut dyn Read) -> Result<Secret, Trouble> {
    let mut bytes = Vec::new();
    // One line's end and one byte more than is looked at: the judge says that it is too long.
    let limit = u64::try_from(MAX_TOKEN_BYTES).unwrap_or(u64::MAX) + 3;
    input.take(limit).read_to_end(&mut bytes).map_err(trouble)?;
    // A token is ASCII; what is not becomes a character that no token has.
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    Ok(Secret::new(text))
}

/// A signature alone, over anything.
fn payload(report: &mut Report, jws: &Secret, keys: &KeySet, algorithms: &[Algorithm]) -> Option<()> {
    let verified = verify::verify_payload(jws.expose(), keys, algorithms);
    let (header, payload) = verified.map_err(|error| report.failed_token(error)).ok()?;
    report.ok("form", "a compact JWS");
    report.ok("alg", &format!("{:?}", header.algorithm));
    report.key(header.kid.as_deref());
    report.ok("signature", &format!("over {} bytes of payload", payload.len()));
    report.unchecked("claims", "with --jws the payload may be anything");
    Some(())
}

/// A token by a key set and what the arguments say about it.
fn by_key_set(
    report: &mut Report,
    token: &Secret,
    keys: &KeySet,
    arguments: &Arguments,
    now: Timestamp,
) -> Option<()> {
    let unverified = verify::peek(token.expose()).map_err(|error| report.failed_token(error)).ok()?;
    let own = unverified.issuer().to_owned();
    let issuer = arguments.issuer.as_deref();
    let expect = Expectations {
        issuer: issuer.unwrap_or(&own),
        algorithms: &arguments.algorithms,
        leeway: jiff::SignedDuration::ZERO,
    };
    let token = verified(report, unverified, keys, &expect, now)?;
    if issuer.is_none() {
        report.unchecked("iss", "no --iss names the issuer");
    }
    if arguments.audiences.is_empty() {
        report.unchecked("aud", "no --aud says whom the token is for");
    } else {
        let held = claims::audiences(token.claims())
            .map(|held| held.iter().any(|one| arguments.audiences.iter().any(|wanted| wanted == one)));
        match held {
            Ok(true) => report.ok("aud", "has a value that --aud names"),
            Ok(false) => report.failed("aud", "no value that --aud names is in it"),
            Err(error) => report.failed("aud", &error.to_string()),
        }
        held.ok().filter(|held| *held)?;
    }
    if arguments.claims {
        report.claims(token.claims());
    }
    Some(())
}

/// A token by the rules of a configuration, as a subject token is checked.
fn by_config(
    report: &mut Report,
    token: &Secret,
    config: &Config,
    name: Option<&str>,
    arguments: &Arguments,
    now: Timestamp,
) -> Result<bool, Trouble> {
    let unverified = match verify::peek(token.expose()) {
        Ok(unverified) => unverified,
        Err(error) => {
            report.failed_token(error);
            return Ok(false);
        }
    };
    let Some(authority) = Authority::find(config, name, unverified.issuer())? else {
        report.failed("iss", "it is that of no realm and of none of the issuers");
        return Ok(false);
    };
    let keys = fetch(&authority.fetcher(config)?)?;
    report.keys(&keys, &authority);
    let checks = authority.checks();
    let Some(token) = verified(report, unverified, &keys, &checks.expectations(), now) else {
        return Ok(false);
    };
    // Whose token it is depends on who presents it. Without that knowledge, its own party is believed.
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

fn verified(
    report: &mut Report,
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

/// Who issued the token, as the configuration has it.
enum Authority<'c> {
    Realm(&'c Realm),
    Issuer(&'c TrustedIssuer),
}

impl<'c> Authority<'c> {
    /// By name, or by the `iss` of the token.
    fn find(config: &'c Config, name: Option<&str>, iss: &str) -> Result<Option<Self>, Trouble> {
        if let Some(name) = name {
            let realm = config.realms.get(name).map(Self::Realm);
            let found = realm.or_else(|| config.issuers.get(name).map(Self::Issuer));
            return found.map(Some).ok_or_else(|| {
                let names: Vec<_> = config.realms.keys().chain(config.issuers.keys()).cloned().collect();
                Trouble(format!(
                    "--issuer {name:?} is no realm and no issuer: there are {}",
                    names.join(", ")
                ))
            });
        }
        let realms = config.realms.values().filter(|realm| realm.issuer == iss).map(Self::Realm);
        let issuers = config.issuers.values().filter(|issuer| issuer.url == iss).map(Self::Issuer);
        let mut found = realms.chain(issuers);
        match (found.next(), found.next()) {
            (found, None) => Ok(found),
            _ => {
                Err(Trouble("the token's iss stands twice in the configuration: name one by --issuer".into()))
            }
        }
    }

    fn fetcher(&self, config: &Config) -> Result<Fetcher, Trouble> {
        match self {
            Self::Realm(realm) => Fetcher::realm(&config.upstream, realm),
            Self::Issuer(issuer) => Fetcher::issuer(issuer),
        }
        .map_err(trouble)
    }

    fn checks(&self) -> SubjectChecks<'c> {
        match self {
            Self::Realm(realm) => SubjectChecks {
                issuer_name: &realm.name,
                issuer: &realm.issuer,
                checks: &realm.tokens,
                audience: AudienceRule::Client,
            },
            Self::Issuer(issuer) => SubjectChecks {
                issuer_name: &issuer.name,
                issuer: &issuer.url,
                checks: &issuer.tokens,
                audience: AudienceRule::AnyOf(&issuer.audiences),
            },
        }
    }
}

impl std::fmt::Display for Authority<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Realm(realm) => write!(f, "realm {}", realm.name),
            Self::Issuer(issuer) => write!(f, "issuer {}", issuer.name),
        }
    }
}

/// One attempt, as the gate's key cache makes them.
fn fetch(fetcher: &Fetcher) -> Result<Arc<KeySet>, Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(trouble)?;
    let keys = runtime.block_on(fetcher.fetch());
    keys.map(Arc::new).map_err(|error| Trouble(format!("keys from {fetcher}: {error}")))
}

fn trouble(error: impl std::fmt::Display) -> Trouble {
    Trouble(error.to_string())
}

/// Where the configuration is looked for.
fn config_file(environment: &dyn Environment) -> Result<std::path::PathBuf, Trouble> {
    super::serve::config_path(std::iter::empty(), environment).map_err(trouble)
}

#[cfg(test)]
mod tests;
