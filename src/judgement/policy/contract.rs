//! What an issued token must look like, and the check that it does.
//!
//! The identity provider's answer is not trusted: it is held to the contract before anybody sees it. `forward` can only
//! refuse what exceeds the contract; `reissue` narrows first ([`super::narrow`]) and is then held to the same check.
//! A contract limits the claims that are named here. A forwarded token's further claims (Keycloak's protocol mappers
//! write them) stay as the identity provider made them; `reissue` drops those that the audience does not list.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::judgement::policy::delegation;
use crate::judgement::policy::model::{Issuance, Profile, RoleOutput};
use crate::judgement::policy::roles::{RoleTerms, Roles};
use crate::judgement::policy::scopes::Scopes;
use crate::words::oauth::confirmation::Binding;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// `token_type` of a token that is bound to a key (RFC 9449 section 5), and Keycloak's claim `typ` in it.
pub(crate) const DPOP: &str = "DPoP";

/// What the token that answers one request must look like.
#[derive(Clone, Debug, PartialEq)]
pub struct Contract {
    /// The requesting client: `azp`, and the `aud` of an ID token.
    pub client: String,
    /// The `sub`: the subject token's, or for a foreign subject of mint the one that the audience's file makes of it.
    /// `None`: the local user's, which is not known yet ([`Contract::for_local_subject`]).
    pub subject: Option<String>,
    /// Whether the subject token is the realm's own.
    pub own: bool,
    /// Whether the subject is one of another issuer, and the subject token one that we minted for him.
    pub settled: bool,
    /// What is known of the subject, where the subject token is about somebody else, who becomes him.
    pub person: Option<Map<String, Value>>,
    /// Exactly the `act`: who acts for the subject (RFC 8693 section 4.1).
    pub act: Option<Value>,
    /// The `may_act` of the subject token, exactly (RFC 8693 section 4.4). Where that has none, the identity provider may
    /// write one: it permits nobody what others may not.
    pub may_act: Option<Value>,
    /// The token type asked for.
    pub requested: TokenType,
    /// Exactly the `aud` of an access token.
    pub audiences: BTreeSet<String>,
    /// Each audience's own roles.
    pub roles: Vec<RoleTerms>,
    /// Realm roles that may stay.
    pub realm_roles: BTreeSet<String>,
    /// Which claims name the roles.
    pub role_output: RoleOutput,
    /// Whether the identity provider's admin API has to be asked for the subject's roles ([`Contract::directory`]).
    pub from_directory: bool,
    /// Scope tokens that may be granted.
    pub scope_permitted: Scopes,
    /// Scope tokens asked for; `None` when none were.
    pub scope_requested: Option<Scope>,
    /// Longest time from `iat` to `exp`.
    pub lifetime: SignedDuration,
    /// The expiry of the subject token, or of the actor's if that is earlier, where the contract holds the new token within it.
    pub expires_by: Option<Timestamp>,
    /// The `cnf` of the new token; `None` where nothing asks for one.
    pub binding: Option<Value>,
    /// Claims beyond the standard ones that a token that we sign may carry.
    pub claims: Names,
    /// Claims that it may carry for the dialect's sake.
    pub carried: BTreeSet<String>,
    /// Texts of claims of a minted token about whose subject nothing else is known.
    pub defaults: BTreeMap<String, String>,
    /// Claims that we add to an access token.
    pub set: Map<String, Value>,
    /// The form of an access token.
    pub profile: Profile,
    /// How the answer is made.
    pub issuance: Issuance,
}

/// An issued token and what the answer around it says of it.
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
}

impl Contract {
    /// Whether the issued token may be handed out as it is. The refusal names what exceeds the contract and the ways out.
    pub fn check(&self, issued: &Issued<'_>) -> Result<(), Refusal> {
        self.check_unchangeable(issued, self.requested)?;
        // Lost, it would have been somebody else's act.
        if issued.claims.get("act") != self.act.as_ref() {
            return Err(refuse(
                Reason::AnswerSubject,
                "act is not the chain of actors that the contract has",
            ));
        }
        if self.may_act.is_some() && !issued.claims.contains_key("may_act") {
            return Err(refuse(Reason::AnswerSubject, "the subject token's may_act is gone"));
        }
        if self.binding.is_some() && !issued.claims.contains_key("cnf") {
            return Err(refuse(Reason::AnswerBinding, "the issued token has no cnf: it is bound to nobody"));
        }
        let audience = audience(issued.claims)?;
        if audience != self.audience() {
            return Err(refuse(
                Reason::AnswerAudience,
                format!("aud is [{}], not [{}]", join(&audience), join(&self.audience())),
            ));
        }
        self.check_roles(&Roles::read(issued.claims)?)?;
        self.check_role_claims(issued.claims)?;
        for scope in
            [issued.claims.get("scope").map(text_scope).transpose()?, issued.scope.map(scope).transpose()?]
                .iter()
                .flatten()
        {
            self.check_scope(scope)?;
        }
        self.check_lifetime(issued.claims)
    }

