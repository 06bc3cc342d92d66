//! The second use of a refresh token. It is a sign of theft, unless `refreshTokens.reuse` takes it for a lost answer: then
//! the client gets the next refresh token of the family once more, with the next one's rights and nothing beyond.

use super::OpenedRefresh;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::refreshes::RefreshInFlight;
use crate::edge::gateway::replay::{MemberState, RefreshFamily, raced};
use crate::judgement::exchange::refresh::Refresh;
use crate::judgement::permit::renewal::Renewal;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// The refresh token that the first use of another one brought.
struct Successor {
    token: Secret,
    renewal: Renewal,
}

impl Case<'_> {
    /// Judges the use of a refresh token that was used before. Within `refreshTokens.reuse`, and as long as nobody has used
    /// the next refresh token, the next one is refreshed in its place and handed out again. Otherwise the family is revoked,
    /// once the client is proven: whoever found a used one can end nothing.
    ///
    /// # Errors
    /// The refresh token may not be used again, or the store does not answer.
    pub(super) async fn used_before(
        &mut self,
        request: Refresh,
        family: RefreshFamily,
        flight: RefreshInFlight,
    ) -> Result<OpenedRefresh, Refusal> {
        if let Some(Successor { token, renewal }) = self.successor(request.credentials().client_id(), &family).await? {
            let family = RefreshFamily::new(&renewal);
            let mut flight = self.services.refreshes.begin(family.member());
            flight.take_turn().await;
            match family.state(&self.services.store).await? {
                MemberState::Unused => {
                    self.record.used_again();
                    let renewal = self.replaced(renewal, &family).await?;
                    return Ok(OpenedRefresh { request, renewal, family, flight, again: Some(token), refreshed: None });
                }
                MemberState::Used if flight.is_overtaken() => return Err(raced()),
                // Whoever uses this one has not followed the family.
                MemberState::Used | MemberState::Revoked => {}
            }
        } else if flight.is_overtaken() {
            return Err(raced());
        }
        self.require_client().await?;
        family.revoke(&self.services.store).await?;
        Err(Refusal::new(Reason::RefreshTokenReused, "it was used before, and its family is revoked now"))
    }

    /// What the first use of a refresh token brought, as long as `refreshTokens.reuse` lasts.
    async fn successor(&self, client: &str, family: &RefreshFamily) -> Result<Option<Successor>, Refusal> {
        let settings = self.refresh_tokens()?;
        if settings.reuse.is_zero() {
            return Ok(None);
        }
        let now = self.services.now();
        let Some(token) = family.successor(now, &self.services.store).await? else { return Ok(None) };
        // One that can't be opened was sealed with a key that is gone.
        let opened = settings.seal.open(&token, &self.realm.config.name, client);
        let opened = opened.ok().filter(|next| family.is_followed_by(next) && !next.has_expired(now));
        Ok(opened.map(|renewal| Successor { token, renewal }))
    }

    /// Lets the refresh token be used again for as long as `refreshTokens.reuse` says.
    pub(in crate::edge::gateway::exchange) async fn allow_reuse(
        &self,
        family: &RefreshFamily,
        next: &Secret,
    ) -> Result<(), Refusal> {
        let reuse = self.refresh_tokens()?.reuse;
        if !reuse.is_zero() {
            let now = self.services.now();
            family.followed_by(next, now.saturating_add(reuse).unwrap_or(now), &self.services.store).await;
        }
        Ok(())
    }
}
