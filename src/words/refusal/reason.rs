//! The closed table of reasons for a refusal: name, cause, public error and meaning.

use http::StatusCode;

use super::cause::Cause;
use super::public::{
    BAD_GATEWAY, DENIED, INTERNAL_ERROR, INVALID_CLIENT, INVALID_TOKEN, OVERLOADED, PublicError, TOO_MANY, UNAVAILABLE,
    bad, forbidden, invalid_request, unavailable,
};
use crate::words::oauth::error::ErrorCode::{
    InvalidDpopProof, InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget, InvalidToken, NotAllowed, ServerError,
    UnsupportedGrantType, UseDpopNonce,
};

/// Writes the enum and its properties from one table.
macro_rules! reasons {
    ($($variant:ident = $name:literal ($cause:ident, $public:expr): $meaning:literal,)*) => {
        /// Why Cambio refused a request or withheld an answer. The same value feeds the metric label, the audit line
        /// and the answer.
        #[expect(clippy::doc_markdown, reason = "the meanings are printed as plain text, too")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $(#[doc = $meaning] $variant,)*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The stable name: metric label and audit field.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// What the refusal is about.
            pub fn cause(self) -> Cause {
                match self {
                    $(Self::$variant => Cause::$cause,)*
                }
            }

            /// What the caller of a token exchange may know. A dialect may use other words.
            pub fn public(self) -> PublicError {
                match self {
                    $(Self::$variant => $public,)*
                }
            }

            /// What the reason means, for operators; docs/audit-log.md prints it.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)*
                }
            }
        }
    };
}

