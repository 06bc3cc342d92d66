//! What a caller learns whose client is not proven: nothing about a token, and nothing about the policy.
//!
//! The identity provider authenticates the client in the exchange that is sent to it. A request that Cambio refuses before
//! that has proven nothing. So Cambio asks the identity provider at the same endpoint with the same credentials, and
//! passes its refusal of the client on. Whether a token is good can be told neither from the answer nor from its time.

use http::Response;

use super::outcome::Stop;
use crate::adapters::net::body::Body;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::case::client::CaseClient;
use crate::edge::gateway::limits::is_limit;
use crate::judgement::client::credentials::CredentialsMethod;
use crate::words::refusal::{Cause, Reason, Refusal};

impl Case<'_> {
    /// The end of a governed request that is not allowed. A refusal of the identity provider is an answer, too.
    ///
    /// # Errors
    /// The refusal that the caller gets.
    pub async fn ended(&mut self, stop: Stop) -> Result<Response<Body>, Refusal> {
        let stop = match stop {
            Stop::Refused(refusal) => self.for_caller(refusal).await,
            upstream @ Stop::Upstream(_) => upstream,
        };
        match stop {
            Stop::Refused(refusal) => Err(refusal),
            Stop::Upstream(refused) => {
                if let Some(written) = self.record.refused(&refused.refusal, refused.response.status()) {
                    written.await;
                }
                Ok(refused.response)
            }
        }
    }

    /// What the caller gets for a refusal: the refusal of the client, unless the client is authentic.
    async fn for_caller(&mut self, refusal: Refusal) -> Stop {
        let CaseClient::Unproven(credentials) = &self.client else { return refusal.into() };
        if is_for_everybody(&refusal) {
            return refusal.into();
        }
        let credentials = credentials.clone();
        let is_checked = refusal.reason == Reason::ClientUnauthenticated;
        match self.judged_upstream(&credentials, is_checked).await {
            Some(Ok(())) => refusal.into(),
            Some(Err(Stop::Upstream(mut refused))) => {
                if refusal.reason.cause() == Cause::Client {
                    refused.refusal = refusal;
                }
                Stop::Upstream(refused)
            }
            Some(Err(refused)) => refused,
            // The identity provider may have seen the assertion.
            None if credentials.method() == CredentialsMethod::Assertion => {
                let detail = "the identity provider does not say whether the client is authentic";
                Refusal::new(Reason::ClientAuthenticationUnavailable, detail).into()
            }
            // The secret was found wrong, and counted.
            None if is_checked => self.may_guess(&credentials).err().unwrap_or(refusal).into(),
            None => self.require_client().await.err().unwrap_or(refusal).into(),
        }
    }
}

/// Whether a refusal tells nothing about a token or the policy, or comes while the identity provider can judge nobody.
fn is_for_everybody(refusal: &Refusal) -> bool {
    matches!(refusal.reason.cause(), Cause::DpopProof | Cause::DpopNonce)
        || matches!(
            refusal.reason,
            Reason::UpstreamUnavailable
                | Reason::UpstreamTimeout
                | Reason::UpstreamBusy
                | Reason::UpstreamGarbage
                | Reason::ClientAuthenticationUnavailable
                | Reason::CallerGone
        )
        || is_limit(refusal.reason)
}
