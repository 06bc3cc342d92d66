//! The kinds of refusals: the rows of an identity provider's table of errors.

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request can't be read, lacks a parameter or repeats one.
    Request,
    /// The method is not POST.
    Method,
    /// The body is too large.
    TooLarge,
    /// The body came too slowly.
    TooSlow,
    /// Cambio has no memory left for the request. The caller may try again.
    Overloaded,
    /// The grant is not offered.
    GrantType,
    /// A token type or a parameter that is not supported.
    TokenType,
    /// The client's authentication.
    Client,
    /// More requests, or more wrong secrets, than a limit allows.
    TooMany,
    /// The `DPoP` proof.
    DpopProof,
    /// The `DPoP` proof lacks a nonce.
    DpopNonce,
    /// Nobody who is trusted can be shown to have issued the subject token.
    UntrustedToken,
    /// The contents of the subject token.
    SubjectToken,
    /// The actor token, or whether its subject may act.
    Actor,
    /// The audience or the resource.
    Target,
    /// The scope.
    Scope,
    /// The refresh token or the assertion.
    Grant,
    /// Who may exchange which tokens for which audience.
    Denied,
    /// The identity provider or another system that the request needs does not answer.
    Unavailable,
    /// The request goes in a circle.
    Loop,
    /// A fault of the identity provider or of Cambio.
    Fault,
}
