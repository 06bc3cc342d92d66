//! Stage 3: the tokens of a request, checked: signature and times, whom a token is for, what kind of token it is, and
//! whether the caller is the sender to whom the token is bound.

pub mod checked;
mod checks;
pub mod dpop;
mod groups;
pub mod introspected;
mod kind;
pub mod lineage;
pub mod presented;
mod requested;
mod validated;

pub use checks::{AudienceRule, SubjectChecks};
pub use validated::{Validated, validate};

#[cfg(test)]
mod tests;