reasons! {
    // The request lock: the request could be read in two ways.
    PathNotCanonical = "path_not_canonical" (Request, invalid_request("Path is not canonical")):
        "Some server could read the path as a token endpoint, but the path is not written in its one canonical form.",
    FramingRefused = "framing_refused" (Request, invalid_request("Malformed request")):
        "The HTTP framing, Host or request target is ambiguous or malformed.",
    LoopDetected = "loop_detected" (Loop, PublicError::new(StatusCode::LOOP_DETECTED, ServerError, "Loop detected")):
        "The request went through this Cambio before, or through four others: upstream.url leads back to Cambio.",
    MethodNotAllowed = "method_not_allowed" (Method, PublicError::new(StatusCode::METHOD_NOT_ALLOWED, InvalidRequest, "Method not allowed")):
        "The token endpoint does not serve this method.",
    BodyTooLarge = "body_too_large" (TooLarge, PublicError::new(StatusCode::PAYLOAD_TOO_LARGE, InvalidRequest, "Request too large")):
        "The form is larger than listen.maxFormBytes.",
    BodyTimeout = "body_timeout" (TooSlow, PublicError::new(StatusCode::REQUEST_TIMEOUT, InvalidRequest, "Request timeout")):
        "The body did not arrive within listen.bodyTimeout, or a body that passes came too slowly (listen.idleTimeout).",
    Overloaded = "overloaded" (Overloaded, OVERLOADED):
        "Callers make Cambio hold as much as runtime.memory allows, or this caller as much as its share allows.",
    ContentTypeNotForm = "content_type_not_form" (Request, invalid_request("Missing form parameter: grant_type")):
        "A token request must be application/x-www-form-urlencoded in UTF-8.",
    ContentCodingRefused = "content_coding_refused" (Request, invalid_request("Content coding is not supported")):
        "A token request must not carry a content coding.",
    FormMalformed = "form_malformed" (Request, invalid_request("Malformed form")):
        "The body is not strict application/x-www-form-urlencoded UTF-8.",
    GrantTypeMissing = "grant_type_missing" (Request, invalid_request("Missing form parameter: grant_type")):
        "The request has no grant_type.",
    GrantTypeAmbiguous = "grant_type_ambiguous" (GrantType, bad(UnsupportedGrantType, "Unsupported grant_type")):
        "Some parser could read a governed grant in the request, but the request does not state the grant in its one canonical form.",
    GrantTypeUnsupported = "grant_type_unsupported" (GrantType, bad(UnsupportedGrantType, "Unsupported grant_type")):
        "The body is JSON, which the realm's dialect accepts for token exchanges only. Other grants must be forms.",
    ParameterRepeated = "parameter_repeated" (Request, invalid_request("duplicated parameter")):
        "A parameter other than audience and resource occurs twice.",
    ParameterInQuery = "parameter_in_query" (Request, invalid_request("Parameters are not accepted in the query string")):
        "A token request must not carry a query string.",
    ParameterMissing = "parameter_missing" (Request, invalid_request("Missing form parameter: subject_token or subject_token_type")):
        "A required parameter is missing or empty.",
    SubjectIssuerMissing = "subject_issuer_missing" (Request, invalid_request("Missing form parameter: subject_issuer")):
        "The request must say by subject_issuer who issued the subject token.",
    ActorTokenIncomplete = "actor_token_incomplete" (Request, invalid_request("actor_token and actor_token_type must come together")):
        "The request has an actor_token without actor_token_type, or the type without the token.",
    ParameterUnknown = "parameter_unknown" (Request, invalid_request("Unsupported parameter")):
        "The exchange has a parameter that Cambio does not know. realms.*.unknownParameters can forward such parameters.",
    CredentialsAmbiguous = "credentials_ambiguous" (Request, invalid_request("More than one client authentication method")):
        "The request has client credentials in more than one place.",
    CredentialsMalformed = "credentials_malformed" (Client, INVALID_CLIENT):
        "The Authorization header or the client assertion can't be read.",
    RateLimited = "rate_limited" (TooMany, TOO_MANY):
        "The client, its peer or all callers of the realm together came more often than realms.*.rateLimits allows.",
    ClientLockedOut = "client_locked_out" (TooMany, TOO_MANY):
        "The peer has sent too many wrong client secrets (realms.*.clientLockout), so Cambio does not say whether this one is right.",
    ClientMissing = "client_missing" (Client, INVALID_CLIENT):
        "The request names no client.",
    ClientUnauthenticated = "client_unauthenticated" (Client, INVALID_CLIENT):
        "The client is unknown for the authentication method that it uses, or its credentials are wrong.",
    ClientAssertionReplayed = "client_assertion_replayed" (Client, INVALID_CLIENT):
        "The client assertion was used before.",
    ClientAuthenticationUnavailable = "client_authentication_unavailable" (Unavailable, UNAVAILABLE):
        "The client's credentials can't be checked now.",
    CredentialsSingleUse = "credentials_single_use" (Request, invalid_request("This client authentication method can't be used here")):
        "The exchange needs two calls to the identity provider, and a client assertion can be used only once.",
    DpopProofInvalid = "dpop_proof_invalid" (DpopProof, bad(InvalidDpopProof, "DPoP proof is invalid")):
        "The DPoP proof is malformed, too old, was used before, or was made for another request.",
    DpopNonceRequired = "dpop_nonce_required" (DpopNonce, bad(UseDpopNonce, "DPoP proof needs a nonce")):
        "The realm requires a nonce in the DPoP proof, and the proof has none or an old one.",
    RefreshTokenInvalid = "refresh_token_invalid" (Grant, bad(InvalidGrant, "Invalid refresh token")):
        "The refresh token was not issued by Cambio, has expired, or was issued to another client.",
    RefreshTokenReused = "refresh_token_reused" (Grant, bad(InvalidGrant, "Maximum allowed refresh token reuse exceeded")):
        "The refresh token was used before. Its whole family is revoked, with every access token that came with it.",
    RefreshTokenRaced = "refresh_token_raced" (Grant, bad(InvalidGrant, "Maximum allowed refresh token reuse exceeded")):
        "Another request used the refresh token while this one was being answered. Nothing is revoked.",
    TokenOfAnotherClient = "token_of_another_client" (Grant, bad(InvalidToken, "Unmatching clients")):
        "Only the client that a token was issued to can revoke it.",
    TokenAmbiguous = "token_ambiguous" (Request, invalid_request("Malformed request")):
        "Some parser could read a token that Cambio issued in the request, but the request does not carry it in its one canonical form.",
    ExchangeElsewhere = "exchange_elsewhere" (GrantType, invalid_request("This grant_type is served at the token endpoint only")):
        "A form with a governed grant was sent to a path that is not a token endpoint.",
    // Ways to a token that are not open.
    RealmUnknown = "realm_unknown" (Denied, DENIED):
        "The realm is not configured, so no token can be exchanged there.",
    DoorClosed = "door_closed" (GrantType, forbidden("This grant is closed by policy")):
        "realms.*.doors closes this way of turning one token into another.",
    // What the request asks for.
    SubjectTokenTypeUnsupported = "subject_token_type_unsupported" (TokenType, invalid_request("Invalid token type, must be access token")):
        "This realm does not exchange tokens of this subject_token_type.",
    RequestedTokenTypeUnsupported = "requested_token_type_unsupported" (TokenType, invalid_request("requested_token_type unsupported")):
        "Cambio does not issue tokens of this requested_token_type.",
    RefreshTokenRefused = "refresh_token_refused" (TokenType, invalid_request("requested_token_type unsupported")):
        "This exchange can't give a refresh token.",
    ActorTokenUnsupported = "actor_token_unsupported" (TokenType, invalid_request("actor_token is not supported")):
        "No permission of the realm has delegation, and the identity provider would silently ignore the actor token.",
    ActorTokenInvalid = "actor_token_invalid" (Actor, invalid_request("Invalid actor token")):
        "The actor token failed one of the checks that subject tokens must pass.",
    ResourceUnknown = "resource_unknown" (Target, bad(InvalidTarget, "Resource not found")):
        "No audience's file lists the resource.",
    AudienceMissing = "audience_missing" (Request, invalid_request("Missing form parameter: audience")):
        "The exchange names no audience and no resource.",
    AudienceUnknown = "audience_unknown" (Denied, DENIED):
        "The audiences folder has no file for this audience.",
    AudienceMisconfigured = "audience_misconfigured" (Denied, DENIED):
        "The audience's file has a mistake, and Cambio holds no earlier good version of the file.",
    AudiencesTooMany = "audiences_too_many" (Request, invalid_request("Too many audiences")):
        "The exchange names more than ten audiences or resources.",
    ScopeMalformed = "scope_malformed" (Scope, bad(InvalidScope, "Invalid scopes")):
        "The scope parameter is not a list of scopes.",
    // The subject token.
    SubjectTokenMalformed = "subject_token_malformed" (SubjectToken, INVALID_TOKEN):
        "The subject token is not a JWT.",
    SubjectTokenTooLong = "subject_token_too_long" (SubjectToken, INVALID_TOKEN):
        "The subject token has more bytes than listen.maxTokenBytes.",
    SubjectTokenIssuerUntrusted = "subject_token_issuer_untrusted" (UntrustedToken, INVALID_TOKEN):
        "realms.*.subjectIssuers does not list the subject token's issuer.",
    SubjectTokenAlgorithm = "subject_token_algorithm" (UntrustedToken, INVALID_TOKEN):
        "The issuer's configuration does not list the subject token's algorithm.",
    SubjectTokenCritical = "subject_token_critical" (SubjectToken, INVALID_TOKEN):
        "The subject token's header has crit or another extension that a verifier must understand.",
    SubjectTokenKeyUnknown = "subject_token_key_unknown" (UntrustedToken, INVALID_TOKEN):
        "No key of the issuer has the subject token's kid.",
    SubjectTokenSignature = "subject_token_signature" (UntrustedToken, INVALID_TOKEN):
        "The subject token's signature is wrong.",
    SubjectTokenExpired = "subject_token_expired" (SubjectToken, INVALID_TOKEN):
        "The subject token has expired.",
    SubjectTokenNotYetValid = "subject_token_not_yet_valid" (SubjectToken, INVALID_TOKEN):
        "The subject token's nbf or iat is in the future.",
    SubjectTokenClaims = "subject_token_claims" (SubjectToken, INVALID_TOKEN):
        "The subject token lacks a required claim, or a claim has the wrong type.",
    SubjectTokenWithoutSub = "subject_token_without_sub" (SubjectToken, INVALID_TOKEN):
        "The subject token has no sub, so nobody can tell whose it is. In Keycloak, its client lacks the client scope basic, or has lightweight access tokens.",
    SubjectTokenKind = "subject_token_kind" (SubjectToken, INVALID_TOKEN):
        "The subject token is of another kind than its stated type, for instance an ID token that is presented as an access token.",
    SubjectTokenAudience = "subject_token_audience" (SubjectToken, forbidden("Client is not within the token audience")):
        "The subject token was not issued for this client or for one of the accepted audiences.",
    SubjectTokenRule = "subject_token_rule" (SubjectToken, INVALID_TOKEN):
        "The subject token does not meet a claim validation rule of its issuer.",
    SubjectTokenBound = "subject_token_bound" (SubjectToken, INVALID_TOKEN):
        "The subject token is sender-constrained (cnf), and the caller has not proved possession of the key.",
    SubjectTokenDelegated = "subject_token_delegated" (SubjectToken, INVALID_TOKEN):
        "The subject token has act, and the permission has no delegation, or act can't be read.",
    SubjectTokenImpersonated = "subject_token_impersonated" (SubjectToken, INVALID_TOKEN):
        "The subject token is of a session in which somebody impersonates the user (act in a token of the realm with sid), and the permission has no impersonationSessions.",
    MayActViolated = "may_act_violated" (Actor, DENIED):
        "The subject token's may_act does not authorise this client and this actor.",
    ActorRequired = "actor_required" (Actor, DENIED):
        "The permission requires an actor token.",
    ActorNotPermitted = "actor_not_permitted" (Actor, DENIED):
        "No permission lets this actor act.",
    DelegationTooDeep = "delegation_too_deep" (Actor, DENIED):
        "The chain of actors would be longer than the permission allows.",
    DelegationCycle = "delegation_cycle" (Actor, DENIED):
        "The actor is already in the chain of actors, or is the subject.",
    ImpersonationNotPermitted = "impersonation_not_permitted" (Denied, DENIED):
        "No permission lets this subject become the requested subject.",
    ImpersonationProtected = "impersonation_protected" (Denied, DENIED):
        "The requested subject has a role of realms.*.adminRoles, so nobody may become that user.",
    ImpersonationSubjectUnknown = "impersonation_subject_unknown" (Denied, DENIED):
        "The requested subject is not an enabled user of the realm.",
    OfflineNotPermitted = "offline_not_permitted" (Scope, bad(NotAllowed, "Offline tokens not allowed for the user or client")):
        "The request asks for the scope offline_access, and no permission lists it.",
    SubjectTokenOurs = "subject_token_ours" (SubjectToken, INVALID_TOKEN):
        "Cambio signed the subject token. Only issuance mint can exchange such a token, because the identity provider does not know it; a token that Cambio minted for another issuer's subject can't be exchanged at all.",
    SessionEnded = "session_ended" (SubjectToken, INVALID_TOKEN):
        "Cambio signed the subject token, and since then its user's session has ended, its user or client was disabled or deleted, or a not-before was pushed.",
    SubjectTokenInactive = "subject_token_inactive" (SubjectToken, INVALID_TOKEN):
        "The subject token was revoked, or its issuer says that it is not active.",
    SubjectTokenUsed = "subject_token_used" (SubjectToken, INVALID_TOKEN):
        "The permission allows one exchange of a subject token, and this subject token was exchanged before.",
    SubjectMappingFailed = "subject_mapping_failed" (SubjectToken, INVALID_TOKEN):
        "The issuer's claimMappings.username gives no name for this subject, or its `sub` has more than 2,048 bytes.",
    IntrospectionUnavailable = "introspection_unavailable" (Unavailable, UNAVAILABLE):
        "Cambio can't ask the issuer whether the subject token is active.",
    DirectoryUnavailable = "directory_unavailable" (Unavailable, UNAVAILABLE):
        "Cambio can't ask the identity provider about the user: for roles (roles.source: directory), or whether the session of a token that Cambio signed goes on.",
    StoreUnavailable = "store_unavailable" (Unavailable, UNAVAILABLE):
        "The request needs the store of used and revoked tokens, and the store does not answer.",
    KeysUnavailable = "keys_unavailable" (Unavailable, UNAVAILABLE):
        "Cambio can't get the issuer's keys.",
    KeysUnusable = "keys_unusable" (Unavailable, UNAVAILABLE):
        "The issuer publishes no key that Cambio can use to verify a signature.",
    // Policy.
    ClientNotPermitted = "client_not_permitted" (Denied, DENIED):
        "The audience's owner has granted this client no permission.",
    IssuerNotPermitted = "issuer_not_permitted" (Denied, DENIED):
        "The owner's permission does not cover the subject token's issuer.",
    SubjectTokenTypeNotPermitted = "subject_token_type_not_permitted" (Denied, DENIED):
        "The owner's permission does not cover this subject token type.",
    RequestedTokenTypeNotPermitted = "requested_token_type_not_permitted" (Denied, DENIED):
        "The owner's permission does not cover this requested token type.",
    ScopeNotPermitted = "scope_not_permitted" (Scope, bad(InvalidScope, "Invalid scopes")):
        "The owner's permission does not cover a requested scope.",
    ConditionNotMet = "condition_not_met" (Denied, DENIED):
        "The condition of the owner's permission is false.",
    ConditionFailed = "condition_failed" (Denied, DENIED):
        "The condition of the owner's permission can't be evaluated on this token.",
    IssuanceConflict = "issuance_conflict" (Target, bad(InvalidTarget, "The audiences can't have one token")):
        "The requested audiences need tokens that can't be one token. Ask for one audience at a time.",
    PermissionExpired = "permission_expired" (Denied, DENIED):
        "The owner's permission has expired.",
    // The identity provider.
    UpstreamRefused = "upstream_refused" (Denied, BAD_GATEWAY):
        "The identity provider refused, and Cambio passed its answer on.",
    GrantRefused = "grant_refused" (SubjectToken, INVALID_TOKEN):
        "The identity provider maps the foreign token to none of its users (RFC 7523), or the client may not use that grant there.",
    UpstreamUnavailable = "upstream_unavailable" (Unavailable, unavailable(StatusCode::BAD_GATEWAY)):
        "The identity provider can't be reached.",
    UpstreamTimeout = "upstream_timeout" (Unavailable, unavailable(StatusCode::GATEWAY_TIMEOUT)):
        "The identity provider did not answer in time.",
    UpstreamBusy = "upstream_busy" (Unavailable, UNAVAILABLE):
        "The identity provider answered 503 or 429, or no connection of upstream.maxConnections was free for this caller within upstream.connectTimeout.",
    UpstreamGarbage = "upstream_garbage" (Fault, BAD_GATEWAY):
        "The identity provider's answer can't be read.",
    // The answer and its contract.
    AnswerTooLong = "answer_too_long" (Fault, BAD_GATEWAY):
        "The answer to a token request that Cambio does not judge is longer than 256 KiB. Cambio does not hold more, and no such answer may leave before it was read whole.",
    AnswerLocked = "answer_locked" (Denied, DENIED):
        "An answer with the marks of an exchange did not come from an exchange that Cambio allowed, and was withheld.",
    AnswerSignature = "answer_signature" (Fault, BAD_GATEWAY):
        "None of the realm's keys made the issued token's signature.",
    AnswerAlgorithm = "answer_algorithm" (Denied, DENIED):
        "The issued token is signed with an algorithm that realms.*.algorithms does not list, or with the client's secret.",
    AnswerLightweight = "answer_lightweight" (Denied, DENIED):
        "The issued token is a lightweight access token, without aud or without roles, and the audience's file does not take the roles from the directory.",
    AnswerPairwise = "answer_pairwise" (Denied, DENIED):
        "The issued token is about the same session as the subject token, but has another sub, as with pairwise subject identifiers, and realms.*.pairwiseSubjects does not accept that.",
    AnswerWithoutSub = "answer_without_sub" (Denied, DENIED):
        "The issued token has no sub. In Keycloak, the client lacks the client scope basic, or has lightweight access tokens.",
    AnswerAudience = "answer_audience" (Fault, BAD_GATEWAY):
        "The issued token's aud is not the audience.",
    AnswerRoles = "answer_roles" (Denied, DENIED):
        "The issued token has a role that the audience's file does not list.",
    AnswerScope = "answer_scope" (Denied, DENIED):
        "The issued token has a scope that is not permitted.",
    AnswerClaims = "answer_claims" (Denied, DENIED):
        "The issued token has a claim that the audience's file does not list, or a standard claim of another type.",
    AnswerLifetime = "answer_lifetime" (Denied, DENIED):
        "The issued token lives longer than the contract allows.",
    AnswerSubject = "answer_subject" (Fault, BAD_GATEWAY):
        "The issued token is about another subject.",
    AnswerTokenType = "answer_token_type" (Fault, BAD_GATEWAY):
        "The issued token type is not the requested one.",
    AnswerBinding = "answer_binding" (Fault, BAD_GATEWAY):
        "The issued token is bound more weakly than the subject token.",
    RoleMappingFailed = "role_mapping_failed" (Denied, DENIED):
        "A role expression of the audience's file can't be evaluated on this token.",
    ClaimTemplateFailed = "claim_template_failed" (Denied, DENIED):
        "A claim expression of the audience's file can't be evaluated on this token.",
    // Cambio.
    KeyCollision = "key_collision" (Fault, INTERNAL_ERROR):
        "The identity provider publishes a key with the kid of one of Cambio's keys.",
    SigningFailed = "signing_failed" (Fault, INTERNAL_ERROR):
        "The new token could not be signed.",
    CallerGone = "caller_gone" (Request, invalid_request("Malformed request")):
        "The caller hung up before the answer was ready, or before the body of the request was complete.",
    Internal = "internal" (Fault, INTERNAL_ERROR):
        "A fault in Cambio.",
}

impl Reason {
    /// Whether a check of the subject token failed: of its type, its issuer, its signature or its contents.
    pub fn is_about_subject_token(self) -> bool {
        matches!(self.cause(), Cause::UntrustedToken | Cause::SubjectToken) || self == Self::SubjectTokenTypeUnsupported
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
