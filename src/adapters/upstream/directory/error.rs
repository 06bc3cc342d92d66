//! Why the identity provider's admin API does not answer a question.

use http::StatusCode;

/// Why there is no answer about a user. The text repeats nothing of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The identity provider has no such user.
    #[error("the identity provider knows no such user")]
    NoUser,
    /// The identity provider shows Cambio no client with this id, so that nothing is known about its roles.
    #[error(
        "the identity provider shows no client {0:?} to realms.*.directory.clientId: give it view-clients, or take the client out of adminRoles"
    )]
    NoClient(String),
    /// The identity provider refuses Cambio's own client, or that client lacks permissions.
    #[error("the identity provider answered {0} to {1}")]
    Status(StatusCode, &'static str),
    /// The identity provider does not answer, or not as Keycloak does.
    #[error("{0}")]
    Unavailable(String),
}
