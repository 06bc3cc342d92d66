//! Refusals: the reason from a closed table, and the particulars for audit and operators.

mod cause;
pub mod excerpt;
mod public;
mod reason;
mod retry_after;
pub mod similar;

pub use self::cause::Cause;
pub use self::public::PublicError;
pub use self::reason::Reason;
pub use self::retry_after::RetryAfter;

/// A refusal: the closed reason, and for audit and operators the particulars (parameter names, role names, times).
/// The detail never holds a token, a secret or a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The particulars.
    pub detail: String,
    /// When the caller may try again, if that is known.
    pub retry_after: Option<RetryAfter>,
}

impl Refusal {
    /// A refusal with its particulars.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), retry_after: None }
    }

    /// The refusal, with the time for the next attempt.
    #[must_use]
    pub fn retry_after(self, retry_after: Option<RetryAfter>) -> Self {
        Self { retry_after, ..self }
    }
}
