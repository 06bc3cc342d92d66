//! The check that an issued token meets its contract.
//!
//! Cambio does not trust the identity provider's answer: it checks the token before the caller receives the token. `forward`
//! can only refuse a token that exceeds the contract; `reissue` first narrows the token ([`super::narrow`]).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::judgement::policy::claim_names::{REFRESH_FAMILY, is_bound_to_key};
use crate::judgement::policy::claim_values::{audience, scope, scope_claim, seconds};
use crate::judgement::policy::contract::{Contract, DPOP, Issued, MayActSource};
use crate::judgement::policy::model::Issuance;
use crate::judgement::policy::roles::RoleNames;
use crate::judgement::policy::roles::terms::RoleTerms;
use crate::words::oauth::confirmation::Binding;
use crate::words::oauth::scope::Scope;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

impl Contract {
    /// Checks that the issued token meets the contract. The refusal names what exceeds the contract, and the ways out.
    pub fn check(&self, issued: &Issued<'_>) -> Result<(), Refusal> {
        self.check_unchangeable(issued, self.requested)?;
        let claim = |name: &str| issued.claims.get(name);
        // Without `act`, the actor's requests would look like the subject's.
        let same_actors = claim("act") == self.act.as_ref();
        require(same_actors, Reason::AnswerSubject, "act is not the chain of actors that the contract has")?;
        let has_may_act = match self.may_act_source {
            MayActSource::AudienceFile => claim("may_act") == self.may_act.as_ref(),
            MayActSource::Tokens => self.may_act.is_none() || claim("may_act").is_some(),
        };
        require(has_may_act, Reason::AnswerSubject, "may_act is gone, or not what token.mayAct says")?;
        let is_bound = self.binding.is_none() || claim("cnf").is_some();
        require(is_bound, Reason::AnswerBinding, "the issued token has no cnf: it is bound to nobody")?;
        let family = self.refresh_family.as_deref();
        let names_family = family.is_none() || claim(REFRESH_FAMILY).and_then(Value::as_str) == family;
        require(names_family, Reason::Internal, "the issued token does not name its family of refresh tokens")?;
        let audience = audience(issued.claims)?;
        if audience != self.audience() {
            return Err(refuse(
                Reason::AnswerAudience,
                format!("aud is [{}], not [{}]", join(&audience), join(&self.audience())),
            ));
        }
        self.check_roles(&RoleNames::read(issued.claims)?)?;
        self.check_role_claims(issued.claims)?;
        let (claimed, stated) = (claim("scope").map(scope_claim).transpose()?, issued.scope.map(scope).transpose()?);
        claimed.iter().chain(&stated).try_for_each(|scope| self.check_scope(scope))?;
        self.check_lifetime(issued.claims)?;
        if self.issuance != Issuance::Forward {
            return Ok(());
        }
        self.check_forwarded_claims(issued.claims, &claimed.or(stated).unwrap_or_default())
    }

    /// Checks what narrowing can't correct: a token type other than `expected`, another subject, issuer or client, a missing
    /// audience, a delegation that nobody requested, a binding to another key or certificate.
    pub(super) fn check_unchangeable(&self, issued: &Issued<'_>, expected: TokenType) -> Result<(), Refusal> {
        self.check_type(issued, expected)?;
        let claim = |name: &str| issued.claims.get(name);
        let text = |name: &str| claim(name).and_then(Value::as_str);
        require(text("iss") == Some(issued.issuer), Reason::AnswerSubject, "iss is not the realm's")?;
        self.check_subject(issued.claims)?;
        // The identity provider does not learn of a new actor, so it can write the earlier actors only.
        let earlier = self.act.as_ref().and_then(|act| act.get("act"));
        let known_actors = claim("act").is_none_or(|act| [self.act.as_ref(), earlier].contains(&Some(act)));
        require(known_actors, Reason::AnswerSubject, "the issued token has an act that nobody asked for")?;
        let is_kept = |expected: &Value| claim("may_act").is_none_or(|may_act| may_act == expected);
        require(
            self.may_act_source == MayActSource::AudienceFile || self.may_act.as_ref().is_none_or(is_kept),
            Reason::AnswerSubject,
            "may_act is not the subject token's",
        )?;
        let party = if self.is_rfc9068() { "client_id" } else { "azp" };
        if text(party) != Some(self.client.as_str()) {
            return Err(refuse(Reason::AnswerAudience, format!("{party} is not the requesting client")));
        }
        self.check_completeness(issued.claims)?;
        if claim("aud").is_some() {
            let audience = audience(issued.claims)?;
            let missing: BTreeSet<_> = self.audience().difference(&audience).cloned().collect();
            if !missing.is_empty() {
                return Err(refuse(Reason::AnswerAudience, format!("aud lacks {}", join(&missing))));
            }
        }
        let is_bound = |binding: &Value| claim("cnf").is_none_or(|cnf| is_same(cnf, binding));
        require(
            self.binding.as_ref().is_none_or(is_bound),
            Reason::AnswerBinding,
            "cnf is neither the subject token's nor that of the caller's DPoP proof",
        )
    }

