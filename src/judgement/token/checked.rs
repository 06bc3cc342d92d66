//! A checked token: subject or actor token; JWT, opaque or remembered.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::checks::{RefusedToken, SubjectChecks, is_held_by, was_issued_to};
use super::introspected::access_token;
use super::kind::TokenKind;
use super::presented::{Presenter, TokenRole};
use crate::judgement::jose::claims;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::{UnverifiedToken, VerifiedToken, Verifier};
use crate::judgement::policy::claim_names::{IMPERSONATED, OWNER_CLAIMS, SUBJECT_ISSUER};
use crate::judgement::policy::provenance::Provenance;
use crate::words::oauth::confirmation::Binding;
use crate::words::oauth::introspection::IntrospectionAnswer;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};

/// A token that was checked for the client that presents it. Only `CheckedToken::of` makes one.
#[derive(Clone, Debug)]
pub struct CheckedToken {
    token: VerifiedToken,
    kind: TokenType,
    issuer: String,
    provenance: Provenance,
    held_by_client: bool,
    binding: Binding,
    tenant: Option<String>,
    party: Option<String>,
    note: Option<String>,
}

/// A token, and who vouches for its claims.
pub(crate) enum TokenSource<'a> {
    /// A JWT, and what verifies it.
    Jwt { token: UnverifiedToken, kind: TokenType, keys: Verifier<'a> },
    /// A JWT that Cambio signed for the realm.
    Cambio {
        token: UnverifiedToken,
        kind: TokenType,
        /// The realm's keys of Cambio.
        keys: &'a KeySet,
        /// Claims that an audience's owner had Cambio write. They are not the identity provider's word to another
        /// audience.
        role_claims: &'a BTreeSet<String>,
        /// Claims that audience files may write about the user, for which the realm answers (`identityClaims`).
        identity_claims: &'a BTreeSet<String>,
        /// The name of the trusted foreign issuer that has this `iss`.
        foreign_issuer: &'a dyn Fn(&str) -> Result<String, Refusal>,
    },
    /// An opaque token, and what its issuer says about it.
    Introspected { answer: &'a IntrospectionAnswer, kind: TokenType },
    /// A JWT whose signature nobody checks, for a decision that nobody acts on (`permit::preview`).
    Supposed { token: UnverifiedToken, kind: TokenType },
    /// A token of an exchange that is being refreshed. Signature and times were checked when the exchange was allowed.
    Remembered {
        token: VerifiedToken,
        kind: TokenType,
        /// The binding of the token that was issued for it.
        binding: Binding,
    },
}

impl CheckedToken {
    /// Checks a token that `presenter` presents, and what the configuration says about it now.
    ///
    /// # Errors
    /// What is wrong with the token. An actor token must not be delegated itself: nobody would answer for its actors.
    pub(crate) fn of(
        source: TokenSource<'_>,
        role: TokenRole,
        presenter: Presenter<'_>,
        checks: &SubjectChecks<'_>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        Self::check(source, role, presenter, checks, now).map_err(|refusal| role.refusal(refusal))
    }

    fn check(
        source: TokenSource<'_>,
        role: TokenRole,
        presenter: Presenter<'_>,
        checks: &SubjectChecks<'_>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let jwt = |token: UnverifiedToken, stated, keys: Option<Verifier<'_>>| {
            let shown = RefusedToken::of(&token);
            let (token, expect) = (checks.prepared(token), checks.expectations());
            let token = match keys {
                Some(keys) => token.verify_with(keys, &expect, now),
                None => token.supposed(&expect, now),
            };
            let token = token.map_err(|error| checks.refusal_of(shown, error))?;
            let kind = checks.accept(&token, stated, presenter.client, presenter.evidence)?;
            let binding = Binding::read(token.claims())?;
            Self::new(token, stated, &binding, role, presenter, checks).map(|checked| (kind, checked))
        };
        match source {
            TokenSource::Jwt { token, kind, keys } => {
                let (kind, checked) = jwt(token, kind, Some(keys))?;
                checked.with_proof_if_id_token(kind, checks)
            }
            TokenSource::Supposed { token, kind } => {
                let (kind, checked) = jwt(token, kind, None)?;
                checked.with_proof_if_id_token(kind, checks)
            }
            // Cambio writes `cnf` into ID tokens, too.
            TokenSource::Cambio { token, kind, keys, role_claims, identity_claims, foreign_issuer } => {
                let (_, checked) = jwt(token, kind, Some(Verifier::Keys(keys)))?;
                let checked = checked.signed_by_cambio(role, foreign_issuer)?;
                let by_owner = owner_claims(checked.token.claims(), identity_claims);
                Ok(Self { token: checked.token.without(role_claims).without(&by_owner), ..checked })
            }
            TokenSource::Introspected { answer, kind } => {
                let token = access_token(answer, kind, checks, now)?;
                checks.fit(&token, presenter.client, presenter.evidence)?;
                let binding = Binding::read(token.claims())?;
                Self::new(token, kind, &binding, role, presenter, checks)
            }
            TokenSource::Remembered { token, kind, binding } => {
                if claims::string(token.claims(), "iss") != Ok(Some(checks.issuer)) {
                    let issuer = match role {
                        TokenRole::Subject => "the issuer",
                        TokenRole::Actor => "the actor's issuer",
                    };
                    let detail = format!("{issuer} has another iss now");
                    return Err(role.refuse(Reason::SubjectTokenIssuerUntrusted, detail));
                }
                // What the configuration says about kinds now counts. An opaque token has none.
                if !token.is_opaque() {
                    checks.kind(&token, kind)?;
                }
                checks.names_its_subject(token.claims())?;
                checks.fit(&token, presenter.client, presenter.evidence)?;
                binding.proved_by(presenter.evidence)?;
                Self::new(token, kind, &binding, role, presenter, checks)
            }
        }
    }

    /// The token, once its claims fit. `binding` is the binding of the token or, in a refresh, of the issued token.
    fn new(
        token: VerifiedToken,
        kind: TokenType,
        binding: &Binding,
        role: TokenRole,
        presenter: Presenter<'_>,
        checks: &SubjectChecks<'_>,
    ) -> Result<Self, Refusal> {
        if role == TokenRole::Actor && token.claims().contains_key("act") {
            let detail = "it has act, and is no actor's own token";
            return Err(Refusal::new(Reason::SubjectTokenDelegated, detail));
        }
        let of_realm = checks.audience.is_own();
        let held_by_client = !of_realm || is_held_by(token.claims(), presenter.client)?;
        if of_realm && presenter.is_public {
            was_issued_to(token.claims(), presenter.client)?;
        }
        Ok(Self {
            tenant: checks.tenant().map(|tenant| tenant.id.clone()),
            party: checks.client_of(token.claims()).map(str::to_owned),
            note: checks.note(token.claims()),
            token,
            kind,
            issuer: checks.issuer_name.to_owned(),
            provenance: if of_realm { Provenance::Realm } else { Provenance::Foreign },
            held_by_client,
            binding: binding.strengthened(presenter.evidence),
        })
    }

    /// Refuses an ID token of a realm without a proof. The ID token has no `cnf`, also if the access token of its login is
    /// bound to a key: the new token would be bound to nobody.
    fn with_proof_if_id_token(self, kind: TokenKind, checks: &SubjectChecks<'_>) -> Result<Self, Refusal> {
        let may_be_id = matches!(kind, TokenKind::Id | TokenKind::Unmarked);
        if !may_be_id || checks.checks.kinds.unbound_id_tokens || !self.binding.is_none() {
            return Ok(self);
        }
        let detail = format!(
            "an ID token does not say whether its login is bound to a key: send a DPoP proof or the access token, or set \
             realms.{}.unboundIdTokens: accept",
            checks.issuer_name
        );
        Err(Refusal::new(Reason::SubjectTokenBound, detail))
    }

    /// The token as one that Cambio signed: about one of the realm's users, or about a subject of another issuer for as
    /// long as that issuer is trusted.
    fn signed_by_cambio(
        self,
        role: TokenRole,
        foreign_issuer: &dyn Fn(&str) -> Result<String, Refusal>,
    ) -> Result<Self, Refusal> {
        let origin = self.claims().get(SUBJECT_ISSUER);
        let impersonated = self.claims().contains_key(IMPERSONATED);
        match role {
            TokenRole::Subject if impersonated => {
                let detail =
                    "the subject token came of an impersonation, which was permitted for its own audience alone";
                return Err(Refusal::new(Reason::ImpersonationNotPermitted, detail));
            }
            TokenRole::Actor if origin.is_some() => {
                let detail = "minted for a subject of another issuer, who is no user of the realm";
                return Err(Refusal::new(Reason::ActorTokenInvalid, detail));
            }
            TokenRole::Actor if impersonated => {
                let detail = "it came of an impersonation: it is not the user's own";
                return Err(Refusal::new(Reason::ActorTokenInvalid, detail));
            }
            TokenRole::Subject | TokenRole::Actor => {}
        }
        let Some(origin) = origin else {
            return Ok(Self { provenance: Provenance::CambioForRealm, ..self });
        };
        let issuer = foreign_issuer(origin.as_str().unwrap_or_default())?;
        Ok(Self { issuer, provenance: Provenance::CambioForForeign, ..self })
    }

    /// The verified token.
    pub fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// Its claims.
    pub fn claims(&self) -> &Map<String, Value> {
        self.token.claims()
    }

    /// Its `sub`.
    pub fn subject(&self) -> &str {
        self.token.subject()
    }

    /// Its `exp`.
    pub fn expires(&self) -> Timestamp {
        self.token.expires()
    }

    /// Its `iss`. An opaque token has the `iss` of the issuer that was asked.
    pub fn iss(&self) -> &str {
        self.claims().get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// The tenant of its issuer, if the issuer has tenants and issued the token itself.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The client that it was issued to, as far as the token says so.
    pub fn client(&self) -> Option<&str> {
        self.party.as_deref()
    }

    /// What the audit log must say about a token that the issuer's settings accept in spite of it.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Its token type.
    pub fn kind(&self) -> TokenType {
        self.kind
    }

    /// The name of its issuer in the configuration: of the subject's issuer, if Cambio minted the token for a foreign
    /// subject.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Who issued it.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// Whether it was issued to or for the client that presents it; always true for foreign tokens. If not, a
    /// permission must name the client that it was issued to.
    pub fn held_by_client(&self) -> bool {
        self.held_by_client
    }

    /// The binding of a token that is made from it.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }
}

/// The claims that the owner of another audience wrote into a token that Cambio signed, without those for which the realm
/// answers.
fn owner_claims(claims: &Map<String, Value>, identity_claims: &BTreeSet<String>) -> BTreeSet<String> {
    let names = claims.get(OWNER_CLAIMS).and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).filter(|name| !identity_claims.contains(*name)).map(str::to_owned).collect()
}
