//! What an issued token must look like.
//!
//! A contract limits every claim. `reissue` drops further claims, which Keycloak's protocol mappers write, if the audience
//! does not list them; `forward` refuses a token that has any.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::judgement::policy::claim_values;
use crate::judgement::policy::delegation;
use crate::judgement::policy::model::{Issuance, Profile, RoleOutput};
use crate::judgement::policy::provenance::Provenance;
use crate::judgement::policy::roles::RoleNames;
use crate::judgement::policy::roles::terms::RoleTerms;
use crate::judgement::policy::scopes::Scopes;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// `token_type` of a token that is bound to a key (RFC 9449 section 5), and Keycloak's claim `typ` in it.
pub(crate) const DPOP: &str = "DPoP";

/// What the token that answers one request must look like.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "independent properties of a token, each with a name")]
pub struct Contract {
    /// The requesting client: `azp`, and the `aud` of an ID token.
    pub client: String,
    /// The `sub`: the subject token's, or, if mint gets a foreign subject, the `sub` that the audience's rule makes.
    /// `None`: the local user is not known yet ([`Contract::for_local_subject`]).
    pub subject: Option<String>,
    /// The `sid` of the realm's own subject token: an answer about the same session is about the same user.
    pub session: Option<String>,
    /// Whether an answer about this session is accepted if it has another `sub`, or none.
    pub accepts_pairwise: bool,
    /// Who issued the subject token.
    pub provenance: Provenance,
    /// The claims of an impersonated user.
    pub person: Option<Map<String, Value>>,
    /// The exact `act`: who acts for the subject (RFC 8693 section 4.1).
    pub act: Option<Value>,
    /// The exact `may_act`: the subject token's, or what the audience's file says (RFC 8693 section 4.4). If neither says
    /// anything, the identity provider may write `may_act`, which permits nobody more than others.
    pub may_act: Option<Value>,
    /// Who says who may act.
    pub may_act_source: MayActSource,
    /// The requested token type.
    pub requested: TokenType,
    /// Whether the ID token goes out that the identity provider gives beside an access token.
    pub id_token_beside: bool,
    /// The exact `aud` of an access token.
    pub audiences: BTreeSet<String>,
    /// Each audience's own roles.
    pub roles: Vec<RoleTerms>,
    /// Realm roles that may stay.
    pub realm_roles: BTreeSet<String>,
    /// Which claims name the roles.
    pub role_output: RoleOutput,
    /// Whether the subject's roles come from the identity provider's admin API ([`Contract::directory`]).
    pub from_directory: bool,
    /// Scope tokens that may be granted.
    pub scope_permitted: Scopes,
    /// The scope that was decided about; `None` if only the identity provider's answer will say it.
    pub scope_requested: Option<Scope>,
    /// Longest time from `iat` to `exp`.
    pub lifetime: SignedDuration,
    /// The latest `exp`, if subject token or actor token limit the life of the new token.
    pub expires_by: Option<Timestamp>,
    /// The `cnf` of the new token; `None` if nothing requires one.
    pub binding: Option<Value>,
    /// Claims beyond the standard claims that the token may have.
    pub claims: Names,
    /// Claims that the dialect allows too.
    pub carried: BTreeSet<String>,
    /// Claims of a minted token that nothing else gives a value.
    pub defaults: BTreeMap<String, Value>,
    /// Claims of access tokens, which ID tokens have only if the audience's file names them.
    pub access_only: &'static [&'static str],
    /// Claims that Cambio adds to an access token.
    pub set: Map<String, Value>,
    /// The form of an access token.
    pub profile: Profile,
    /// How the answer is made.
    pub issuance: Issuance,
    /// The family of refresh tokens with which the token is handed out, if any.
    pub refresh_family: Option<String>,
    /// Whether the token outlives the session of its login: a minted token that comes with an offline refresh token.
    pub outlives_session: bool,
}

/// Who says who may act for the subject of the new token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MayActSource {
    /// The subject token or, if it says nothing, the identity provider.
    #[default]
    Tokens,
    /// The audience's file (`token.mayAct`), whatever `may_act` the identity provider writes.
    AudienceFile,
}

