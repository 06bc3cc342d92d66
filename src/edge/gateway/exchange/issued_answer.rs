//! What an issuance makes.

use http::response;

use crate::judgement::issue::Conformed;
use crate::judgement::issue::refresh::Session;

/// A token that meets its contract, on its way out.
pub(super) struct IssuedAnswer {
    /// The head of the answer.
    pub(super) head: response::Parts,
    /// The answer.
    pub(super) conformed: Conformed,
    /// Where a refresh token was asked for: what lets Cambio ask the identity provider again.
    pub(super) session: Option<Session>,
}
