//! Introspection of subject tokens (RFC 7662): at issuers for their opaque tokens, and at the identity provider for
//! `stillActive`.

use super::case::Case;
use super::issuers::OpaqueIssuer;
use crate::judgement::token::checked::{CheckedToken, TokenSource};
use crate::judgement::token::introspected::may_be_shown;
use crate::judgement::token::presented::{PresentedToken, Presenter};
use crate::words::oauth::introspection::IntrospectionAnswer;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

impl Case<'_> {
    /// Checks an opaque token with its issuer's answer. The issuer is asked for a proven client only, and never about a
    /// text that can't be a token of the issuer. The configuration names the issuer, or `subject_issuer` if there are
    /// several.
    ///
    /// # Errors
    /// The client is not authentic, no issuer is suitable, the issuer does not answer, or its answer fails a check.
    pub(super) async fn check_opaque(
        &mut self,
        incoming: PresentedToken<'_>,
        presenter: Presenter<'_>,
    ) -> Result<CheckedToken, Refusal> {
        let role = incoming.role;
        may_be_shown(incoming.token, incoming.kind).map_err(|refusal| role.refusal(refusal))?;
        self.require_client().await?;
        let issuer = self.generation.issuers.opaque(&self.realm.config, incoming.issuer);
        let issuer = issuer.map_err(|refusal| role.refusal(refusal))?;
        let answer = self.introspect(&issuer, incoming.token).await?;
        let source = TokenSource::Introspected { answer: &answer, kind: incoming.kind };
        CheckedToken::of(source, role, presenter, &issuer.checks, self.services.now())
    }

    async fn introspect(&self, issuer: &OpaqueIssuer<'_>, token: &Secret) -> Result<IntrospectionAnswer, Refusal> {
        let OpaqueIssuer { checks, introspector } = issuer;
        introspector.introspect(&self.services.upstream, token).await.map_err(|error| {
            let issuer = checks.issuer_name;
            tracing::warn!(issuer, %error, "the issuer could not be asked about an opaque token");
            let detail = format!("issuer {issuer}: {error}");
            Refusal::new(Reason::IntrospectionUnavailable, detail).retry_after(error.retry_after())
        })
    }

    /// Checks with the identity provider that a realm's own token is still active. The answer is never cached.
    ///
    /// # Errors
    /// The token is not active, or the identity provider does not answer.
    pub(super) async fn still_active(&self, token: &Secret) -> Result<(), Refusal> {
        let (realm, name) = (self.realm, &self.realm.config.name);
        let unavailable = |detail: String| Refusal::new(Reason::IntrospectionUnavailable, detail);
        let Some(client) = &realm.introspection else {
            return Err(unavailable(format!("stillActive: write realms.{name}.introspection in cambio.yaml")));
        };
        match client.introspect(&self.services.upstream, token).await {
            Ok(answer) if answer.is_active() => Ok(()),
            Ok(_) => Err(Refusal::new(
                Reason::SubjectTokenInactive,
                format!(
                    "stillActive: realm {name} says that the token is not active; Keycloak says so, too, when the client {:?} is not in the token's aud",
                    client.client_id()
                ),
            )),
            Err(error) => {
                tracing::warn!(realm = name, %error, "the identity provider could not be asked whether a token is active");
                Err(unavailable(format!("stillActive: realm {name}: {error}")).retry_after(error.retry_after()))
            }
        }
    }
}