/// An issued token, and what the answer says about the token.
#[derive(Clone, Copy)]
pub struct Issued<'a> {
    /// The token's claims; its signature has been verified.
    pub claims: &'a Map<String, Value>,
    /// The realm's `iss`.
    pub issuer: &'a str,
    /// The answer's `issued_token_type`.
    pub issued_token_type: Option<&'a str>,
    /// The answer's `token_type`.
    pub token_type: Option<&'a str>,
    /// The answer's `scope`.
    pub scope: Option<&'a str>,
    /// The subject's roles at the identity provider, if [`Contract::directory`] asks for them.
    pub directory: Option<&'a RoleNames>,
}

impl Issued<'_> {
    /// The granted scope. An ID token has no scope claim; the answer states the scope.
    ///
    /// # Errors
    /// [`Reason::AnswerScope`]: the scope can't be read.
    pub fn scope(&self) -> Result<Scope, Refusal> {
        match (self.claims.get("scope"), self.scope) {
            (Some(claim), _) => claim_values::scope_claim(claim),
            (None, Some(text)) => claim_values::scope(text),
            (None, None) => Ok(Scope::default()),
        }
    }
}

impl Contract {
    /// The contract about the local user to whom the identity provider maps a foreign subject.
    ///
    /// # Errors
    /// If the contract has a subject already, or the user is one of the actors.
    pub fn for_local_subject(&self, subject: &str, realm_issuer: &str) -> Result<Self, Refusal> {
        if self.act.as_ref().is_some_and(|act| delegation::acts(act, realm_issuer, subject)) {
            return Err(Refusal::new(Reason::DelegationCycle, "the subject is linked to the local user who acts"));
        }
        match self.subject {
            None => Ok(Self { subject: Some(subject.to_owned()), ..self.clone() }),
            Some(_) => Err(Refusal::new(Reason::Internal, "the contract's subject is known already")),
        }
    }

    /// The exact `aud` of the token: the audiences, or for an ID token the client.
    pub fn audience(&self) -> BTreeSet<String> {
        match self.requested {
            TokenType::IdToken => BTreeSet::from([self.client.clone()]),
            _ => self.audiences.clone(),
        }
    }

    /// The contract about an ID token that the identity provider gave beside the access token, for the same client and
    /// subject. The audience's file adds no roles and no claims to it (`token.set`); `token.claims` holds as for a requested
    /// ID token.
    #[must_use]
    pub fn for_id_token(&self) -> Self {
        Self {
            requested: TokenType::IdToken,
            from_directory: false,
            set: Map::new(),
            refresh_family: None,
            ..self.clone()
        }
    }

    /// Whether the token is an RFC 9068 access token.
    pub fn is_rfc9068(&self) -> bool {
        self.profile == Profile::Rfc9068 && self.upstream_type() == TokenType::AccessToken
    }

    /// Whether the token is about an impersonated user.
    pub fn is_impersonation(&self) -> bool {
        self.person.is_some()
    }

    /// The token type that the identity provider is asked for. For a requested JWT, that is an access token.
    pub fn upstream_type(&self) -> TokenType {
        match self.requested {
            TokenType::Jwt => TokenType::AccessToken,
            other => other,
        }
    }

    /// The identity provider's answer, with the token type that the caller asked for.
    pub(crate) fn renamed<'a>(&self, issued: Issued<'a>) -> Issued<'a> {
        let asked = issued.issued_token_type == Some(self.upstream_type().urn());
        let issued_token_type = if asked { Some(self.requested.urn()) } else { issued.issued_token_type };
        Issued { issued_token_type, ..issued }
    }

    /// Whether a scope token may be granted: it is permitted, and the decision was about it.
    pub(super) fn may_grant(&self, token: &str) -> bool {
        self.scope_permitted.contains(token)
            && self.scope_requested.as_ref().is_none_or(|requested| requested.contains(token))
    }
}
