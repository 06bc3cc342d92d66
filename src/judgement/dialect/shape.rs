//! The members of successful answers.

/// Which members a successful answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerShape {
    /// All members of the identity provider's answer.
    Unchanged,
    /// These members, in this order.
    Only(&'static [AnswerMember]),
}

/// A member of a successful answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerMember {
    /// The value is copied, if the member is there.
    Copied(&'static str),
    /// The value is copied, or is `null`.
    OrNull(&'static str),
    /// The value is copied, but the first text is replaced with the second.
    Instead(&'static str, &'static str, &'static str),
    /// The value is this text, whatever the identity provider says.
    Text(&'static str, &'static str),
}

impl AnswerMember {
    /// The member's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Copied(name) | Self::OrNull(name) | Self::Instead(name, _, _) | Self::Text(name, _) => name,
        }
    }

    /// The member's value, made from the value that the answer has under this name. `None`: the member is left out.
    pub fn value(self, original: Option<serde_json::Value>) -> Option<serde_json::Value> {
        match self {
            Self::OrNull(_) => Some(original.unwrap_or(serde_json::Value::Null)),
            Self::Instead(_, from, to) if original.as_ref().is_some_and(|value| value == from) => Some(to.into()),
            Self::Copied(_) | Self::Instead(..) => original,
            Self::Text(_, text) => Some(text.into()),
        }
    }
}
