//! Refresh tokens that Cambio issues. Each is good for one use, for which the exchange is decided again.
//!
//! If the identity provider took part in the exchange, Cambio refreshes at it with its own refresh token, so a
//! session that has ended there ends here. The claims that the identity provider states now are judged. A refresh token that
//! is used again after its use was answered was copied, unless `refreshTokens.reuse` permits it: its whole family is revoked
//! (RFC 9700 section 4.14.2). A refresh token counts as used when the answer is ready, so that it can be tried again after
//! a passing failure.

mod keeper;
mod reuse;

use http::response;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::ask::UpstreamReply;
use super::outcome::{IssuedAnswer, Stop};
use crate::adapters::config::RefreshTokens;
use crate::adapters::upstream::directory::lineage::Freshness;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError};
use crate::edge::gateway::case::Case;
use crate::edge::gateway::refreshes::RefreshInFlight;
use crate::edge::gateway::replay::{MemberState, RefreshFamily};
use crate::judgement::client::credentials::CredentialsMethod;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::refresh::{Refresh, parse};
use crate::judgement::issue::answer::UpstreamAnswer;
use crate::judgement::issue::refresh::{Session, take_refreshed, take_session};
use crate::judgement::jose::claims;
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::permit::Permit;
use crate::judgement::permit::renewal::{RefreshEnds, Renewal};
use crate::judgement::permit::session::SessionNeed;
use crate::judgement::policy::model::Issuance;
use crate::judgement::token::{Validated, dpop};
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// A refresh token that was opened, and the request that it came with.
pub(super) struct OpenedRefresh {
    /// The request.
    pub(super) request: Refresh,
    /// The exchange that the refresh token stands for.
    pub(super) renewal: Renewal,
    /// The family of the refresh token in the store.
    pub(super) family: RefreshFamily,
    /// The use of the refresh token, until the request is answered.
    pub(super) flight: RefreshInFlight,
    /// This refresh token itself, if it is handed out once more: the one that came before it was used again.
    pub(super) again: Option<Secret>,
    /// What the identity provider answered when it refreshed its own token, if it takes part.
    refreshed: Option<Refreshed>,
}

/// The identity provider's answer to the refresh of its own token.
struct Refreshed {
    answer: UpstreamAnswer,
    /// The token of the answer.
    token: VerifiedToken,
    session: Session,
    head: response::Parts,
}

