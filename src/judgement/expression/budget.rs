//! The work that the expressions of one request may take together.

use std::cell::Cell;

use super::cost::MAX_STEPS;
use super::error::ExpressionError;

/// Most steps of all evaluations for one decision. Where several permissions and audiences are tried with several scopes,
/// expressions are evaluated again and again.
const MAX_STEPS_TOGETHER: u64 = 4 * MAX_STEPS;

/// What is left of the steps of one decision.
#[derive(Debug)]
pub struct StepBudget(Cell<u64>);

impl Default for StepBudget {
    fn default() -> Self {
        Self(Cell::new(MAX_STEPS_TOGETHER))
    }
}

impl StepBudget {
    /// Takes the steps of one evaluation, if so many are left. What was taken is never given back.
    pub(super) fn spend(&self, steps: u64) -> Result<(), ExpressionError> {
        let left = self.0.get().checked_sub(steps);
        // An evaluation that does not fit leaves what is left to cheaper ones.
        left.map(|left| self.0.set(left)).ok_or_else(|| {
            ExpressionError(format!(
                "the expressions for this request take more than {MAX_STEPS_TOGETHER} steps together"
            ))
        })
    }
}