    /// The contract about the local user that the identity provider took a foreign subject for.
    ///
    /// # Errors
    /// When the subject of this contract is known already, or is one of the actors.
    pub fn for_local_subject(&self, subject: &str, realm_issuer: &str) -> Result<Self, Refusal> {
        if self.act.as_ref().is_some_and(|act| delegation::acts(act, realm_issuer, subject)) {
            return Err(refuse(Reason::DelegationCycle, "the subject is linked to the local user who acts"));
        }
        match self.subject {
            None => Ok(Self { subject: Some(subject.to_owned()), ..self.clone() }),
            Some(_) => Err(refuse(Reason::Internal, "the contract's subject is known already")),
        }
    }

    /// Refuses where the token that the new one is held within has expired, though its issuer's leeway lets it be taken.
    pub(in crate::judgement::policy) fn has_time_left(&self, now: Timestamp) -> Result<(), Refusal> {
        match self.expires_by {
            Some(limit) if limit <= now => Err(refuse(
                Reason::SubjectTokenExpired,
                "the subject token, or the actor's, has expired but for the leeway, and the new one lives no longer",
            )),
            _ => Ok(()),
        }
    }

    /// What no narrowing can mend: another token type than `expected`, another subject, issuer or client, an audience
    /// that is missing, a delegation that nobody asked for, a binding to somebody else.
    pub(in crate::judgement::policy) fn check_unchangeable(
        &self,
        issued: &Issued<'_>,
        expected: TokenType,
    ) -> Result<(), Refusal> {
        self.check_type(issued, expected)?;
        let claim = |name: &str| issued.claims.get(name);
        if claim("iss").and_then(Value::as_str) != Some(issued.issuer) {
            return Err(refuse(Reason::AnswerSubject, "iss is not the realm's"));
        }
        // A subject that is not known is nobody's.
        if self.subject.is_none() || claim("sub").and_then(Value::as_str) != self.subject.as_deref() {
            return Err(refuse(Reason::AnswerSubject, "sub is not the one that the contract is about"));
        }
        // The identity provider is not told of a new actor, so it may have the earlier ones only.
        let earlier = self.act.as_ref().and_then(|act| act.get("act"));
        if let Some(act) = claim("act").filter(|act| Some(*act) != self.act.as_ref())
            && Some(act) != earlier
        {
            return Err(refuse(
                Reason::AnswerSubject,
                "the issued token carries an act that nobody asked for",
            ));
        }
        if let (Some(may_act), Some(expected)) = (claim("may_act"), &self.may_act)
            && may_act != expected
        {
            return Err(refuse(Reason::AnswerSubject, "may_act is not the subject token's"));
        }
        let party = if self.is_rfc9068() { "client_id" } else { "azp" };
        if claim(party).and_then(Value::as_str) != Some(self.client.as_str()) {
            return Err(refuse(Reason::AnswerAudience, format!("{party} is not the requesting client")));
        }
        let audience = audience(issued.claims)?;
        let missing: BTreeSet<_> = self.audience().difference(&audience).cloned().collect();
        if !missing.is_empty() {
            return Err(refuse(Reason::AnswerAudience, format!("aud lacks {}", join(&missing))));
        }
        if let (Some(binding), Some(cnf)) = (&self.binding, claim("cnf"))
            && !is_same(cnf, binding)
        {
            return Err(refuse(
                Reason::AnswerBinding,
                "cnf is neither the subject token's nor that of the caller's DPoP proof",
            ));
        }
        Ok(())
    }

