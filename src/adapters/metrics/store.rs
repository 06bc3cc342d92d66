//! Labels of the store's operations.

/// What the store was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOperation {
    /// To take a thing that is good for one use.
    Claim,
    /// To mark a thing.
    Mark,
    /// Whether a thing is marked.
    Look,
}

/// What the store said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreOutcome {
    /// Taken, marked, or not marked.
    Ok,
    /// Taken before, or marked.
    Used,
    /// It could not tell.
    Error,
}

impl StoreOperation {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Mark => "mark",
            Self::Look => "look",
        }
    }
}

impl StoreOutcome {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Used => "used",
            Self::Error => "error",
        }
    }
}