impl Case<'_> {
    /// Reads the request and opens its refresh token.
    ///
    /// # Errors
    /// The refresh token is invalid, was used or revoked; the realm has no refresh tokens; the store does not answer.
    /// The client is not authentic.
    pub(super) async fn open_refresh(&mut self, form: &Form) -> Result<OpenedRefresh, Refusal> {
        let config = &self.realm.config;
        let request = parse(form, &self.head, &config.clients.workloads)?;
        self.record.refreshing(&request);
        self.meet_client(request.credentials()).await?;
        let invalid = |detail: String| Refusal::new(Reason::RefreshTokenInvalid, detail);
        let seal = &self.refresh_tokens()?.seal;
        let renewal = seal.open(request.token(), &config.name, request.credentials().client_id());
        let renewal = renewal.map_err(|error| invalid(error.to_string()))?;
        if renewal.has_expired(self.services.now()) {
            return Err(invalid("it has expired".to_owned()));
        }
        self.record.family(&renewal);
        self.record.renewing(&renewal);
        let family = RefreshFamily::new(&renewal);
        let mut flight = self.services.refreshes.begin(family.member());
        flight.take_turn().await;
        match family.state(&self.services.store).await? {
            MemberState::Unused => {
                let renewal = self.replaced(renewal, &family).await?;
                Ok(OpenedRefresh { request, renewal, family, flight, again: None, refreshed: None })
            }
            MemberState::Revoked => Err(invalid("its family was revoked".to_owned())),
            MemberState::Used => Box::pin(self.used_before(request, family, flight)).await,
        }
    }

    /// If the identity provider takes part in the refresh, it authenticates the clients that the configuration does
    /// not register. Otherwise the client is authenticated before anything is issued.
    pub(super) async fn authenticate_refresh(&mut self, refresh: &OpenedRefresh) -> Result<Authenticated, Refusal> {
        let parsed = refresh.renewal.asked_again(&refresh.request);
        let parsed = parsed.ok_or_else(|| Refusal::new(Reason::RefreshTokenInvalid, "it can't be read"))?;
        if refresh.renewal.upstream().is_none() {
            self.require_client().await?;
        }
        self.authenticated(parsed)
    }

    /// What the identity provider states about the user now. If it takes part in the refresh, it refreshes its own token
    /// for the client; a session that has ended there ends here. For a token that was minted for one of the realm's own
    /// users, the directory says what the client would get. A foreign subject's issuer is not asked again.
    ///
    /// # Errors
    /// The identity provider refuses or does not answer.
    pub(super) async fn present_claims(
        &mut self,
        refresh: &mut OpenedRefresh,
    ) -> Result<Option<Map<String, Value>>, Stop> {
        let own = refresh.renewal.subject_issuer() == self.realm.config.name;
        let Some(token) = refresh.renewal.upstream() else {
            if !own {
                return Ok(None);
            }
            return Ok(Some(self.directory_claims(&refresh.renewal).await?));
        };
        let (form, head) = (refresh.request.upstream_form(token), self.head.clone());
        let UpstreamReply { head, body } = self.ask_upstream(refresh.request.credentials(), form, head).await?;
        let mut answer = UpstreamAnswer::read(head.status.as_u16(), &body)?;
        let session = take_refreshed(&mut answer);
        if let Some(token) = &session.token {
            // The identity provider may not accept its old refresh token again.
            let renewal = refresh.renewal.with_upstream(token.clone());
            if let Ok(sealed) = self.refresh_tokens()?.seal.seal(&renewal) {
                refresh.family.replace(&sealed, &self.services.store).await;
            }
        }
        let token = self.verified(answer.token()).await?;
        let claims = own.then(|| token.claims().clone());
        refresh.refreshed = Some(Refreshed { answer, token, session, head });
        Ok(claims)
    }

    /// The refresh token, with the identity provider's newest refresh token if an earlier refresh failed half way.
    pub async fn replaced(&self, renewal: Renewal, family: &RefreshFamily) -> Result<Renewal, Refusal> {
        if renewal.upstream().or(renewal.keeper()).is_none() {
            return Ok(renewal);
        }
        let Some(sealed) = family.replacement(&self.services.store).await? else { return Ok(renewal) };
        let opened = self.refresh_tokens()?.seal.open(&sealed, renewal.realm(), renewal.client());
        // A replacement that can't be opened was sealed with a key that is gone.
        Ok(opened.ok().filter(|opened| renewal.is_same_member(opened)).unwrap_or(renewal))
    }

    async fn directory_claims(&self, renewal: &Renewal) -> Result<Map<String, Value>, Refusal> {
        let invalid = |detail: &str| Refusal::new(Reason::RefreshTokenInvalid, detail);
        let directory = self.directory()?;
        let client = renewal.subject_client().ok_or_else(|| invalid("the subject token names no client"))?;
        let (upstream, user) = (&self.services.upstream, renewal.subject_id());
        let claims = directory.present_claims(upstream, user, client, renewal.subject_scope()).await;
        claims.map_err(|error| match error {
            DirectoryError::NoUser => invalid("the user does not exist any more"),
            error => self.directory_unavailable(&error),
        })
    }

    fn directory(&self) -> Result<&DirectoryClient, Refusal> {
        self.realm.directory.as_ref().ok_or_else(|| {
            let detail = format!("write realms.{}.directory", self.realm.config.name);
            Refusal::new(Reason::DirectoryUnavailable, detail)
        })
    }

    fn directory_unavailable(&self, error: &DirectoryError) -> Refusal {
        let detail = format!("realms.{}.directory: {error}", self.realm.config.name);
        Refusal::new(Reason::DirectoryUnavailable, detail).retry_after(error.retry_after())
    }

    /// Decides the exchange again with the present configuration.
    ///
    /// # Errors
    /// The exchange is no longer permitted, or its refresh tokens have come to their end.
    pub(super) fn decide_again(&self, validated: Validated, refresh: &OpenedRefresh) -> Result<Permit, Refusal> {
        let (policy, now) = (&self.generation.config.policy, self.services.now());
        let renewal = &refresh.renewal;
        let permit = Permit::renew(validated, renewal, policy, &self.realm.circumstances(), now)?;
        if ends(now, renewal.began(), permit.decision().refresh_lifetime, None).family <= now {
            return Err(Refusal::new(Reason::RefreshTokenInvalid, "token.refreshLifetime is over"));
        }
        refreshable(&permit, renewal.upstream().is_some())?;
        Ok(permit)
    }

    /// Issues the token of an exchange that is refreshed. Its subject token met the demands at first.
    pub(super) async fn issue_again(
        &mut self,
        permit: &mut Permit,
        refresh: &mut OpenedRefresh,
    ) -> Result<IssuedAnswer, Stop> {
        if let Some(refreshed) = refresh.refreshed.take() {
            return self.exchange_refreshed(permit, &refresh.request, refreshed).await;
        }
        // Only a refresh that is permitted keeps the session alive.
        self.keep_session(refresh).await?;
        self.check_minted(permit, &refresh.renewal).await?;
        Ok(self.mint(permit).await?)
    }

    /// Checks what the identity provider would check if it knew the refresh token: client, user, not-before and session. Only
    /// the directory can tell.
    async fn check_minted(&self, permit: &Permit, renewal: &Renewal) -> Result<(), Refusal> {
        let ended = |detail: String| Refusal::new(Reason::RefreshTokenInvalid, detail);
        let needs = permit.session_need(Some(&renewal.scope()));
        let lineage = renewal.lineage_claims(&self.realm.config.name, Some(needs));
        let checked = self.check_lineage(&lineage, Freshness::Now).await;
        checked.map_err(|refusal| match refusal.reason {
            Reason::SessionEnded => ended(refusal.detail),
            _ => refusal,
        })?;
        let session = session(permit).filter(|_| permit.validated().subject().provenance().is_of_realm());
        let Some(session) = session.filter(|_| needs == SessionNeed::Ordinary) else { return Ok(()) };
        // An offline session with this id is another client's.
        let alive = self.directory()?.session_is_alive(&self.services.upstream, session.user, session.id).await;
        let alive = alive.map_err(|error| self.directory_unavailable(&error))?;
        if alive { Ok(()) } else { Err(ended("the user's session has ended".to_owned())) }
    }

    /// Exchanges the identity provider's refreshed token again like the first. Without the exchange, the token would have
    /// everything that the client may have, or lack the audience, and Keycloak does not check whether the audience's
    /// client was disabled since (keycloak#53074). Evidence that is good for one call was used in the refresh; then there
    /// is no exchange.
    async fn exchange_refreshed(
        &mut self,
        permit: &mut Permit,
        refresh: &Refresh,
        refreshed: Refreshed,
    ) -> Result<IssuedAnswer, Stop> {
        let Refreshed { mut answer, mut token, mut session, mut head } = refreshed;
        let credentials = refresh.credentials();
        let used_up =
            credentials.method() == CredentialsMethod::Assertion || self.head.headers.contains_key(dpop::HEADER);
        if used_up {
            let audiences = claims::audiences(token.claims()).unwrap_or_default();
            if !permit.audiences().iter().all(|wanted| audiences.contains(&wanted.as_str())) {
                return Err(Stop::Refused(Refusal::new(
                    Reason::CredentialsSingleUse,
                    "the refreshed token lacks the audience, so it must be exchanged, and the assertion or DPoP proof was used \
                     in the refresh: let Keycloak put the audience into the client's tokens",
                )));
            }
        } else {
            let parsed = permit.asked_upstream();
            let form = parsed.upstream_form_for(answer.token(), permit.upstream_type(), permit.audiences());
            drop(parsed);
            let caller = self.take_head();
            let exchanged = self.ask_upstream(credentials, form, caller).await?;
            head = exchanged.head;
            answer = UpstreamAnswer::read(head.status.as_u16(), &exchanged.body)?;
            session = take_session(&mut answer)?;
            token = self.verified(answer.token()).await?;
        }
        let conformed = self.conform(permit, answer, &token).await?;
        Ok(IssuedAnswer { head, conformed, session: Some(session) })
    }

    /// The settings of the realm's refresh tokens.
    ///
    /// # Errors
    /// The realm has none.
    pub(super) fn refresh_tokens(&self) -> Result<&RefreshTokens, Refusal> {
        let config = &self.realm.config;
        config.refresh_tokens.as_ref().ok_or_else(|| {
            let detail = format!("realms.{}.refreshTokens is not configured", config.name);
            Refusal::new(Reason::RefreshTokenInvalid, detail)
        })
    }
}

