//! The story of every grant that is governed: token exchange, JWT authorization grant, CERN's `api-access` and the refresh
//! of an exchange.

pub mod ask;
pub mod client;
mod decide;
mod finish;
mod impersonation;
mod issue;
mod mint;
pub mod outcome;
mod refresh;
mod tokens;

use http::Response;

use self::client::GovernedRequest;
use self::outcome::Stop;
use super::case::Case;
use crate::adapters::net::body::Body;
use crate::judgement::token::dpop::ProofTarget;
use crate::words::refusal::Refusal;

/// Judges a governed request, has the token issued, and holds the answer to its contract. A refusal of the identity
/// provider is an answer.
///
/// # Errors
/// The refusal. The caller answers it and writes its audit line.
pub async fn govern(case: &mut Case<'_>, request: GovernedRequest) -> Result<Response<Body>, Refusal> {
    match story(case, request).await {
        Ok(response) => Ok(response),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Upstream(refused)) => {
            case.record.refused(&refused.refusal, refused.response.status());
            Ok(refused.response)
        }
    }
}

async fn story(case: &mut Case<'_>, request: GovernedRequest) -> Result<Response<Body>, Stop> {
    let (client, refresh) = case.authenticate(request).await?;
    let sender = case.sender(client.parsed().subject_token(), ProofTarget::TokenEndpoint).await?;
    let checked = case.tokens(client, refresh.as_deref(), &sender).await?;
    let mut permit = case.decide(checked, refresh.as_deref()).await?;
    let issued = case.issue(&mut permit, refresh.as_deref()).await?;
    case.finish(&permit, issued, refresh).await
}