    /// Exactly the `aud` of the token: the audiences, or for an ID token the client.
    pub fn audience(&self) -> BTreeSet<String> {
        match self.requested {
            TokenType::IdToken => BTreeSet::from([self.client.clone()]),
            _ => self.audiences.clone(),
        }
    }

    /// Whether the token is an RFC 9068 access token.
    pub fn is_rfc9068(&self) -> bool {
        self.profile == Profile::Rfc9068 && self.upstream_type() == TokenType::AccessToken
    }

    /// Whether the token is about somebody else than the subject token.
    pub fn is_impersonation(&self) -> bool {
        self.person.is_some()
    }

    /// What the identity provider is asked for: a JWT is an access token by another name.
    pub fn upstream_type(&self) -> TokenType {
        match self.requested {
            TokenType::Jwt => TokenType::AccessToken,
            other => other,
        }
    }

    /// An answer of the identity provider's with the name that the caller is told for it.
    pub(crate) fn renamed<'a>(&self, issued: Issued<'a>) -> Issued<'a> {
        let asked = issued.issued_token_type == Some(self.upstream_type().urn());
        let issued_token_type = if asked { Some(self.requested.urn()) } else { issued.issued_token_type };
        Issued { issued_token_type, ..issued }
    }

    fn check_type(&self, issued: &Issued<'_>, expected: TokenType) -> Result<(), Refusal> {
        if issued.issued_token_type != Some(expected.urn()) {
            return Err(refuse(
                Reason::AnswerTokenType,
                format!("issued_token_type is not {}", expected.name()),
            ));
        }
        let bound_to_key = is_bound_to_key(issued.claims);
        let typ = issued.claims.get("typ").and_then(Value::as_str);
        let token_type = issued.token_type.unwrap_or_default();
        let fits = match self.upstream_type() {
            TokenType::AccessToken if self.is_rfc9068() => {
                let expected = if bound_to_key { DPOP } else { "Bearer" };
                typ.is_none() && token_type.eq_ignore_ascii_case(expected)
            }
            // RFC 9449 section 5: who gets DPoP for token_type must show a key, and who must show one is told so.
            // Keycloak writes typ DPoP into such a token.
            TokenType::AccessToken if bound_to_key => {
                matches!(typ, Some("Bearer" | DPOP)) && token_type.eq_ignore_ascii_case(DPOP)
            }
            TokenType::AccessToken => typ == Some("Bearer") && token_type.eq_ignore_ascii_case("Bearer"),
            // RFC 8693 section 2.2.1: not an access token.
            TokenType::IdToken => typ == Some("ID") && token_type.eq_ignore_ascii_case("N_A"),
            TokenType::Jwt
            | TokenType::IdJag
            | TokenType::RefreshToken
            | TokenType::Saml1
            | TokenType::Saml2 => false,
        };
        if fits {
            Ok(())
        } else {
            Err(refuse(
                Reason::AnswerTokenType,
                format!("typ or token_type is not that of an {}", self.requested.name()),
            ))
        }
    }

    fn check_roles(&self, roles: &Roles) -> Result<(), Refusal> {
        let realm: Vec<_> =
            roles.realm.difference(&self.realm_roles).map(|role| format!("realm role {role}")).collect();
        let client = roles.clients.iter().flat_map(|(client, roles)| {
            let terms = self.roles.iter().find(|terms| terms.audience == *client);
            roles
                .iter()
                .filter(move |role| !terms.is_some_and(|terms| terms.allows(role)))
                .map(move |role| format!("role {role} of {client}"))
        });
        let excess: Vec<_> = realm.into_iter().chain(client).collect();
        if excess.is_empty() {
            return Ok(());
        }
        Err(refuse(
            Reason::AnswerRoles,
            format!(
                "the issued token has {}: use issuance: reissue, or list the role under roles.realm, or trim the \
                 client's scope mappings in Keycloak",
                excess.join(", ")
            ),
        ))
    }

    /// Where we say which claims name the roles, no other of them does, and a flat one names no more than the others may.
    fn check_role_claims(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let keycloak = ["realm_access", "resource_access"].iter().any(|name| claims.contains_key(*name));
        if !self.role_output.keycloak && keycloak {
            return Err(refuse(
                Reason::AnswerRoles,
                "roles stand in a claim that roles.output does not name",
            ));
        }
        let Some(roles) = self.role_output.claim.as_ref().and_then(|name| claims.get(name)) else {
            return Ok(());
        };
        let allowed =
            |role: &str| self.realm_roles.contains(role) || self.roles.iter().any(|terms| terms.allows(role));
        let list = roles.as_array().map(Vec::as_slice);
        if list.is_some_and(|list| list.iter().all(|role| role.as_str().is_some_and(allowed))) {
            return Ok(());
        }
        Err(refuse(Reason::AnswerRoles, "the flat claim of roles names one that is not permitted"))
    }

    fn check_scope(&self, granted: &Scope) -> Result<(), Refusal> {
        let excess: Vec<_> = granted.iter().filter(|token| !self.may_grant(token)).collect();
        if excess.is_empty() {
            return Ok(());
        }
        Err(refuse(
            Reason::AnswerScope,
            format!(
                "the issued token has scope {}: use issuance: reissue, or list it under the permission's scopes, or \
                 make it no default scope of the client in Keycloak",
                excess.join(" ")
            ),
        ))
    }

    /// Whether a scope token may be granted: it is permitted, and where we make the token ourselves also asked for.
    /// Keycloak adds its default scopes to those asked for, so `forward` can't hold it to that.
    pub(in crate::judgement::policy) fn may_grant(&self, token: &str) -> bool {
        self.scope_permitted.contains(token)
            && (self.issuance == Issuance::Forward
                || self.scope_requested.as_ref().is_none_or(|requested| requested.contains(token)))
    }

    fn check_lifetime(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let (issued, expires) = (seconds(claims, "iat")?, seconds(claims, "exp")?);
        if expires - issued > self.lifetime.as_secs() {
            return Err(refuse(
                Reason::AnswerLifetime,
                format!(
                    "the issued token lives {} s, the contract allows {} s: use issuance: reissue, or raise \
                     token.lifetime, or lower the client's access token lifespan in Keycloak",
                    expires - issued,
                    self.lifetime.as_secs()
                ),
            ));
        }
        if self.expires_by.is_some_and(|limit| expires > limit.as_second()) {
            return Err(refuse(
                Reason::AnswerLifetime,
                "the issued token outlives the subject token: use issuance: reissue, or token.withinSubject: false",
            ));
        }
        Ok(())
    }
}

