//! The story of every governed grant: token exchange, JWT authorization grant, CERN's `api-access` and the refresh of
//! an exchange.

pub mod ask;
pub mod client;
mod decide;
mod finish;
mod impersonation;
mod issue;
mod mint;
pub mod outcome;
mod refresh;
mod shadow;
mod stranger;
mod tokens;

use http::Response;

use self::client::GovernedRequest;
use self::outcome::Stop;
use super::case::Case;
use crate::adapters::net::body::Body;
use crate::judgement::token::dpop::ProofTarget;
use crate::words::refusal::Refusal;

/// Decides a governed request, has the token issued, and checks the answer against its contract. A refusal of the
/// identity provider is an answer, too.
///
/// # Errors
/// The refusal, for which the caller writes answer and audit line.
pub async fn govern(case: &mut Case<'_>, request: GovernedRequest) -> Result<Response<Body>, Refusal> {
    match story(case, request).await {
        Ok(response) => Ok(response),
        Err(stop) => Box::pin(case.ended(stop)).await,
    }
}

async fn story(case: &mut Case<'_>, request: GovernedRequest) -> Result<Response<Body>, Stop> {
    case.admit()?;
    let (client, mut refresh) = case.authenticate(request).await?;
    let mut sender = case.sender(client.parsed().subject_token(), ProofTarget::TokenEndpoint).await?;
    let checked = case.tokens(client, refresh.as_deref_mut(), &sender).await?;
    let mut permit = case.decide(checked, refresh.as_deref()).await?;
    case.record.can_be_audited()?;
    let issued = case.issue(&mut permit, refresh.as_deref_mut()).await?;
    // The client is proven now, and nothing has left yet.
    Box::pin(case.use_up_proof(&mut sender)).await?;
    Box::pin(case.meet_demands(&permit, refresh.as_deref())).await?;
    case.finish(&permit, issued, refresh).await
}
