//! Refusals: the reason from a closed table, and the particulars for audit and operators.

mod cause;
pub mod excerpt;
mod public;
mod reason;
pub mod similar;

pub use self::cause::Cause;
pub use self::public::PublicError;
pub use self::reason::Reason;

/// A refusal: the closed reason, and for audit and operators the particulars (parameter names, role names, times).
/// The detail never holds a token, a secret or a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// The particulars.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its particulars.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