/// Whether two values of `cnf` bind to the same: Keycloak writes a note beside the key.
fn is_same(cnf: &Value, other: &Value) -> bool {
    cnf == other || matches!((Binding::of(cnf), Binding::of(other)), (Ok(one), Ok(other)) if one == other)
}

/// Whether claims bind their token to a key that is shown by `DPoP` proofs (RFC 9449 section 6.1).
pub(crate) fn is_bound_to_key(claims: &Map<String, Value>) -> bool {
    claims.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some())
}

/// A `NumericDate` claim in whole seconds.
pub(in crate::judgement::policy) fn seconds(claims: &Map<String, Value>, name: &str) -> Result<i64, Refusal> {
    claims
        .get(name)
        .and_then(Value::as_i64)
        // A date that fits a token also keeps the sums with it within i64.
        .filter(|&seconds| (0..=0xFFFF_FFFF_FFFF).contains(&seconds))
        .ok_or_else(|| {
            refuse(Reason::AnswerLifetime, format!("{name} is missing or no whole number of seconds"))
        })
}

/// `aud`: a text or a list of texts (RFC 7519 section 4.1.3).
pub(in crate::judgement::policy) fn audience(
    claims: &Map<String, Value>,
) -> Result<BTreeSet<String>, Refusal> {
    let unreadable = || refuse(Reason::AnswerAudience, "aud is missing or can't be read");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(BTreeSet::from([one.clone()])),
        Some(Value::Array(many)) => {
            many.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(unreadable)).collect()
        }
        _ => Err(unreadable()),
    }
}

/// A `scope` claim.
pub(in crate::judgement::policy) fn text_scope(value: &Value) -> Result<Scope, Refusal> {
    scope(value.as_str().ok_or_else(|| refuse(Reason::AnswerScope, "scope is no text"))?)
}

/// A `scope` text.
pub(in crate::judgement::policy) fn scope(text: &str) -> Result<Scope, Refusal> {
    Scope::parse(text).map_err(|_| refuse(Reason::AnswerScope, "the issued scope is no scope list"))
}

fn refuse(reason: Reason, detail: impl Into<String>) -> Refusal {
    Refusal::new(reason, detail)
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
