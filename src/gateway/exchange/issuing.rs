//! How an allowed exchange is answered: by the identity provider, or by us.

use bytes::Bytes;
use http::request::Parts;
use http::{Response, StatusCode, response};

use super::ask::{Asked, ask};
use crate::body::Body;
use crate::gateway::door::Visit;
use crate::gateway::exit::Exit;
use crate::gateway::state::RealmState;
use crate::issue::answer::Answer;
use crate::issue::{self, Conformed, Verified};
use crate::permit::Permit;
use crate::policy::model::Issuance;
use crate::policy::reason::{Reason, Refusal};
use crate::token::verify::{self, Expectations, TokenError};

/// What became of an allowed exchange.
pub(super) enum Outcome {
    /// A token that meets its contract, and the head of the answer that it goes out with.
    Issued(response::Parts, Conformed),
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
    match permit.issuance() {
        Issuance::Forward | Issuance::Reissue => exchanged(visit, realm, permit, head, exit).await,
        Issuance::Translate | Issuance::Mint => {
            let issuance = permit.issuance().as_str();
            Err(Refusal::new(Reason::Internal, format!("issuance {issuance} is not served")))
        }
    }
}

/// The identity provider exchanges; what was judged is what is sent, serialised anew.
async fn exchanged(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Outcome, Refusal> {
    let parsed = permit.validated().authenticated().parsed();
    let form = parsed.upstream_form(permit.audiences());
    match ask(visit, realm, parsed.credentials(), form, head, exit).await? {
        Asked::Refused(response, why) => Ok(Outcome::Refused(response, why)),
        Asked::Answered(answer, body) => {
            let conformed = conform(visit, realm, permit, answer.status, &body).await?;
            Ok(Outcome::Issued(answer, conformed))
        }
    }
}

/// Verifies the issued token with the realm's keys and holds it to the contract.
async fn conform(
    visit: Visit<'_>,
    realm: &RealmState,
    permit: &Permit,
    status: StatusCode,
    body: &Bytes,
) -> Result<Conformed, Refusal> {
    let now = visit.gateway.clock.now();
    let answer = Answer::read(status.as_u16(), body)?;
    let untrusted = |error: TokenError| {
        let reason = match error {
            TokenError::Expired => Reason::AnswerLifetime,
            _ => Reason::AnswerSignature,
        };
        Refusal::new(reason, error.to_string())
    };
    let peeked = verify::peek(answer.token().expose()).map_err(untrusted)?;
    let keys =
        realm.jwks.keys(peeked.kid.as_deref()).await.map_err(|error| {
            Refusal::new(Reason::KeysUnavailable, format!("{}: {error}", realm.config.name))
        })?;
    let expect = Expectations {
        issuer: &realm.config.issuer,
        algorithms: &realm.config.tokens.algorithms,
        leeway: realm.config.tokens.leeway,
    };
    let token = verify::verify(answer.token(), &keys, &expect, now).map_err(untrusted)?;
    let verified = Verified::new(&token, &realm.config.issuer);
    match permit.issuance() {
        Issuance::Forward => issue::forward::conform(permit, answer, &verified, now),
        Issuance::Reissue | Issuance::Translate | Issuance::Mint => {
            let key = realm
                .signing
                .as_ref()
                .ok_or_else(|| Refusal::new(Reason::SigningFailed, "the realm has no signingKey"))?;
            issue::reissue::conform(permit, answer, &verified, key, now)
        }
    }
}
