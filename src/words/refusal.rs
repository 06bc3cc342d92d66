//! The closed set of causes for a refusal. The same value feeds the metric label, the audit line and the answer.

/// Writes the enum, its list, its names and its meanings from one table.
macro_rules! reasons {
    ($($variant:ident = $name:literal: $meaning:literal,)*) => {
        /// Why a request was refused or an answer withheld.
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
    // The request lock: what stands before us is not unambiguously one thing.
    PathNotCanonical = "path_not_canonical": "The path could be read as a token endpoint by some server but is not written in its one canonical form.",
    FramingRefused = "framing_refused": "The HTTP framing, Host or request target is ambiguous.",
    MethodNotAllowed = "method_not_allowed": "The method is not one that a token endpoint serves.",
    BodyTooLarge = "body_too_large": "The form is larger than listen.maxFormBytes.",
    BodyTimeout = "body_timeout": "The body did not arrive within listen.bodyTimeout.",
    ContentTypeNotForm = "content_type_not_form": "A token request must be application/x-www-form-urlencoded in UTF-8.",
    ContentCodingRefused = "content_coding_refused": "A token request must not carry a content coding.",
    FormMalformed = "form_malformed": "The body is not strict application/x-www-form-urlencoded UTF-8.",
    GrantTypeMissing = "grant_type_missing": "The request names no grant.",
    GrantTypeAmbiguous = "grant_type_ambiguous": "Some parser could read a governed grant here, but the request does not say so in its one canonical form.",
    GrantTypeUnsupported = "grant_type_unsupported": "The body is JSON, which the realm's dialect has for token exchanges, and the grant is another: only forms go to the identity provider.",
    ParameterRepeated = "parameter_repeated": "A parameter other than audience and resource stands in the request twice.",
    ParameterInQuery = "parameter_in_query": "A token request must not carry a query string.",
    ParameterMissing = "parameter_missing": "A required parameter is missing or empty.",
    ParameterUnknown = "parameter_unknown": "The exchange carries a parameter that Cambio does not know; realms.*.unknownParameters forwards such.",
    CredentialsAmbiguous = "credentials_ambiguous": "Client credentials stand in more than one place.",
    CredentialsMalformed = "credentials_malformed": "The Authorization header or the client assertion can't be read.",
    ClientMissing = "client_missing": "The request names no client.",
    ClientUnauthenticated = "client_unauthenticated": "The client is unknown to the method by which it authenticates, or its credentials are wrong.",
    ClientAssertionReplayed = "client_assertion_replayed": "The client assertion was used before.",
    ClientAuthenticationUnavailable = "client_authentication_unavailable": "Whether the client's credentials are right can't be found out now.",
    CredentialsSingleUse = "credentials_single_use": "The exchange needs two calls to the identity provider, and a client assertion is good for one.",
    DpopProofInvalid = "dpop_proof_invalid": "The dpop proof is malformed, not about this request, too old or was used before.",
    DpopNonceRequired = "dpop_nonce_required": "The realm demands a nonce in the dpop proof, and there is none or an old one.",
    RefreshTokenInvalid = "refresh_token_invalid": "The refresh token is not one of ours, has expired, or was issued to another client.",
    RefreshTokenReused = "refresh_token_reused": "The refresh token was used before; its whole family is revoked.",
    TokenOfAnotherClient = "token_of_another_client": "A token of ours is revoked by the client that it was issued to only.",
    TokenAmbiguous = "token_ambiguous": "Some parser could read a token of ours here, but the request does not carry it in its one canonical form.",
    ExchangeElsewhere = "exchange_elsewhere": "A form with a governed grant was sent to a path that is no token endpoint.",
    // Doors that are not open.
    RealmUnknown = "realm_unknown": "The realm is not configured, so nothing may be exchanged there.",
    DoorClosed = "door_closed": "This way of turning one token into another is closed by realms.*.doors.",
    // What is asked for.
    SubjectTokenTypeUnsupported = "subject_token_type_unsupported": "The subject_token_type is not one that this realm exchanges.",
    RequestedTokenTypeUnsupported = "requested_token_type_unsupported": "The requested_token_type is not one that is issued.",
    RefreshTokenRefused = "refresh_token_refused": "A refresh token is not handed out from an exchange.",
    ActorTokenUnsupported = "actor_token_unsupported": "No permission of the realm has delegation, and the identity provider would silently ignore the actor token.",
    ActorTokenInvalid = "actor_token_invalid": "The actor token does not hold, by one of the checks that are made of subject tokens.",
    ResourceUnknown = "resource_unknown": "The resource is not listed by any audience's file.",
    AudienceMissing = "audience_missing": "The exchange names no audience and no resource.",
    AudienceUnknown = "audience_unknown": "No file in the audiences folder is about this audience.",
    AudiencesTooMany = "audiences_too_many": "The exchange names more than ten audiences or resources.",
    ScopeMalformed = "scope_malformed": "The scope parameter is not a scope list.",
    // The subject token.
    SubjectTokenMalformed = "subject_token_malformed": "The subject token is no JWT.",
    SubjectTokenIssuerUntrusted = "subject_token_issuer_untrusted": "The subject token's issuer is not among realms.*.subjectIssuers.",
    SubjectTokenAlgorithm = "subject_token_algorithm": "The subject token's algorithm is not on the issuer's list.",
    SubjectTokenCritical = "subject_token_critical": "The subject token's header has crit or another extension that must be understood.",
    SubjectTokenKeyUnknown = "subject_token_key_unknown": "No key of the issuer has the subject token's kid.",
    SubjectTokenSignature = "subject_token_signature": "The subject token's signature is wrong.",
    SubjectTokenExpired = "subject_token_expired": "The subject token has expired.",
    SubjectTokenNotYetValid = "subject_token_not_yet_valid": "The subject token's nbf or iat lies in the future.",
    SubjectTokenClaims = "subject_token_claims": "The subject token lacks a required claim or has one of a wrong type.",
    SubjectTokenAudience = "subject_token_audience": "The subject token was not issued for this client or for one of the accepted audiences.",
    SubjectTokenRule = "subject_token_rule": "A claim validation rule of the issuer does not hold.",
    SubjectTokenBound = "subject_token_bound": "The subject token is sender-constrained (cnf), and the caller has not proved that it is the one.",
    SubjectTokenDelegated = "subject_token_delegated": "The subject token carries act, and the permission has no delegation, or act can't be read.",
    MayActViolated = "may_act_violated": "The subject token's may_act does not authorise this client and this actor.",
    ActorRequired = "actor_required": "The permission wants an actor token.",
    ActorNotPermitted = "actor_not_permitted": "No permission lets this actor act.",
    DelegationTooDeep = "delegation_too_deep": "The chain of actors would be longer than the permission allows.",
    DelegationCycle = "delegation_cycle": "The actor is in the chain of actors already, or is the subject.",
    ImpersonationNotPermitted = "impersonation_not_permitted": "No permission lets this subject become the requested one.",
    ImpersonationProtected = "impersonation_protected": "The requested subject has a role of realms.*.adminRoles, so nobody may become him.",
    ImpersonationSubjectUnknown = "impersonation_subject_unknown": "The requested subject is no enabled user of the realm.",
    OfflineNotPermitted = "offline_not_permitted": "The scope offline_access is asked for, and no permission lists it.",
    SubjectTokenOurs = "subject_token_ours": "A token that Cambio signed can be exchanged by issuance mint only, since the identity provider does not know it; one that it minted for another issuer's subject, not at all.",
    SubjectTokenInactive = "subject_token_inactive": "The subject token was revoked, or its issuer says that it is not active.",
    SubjectTokenUsed = "subject_token_used": "The permission allows one exchange of a subject token, and there was one.",
    SubjectMappingFailed = "subject_mapping_failed": "The issuer's claimMappings.username gives no name for this subject.",
    IntrospectionUnavailable = "introspection_unavailable": "The issuer can't be asked whether the subject token is active.",
    DirectoryUnavailable = "directory_unavailable": "The identity provider can't be asked for the user's roles, which roles.source: directory needs.",
    StoreUnavailable = "store_unavailable": "The store of used and revoked tokens does not answer, and the request needs it.",
    KeysUnavailable = "keys_unavailable": "The issuer's keys can't be had.",
    // Policy.
    ClientNotPermitted = "client_not_permitted": "The audience's owner has granted this client no permission.",
    IssuerNotPermitted = "issuer_not_permitted": "The owner's permission does not cover the subject token's issuer.",
    SubjectTokenTypeNotPermitted = "subject_token_type_not_permitted": "The owner's permission does not cover this subject token type.",
    RequestedTokenTypeNotPermitted = "requested_token_type_not_permitted": "The owner's permission does not cover this requested token type.",
    ScopeNotPermitted = "scope_not_permitted": "The owner's permission does not cover a requested scope.",
    ConditionNotMet = "condition_not_met": "The condition of the owner's permission does not hold.",
    ConditionFailed = "condition_failed": "The condition of the owner's permission can't be evaluated on this token.",
    IssuanceConflict = "issuance_conflict": "The audiences asked for want tokens that can't be one: ask for one at a time.",
    PermissionExpired = "permission_expired": "The owner's permission has expired.",
    // The identity provider.
    UpstreamRefused = "upstream_refused": "The identity provider refused; its answer was passed on.",
    GrantRefused = "grant_refused": "The identity provider takes the foreign token for no user of its own (RFC 7523), or the client may not use that grant there.",
    UpstreamUnavailable = "upstream_unavailable": "The identity provider can't be reached.",
    UpstreamTimeout = "upstream_timeout": "The identity provider did not answer in time.",
    UpstreamGarbage = "upstream_garbage": "The identity provider's answer can't be read.",
    // The answer and its contract.
    AnswerLocked = "answer_locked": "An answer with the marks of an exchange came from outside the pipeline and was withheld.",
    AnswerSignature = "answer_signature": "The issued token's signature is not by the realm's keys.",
    AnswerAudience = "answer_audience": "The issued token's aud is not the audience.",
    AnswerRoles = "answer_roles": "The issued token carries a role that the audience's file does not list.",
    AnswerScope = "answer_scope": "The issued token carries a scope that is not permitted.",
    AnswerLifetime = "answer_lifetime": "The issued token lives longer than the contract allows.",
    AnswerSubject = "answer_subject": "The issued token is about another subject.",
    AnswerTokenType = "answer_token_type": "The issued token type is not the requested one.",
    AnswerBinding = "answer_binding": "The issued token is bound more weakly than the subject token.",
    RoleMappingFailed = "role_mapping_failed": "A role expression of the audience's file can't be evaluated on this token.",
    ClaimTemplateFailed = "claim_template_failed": "A claim expression of the audience's file can't be evaluated on this token.",
    // Us.
    KeyCollision = "key_collision": "The identity provider publishes a key with the kid of a key of ours.",
    SigningFailed = "signing_failed": "The new token could not be signed.",
    CallerGone = "caller_gone": "The caller hung up before the answer was ready.",
    Internal = "internal": "A fault in Cambio.",
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: the closed cause, and for audit and operators the particulars (parameter names, role names, times).
/// The detail never holds a token, a secret or a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The cause.
    pub reason: Reason,
    /// The particulars.
    pub detail: String,
}

impl Refusal {
    /// A refusal with its particulars.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let names: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
