//! CERN's second door: a client has a token for another application as itself. The identity provider gives the service
//! account's token, which goes no further; it is judged as an exchange of that token for the audience, and what is handed
//! out is minted.

use http::request::Parts;
use http::{Response, response};

use super::ask::{Asked, ask};
use super::issuing::{meet_demands, verified};
use super::{certificate, minted, respond, tokens};
use crate::adapters::net::body::Body;
use crate::edge::gateway::authenticate;
use crate::edge::gateway::evidence::dpop::proof;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::certificate::ClientCertificate;
use crate::judgement::client::verify::{Proven, by_own_token};
use crate::judgement::exchange::api_access::ApiAccess;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::parse::Parsed;
use crate::judgement::issue::answer::UpstreamAnswer;
use crate::judgement::permit::Permit;
use crate::judgement::policy::model::Issuance;
use crate::judgement::token::confirmation::Evidence;
use crate::judgement::token::dpop::{self, Place};
use crate::words::refusal::{Reason, Refusal};

/// What the identity provider says of the client.
enum Account {
    /// The token of its service account, and the proof that the client is who it says.
    Its(UpstreamAnswer, Proven),
    /// Its refusal.
    Refused(Box<Response<Body>>, Refusal),
}

/// Judges a request, and answers with a minted token.
///
/// # Errors
/// The refusal; the caller answers and audits it.
pub async fn judge(
    visit: Visit<'_>,
    realm: &RealmState,
    access: ApiAccess,
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Response<Body>, Refusal> {
    exit.client(access.credentials());
    let (account, proven) = match account(visit, realm, &access, head.clone(), exit).await? {
        Account::Its(account, proven) => (account, proven),
        Account::Refused(response, why) => {
            exit.refused(&why, response.status());
            return Ok(*response);
        }
    };
    let parsed = Parsed::of_service_account(access, account.token());
    exit.parsed(&parsed);
    let authenticated = Authenticated::proven(parsed, proven)?;
    let presented = (authenticated.parsed().subject_token(), Place::TokenEndpoint);
    let proof = proof(visit, realm, &head, presented, exit).await?;
    let certificate = certificate::of(visit, &head)?;
    let thumbprint = certificate.as_deref().map(ClientCertificate::thumbprint_s256);
    let evidence = Evidence { dpop: proof.as_ref(), certificate_thumbprint: thumbprint.as_deref() };
    let validated = tokens::check(visit, realm, authenticated, evidence).await?;
    exit.validated(&validated);
    let (policy, now) = (&visit.state.config.policy, visit.gateway.clock.now());
    let permit =
        Permit::decide(validated, policy, &realm.circumstances(), now).map_err(|refused| refused.refusal)?;
    exit.permitted(&permit);
    if permit.issuance() != Issuance::Mint {
        let detail = format!(
            "api-access needs issuance: mint in the file of {}, not {}",
            permit.audiences().join(", "),
            permit.issuance().as_str()
        );
        return Err(Refusal::new(Reason::ClientNotPermitted, detail));
    }
    let proof = minted::proof(visit, realm, &permit, &head).await?;
    let directory = match permit.contract().directory() {
        Some(question) => Some(Box::pin(minted::directory(visit, realm, question)).await?),
        None => None,
    };
    meet_demands(visit, realm, &permit).await?;
    // Only now: the directory knows the account by its id.
    let permit = permit.for_service_account()?;
    let conformed = minted::mint(visit, realm, &permit, &proof, directory.as_ref())?;
    let answer: response::Parts = minted::head();
    exit.issued(conformed.facts());
    exit.allowed(answer.status)?;
    Ok(respond(realm, answer, conformed))
}

/// Asks for the service account's token with the client's own credentials. A client that the configuration knows is held
/// to it first. A `DPoP` proof is good for one use, so it stays here, and we bind the new token ourselves.
async fn account(
    visit: Visit<'_>,
    realm: &RealmState,
    access: &ApiAccess,
    mut head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Account, Refusal> {
    let credentials = access.credentials();
    let proven = match realm.config.clients.methods(credentials.client_id()) {
        Some(_) => Some(Box::pin(authenticate::client(visit, realm, credentials, &head)).await?),
        None => None,
    };
    head.headers.remove(dpop::HEADER);
    match ask(visit, realm, credentials, access.upstream_form(), head, exit).await? {
        Asked::Refused(response, why) => Ok(Account::Refused(Box::new(response), why)),
        Asked::Answered(answer, body) => {
            let account = UpstreamAnswer::read(answer.status.as_u16(), &body)?;
            let token = verified(visit, realm, &account).await?;
            let own = by_own_token(credentials, &token)?;
            Ok(Account::Its(account, proven.unwrap_or(own)))
        }
    }
}
