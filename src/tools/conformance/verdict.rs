//! The verdict on a case.

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// A server that does otherwise does not conform.
    Must,
    /// A server that does otherwise needs a reason.
    Should,
    /// A feature that may be missing; if it is offered, it must work.
    May,
}

impl Level {
    /// The word of RFC 2119.
    pub fn word(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

/// How a case ended. The texts never contain a token, a secret, or text of the server except its error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseVerdict {
    /// The requirement was kept.
    Pass,
    /// A MUST was not kept.
    Fail(String),
    /// A SHOULD was not kept.
    Warn(String),
    /// The server clearly refuses an optional feature.
    Unsupported(String),
    /// Not judged, and why: an input is missing, or the premise does not work.
    Skipped(String),
    /// No answer came.
    Error(String),
}

/// The result of a judge: nothing against the server, or the verdict.
pub type CaseResult = Result<(), CaseVerdict>;

impl CaseVerdict {
    /// One word or two for a table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "FAIL",
            Self::Warn(_) => "warn",
            Self::Unsupported(_) => "not supported",
            Self::Skipped(_) => "skipped",
            Self::Error(_) => "ERROR",
        }
    }

    /// What was seen, or why nothing was seen.
    pub fn detail(&self) -> &str {
        match self {
            Self::Pass => "",
            Self::Fail(text) | Self::Warn(text) | Self::Unsupported(text) | Self::Skipped(text) | Self::Error(text) => {
                text
            }
        }
    }

    /// The verdict on a requirement of this level: only a MUST can fail.
    #[must_use]
    pub fn of_level(self, level: Level) -> Self {
        match self {
            Self::Fail(text) if level != Level::Must => Self::Warn(text),
            other => other,
        }
    }
}

/// The requirement is not kept.
pub fn fail<T>(text: impl Into<String>) -> Result<T, CaseVerdict> {
    Err(CaseVerdict::Fail(text.into()))
}

/// The case can't be judged.
pub fn skip<T>(text: impl Into<String>) -> Result<T, CaseVerdict> {
    Err(CaseVerdict::Skipped(text.into()))
}

/// The requirement is kept if the condition holds.
pub fn ensure(holds: bool, otherwise: &str) -> CaseResult {
    if holds { Ok(()) } else { fail(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_must_fails() {
        for (level, word) in [(Level::Must, "FAIL"), (Level::Should, "warn"), (Level::May, "warn")] {
            assert_eq!(CaseVerdict::Fail("x".into()).of_level(level).word(), word);
            assert_eq!(CaseVerdict::Skipped("x".into()).of_level(level).word(), "skipped");
        }
    }
}
