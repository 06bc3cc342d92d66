//! Why a text of the files does not have its format.

/// Why a text does not have its format.
pub(super) enum Misfit {
    /// The message follows the text, which it quotes.
    Quoted(String),
    /// The message stands alone: the text could be a secret, or says nothing.
    Alone(String),
}

/// An error that quotes the text unless it `fits`.
pub(super) fn quoted(fits: bool, message: &str) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(Misfit::Quoted(message.to_owned())) }
}

/// An error that does not quote the text unless it `fits`.
pub(super) fn alone(fits: bool, message: &str) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(Misfit::Alone(message.to_owned())) }
}
