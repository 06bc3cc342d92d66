//! The failure of a command.

/// A command could not do its work. The text says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct CommandFailure(pub String);

impl CommandFailure {
    /// The failure with the text of its cause.
    pub fn of(cause: impl std::fmt::Display) -> Self {
        Self(cause.to_string())
    }
}
