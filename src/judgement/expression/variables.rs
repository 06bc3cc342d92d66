//! The variables of an expression.

use std::sync::{Arc, LazyLock};

use cel::Env;
use serde_json::{Map, Value};

/// The standard functions and macros; declaring them takes longer than most expressions run.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// The variables of an expression.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// The subject token's claims.
    pub claims: &'a Map<String, Value>,
    /// The requesting client's id.
    pub client: &'a str,
    /// The requested audience.
    pub audience: &'a str,
    /// The scope tokens that would be granted.
    pub scopes: &'a [String],
}

/// Somebody else whose claims an expression may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// `actor`: the actor token's claims.
    Actor,
    /// `requested`: the requested subject's claims.
    Requested,
}

impl Other {
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Requested => "requested",
        }
    }
}
