//! What kind of thing a refusal is about: the rows of a page's table of errors.

use crate::words::refusal::{Reason, Refusal};

/// By what a caller asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// A token exchange, or what is not known yet.
    #[default]
    Exchange,
    /// A JWT authorization grant (RFC 7523).
    Assertion,
    /// The refresh of a token of ours (RFC 6749 section 6).
    Refresh,
}

/// A refusal, as a dialect has to tell it.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// Why.
    pub reason: Reason,
    /// The particulars: of [`Reason::ParameterMissing`], the parameter's name.
    pub detail: &'a str,
    /// What was asked.
    pub asked: Asked,
}

impl<'a> Refused<'a> {
    /// A refusal of what was asked.
    pub fn new(refusal: &'a Refusal, asked: Asked) -> Self {
        Self { reason: refusal.reason, detail: &refusal.detail, asked }
    }

    /// What it is about. A refresh or an assertion with which something is wrong is a grant that does not hold (RFC 6749
    /// section 5.2, RFC 7521 section 4.1.1).
    pub fn cause(&self) -> Cause {
        let cause = cause(self.reason);
        match (self.asked, cause) {
            (Asked::Refresh, Cause::Denied | Cause::Token | Cause::Untrusted | Cause::Actor)
            | (Asked::Assertion, Cause::Token | Cause::Untrusted) => Cause::Grant,
            _ => cause,
        }
    }
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The request can't be read, or lacks or repeats something.
    Request,
    /// The method is not POST.
    Method,
    /// The body is too large.
    TooLarge,
    /// The body came too slowly.
    TooSlow,
    /// The grant is not offered.
    GrantType,
    /// A token type, or a parameter, that is not served.
    TokenType,
    /// Who the client is.
    Client,
    /// The `DPoP` proof.
    Proof,
    /// The `DPoP` proof lacks a nonce.
    Nonce,
    /// The subject token is of nobody who is trusted, or can't be shown to be.
    Untrusted,
    /// What the subject token says.
    Token,
    /// The actor token, or whether its subject may act.
    Actor,
    /// The audience or the resource.
    Target,
    /// The scope.
    Scope,
    /// The refresh token or the assertion.
    Grant,
    /// Who may exchange what for whom.
    Denied,
    /// The identity provider, or something else that is needed, is away.
    Away,
    /// Something is broken at the identity provider or here.
    Broken,
}

/// What a reason is about.
fn cause(reason: Reason) -> Cause {
    match reason {
        Reason::PathNotCanonical
        | Reason::FramingRefused
        | Reason::TokenAmbiguous
        | Reason::ContentTypeNotForm
        | Reason::ContentCodingRefused
        | Reason::FormMalformed
        | Reason::GrantTypeMissing
        | Reason::ParameterRepeated
        | Reason::ParameterInQuery
        | Reason::ParameterMissing
        | Reason::ParameterUnknown
        | Reason::CredentialsAmbiguous
        | Reason::CredentialsSingleUse
        | Reason::AudienceMissing
        | Reason::AudiencesTooMany => Cause::Request,
        Reason::MethodNotAllowed => Cause::Method,
        Reason::BodyTooLarge => Cause::TooLarge,
        Reason::BodyTimeout => Cause::TooSlow,
        Reason::GrantTypeAmbiguous
        | Reason::GrantTypeUnsupported
        | Reason::ExchangeElsewhere
        | Reason::DoorClosed => Cause::GrantType,
        Reason::SubjectTokenTypeUnsupported
        | Reason::RequestedTokenTypeUnsupported
        | Reason::RefreshTokenRefused
        | Reason::ActorTokenUnsupported => Cause::TokenType,
        Reason::CredentialsMalformed
        | Reason::ClientMissing
        | Reason::ClientUnauthenticated
        | Reason::ClientAssertionReplayed => Cause::Client,
        Reason::DpopProofInvalid => Cause::Proof,
        Reason::DpopNonceRequired => Cause::Nonce,
        Reason::SubjectTokenIssuerUntrusted
        | Reason::SubjectTokenAlgorithm
        | Reason::SubjectTokenKeyUnknown
        | Reason::SubjectTokenSignature => Cause::Untrusted,
        Reason::SubjectTokenMalformed
        | Reason::SubjectTokenCritical
        | Reason::SubjectTokenExpired
        | Reason::SubjectTokenNotYetValid
        | Reason::SubjectTokenClaims
        | Reason::SubjectTokenAudience
        | Reason::SubjectTokenRule
        | Reason::SubjectTokenBound
        | Reason::SubjectTokenDelegated
        | Reason::SubjectTokenOurs
        | Reason::SubjectTokenInactive
        | Reason::SubjectTokenUsed
        | Reason::SubjectMappingFailed
        | Reason::GrantRefused => Cause::Token,
        Reason::ActorTokenInvalid
        | Reason::MayActViolated
        | Reason::ActorRequired
        | Reason::ActorNotPermitted
        | Reason::DelegationTooDeep
        | Reason::DelegationCycle => Cause::Actor,
        Reason::ResourceUnknown | Reason::IssuanceConflict => Cause::Target,
        Reason::ScopeMalformed | Reason::ScopeNotPermitted | Reason::OfflineNotPermitted => Cause::Scope,
        Reason::RefreshTokenInvalid | Reason::RefreshTokenReused | Reason::TokenOfAnotherClient => {
            Cause::Grant
        }
        Reason::RealmUnknown
        | Reason::AudienceUnknown
        | Reason::ClientNotPermitted
        | Reason::IssuerNotPermitted
        | Reason::SubjectTokenTypeNotPermitted
        | Reason::RequestedTokenTypeNotPermitted
        | Reason::ConditionNotMet
        | Reason::ConditionFailed
        | Reason::PermissionExpired
        | Reason::ImpersonationNotPermitted
        | Reason::ImpersonationProtected
        | Reason::ImpersonationSubjectUnknown
        | Reason::UpstreamRefused
        | Reason::AnswerLocked
        | Reason::AnswerRoles
        | Reason::AnswerScope
        | Reason::AnswerLifetime
        | Reason::RoleMappingFailed
        | Reason::ClaimTemplateFailed => Cause::Denied,
        Reason::ClientAuthenticationUnavailable
        | Reason::IntrospectionUnavailable
        | Reason::DirectoryUnavailable
        | Reason::StoreUnavailable
        | Reason::KeysUnavailable
        | Reason::UpstreamUnavailable
        | Reason::UpstreamTimeout => Cause::Away,
        Reason::UpstreamGarbage
        | Reason::AnswerSignature
        | Reason::AnswerAudience
        | Reason::AnswerSubject
        | Reason::AnswerTokenType
        | Reason::AnswerBinding
        | Reason::KeyCollision
        | Reason::SigningFailed
        | Reason::CallerGone
        | Reason::Internal => Cause::Broken,
    }
}
