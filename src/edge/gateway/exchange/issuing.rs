//! How an allowed exchange is answered: by the identity provider, or by us.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode, response};

use super::ask::{Asked, ask};
use super::minted;
use crate::adapters::net::body::Body;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::signing::signer;
use crate::edge::gateway::token_endpoint::Visit;
use crate::edge::gateway::{introspection, replay};
use crate::judgement::client::credentials::Method;
use crate::judgement::issue::answer::UpstreamAnswer;
use crate::judgement::issue::refresh::{Session, take_session};
use crate::judgement::issue::translate::LocalSubject;
use crate::judgement::issue::{self, Conformed, Verified};
use crate::judgement::jose::verify::{self, Expectations, TokenError, VerifiedToken};
use crate::judgement::permit::Permit;
use crate::judgement::policy::model::Issuance;
use crate::judgement::token::actor::about_the_actor;
use crate::judgement::token::dpop;
use crate::words::refusal::{Reason, Refusal};

/// What became of an allowed exchange.
pub(super) enum Outcome {
    /// A token that meets its contract, the head of the answer that it goes out with, and, where a refresh token was
    /// asked for, what lets us ask the identity provider again.
    Issued(response::Parts, Conformed, Option<Session>),
    /// The identity provider's refusal, which is passed on as it is.
    Refused(Response<Body>, Refusal),
}

