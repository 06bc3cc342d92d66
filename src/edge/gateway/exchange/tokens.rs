//! Checks the tokens of a request with the keys and rules of their issuers.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::outcome::Stop;
use super::refresh::OpenedRefresh;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::evidence::Sender;
use crate::edge::gateway::issuers::{PresentKeys, TrustedKeys};
use crate::edge::gateway::realm_runtime::CambioKeys;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::Verifier;
use crate::judgement::permit::{RefreshContext, remembered};
use crate::judgement::token::Validated;
use crate::judgement::token::checked::{CheckedToken, TokenSource};
use crate::judgement::token::introspected::is_opaque;
use crate::judgement::token::presented::{PresentedToken, Presenter};
use crate::words::refusal::{Reason, Refusal};

impl Case<'_> {
    /// Checks the subject token, and the actor token if there is one. A refresh has the tokens of its exchange, with what
    /// the identity provider states about the user now.
    ///
    /// # Errors
    /// A token is invalid, or its validity is unknown.
    pub(super) async fn tokens(
        &mut self,
        client: Authenticated,
        refresh: Option<&mut OpenedRefresh>,
        sender: &Sender,
    ) -> Result<Validated, Stop> {
        if let Some(refresh) = refresh {
            let present = Box::pin(self.present_claims(refresh)).await?;
            return Ok(self.remembered_tokens(client, refresh, present.as_ref(), sender)?);
        }
        let presenter = Presenter::of(&client, sender.evidence());
        let subject = self.check_token(PresentedToken::subject(client.parsed()), presenter).await?;
        if subject.provenance().is_of_realm() {
            self.page.learn_from_token(subject.claims());
        }
        let validated = Validated::new(client, subject)?;
        let client = validated.authenticated();
        let Some(actor) = PresentedToken::actor(client.parsed()) else { return Ok(validated) };
        let presenter = Presenter::of(client, sender.evidence());
        // Rare, so it is boxed.
        let actor = Box::pin(self.check_token(actor, presenter)).await?;
        Ok(validated.with_actor(actor))
    }

    fn remembered_tokens(
        &self,
        client: Authenticated,
        refresh: &OpenedRefresh,
        present: Option<&Map<String, Value>>,
        sender: &Sender,
    ) -> Result<Validated, Refusal> {
        let (issuers, renewal) = (&self.generation.issuers, &refresh.renewal);
        let untrusted = |name: &str| {
            let realm = &self.realm.config.name;
            let detail = format!("{name} is no longer among subjectIssuers of realm {realm}");
            Refusal::new(Reason::SubjectTokenIssuerUntrusted, detail)
        };
        let checks = |name: &str, iss: &str| {
            let issuer = issuers.trusted_by_name(self.realm, name, iss);
            issuer.map(|issuer| issuer.checks).ok_or_else(|| untrusted(name))
        };
        let context = RefreshContext {
            scope: refresh.request.scope(),
            subject: checks(renewal.subject_issuer(), renewal.subject_iss())?,
            actor: renewal.actor_issuer().map(|name| checks(name, renewal.actor_iss())).transpose()?,
            evidence: sender.evidence(),
            present,
            access_only: self.realm.config.dialect.rules().tokens.access_only,
            pairwise: self.realm.config.pairwise_subjects,
        };
        remembered(client, renewal, &context, self.services.now())
    }

    /// Checks one token: with its issuer's introspection answer, Cambio's keys or its issuer's keys.
    async fn check_token(
        &mut self,
        incoming: PresentedToken<'_>,
        presenter: Presenter<'_>,
    ) -> Result<CheckedToken, Refusal> {
        incoming.check_length(self.generation.config.listen.max_token_bytes)?;
        if is_opaque(incoming.token.expose()) {
            return Box::pin(self.check_opaque(incoming, presenter)).await;
        }
        let (role, token, now) = (incoming.role, incoming.read()?, self.services.now());
        let kind = incoming.kind_of(&token);
        if let Some(CambioKeys { checks, keys }) = self.cambio_keys(token.issuer(), token.kid()) {
            let source = TokenSource::Cambio {
                token,
                kind,
                keys,
                role_claims: &self.realm.role_claims,
                identity_claims: &self.realm.config.identity_claims,
                foreign_issuer: &|iss| self.foreign_issuer(iss),
            };
            let checked = CheckedToken::of(source, role, presenter, &checks, now)?;
            if self.is_revoked(incoming.token, checked.token()).await? {
                return Err(role.refuse(Reason::SubjectTokenInactive, "Cambio signed the token, and it was revoked"));
            }
            self.check_session_of(checked.claims()).await.map_err(|refusal| role.refusal(refusal))?;
            return Ok(checked);
        }
        if self.trusted(token.issuer()).is_ok_and(|trusted| trusted.must_ask_issuer(token.kid())) {
            self.require_client().await?;
        }
        let trusted = self.trusted(token.issuer()).map_err(|refusal| role.refusal(refusal))?;
        let keys = trusted.keys(token.kid()).await?;
        let source = TokenSource::Jwt { token, kind, keys: keys.verifier() };
        match (CheckedToken::of(source, role, presenter, &trusted.checks, now), &keys) {
            (Err(refusal), PresentKeys::Published(keys)) if may_be_of_keys(refusal.reason) => {
                // Rare, so it is boxed.
                let newer = Box::pin(self.newer_keys(incoming, keys)).await?.ok_or(refusal)?;
                let token = incoming.read()?;
                let checks = self.trusted(token.issuer()).map_err(|refusal| role.refusal(refusal))?.checks;
                let source = TokenSource::Jwt { token, kind, keys: Verifier::Keys(&newer) };
                CheckedToken::of(source, role, presenter, &checks, now)
            }
            (checked, _) => checked,
        }
    }

    /// Newer keys of the issuer of a token that none of these `keys` verifies: the issuer may have new keys under an old
    /// `kid`, or the token no `kid`. Another issuer than the realm is asked for a proven client only.
    async fn newer_keys(
        &mut self,
        incoming: PresentedToken<'_>,
        keys: &Arc<KeySet>,
    ) -> Result<Option<Arc<KeySet>>, Refusal> {
        let (role, token) = (incoming.role, incoming.read()?);
        let trusted = self.trusted(token.issuer()).map_err(|refusal| role.refusal(refusal))?;
        if !token.lacks_its_key(keys, &trusted.checks.checks.algorithms) {
            return Ok(None);
        }
        if trusted.must_ask_issuer_again() {
            self.require_client().await?;
        }
        let trusted = self.trusted(token.issuer()).map_err(|refusal| role.refusal(refusal))?;
        Ok(trusted.newer(keys).await)
    }

    /// The keys for a token that Cambio signed, if the realm accepts its own tokens and the token names such a key.
    fn cambio_keys(&self, issuer: &str, kid: Option<&str>) -> Option<CambioKeys<'_>> {
        let config = &self.realm.config;
        let accepts_its_own = issuer == config.issuer && config.subject_issuers.contains(&config.name);
        self.realm.cambio_keys(kid.filter(|_| accepts_its_own), self.services.now())
    }

    fn trusted(&self, issuer: &str) -> Result<TrustedKeys<'_>, Refusal> {
        self.generation.issuers.trusted(self.realm, issuer).ok_or_else(|| self.untrusted(issuer))
    }

    /// The name of the foreign issuer whose subject a minted token is about.
    fn foreign_issuer(&self, iss: &str) -> Result<String, Refusal> {
        let name = self.trusted(iss)?.checks.issuer_name;
        if name == self.realm.config.name { Err(self.untrusted(iss)) } else { Ok(name.to_owned()) }
    }

    fn untrusted(&self, iss: &str) -> Refusal {
        let detail = self.generation.issuers.why_untrusted(&self.realm.config, iss);
        Refusal::new(Reason::SubjectTokenIssuerUntrusted, detail)
    }
}

/// Whether other keys could lead to another outcome. The reason of an actor token does not say.
fn may_be_of_keys(reason: Reason) -> bool {
    matches!(reason, Reason::SubjectTokenSignature | Reason::SubjectTokenKeyUnknown | Reason::ActorTokenInvalid)
}
