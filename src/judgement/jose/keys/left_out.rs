//! Members of a key set that Cambio does not use, and why.

use std::fmt;

use crate::words::oauth::json::JsonError;

/// Most members that a text names.
const MAX_NAMED: usize = 16;
/// Longest text of a member that is shown.
const MAX_SHOWN: usize = 64;

/// A member of a key set that Cambio does not use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOutKey {
    /// Its place in the set, counted from 1.
    pub place: usize,
    /// Its `kid`.
    pub kid: Option<String>,
    /// Why Cambio does not use it.
    pub fault: KeyFault,
}

/// Why a member of a key set is not used. The text never has a private part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// No object.
    #[error("it is no JSON object")]
    NotAnObject,
    /// No strict JSON.
    #[error("{0}")]
    Json(JsonError),
    /// Its own members say that it has another use. No fault.
    #[error("it is not for signatures")]
    OtherUse,
    /// A symmetric key (`oct`).
    #[error("it is a shared secret, which a public document makes everyone's")]
    SharedSecret,
    /// It, or another member with the same public half, has a private part.
    #[error("its private part is published, so anyone can sign with it")]
    Private,
    /// A member is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member has a wrong type.
    #[error("{0} is of a wrong type")]
    WrongType(&'static str),
    /// A type, curve or algorithm that Cambio does not verify.
    #[error("{name} {} is not supported", quoted(value))]
    Unsupported {
        /// The member.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// `key_ops` without `verify`.
    #[error("key_ops is without verify")]
    Operations,
    /// A number in another encoding.
    #[error("{0} is no base64url without padding")]
    Base64(&'static str),
    /// Numbers that are no fit key.
    #[error("{0}")]
    Unfit(&'static str),
    /// Another key has the same `kid` and algorithm.
    #[error("another key has the same kid and alg")]
    Ambiguous,
    /// Behind the last key that is used.
    #[error("only the first {0} signing keys are used")]
    Surplus(usize),
}

impl fmt::Display for LeftOutKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "key {}", self.place)?;
        if let Some(kid) = &self.kid {
            write!(f, " {}", quoted(kid))?;
        }
        write!(f, ": {}", self.fault)
    }
}

/// The members in one line.
pub(super) fn summary(left_out: &[LeftOutKey]) -> String {
    let mut named: Vec<String> = left_out.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    if left_out.len() > MAX_NAMED {
        named.push(format!("and {} more", left_out.len() - MAX_NAMED));
    }
    named.join("; ")
}

/// Text of the issuer's own: quoted, without control characters, and cut.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(MAX_SHOWN).collect::<String>())
}
