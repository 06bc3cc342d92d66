//! The tokens of a run and where they come from. Messages name the source of a token, never the token.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::Timestamp;

use crate::tools::conformance::answer::claims_of;
use crate::tools::conformance::inputs::{Inputs, Need, SuiteToken};
use crate::tools::failure::CommandFailure;
use crate::words::secret::Secret;

/// A token from a command is renewed when it expires in less than this, in seconds.
const SPARE: f64 = 30.0;

/// Where a token comes from.
pub(super) enum TokenOrigin {
    /// A file.
    File(PathBuf),
    /// A shell command that prints the token.
    Command(String),
    /// The environment.
    Text(Secret),
}

/// A token of the run: what it is for, where it comes from and its type.
pub(super) struct TokenInput {
    /// What the token is for. The subject token has no need.
    pub(super) need: Option<Need>,
    pub(super) source: TokenOrigin,
    /// The token type identifier.
    pub(super) kind: String,
}

/// The tokens of a run.
pub(super) struct Tokens(Vec<TokenInput>);

impl Tokens {
    pub(super) fn new(tokens: Vec<TokenInput>) -> Self {
        Self(tokens)
    }

    /// Reads the subject token, if there is one.
    pub(super) fn subject(&self) -> Result<Option<SuiteToken>, CommandFailure> {
        self.0.iter().find(|token| token.need.is_none()).map(TokenInput::read).transpose()
    }

    /// Reads the tokens for single cases.
    pub(super) fn for_cases(&self) -> Result<Vec<(Need, SuiteToken)>, CommandFailure> {
        let named = self.0.iter().filter_map(|token| Some((token.need?, token)));
        named.map(|(need, token)| Ok((need, token.read()?))).collect()
    }

    /// Runs the commands again whose tokens are about to expire.
    pub(super) fn renew(&self, inputs: &mut Inputs, now: Timestamp) -> Result<(), CommandFailure> {
        for token in self.0.iter().filter(|token| matches!(token.source, TokenOrigin::Command(_))) {
            let held = match token.need {
                None => Some(&mut inputs.subject),
                // These tokens must have expired.
                Some(Need::ExpiredSubject | Need::ExpiredActor) => None,
                Some(need) => inputs.tokens.iter_mut().find(|(name, _)| *name == need).map(|(_, token)| token),
            };
            if let Some(held) = held.filter(|held| ends_soon(held, now)) {
                *held = token.read()?;
            }
        }
        Ok(())
    }
}

impl TokenInput {
    fn read(&self) -> Result<SuiteToken, CommandFailure> {
        Ok(SuiteToken { text: self.source.read()?, kind: self.kind.clone() })
    }
}

impl TokenOrigin {
    fn read(&self) -> Result<Secret, CommandFailure> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => first_line(path),
            Self::Command(command) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit());
                let done = shell.output().map_err(CommandFailure::of)?;
                if !done.status.success() {
                    return Err(CommandFailure(format!("the command for a token failed: {command}")));
                }
                let text = Secret::new(String::from_utf8_lossy(&done.stdout));
                let token = Secret::new(text.expose().trim());
                if token.expose().is_empty() {
                    return Err(CommandFailure(format!("the command for a token printed nothing: {command}")));
                }
                Ok(token)
            }
        }
    }
}

/// The text of a file without the line break at its end.
pub(super) fn first_line(path: &Path) -> Result<Secret, CommandFailure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandFailure(format!("{}: {}", path.display(), error.kind())))?;
    let text = Secret::new(text);
    Ok(Secret::new(text.expose().trim_end_matches(['\r', '\n'])))
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
fn ends_soon(token: &SuiteToken, now: Timestamp) -> bool {
    let exp = claims_of(token.text.expose()).and_then(|claims| claims.get("exp")?.as_f64());
    exp.is_some_and(|exp| exp < now.as_second() as f64 + SPARE)
}
