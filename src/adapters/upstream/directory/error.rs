//! Why the identity provider's admin API does not answer a question.

use http::StatusCode;

/// Why the roles can't be had. The text repeats nothing of an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The identity provider has no such user.
    #[error("the identity provider knows no such user")]
    NoUser,
    /// It shows us no client of this id, so that its roles can't be told.
    #[error(
        "the identity provider shows no client {0:?} to realms.*.directory.clientId: give it view-clients, or take the client out of adminRoles"
    )]
    NoClient(String),
    /// It refuses our own client, or lets it see too little.
    #[error("the identity provider answered {0} to {1}")]
    Status(StatusCode, &'static str),
    /// It does not answer, or not as Keycloak does.
    #[error("{0}")]
    Unavailable(String),
}