/// Whether an allowed exchange can be refreshed. For a minted token no issuer is asked again, so `stillActive` can't
/// be met.
///
/// # Errors
/// It can't be refreshed.
pub(super) fn refreshable(permit: &Permit, upstream: bool) -> Result<(), Refusal> {
    let refused = |detail: &str| Err(Refusal::new(Reason::RefreshTokenRefused, detail));
    let provenance = permit.validated().subject().provenance();
    match permit.issuance() {
        Issuance::Mint if permit.decision().demands.still_active => {
            refused("with stillActive, leave refresh_token out of the permission: a refresh can't ask the issuer again")
        }
        Issuance::Mint if !permit.validated().subject().token().states_expiry() => refused(
            "the subject token's issuer says no exp: a refresh can't ask the issuer whether the token is still good",
        ),
        Issuance::Mint if provenance.is_by_cambio() => {
            refused("exchange the other issuer's token for one: a token that was minted can't be renewed for longer")
        }
        Issuance::Mint if provenance.is_of_realm() && session(permit).is_none() => {
            refused("with issuance mint, the realm's own tokens need roles.source: directory and a session (sid)")
        }
        Issuance::Mint => Ok(()),
        Issuance::Reissue if upstream => Ok(()),
        Issuance::Reissue | Issuance::Translate | Issuance::Forward => {
            refused("the identity provider gave no refresh token")
        }
    }
}

/// The end of a family: the audience owner's lifetime, counted from the exchange. A refresh token ends with its family, or at
/// the identity provider's present limit (seconds), whichever is earlier.
pub(super) fn ends(now: Timestamp, began: Timestamp, lifetime: SignedDuration, upstream: Option<i64>) -> RefreshEnds {
    let after = |from: Timestamp, time| from.checked_add(time).unwrap_or(Timestamp::MAX);
    let upstream = upstream.map_or(Timestamp::MAX, |seconds| after(now, SignedDuration::from_secs(seconds)));
    let family = after(began, lifetime);
    RefreshEnds { token: family.min(upstream), family }
}

/// The session on which a token minted for a realm's own user depends.
struct UserSession<'p> {
    user: &'p str,
    id: &'p str,
}

fn session(permit: &Permit) -> Option<UserSession<'_>> {
    let subject = permit.validated().subject();
    let sid = claims::string(subject.claims(), "sid").ok().flatten();
    let id = sid.filter(|sid| !sid.is_empty() && permit.contract().from_directory)?;
    Some(UserSession { user: subject.subject(), id })
}
