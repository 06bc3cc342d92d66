//! The first step: reads the request and authenticates the client.

use super::ask::UpstreamReply;
use super::outcome::Stop;
use super::refresh::OpenedRefresh;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::case::client::CaseClient;
use crate::judgement::client::verify::authenticate_by_service_account;
use crate::judgement::exchange::api_access::ApiAccess;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::exchange::parse::{Parsed, parse};
use crate::judgement::issue::answer::UpstreamAnswer;
use crate::judgement::token::dpop;
use crate::words::oauth::form::Form;
use crate::words::refusal::Refusal;

/// A governed grant.
pub enum GovernedRequest {
    /// A token exchange (RFC 8693) or a JWT authorization grant (RFC 7523).
    Exchange(Grant, Form),
    /// A token for a client's own service account.
    ApiAccess(ApiAccess),
    /// The refresh of an exchange with a refresh token that Cambio issued (RFC 6749 section 6).
    Refresh(Form),
}

impl GovernedRequest {
    /// The grant; `None` for a refresh.
    pub fn grant(&self) -> Option<Grant> {
        match self {
            Self::Exchange(grant, _) => Some(*grant),
            Self::ApiAccess(_) => Some(Grant::ApiAccess),
            Self::Refresh(_) => None,
        }
    }
}

impl Case<'_> {
    /// Reads the request, and authenticates the client unless the identity provider will. For a refresh, the opened refresh token is returned, too.
    pub(super) async fn authenticate(
        &mut self,
        request: GovernedRequest,
    ) -> Result<(Authenticated, Option<Box<OpenedRefresh>>), Stop> {
        match request {
            GovernedRequest::Exchange(grant, form) => {
                let parsed = parse(grant, form, &self.head, &self.realm.accepts)?;
                self.parsed(&parsed);
                self.meet_client(parsed.credentials()).await?;
                Ok((self.authenticated(parsed)?, None))
            }
            // Both are rarer than an exchange, so they are boxed.
            GovernedRequest::ApiAccess(access) => Ok((Box::pin(self.service_account(access)).await?, None)),
            GovernedRequest::Refresh(form) => {
                let refresh = Box::pin(self.open_refresh(&form)).await?;
                let client = Box::pin(self.authenticate_refresh(&refresh)).await?;
                Ok((client, Some(Box::new(refresh))))
            }
        }
    }

    /// Notes what the request asks for.
    pub(super) fn parsed(&mut self, parsed: &Parsed) {
        self.record.parsed(parsed);
        let policy = self.generation.config.policy.realms.get(&self.realm.config.name);
        let audiences = self.realm.metrics.audiences_of(policy, parsed.audiences(), parsed.resources());
        self.record.aims_at(audiences);
    }

    /// The request with what is proven about its client.
    pub(super) fn authenticated(&self, parsed: Parsed) -> Result<Authenticated, Refusal> {
        match self.client.proof() {
            Some(proof) => Authenticated::proven(parsed, proof.clone()),
            None => Ok(Authenticated::by_upstream(parsed)),
        }
    }

    /// CERN's `api-access/token`: a client gets a token for another application as itself. The identity provider
    /// issues the token of the client's service account, which becomes the subject token and is never handed out. A
    /// client that the configuration registers is authenticated first. A `DPoP` proof is good for one use, so it is
    /// not forwarded, and Cambio binds the new token.
    async fn service_account(&mut self, access: ApiAccess) -> Result<Authenticated, Stop> {
        let credentials = access.credentials();
        self.record.client(credentials);
        self.page.names(credentials.client_id());
        if self.realm.config.clients.methods(credentials.client_id()).is_some() {
            self.client = CaseClient::Proven(Box::pin(self.prove_client(credentials)).await?);
        }
        let mut head = self.head.clone();
        head.headers.remove(dpop::HEADER);
        let UpstreamReply { head, body } = self.ask_upstream(credentials, access.upstream_form(), head).await?;
        let account = UpstreamAnswer::read(head.status.as_u16(), &body)?;
        let token = self.verified(account.token()).await?;
        let by_token = authenticate_by_service_account(credentials, &token)?;
        let parsed = Parsed::of_service_account(access, account.token());
        self.parsed(&parsed);
        if self.client.proof().is_none() {
            self.client = CaseClient::Proven(by_token);
        }
        Ok(self.authenticated(parsed)?)
    }
}