/// Makes the answer in the way that the audience's owner chose.
pub(super) async fn issue(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Outcome, Refusal> {
    if permit.issuance() == Issuance::Mint {
        let proof = minted::proof(visit, realm, permit, &head).await?;
        let directory = match permit.contract().directory() {
            // Rare, and large: in a box of its own.
            Some(question) => Some(Box::pin(minted::directory(visit, realm, question)).await?),
            None => None,
        };
        meet_demands(visit, realm, permit).await?;
        let conformed = minted::mint(visit, realm, permit, &proof, directory.as_ref())?;
        return Ok(Outcome::Issued(minted::head(), conformed, None));
    }
    meet_demands(visit, realm, permit).await?;
    match permit.issuance() {
        Issuance::Forward | Issuance::Reissue => exchanged(visit, realm, permit, head, exit).await,
        Issuance::Translate => translated(visit, realm, permit, head, exit).await,
        Issuance::Mint => Err(Refusal::new(Reason::Internal, "minted tokens are made above")),
    }
}

/// Mints for an exchange that was made before, whose subject token met the demands then.
pub(super) async fn minted_again(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    head: &Parts,
) -> Result<Outcome, Refusal> {
    let proof = minted::proof(visit, realm, permit, head).await?;
    let directory = match permit.contract().directory() {
        Some(question) => Some(Box::pin(minted::directory(visit, realm, question)).await?),
        None => None,
    };
    let conformed = minted::mint(visit, realm, permit, &proof, directory.as_ref())?;
    Ok(Outcome::Issued(minted::head(), conformed, None))
}

/// What the permissions ask of the subject token besides, the spending of it last.
pub(super) async fn meet_demands(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
) -> Result<(), Refusal> {
    let (demands, validated) = (permit.demands(), permit.validated());
    if demands.still_active && validated.is_ours() {
        return Err(Refusal::new(
            Reason::SubjectTokenInactive,
            "stillActive: Cambio signed the token, and the identity provider can't say whether its session goes on: write a \
             permission without stillActive for exchangedTokens",
        ));
    }
    if demands.still_active {
        let parsed = validated.authenticated().parsed();
        Box::pin(introspection::still_active(visit, realm, parsed.subject_token())).await?;
        let own = validated.actor().is_some_and(|actor| actor.issuer() == realm.config.name);
        if let Some((token, _)) = parsed.actor().filter(|_| own) {
            Box::pin(introspection::still_active(visit, realm, token)).await.map_err(about_the_actor)?;
        }
    }
    if demands.one_time {
        let subject = validated.subject();
        let issuer = subject.claims().get("iss").and_then(serde_json::Value::as_str).unwrap_or_default();
        let leeway = visit.state.leeway(validated.issuer()).unwrap_or_default();
        Box::pin(replay::spend(visit, issuer, subject, leeway)).await?;
    }
    Ok(())
}

/// The identity provider exchanges; what was judged is what is sent, serialised anew. The caller's `DPoP` proof goes with
/// it: Keycloak demands it with a bound subject token and binds by it, its `htu` is the public URL at both, and one call
/// is what its `jti` is good for there.
async fn exchanged(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Outcome, Refusal> {
    let parsed = permit.asked_upstream();
    let form = parsed.upstream_form(permit.upstream_type(), permit.audiences());
    match ask(visit, realm, parsed.credentials(), form, head, exit).await? {
        Asked::Refused(response, why) => Ok(Outcome::Refused(response, why)),
        Asked::Answered(answer, body) => {
            let (conformed, session) = conform(visit, realm, permit, answer.status, &body).await?;
            Ok(Outcome::Issued(answer, conformed, session))
        }
    }
}

/// A foreign token becomes one of the identity provider's own by the grant that it supports (RFC 7523), for the client
/// that asks; that token is exchanged for the audience. Two calls, so the client's credentials must be good for two. A
/// `DPoP` proof never is, so it stays here, and we bind the new token ourselves.
async fn translated(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    mut head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Outcome, Refusal> {
    head.headers.remove(dpop::HEADER);
    let parsed = permit.asked_upstream();
    let credentials = parsed.credentials();
    if credentials.method() == Method::Assertion {
        return Err(Refusal::new(
            Reason::CredentialsSingleUse,
            "issuance translate needs a client that authenticates by its secret or its certificate",
        ));
    }
    let form = parsed.upstream_assertion_form();
    let granted = match ask(visit, realm, credentials, form, head.clone(), exit).await? {
        Asked::Answered(answer, body) => UpstreamAnswer::read(answer.status.as_u16(), &body)?,
        // About the client's credentials: the identity provider's own words.
        Asked::Refused(response, why) if response.status() == StatusCode::UNAUTHORIZED => {
            return Ok(Outcome::Refused(response, why));
        }
        Asked::Refused(_, why) => return Err(Refusal::new(Reason::GrantRefused, why.detail)),
    };
    let token = verified(visit, realm, &granted).await?;
    let local = LocalSubject::of(permit, &Verified::new(&token, &realm.config.issuer))?;
    let form = parsed.upstream_form_for(granted.token(), permit.upstream_type(), permit.audiences());
    match ask(visit, realm, credentials, form, head, exit).await? {
        Asked::Refused(response, why) => Ok(Outcome::Refused(response, why)),
        Asked::Answered(answer, body) => {
            let mut exchanged = UpstreamAnswer::read(answer.status.as_u16(), &body)?;
            let session = session(permit, &mut exchanged)?;
            let token = verified(visit, realm, &exchanged).await?;
            let token = Verified::new(&token, &realm.config.issuer);
            let (signer, now) = (signer(realm)?, visit.gateway.clock.now());
            let conformed = issue::translate::conform(permit, &local, exchanged, &token, signer, now)?;
            Ok(Outcome::Issued(answer, conformed, session))
        }
    }
}

/// Holds the identity provider's answer to the contract.
async fn conform(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    status: StatusCode,
    body: &Bytes,
) -> Result<(Conformed, Option<Session>), Refusal> {
    let mut answer = UpstreamAnswer::read(status.as_u16(), body)?;
    let session = session(permit, &mut answer)?;
    let token = verified(visit, realm, &answer).await?;
    let token = Verified::new(&token, &realm.config.issuer);
    let now = visit.gateway.clock.now();
    let conformed = match permit.issuance() {
        Issuance::Forward => issue::forward::conform(permit, answer, &token, now)?,
        Issuance::Reissue | Issuance::Translate | Issuance::Mint => {
            issue::reissue::conform(permit, answer, &token, signer(realm)?, now)?
        }
    };
    Ok((conformed, session))
}

/// What lets us ask again, where that was asked for.
fn session(permit: &Permit, answer: &mut UpstreamAnswer) -> Result<Option<Session>, Refusal> {
    permit.refresh().then(|| take_session(answer)).transpose()
}

/// The token of an answer, verified with the realm's keys.
pub(super) async fn verified(
    visit: Visit<'_>,
    realm: &RealmState,
    answer: &UpstreamAnswer,
) -> Result<VerifiedToken, Refusal> {
    let untrusted = |error: TokenError| {
        let reason = match error {
            TokenError::Expired => Reason::AnswerLifetime,
            _ => Reason::AnswerSignature,
        };
        Refusal::new(reason, error.to_string())
    };
    let peeked = verify::peek(answer.token().expose()).map_err(untrusted)?;
    let keys =
        realm.jwks.keys(peeked.kid()).await.map_err(|error| {
            Refusal::new(Reason::KeysUnavailable, format!("{}: {error}", realm.config.name))
        })?;
    let expect = Expectations {
        issuer: &realm.config.issuer,
        algorithms: &realm.config.tokens.algorithms,
        leeway: realm.config.tokens.leeway,
    };
    peeked.verify(&keys, &expect, visit.gateway.clock.now()).map_err(untrusted)
}
