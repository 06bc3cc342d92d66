//! CEL expressions of the configuration: compiled at load, run on claims.
//!
//! The language is CEL without timestamps, durations, structs and optionals. Expressions may name only what a closed list
//! contains; `check` enforces the list at load, so that a typing error stops the start and not a request. At run time a
//! missing claim, a wrong type or an overflow is an error, and every caller turns an error into a refusal.
//!
//! The work is bounded twice. An expression that would take too long with claims of usual size is refused at load, and an
//! evaluation that would take too long with the claims at hand fails before it begins (`cost`, `budget`).

mod budget;
mod check;
mod compile;
mod cost;
mod error;
mod pattern;
mod scene;
mod size;
mod standing;
mod value;
mod variables;

use std::collections::BTreeSet;
use std::sync::Arc;

use cel::{ExecutionError, Value as CelValue};
use serde_json::Value;

pub use self::budget::StepBudget;
use self::check::Claims;
use self::compile::{Compiled, parse};
pub use self::error::ExpressionError;
pub use self::scene::Scene;
pub use self::standing::Permanence;
pub use self::variables::{Other, Variables};

/// A compiled CEL expression and its source.
#[derive(Clone)]
pub struct Expression {
    source: String,
    compiled: Arc<Compiled>,
}

impl Expression {
    /// Compiles CEL. Refuses a reference to a variable that [`Variables`] does not have, a reference to a function that CEL
    /// does not have, a pattern of `matches` that is not written out, and any source that is longer, more deeply nested or
    /// more work than a rule needs to be.
    pub fn compile(source: &str) -> Result<Self, ExpressionError> {
        Self::compile_about(source, &[])
    }

    /// Compiles CEL that may also name these variables. If one of them is absent at run time, the expression fails.
    pub fn compile_about(source: &str, others: &[Other]) -> Result<Self, ExpressionError> {
        Ok(Self { source: source.to_owned(), compiled: Arc::new(parse(source, others)?) })
    }

    /// Runs the expression; anything but a boolean is an error.
    pub fn holds(&self, variables: Variables<'_>) -> Result<bool, ExpressionError> {
        self.holds_in(&variables.scene())
    }

    /// Runs the expression; anything but a string is an error.
    pub fn text(&self, variables: Variables<'_>) -> Result<String, ExpressionError> {
        match self.run(&variables.scene())? {
            CelValue::String(text) => Ok(text.as_ref().clone()),
            other => Err(ExpressionError(format!("gives a {}, not a string", other.type_of()))),
        }
    }

    /// Runs the expression and returns its value as JSON: a string, a boolean, a number, or lists and maps (with strings as
    /// keys) of them, no deeper and no larger than a claim needs to be. Anything else is an error.
    pub fn value_in(&self, scene: &Scene<'_>) -> Result<Value, ExpressionError> {
        value::to_json(&self.run(scene)?)
    }

    /// Like [`Expression::holds`], for several expressions about the same variables.
    pub fn holds_in(&self, scene: &Scene<'_>) -> Result<bool, ExpressionError> {
        match self.run(scene)? {
            CelValue::Bool(answer) => Ok(answer),
            other => Err(ExpressionError(format!("gives a {}, not a boolean", other.type_of()))),
        }
    }

    /// Whether the value can depend on the scope.
    pub fn looks_at_scopes(&self) -> bool {
        self.compiled.inputs.scopes
    }

    /// Whether the value can depend on this claim.
    pub fn looks_at_claim(&self, name: &str) -> bool {
        match &self.compiled.inputs.claims {
            Claims::Named(names) => names.contains(name),
            Claims::All => true,
        }
    }

    /// The claims that can change hands and on which the value depends, unless a permanent id beside them decides, too:
    /// `claims.name == "a" && claims.id == "1"` gives nothing, `||` instead of `&&` gives `name`. A claim is named by its
    /// path, for instance `name` or `kubernetes.io.namespace`. `has(…)` reads no claim.
    pub fn unbound_claims(&self, standing: &dyn Fn(&str) -> Permanence) -> BTreeSet<String> {
        standing::unbound(&self.compiled.syntax, standing)
    }

    /// Whether the value depends on a permanent id in every case.
    pub fn is_bound(&self, standing: &dyn Fn(&str) -> Permanence) -> bool {
        standing::is_bound(&self.compiled.syntax, standing)
    }

    /// The source from the configuration.
    pub fn source(&self) -> &str {
        &self.source
    }

    fn run(&self, scene: &Scene<'_>) -> Result<CelValue, ExpressionError> {
        scene.check_work(&self.compiled)?;
        scene.resolve(&self.compiled).map_err(|error| ExpressionError(self.describe(&error)))
    }

    /// An error in words. The library's own text contains values, which are claims.
    fn describe(&self, error: &ExecutionError) -> String {
        match error {
            // A computed key is a value, too.
            ExecutionError::NoSuchKey(key) if self.source.contains(key.as_str()) => {
                format!("there is no {key}")
            }
            ExecutionError::NoSuchKey(_) => "there is no such key".to_owned(),
            ExecutionError::NoSuchOverload(overload) => overload.to_string(),
            ExecutionError::FunctionError { function, .. } => format!("{function} failed"),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
            ExecutionError::Overflow(..) => "overflow".to_owned(),
            ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".to_owned(),
            _ => "it does not fit the types of the claims".to_owned(),
        }
    }
}

impl std::fmt::Debug for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expression({:?})", self.source)
    }
}

#[cfg(test)]
mod tests;