    /// Checks that the token is about the contract's subject: it has the `sub`, or the session of the subject token and
    /// therefore the same user, if that is accepted. The `sub` of a token that Cambio signs is always the contract's.
    fn check_subject(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        const BASIC: &str =
            "in Keycloak, give the client the client scope basic, and switch lightweight access tokens off";
        // If the subject is not known, no `sub` is right.
        let another = || {
            let detail = "sub is not the contract's subject. If the client has pairwise subject identifiers in Keycloak, the two \
                tokens need one sid, and the realm pairwiseSubjects: accept";
            Err(refuse(Reason::AnswerSubject, detail))
        };
        let Some(subject) = self.subject.as_deref() else { return another() };
        let sub = claims.get("sub").map(|sub| sub.as_str().unwrap_or_default());
        if sub == Some(subject) {
            return Ok(());
        }
        let is_missing = sub.is_none();
        let is_empty = claims.get("sub").and_then(Value::as_str) == Some("");
        let is_same_session =
            self.session.is_some() && claims.get("sid").and_then(Value::as_str) == self.session.as_deref();
        match (is_missing, is_same_session) {
            _ if (is_missing || is_empty) && !self.issuance.signs() => {
                let detail =
                    format!("the issued token has no sub, which forward can't add: {BASIC}, or use issuance: reissue");
                Err(refuse(Reason::AnswerWithoutSub, detail))
            }
            (_, true) if self.accepts_pairwise => Ok(()),
            (true, true) => {
                let detail = format!("the issued token has no sub: {BASIC}, or set realms.*.pairwiseSubjects: accept");
                Err(refuse(Reason::AnswerWithoutSub, detail))
            }
            (true, false) => Err(refuse(Reason::AnswerWithoutSub, format!("the issued token has no sub: {BASIC}"))),
            (false, true) => Err(refuse(
                Reason::AnswerPairwise,
                "sub is not the subject token's, but sid is: the client has pairwise subject identifiers. Set \
                 realms.*.pairwiseSubjects: accept, or remove the pairwise mapper from the client in Keycloak",
            )),
            (false, false) => another(),
        }
    }

    /// Refuses a lightweight access token (Keycloak): without `aud`, or without the roles for which the audience's file has
    /// rules. The directory can give the roles, and the contract has the `aud`.
    fn check_completeness(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let lacks = if !claims.contains_key("aud") {
            "aud"
        } else if self.issuance.signs() && self.reads_roles() && is_lightweight(claims) {
            "roles"
        } else {
            return Ok(());
        };
        if self.from_directory && self.issuance.signs() {
            return Ok(());
        }
        Err(refuse(
            Reason::AnswerLightweight,
            format!(
                "the issued token has no {lacks}, like lightweight access tokens: switch these off for the client in Keycloak, \
                 or for the mappers of aud and roles, or write roles.source: directory with issuance: reissue"
            ),
        ))
    }

