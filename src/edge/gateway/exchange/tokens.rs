//! The tokens that came with a request, against the keys and rules of their issuers.

use serde_json::Value;

use super::refresh::OpenedRefresh;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::evidence::Sender;
use crate::edge::gateway::issuers::TrustedKeys;
use crate::edge::gateway::realm_runtime::CambioKeys;
use crate::edge::gateway::replay::revoked::token_id;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::jose::verify;
use crate::judgement::permit::{Checks, remembered};
use crate::judgement::policy::mint::{IMPERSONATED, SUBJECT_ISSUER};
use crate::judgement::token::actor::{ActorToken, about_the_actor};
use crate::judgement::token::introspected::is_opaque;
use crate::judgement::token::{Presented, Validated, validate_introspected};
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

impl Case<'_> {
    /// Checks the subject token, and the actor token if one came. A refresh has the tokens of its exchange.
    ///
    /// # Errors
    /// A token does not hold, or that can't be found out.
    pub(super) async fn tokens(
        &self,
        client: Authenticated,
        refresh: Option<&OpenedRefresh>,
        sender: &Sender,
    ) -> Result<Validated, Refusal> {
        if let Some(refresh) = refresh {
            return self.remembered_tokens(client, refresh, sender);
        }
        let validated = self.subject(client, sender).await?;
        match validated.authenticated().parsed().actor() {
            None => Ok(validated),
            // Rare: in a box of its own.
            Some((token, kind)) => {
                let client = validated.authenticated().client_id();
                let actor = Box::pin(self.actor(token, kind, client, sender)).await?;
                validated.with_actor(actor)
            }
        }
    }

    fn remembered_tokens(
        &self,
        client: Authenticated,
        refresh: &OpenedRefresh,
        sender: &Sender,
    ) -> Result<Validated, Refusal> {
        let checks = |name: &str| {
            self.generation.issuers.trusted_by_name(self.realm, name).map(|issuer| issuer.checks).ok_or_else(
                || {
                    let realm = &self.realm.config.name;
                    Refusal::new(
                        Reason::SubjectTokenIssuerUntrusted,
                        format!("{name} is no longer among subjectIssuers of realm {realm}"),
                    )
                },
            )
        };
        let renewal = &refresh.renewal;
        let checks = Checks {
            subject: checks(renewal.subject_issuer())?,
            actor: renewal.actor_issuer().map(checks).transpose()?,
        };
        remembered(client, renewal, refresh.request.scope(), &checks, sender.evidence())
    }

    async fn subject(&self, client: Authenticated, sender: &Sender) -> Result<Validated, Refusal> {
        if is_opaque(client.parsed().subject_token().expose()) {
            return Box::pin(self.opaque_subject(client, sender)).await;
        }
        let validated = self.jwt(client, sender).await?;
        let named = validated.authenticated().parsed().subject_issuer();
        let iss = validated.subject().claims().get("iss").and_then(Value::as_str);
        match named {
            // A caller that names an issuer relies on that issuer.
            Some(named) if named != validated.issuer() && Some(named) != iss => {
                Err(Refusal::new(Reason::SubjectTokenClaims, "subject_issuer is not the token's iss"))
            }
            _ => Ok(validated),
        }
    }

    /// An opaque subject token, checked by what its issuer says about it. The configuration says which issuer is asked, or
    /// `subject_issuer` where there are several.
    async fn opaque_subject(&self, client: Authenticated, sender: &Sender) -> Result<Validated, Refusal> {
        let parsed = client.parsed();
        let answer = self.introspect(parsed.subject_token(), parsed.subject_issuer()).await?;
        let now = self.services.now();
        validate_introspected(client, &answer.answer, &answer.checks, sender.evidence(), now)
    }

    async fn jwt(&self, client: Authenticated, sender: &Sender) -> Result<Validated, Refusal> {
        let presented = Presented::read(client)?;
        let (issuer, kid) = (presented.subject().issuer(), presented.subject().kid());
        let now = self.services.now();
        if let Some(CambioKeys { checks, keys }) = self.cambio_keys(issuer, kid) {
            let validated = presented.validate(keys, &checks, sender.evidence(), now)?;
            let token = validated.authenticated().parsed().subject_token();
            if self.is_revoked(&token_id(token, validated.subject())).await? {
                return Err(Refusal::new(Reason::SubjectTokenInactive, "a token of ours that was revoked"));
            }
            let validated = validated.forgetting(&self.realm.role_claims).signed_by_us();
            if validated.subject().claims().contains_key(IMPERSONATED) {
                let detail = "the subject token came of an impersonation, which was permitted for its own audience alone";
                return Err(Refusal::new(Reason::ImpersonationNotPermitted, detail));
            }
            return match validated.subject().claims().get(SUBJECT_ISSUER).cloned() {
                None => Ok(validated),
                Some(origin) => self.of_foreign_subject(validated, &origin),
            };
        }
        let trusted = self.trusted(issuer)?;
        let keys = trusted.keys(kid).await?;
        presented.validate(&keys, &trusted.checks, sender.evidence(), now)
    }

    /// A token that Cambio minted for another issuer's subject. It is about that subject for as long as the issuer is
    /// trusted.
    fn of_foreign_subject(&self, validated: Validated, origin: &Value) -> Result<Validated, Refusal> {
        let TrustedKeys { checks, .. } = self.trusted(origin.as_str().unwrap_or_default())?;
        if checks.issuer_name == self.realm.config.name {
            return Err(Refusal::new(Reason::Internal, "a foreign subject of the realm itself"));
        }
        validated.originating_from(checks.issuer_name)
    }

    async fn actor(
        &self,
        token: &Secret,
        kind: TokenType,
        client: &str,
        sender: &Sender,
    ) -> Result<ActorToken, Refusal> {
        let (now, evidence) = (self.services.now(), sender.evidence());
        if is_opaque(token.expose()) {
            let answer = self.introspect(token, None).await.map_err(about_the_actor)?;
            return ActorToken::check_introspected(
                &answer.answer,
                kind,
                client,
                &answer.checks,
                evidence,
                now,
            );
        }
        let peeked = verify::peek(token.expose())
            .map_err(|error| about_the_actor(Refusal::new(error.reason(), error.to_string())))?;
        let (issuer, kid) = (peeked.issuer(), peeked.kid());
        if let Some(CambioKeys { checks, keys }) = self.cambio_keys(issuer, kid) {
            let actor = ActorToken::check((token, kind), client, keys, &checks, evidence, now)?;
            let refused = |detail: &str| Err(Refusal::new(Reason::ActorTokenInvalid, detail));
            if actor.claims().contains_key(SUBJECT_ISSUER) {
                return refused("minted for a subject of another issuer, who is no user of the realm");
            }
            if actor.claims().contains_key(IMPERSONATED) {
                return refused("it came of an impersonation: it is not the user's own");
            }
            if self.is_revoked(&token_id(token, actor.token())).await? {
                return refused("a token of ours that was revoked");
            }
            return Ok(actor.forgetting(&self.realm.role_claims).signed_by_us());
        }
        let trusted = self.trusted(issuer).map_err(about_the_actor)?;
        let keys = trusted.keys(kid).await?;
        ActorToken::check((token, kind), client, &keys, &trusted.checks, evidence, now)
    }

    /// The keys for a token that Cambio signed, if the realm takes its own tokens and the token names such a key.
    fn cambio_keys(&self, issuer: &str, kid: Option<&str>) -> Option<CambioKeys<'_>> {
        let config = &self.realm.config;
        let takes_its_own = issuer == config.issuer && config.subject_issuers.contains(&config.name);
        self.realm.cambio_keys(kid.filter(|_| takes_its_own), self.services.now())
    }

    fn trusted(&self, issuer: &str) -> Result<TrustedKeys<'_>, Refusal> {
        self.generation.issuers.trusted(self.realm, issuer).ok_or_else(|| {
            let (issuer, realm) = (issuer.chars().take(128).collect::<String>(), &self.realm.config.name);
            Refusal::new(
                Reason::SubjectTokenIssuerUntrusted,
                format!("issuer {issuer:?} is not among subjectIssuers of realm {realm}"),
            )
        })
    }
}
