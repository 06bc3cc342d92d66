//! Where tokens come from. They are never shown, and errors say only whence they should have come.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;

use super::{Trouble, trouble};
use crate::tools::conformance::answer::claims_of;
use crate::tools::conformance::inputs::{Inputs, Need, SuiteToken};
use crate::words::secret::Secret;

/// A token that a command prints is asked for again when it has less than this left, in seconds.
const SPARE: f64 = 30.0;

/// Where a token comes from.
pub(super) enum From {
    File(PathBuf),
    /// A shell command that prints it.
    Command(String),
    /// The environment.
    Text(Secret),
}

/// The tokens of a run.
pub(super) struct Tokens<'a> {
    sources: &'a [(Option<Need>, From, String)],
}

impl<'a> Tokens<'a> {
    pub(super) fn new(sources: &'a [(Option<Need>, From, String)]) -> Self {
        Self { sources }
    }

    /// All of them; that of nothing in particular is the subject token.
    pub(super) fn read(&mut self) -> Result<Vec<(Option<Need>, SuiteToken)>, Trouble> {
        self.sources.iter().map(|(need, from, kind)| Ok((*need, from.token(kind)?))).collect()
    }

    /// Asks again for those that a command prints and that are about to expire.
    pub(super) fn renew(&mut self, inputs: &mut Inputs, now: Timestamp) -> Result<(), Trouble> {
        for (need, from, kind) in self.sources.iter().filter(|(_, from, _)| matches!(from, From::Command(_)))
        {
            let held = match need {
                None => Some(&mut inputs.subject),
                // These are to have expired.
                Some(Need::ExpiredSubject | Need::ExpiredActor) => None,
                Some(need) => inputs.tokens.iter_mut().find(|(name, _)| name == need).map(|(_, token)| token),
            };
            if let Some(held) = held.filter(|held| ends_soon(held, now)) {
                *held = from.token(kind)?;
            }
        }
        Ok(())
    }
}

impl From {
    fn token(&self, kind: &str) -> Result<SuiteToken, Trouble> {
        Ok(SuiteToken { text: self.read()?, kind: kind.to_owned() })
    }

    fn read(&self) -> Result<Secret, Trouble> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => first_line(path),
            Self::Command(command) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit());
                let done = shell.output().map_err(trouble)?;
                if !done.status.success() {
                    return Err(Trouble(format!("the command for a token failed: {command}")));
                }
                let text = Secret::new(String::from_utf8_lossy(&done.stdout));
                let token = Secret::new(text.expose().trim());
                if token.expose().is_empty() {
                    return Err(Trouble(format!("the command for a token prints none: {command}")));
                }
                Ok(token)
            }
        }
    }
}

/// What stands in a file, without the line's end.
pub(super) fn first_line(path: &Path) -> Result<Secret, Trouble> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Trouble(format!("{}: {}", path.display(), error.kind())))?;
    let text = Secret::new(text);
    Ok(Secret::new(text.expose().trim_end_matches(['\r', '\n'])))
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn ends_soon(token: &SuiteToken, now: Timestamp) -> bool {
    let exp = claims_of(token.text.expose()).and_then(|claims| claims.get("exp")?.as_f64());
    exp.is_some_and(|exp| exp < now.as_second() as f64 + SPARE)
}
