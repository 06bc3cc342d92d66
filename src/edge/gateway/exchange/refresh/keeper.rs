//! `refreshTokens.keepSessions`: refresh tokens of minted tokens keep the session of the login alive.

use super::OpenedRefresh;
use crate::adapters::upstream::directory::DirectoryError;
use crate::edge::gateway::case::Case;
use crate::judgement::permit::Permit;
use crate::judgement::permit::renewal::Renewal;
use crate::judgement::permit::session::SessionNeed;
use crate::judgement::policy::model::Issuance;
use crate::judgement::policy::provenance::Provenance;
use crate::words::oauth::scope::Scope;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

impl Case<'_> {
    /// A refresh token of Cambio's own client for the session on which the new refresh token depends, if the realm keeps
    /// sessions. Nothing can keep an offline session but its own client.
    ///
    /// # Errors
    /// The identity provider gives none.
    pub(in crate::edge::gateway::exchange) async fn join_session(
        &self,
        permit: &Permit,
        granted: &Scope,
    ) -> Result<Option<Secret>, Refusal> {
        let own = permit.issuance() == Issuance::Mint && permit.contract().provenance == Provenance::Realm;
        if !own || !self.refresh_tokens()?.keep_sessions || permit.session_need(Some(granted)) != SessionNeed::Ordinary
        {
            return Ok(None);
        }
        let subject = permit.validated().authenticated().parsed().subject_token();
        let joined = self.directory()?.join_session(&self.services.upstream, subject).await;
        joined.map(Some).map_err(|error| match error {
            DirectoryError::Status(status, _) if !status.is_server_error() => Refusal::new(
                Reason::RefreshTokenRefused,
                format!(
                    "keepSessions: {error}. The subject token's aud must have realms.*.directory.clientId, and this client \
                     needs Standard token exchange with refresh tokens"
                ),
            ),
            error => self.directory_unavailable(&error),
        })
    }

    /// Keeps the session alive on which a refresh token depends.
    ///
    /// # Errors
    /// The session has ended, or the identity provider does not say.
    pub(super) async fn keep_session(&self, refresh: &mut OpenedRefresh) -> Result<(), Refusal> {
        let settings = self.refresh_tokens()?;
        let Some(keeper) = refresh.renewal.keeper().filter(|_| settings.keep_sessions) else { return Ok(()) };
        let kept = self.directory()?.keep_session(&self.services.upstream, keeper).await;
        match kept.map_err(|error| self.directory_unavailable(&error))? {
            Some(next) => {
                refresh.renewal = refresh.renewal.with_keeper(next);
                // The identity provider may not accept the old one again.
                if let Ok(sealed) = settings.seal.seal(&refresh.renewal) {
                    refresh.family.replace(&sealed, &self.services.store).await;
                }
                Ok(())
            }
            None => Err(Refusal::new(Reason::RefreshTokenInvalid, "the user's session has ended")),
        }
    }

    /// Ends the session on which a refresh token depends, if Cambio's own client has a part in it.
    ///
    /// # Errors
    /// [`Reason::DirectoryUnavailable`]
    pub(in crate::edge::gateway) async fn end_kept_session(&self, renewal: &Renewal) -> Result<(), Refusal> {
        let Some((keeper, directory)) = renewal.keeper().zip(self.realm.directory.as_ref()) else { return Ok(()) };
        let ended = directory.end_session(&self.services.upstream, keeper).await;
        ended.map_err(|error| self.directory_unavailable(&error))
    }
}
