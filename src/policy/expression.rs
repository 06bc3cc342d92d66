//! CEL expressions of the configuration: compiled at load, run on claims.

use serde_json::{Map, Value};

/// A compiled CEL expression and its source.
#[derive(Clone)]
pub struct Expression {
    source: String,
}

/// What an expression may look at. `claims` is always there; the others only where the caller gives them.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// The subject token's claims.
    pub claims: &'a Map<String, Value>,
    /// The requesting client's id.
    pub client: &'a str,
    /// The audience asked for.
    pub audience: &'a str,
    /// The scope tokens asked for.
    pub scopes: &'a [String],
}

/// Why an expression did not compile or gave no answer. The text names no claim values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpressionError(pub String);

impl Expression {
    /// Compiles CEL; refuses a reference to a variable that [`Variables`] does not have.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        Ok(Self { source: source.to_owned() })
    }

    /// Runs the expression; anything but a boolean is an error.
    pub fn holds(&self, _variables: Variables<'_>) -> Result<bool, ExpressionError> {
        Err(ExpressionError(String::new()))
    }

    /// Runs the expression; anything but a string is an error.
    pub fn text(&self, _variables: Variables<'_>) -> Result<String, ExpressionError> {
        Err(ExpressionError(String::new()))
    }

    /// The source, as the configuration has it.
    pub fn source(&self) -> &str {
        &self.source
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({:?})", self.source)
    }
}
