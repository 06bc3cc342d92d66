//! How a case ends.

/// How binding a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Whoever does otherwise does not conform.
    Must,
    /// Whoever does otherwise should know why.
    Should,
    /// A feature that may be left out; what is offered must work.
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

/// How a case ended. The texts never hold a token, a secret, or text of the server's beyond its error code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseVerdict {
    /// As the requirement has it.
    Pass,
    /// A MUST was not kept.
    Fail(String),
    /// A SHOULD was not kept.
    Warn(String),
    /// An optional feature that the server refuses, and says so.
    Unsupported(String),
    /// Not judged, and why: an input is missing, or what the case stands on does not work.
    Skipped(String),
    /// No answer came.
    Error(String),
}

/// What a judge says: nothing against it, or the verdict.
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

    /// What was seen, or why nothing was.
    pub fn detail(&self) -> &str {
        match self {
            Self::Pass => "",
            Self::Fail(text)
            | Self::Warn(text)
            | Self::Unsupported(text)
            | Self::Skipped(text)
            | Self::Error(text) => text,
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

/// Something is against it.
pub fn fail<T>(text: impl Into<String>) -> Result<T, CaseVerdict> {
    Err(CaseVerdict::Fail(text.into()))
}

/// It can't be judged.
pub fn skip<T>(text: impl Into<String>) -> Result<T, CaseVerdict> {
    Err(CaseVerdict::Skipped(text.into()))
}

/// Nothing is against it if the condition holds.
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