    /// Whether roles of the issued token can become roles of the new token.
    fn reads_roles(&self) -> bool {
        let read = |terms: &RoleTerms| terms.own || !terms.renamed.is_empty() || !terms.from_realm.is_empty();
        self.requested != TokenType::IdToken && (!self.realm_roles.is_empty() || self.roles.iter().any(read))
    }

    fn check_type(&self, issued: &Issued<'_>, expected: TokenType) -> Result<(), Refusal> {
        if issued.issued_token_type != Some(expected.urn()) {
            return Err(refuse(Reason::AnswerTokenType, format!("issued_token_type is not {}", expected.name())));
        }
        let bound_to_key = is_bound_to_key(issued.claims);
        let typ = issued.claims.get("typ").and_then(Value::as_str);
        let token_type = issued.token_type.unwrap_or_default();
        let fits = match self.upstream_type() {
            TokenType::AccessToken if self.is_rfc9068() => {
                let expected = if bound_to_key { DPOP } else { "Bearer" };
                typ.is_none() && token_type.eq_ignore_ascii_case(expected)
            }
            // RFC 9449 section 5: token_type is DPoP exactly if the token is bound to a key. Keycloak writes typ DPoP into
            // such a token.
            TokenType::AccessToken if bound_to_key => {
                matches!(typ, Some("Bearer" | DPOP)) && token_type.eq_ignore_ascii_case(DPOP)
            }
            TokenType::AccessToken => typ == Some("Bearer") && token_type.eq_ignore_ascii_case("Bearer"),
            // RFC 8693 section 2.2.1: not an access token.
            TokenType::IdToken => typ == Some("ID") && token_type.eq_ignore_ascii_case("N_A"),
            TokenType::Jwt | TokenType::IdJag | TokenType::RefreshToken | TokenType::Saml1 | TokenType::Saml2 => false,
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

    fn check_roles(&self, roles: &RoleNames) -> Result<(), Refusal> {
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

    /// Checks that only the claims of `roles.output` name roles, and that a flat claim names permitted roles only.
    fn check_role_claims(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let keycloak = ["realm_access", "resource_access"].iter().any(|name| claims.contains_key(*name));
        let named = self.role_output.keycloak || !keycloak;
        require(named, Reason::AnswerRoles, "roles stand in a claim that roles.output does not name")?;
        let Some(roles) = self.role_output.claim.as_ref().and_then(|name| claims.get(name)) else {
            return Ok(());
        };
        let allowed = |role: &str| self.realm_roles.contains(role) || self.roles.iter().any(|terms| terms.allows(role));
        let list = roles.as_array().map(Vec::as_slice);
        let permitted = list.is_some_and(|list| list.iter().all(|role| role.as_str().is_some_and(allowed)));
        require(permitted, Reason::AnswerRoles, "the flat claim of roles names one that is not permitted")
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
        require(
            self.expires_by.is_none_or(|limit| expires <= limit.as_second()),
            Reason::AnswerLifetime,
            "the issued token outlives the subject token: use issuance: reissue, or token.withinSubject: false",
        )
    }
}

/// Whether Keycloak made a lightweight access token, in which no mapper has written roles. Keycloak's `jti` begins with
/// three codes of two letters: for the session, the kind of token, and the grant.
fn is_lightweight(claims: &Map<String, Value>) -> bool {
    let jti = claims.get("jti").and_then(Value::as_str).unwrap_or_default();
    let has_roles = ["realm_access", "resource_access"].iter().any(|name| claims.contains_key(*name));
    !has_roles && jti.get(2..4) == Some("lt") && jti.get(6..7) == Some(":")
}

/// Whether two values of `cnf` bind to one key or certificate. Keycloak writes a note beside the key.
fn is_same(cnf: &Value, other: &Value) -> bool {
    cnf == other || matches!((Binding::of(cnf), Binding::of(other)), (Ok(one), Ok(other)) if one == other)
}

fn require(holds: bool, reason: Reason, detail: &str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(refuse(reason, detail)) }
}

fn refuse(reason: Reason, detail: impl Into<String>) -> Refusal {
    Refusal::new(reason, detail)
}

fn join(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
