//! Issues the token of an allowed request: through the identity provider (`forward`, `reissue`, `translate`), or as
//! Cambio's own (`mint`).

use http::StatusCode;

use super::ask::UpstreamReply;
use super::outcome::{IssuedAnswer, Stop};
use super::refresh::OpenedRefresh;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::signing::signer;
use crate::judgement::client::credentials::CredentialsMethod;
use crate::judgement::issue::answer::UpstreamAnswer;
use crate::judgement::issue::id_token::{IdTokenBeside, OPENID};
use crate::judgement::issue::refresh::{Session, take_session};
use crate::judgement::issue::translate::LocalSubject;
use crate::judgement::issue::{self, Conformed, Verified};
use crate::judgement::jose::verify::VerifiedToken;
use crate::judgement::permit::{Permit, Settled};
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::model::Issuance;
use crate::judgement::token::dpop;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

impl Case<'_> {
    /// Issues the token in the way that the audience's owner chose. After that, the client is proven.
    ///
    /// # Errors
    /// The client is not authentic, the identity provider refuses, or its answer does not meet the contract.
    pub(super) async fn issue(
        &mut self,
        permit: &mut Permit,
        refresh: Option<&mut OpenedRefresh>,
    ) -> Result<IssuedAnswer, Stop> {
        match &refresh {
            Some(refresh) => permit.in_family(refresh.renewal.family(), Some(&refresh.renewal.scope())),
            None if permit.decision().refresh && permit.issuance().signs() => {
                permit.in_family(&uuid::Uuid::new_v4().to_string(), None);
            }
            None => {}
        }
        if let Some(refresh) = refresh {
            return Box::pin(self.issue_again(permit, refresh)).await;
        }
        if permit.issuance() == Issuance::Mint {
            return Ok(self.mint(permit).await?);
        }
        if permit.issuance() == Issuance::Translate {
            Box::pin(self.translate(permit)).await
        } else {
            self.exchange_upstream(permit).await
        }
    }

    /// The identity provider exchanges. Cambio sends the checked parameters, serialised anew. The caller's `DPoP`
    /// proof is forwarded: Keycloak demands it with a bound subject token and binds the new token to its key. Its
    /// `htu` is the public URL for both, and its `jti` is good for this one call.
    async fn exchange_upstream(&mut self, permit: &mut Permit) -> Result<IssuedAnswer, Stop> {
        let parsed = permit.asked_upstream();
        let form = parsed.upstream_form(permit.upstream_type(), permit.audiences());
        let head = self.take_head();
        let UpstreamReply { head, body } = self.ask_upstream(parsed.credentials(), form, head).await?;
        drop(parsed);
        let mut answer = UpstreamAnswer::read(head.status.as_u16(), &body)?;
        let session = session(permit, &mut answer)?;
        let token = self.verified(answer.token()).await?;
        let conformed = self.conform(permit, answer, &token).await?;
        Ok(IssuedAnswer { head, conformed, session })
    }

    /// The identity provider's answer, made to meet the contract: forwarded or reissued.
    pub(super) async fn conform(
        &mut self,
        permit: &mut Permit,
        answer: UpstreamAnswer,
        token: &VerifiedToken,
    ) -> Result<Conformed, Refusal> {
        let token = Verified::new(token, &self.realm.config.issuer);
        let now = self.services.now();
        let settled = self.settle(permit, &answer, &token)?;
        let contract = settled.contract();
        let beside = answer.id_token_beside(contract);
        if contract.issuance == Issuance::Forward {
            let conformed = issue::forward::conform(settled, answer, &token, now)?;
            return self.with_id_token(conformed, beside, contract).await;
        }
        let roles = self.subject_roles(contract).await?;
        let token = token.with_roles(roles.as_ref());
        let conformed = issue::reissue::conform(settled, answer, &token, signer(self.realm)?, now)?;
        self.with_id_token(conformed, beside, contract).await
    }

    /// The answer with the ID token that came beside the access token, if there is one and the contract allows it.
    async fn with_id_token(
        &self,
        conformed: Conformed,
        beside: Option<Secret>,
        contract: &Contract,
    ) -> Result<Conformed, Refusal> {
        let Some(received) = beside.filter(|_| conformed.facts().scope_granted.contains(OPENID)) else {
            return Ok(conformed);
        };
        // Rare and large, so it is boxed.
        let verified = Box::pin(self.verified(&received)).await?;
        let verified = Verified::new(&verified, &self.realm.config.issuer);
        let signer = if contract.issuance.signs() { Some(signer(self.realm)?) } else { None };
        conformed.beside(IdTokenBeside { received: &received, verified }, contract, signer, self.services.now())
    }

    /// The identity provider's JWT authorization grant (RFC 7523) turns a foreign token into a token of its own for
    /// the client; this token is exchanged for the audience. The client's credentials must be good for two calls. A
    /// `DPoP` proof never is, so it is not forwarded, and Cambio binds the new token.
    async fn translate(&mut self, permit: &mut Permit) -> Result<IssuedAnswer, Stop> {
        self.head.headers.remove(dpop::HEADER);
        let parsed = permit.asked_upstream();
        let credentials = parsed.credentials();
        if credentials.method() == CredentialsMethod::Assertion {
            return Err(Stop::Refused(Refusal::new(
                Reason::CredentialsSingleUse,
                "issuance translate needs a client that authenticates by its secret or its certificate",
            )));
        }
        let (form, head) = (parsed.upstream_assertion_form(), self.head.clone());
        let granted = self.ask_upstream(credentials, form, head).await.map_err(about_the_grant)?;
        let granted = UpstreamAnswer::read(granted.head.status.as_u16(), &granted.body)?;
        let token = self.verified(granted.token()).await?;
        let local = LocalSubject::of(permit, &Verified::new(&token, &self.realm.config.issuer))?;
        let form = parsed.upstream_form_for(granted.token(), permit.upstream_type(), permit.audiences());
        let head = self.take_head();
        let UpstreamReply { head, body } = self.ask_upstream(credentials, form, head).await?;
        drop(parsed);
        let exchanged = UpstreamAnswer::read(head.status.as_u16(), &body)?;
        let token = self.verified(exchanged.token()).await?;
        let token = Verified::new(&token, &self.realm.config.issuer);
        let (signer, now) = (signer(self.realm)?, self.services.now());
        let settled = self.settle(permit, &exchanged, &token)?;
        let contract = settled.contract().for_local_subject(local.id(), &self.realm.config.issuer)?;
        let beside = exchanged.id_token_beside(&contract);
        let conformed = issue::translate::conform(settled, &local, exchanged, &token, signer, now)?;
        let conformed = self.with_id_token(conformed, beside, &contract).await?;
        Ok(IssuedAnswer { head, conformed, session: None })
    }

    /// Decides again for the scope that the identity provider granted.
    pub(super) fn settle<'p>(
        &mut self,
        permit: &'p mut Permit,
        answer: &UpstreamAnswer,
        token: &Verified<'_>,
    ) -> Result<Settled<'p>, Refusal> {
        let (policy, now) = (&self.generation.config.policy, self.services.now());
        let settled = permit.settle(&answer.granted_scope(token)?, policy, &self.realm.circumstances(), now)?;
        self.record.permitted(settled.permit());
        Ok(settled)
    }
}

/// A refusal of the grant before the exchange. A refusal of the client's credentials is passed on in the identity
/// provider's own words.
fn about_the_grant(stop: Stop) -> Stop {
    match stop {
        Stop::Upstream(refused) if refused.response.status() != StatusCode::UNAUTHORIZED => {
            Refusal::new(Reason::GrantRefused, refused.refusal.detail).into()
        }
        other => other,
    }
}

/// The session for later refreshes, if a refresh token was requested.
fn session(permit: &Permit, answer: &mut UpstreamAnswer) -> Result<Option<Session>, Refusal> {
    permit.decision().refresh.then(|| take_session(answer)).transpose()
}
