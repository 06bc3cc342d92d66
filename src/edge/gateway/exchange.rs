//! The story of one token exchange, from a form to an answer in the dialect's shape.

pub mod api_access;
mod ask;
mod impersonation;
mod issuing;
mod minted;
pub mod refresh;
mod tokens;

use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderValue, PRAGMA, TRAILER, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Response, response};

use self::impersonation::Target;
use self::issuing::{Outcome, issue};
use super::authenticate;
use crate::adapters::net::body::Body;
use crate::adapters::upstream::headers::public_origin;
use crate::edge::gateway::evidence::certificate;
use crate::edge::gateway::evidence::dpop::proof;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::client::certificate::ClientCertificate;
use crate::judgement::client::credentials::Method;
use crate::judgement::dialect::{self, claims::DialectInput};
use crate::judgement::exchange::Grant;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::exchange::parse::{Parsed, parse};
use crate::judgement::issue::Conformed;
use crate::judgement::permit::{Circumstances, Permit};
use crate::judgement::policy::model::Issuance;
use crate::judgement::token::Validated;
use crate::judgement::token::confirmation::Evidence;
use crate::judgement::token::dpop::Place;
use crate::words::oauth::form::Form;
use crate::words::refusal::{Reason, Refusal};

/// Judges an exchange, has it performed, and holds the answer to its contract.
///
/// # Errors
/// The refusal; the caller answers and audits it.
pub async fn judge(
    visit: Visit<'_>,
    realm: &RealmState,
    (grant, form): (Grant, Form),
    head: Parts,
    exit: &mut Exit<'_>,
) -> Result<Response<Body>, Refusal> {
    let parsed = parse(grant, form, &head, &realm.accepts)?;
    exit.parsed(&parsed);
    let authenticated = authenticate(visit, realm, parsed, &head).await?;
    let presented = (authenticated.parsed().subject_token(), Place::TokenEndpoint);
    let proof = proof(visit, realm, &head, presented, exit).await?;
    let certificate = certificate::of(visit, &head)?;
    let thumbprint = certificate.as_deref().map(ClientCertificate::thumbprint_s256);
    let evidence = Evidence { dpop: proof.as_ref(), certificate_thumbprint: thumbprint.as_deref() };
    let validated = tokens::check(visit, realm, authenticated, evidence).await?;
    as_the_page_says(visit, realm, &validated, &head)?;
    exit.validated(&validated);
    let target = match validated.authenticated().parsed().requested_subject() {
        None => None,
        // Rare: in a box of its own.
        Some(wanted) => {
            Some(Box::pin(impersonation::target(visit, realm, (&validated, wanted), &head, exit)).await?)
        }
    };
    let impersonate = target.as_ref().map(Target::as_impersonated);
    let circumstances = Circumstances { impersonate, ..realm.circumstances() };
    let (policy, now) = (&visit.state.config.policy, visit.gateway.clock.now());
    let permit = Permit::decide(validated, policy, &circumstances, now).map_err(|refused| refused.refusal)?;
    exit.permitted(&permit);
    if permit.validated().is_ours() {
        by_ourselves(&permit)?;
    }

    match issue(visit, realm, &permit, head, exit).await? {
        Outcome::Issued(answer, conformed, session) => {
            let conformed = refresh::first(visit, realm, &permit, (conformed, session), exit)?;
            let conformed = match grant {
                Grant::TokenExchange => conformed.in_shape(realm.config.dialect),
                // RFC 6749's answer, in every dialect.
                Grant::JwtBearer | Grant::ApiAccess => conformed,
            };
            exit.issued(conformed.facts());
            exit.allowed(answer.status)?;
            Ok(respond(realm, answer, conformed))
        }
        Outcome::Refused(response, why) => {
            exit.refused(&why, response.status());
            Ok(response)
        }
    }
}

/// A client that the configuration knows is held to it before anything else is looked at. The others are the identity
/// provider's to judge: where the dialect tells a client that is not known so before all else, now, unless its credentials
/// are good for one call only; else in the exchange that is sent to it, or when one is to be minted.
async fn authenticate(
    visit: Visit<'_>,
    realm: &RealmState,
    parsed: Parsed,
    head: &Parts,
) -> Result<Authenticated, Refusal> {
    let credentials = parsed.credentials();
    let known = realm.config.clients.methods(credentials.client_id()).is_some();
    let first = !realm.config.dialect.rules().upstream_refusals && credentials.method() != Method::Assertion;
    if !known && !first {
        return Ok(Authenticated::by_upstream(parsed));
    }
    let proof = authenticate::client(visit, realm, parsed.credentials(), head).await?;
    Authenticated::proven(parsed, proof)
}

/// Holds the subject token to what the dialect's page demands of it; assertions are no page's.
fn as_the_page_says(
    visit: Visit<'_>,
    realm: &RealmState,
    validated: &Validated,
    head: &Parts,
) -> Result<(), Refusal> {
    let parsed = validated.authenticated().parsed();
    if parsed.grant() != Grant::TokenExchange {
        return Ok(());
    }
    let rules = realm.config.dialect.rules();
    let origin = if rules.audience_is_host { public_origin(head, visit.connection) } else { None };
    let input = DialectInput {
        claims: validated.subject().claims(),
        host: origin.as_ref().and_then(|origin| origin.host.to_str().ok()),
        subject_issuer: parsed.subject_issuer(),
    };
    dialect::claims::check(rules, &input)
}

/// A token that we signed is exchanged by us alone.
fn by_ourselves(permit: &Permit) -> Result<(), Refusal> {
    match permit.issuance() {
        Issuance::Mint => Ok(()),
        other => Err(Refusal::new(
            Reason::SubjectTokenOurs,
            format!("write issuance: mint for it, not {}", other.as_str()),
        )),
    }
}

/// The identity provider's head with our body; never cached (RFC 6749 section 5.1).
fn respond(realm: &RealmState, mut answer: response::Parts, conformed: Conformed) -> Response<Body> {
    let (body, _) = conformed.into_parts();
    for name in [CONTENT_ENCODING, TRANSFER_ENCODING, TRAILER, ETAG] {
        answer.headers.remove(name);
    }
    answer.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let cache_control = realm.config.dialect.rules().cache_control;
    answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    answer.headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    Response::from_parts(answer, Body::full(body))
}

fn clip(text: &str) -> String {
    text.chars().take(128).collect()
}
