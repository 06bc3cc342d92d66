//! Why an expression fails.

/// Why an expression did not compile or could not be evaluated. The text names no claim values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);
