//! The tokens that came with an exchange, against the keys and rules of their issuers.

use serde_json::Value;

use super::clip;
use crate::adapters::jwks::Jwks;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::token_endpoint::Visit;
use crate::edge::gateway::{introspection, own_tokens};
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::jose::verify;
use crate::judgement::policy::claim_names::{IMPERSONATED, SUBJECT_ISSUER};
use crate::judgement::token::actor::{ActorToken, about_the_actor};
use crate::judgement::token::confirmation::Evidence;
use crate::judgement::token::introspected::is_opaque;
use crate::judgement::token::{Presented, SubjectChecks, Validated};
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Checks the subject token, and the actor token if one came.
///
/// # Errors
/// One of them does not hold, or that can't be found out.
pub(super) async fn check(
    visit: Visit<'_>,
    realm: &RealmState,
    authenticated: Authenticated,
    evidence: Evidence<'_>,
) -> Result<Validated, Refusal> {
    let validated = subject(visit, realm, authenticated, evidence).await?;
    let parsed = validated.authenticated().parsed();
    match parsed.actor() {
        None => Ok(validated),
        // Rare: in a box of its own.
        Some(token) => {
            let client = validated.authenticated().client_id();
            let actor = Box::pin(actor(visit, realm, (token, client), evidence)).await?;
            validated.with_actor(actor)
        }
    }
}

async fn subject(
    visit: Visit<'_>,
    realm: &RealmState,
    authenticated: Authenticated,
    evidence: Evidence<'_>,
) -> Result<Validated, Refusal> {
    if is_opaque(authenticated.parsed().subject_token().expose()) {
        return Box::pin(introspection::subject(visit, realm, authenticated, evidence)).await;
    }
    let validated = jwt(visit, realm, authenticated, evidence).await?;
    let named = validated.authenticated().parsed().subject_issuer();
    let iss = validated.subject().claims().get("iss").and_then(Value::as_str);
    match named {
        // Whoever names an issuer believes that it is asked about: never in vain.
        Some(named) if named != validated.issuer() && Some(named) != iss => {
            Err(Refusal::new(Reason::SubjectTokenClaims, "subject_issuer is not the token's iss"))
        }
        _ => Ok(validated),
    }
}

async fn jwt(
    visit: Visit<'_>,
    realm: &RealmState,
    authenticated: Authenticated,
    evidence: Evidence<'_>,
) -> Result<Validated, Refusal> {
    let presented = Presented::read(authenticated)?;
    let (issuer, kid) = (presented.subject().issuer(), presented.subject().kid());
    let now = visit.gateway.clock.now();
    if takes_its_own(realm, issuer)
        && let Some((checks, keys)) = realm.ours(kid, now)
    {
        let validated = presented.validate(keys, &checks, evidence, now)?;
        let validated = own_tokens::unrevoked(visit, realm, validated)
            .await?
            .forgetting(&realm.role_claims)
            .signed_by_us();
        if validated.subject().claims().contains_key(IMPERSONATED) {
            let detail =
                "the subject token came of an impersonation, which was permitted for its own audience alone";
            return Err(Refusal::new(Reason::ImpersonationNotPermitted, detail));
        }
        return match validated.subject().claims().get(SUBJECT_ISSUER).cloned() {
            None => Ok(validated),
            Some(origin) => settled(visit, realm, validated, &origin),
        };
    }
    let (checks, jwks) = trusted(visit, realm, issuer)?;
    let keys = keys(jwks, kid, checks.issuer_name).await?;
    presented.validate(&keys, &checks, evidence, now)
}

/// A token that we minted for another issuer's subject: it is about that subject for as long as that issuer is trusted.
fn settled(
    visit: Visit<'_>,
    realm: &RealmState,
    validated: Validated,
    origin: &Value,
) -> Result<Validated, Refusal> {
    let origin = origin.as_str().unwrap_or_default();
    let (checks, _) = trusted(visit, realm, origin)?;
    if checks.issuer_name == realm.config.name {
        return Err(Refusal::new(Reason::Internal, "a foreign subject of the realm itself"));
    }
    validated.originating_from(checks.issuer_name)
}

async fn actor(
    visit: Visit<'_>,
    realm: &RealmState,
    ((token, kind), client): ((&Secret, TokenType), &str),
    evidence: Evidence<'_>,
) -> Result<ActorToken, Refusal> {
    let now = visit.gateway.clock.now();
    if is_opaque(token.expose()) {
        let (answer, checks) =
            introspection::ask(visit, realm, token, None).await.map_err(about_the_actor)?;
        return ActorToken::check_introspected(&answer, kind, client, &checks, evidence, now);
    }
    let peeked = verify::peek(token.expose())
        .map_err(|error| about_the_actor(Refusal::new(error.reason(), error.to_string())))?;
    let (issuer, key_id) = (peeked.issuer(), peeked.kid());
    if takes_its_own(realm, issuer)
        && let Some((checks, keys)) = realm.ours(key_id, now)
    {
        let actor = ActorToken::check((token, kind), client, keys, &checks, evidence, now)?;
        if actor.claims().contains_key(SUBJECT_ISSUER) {
            let detail = "minted for a subject of another issuer, who is no user of the realm";
            return Err(Refusal::new(Reason::ActorTokenInvalid, detail));
        }
        if actor.claims().contains_key(IMPERSONATED) {
            let detail = "it came of an impersonation: it is not the user's own";
            return Err(Refusal::new(Reason::ActorTokenInvalid, detail));
        }
        if own_tokens::is_revoked(visit, realm, &own_tokens::id(token, actor.token())).await? {
            return Err(Refusal::new(Reason::ActorTokenInvalid, "a token of ours that was revoked"));
        }
        return Ok(actor.forgetting(&realm.role_claims).signed_by_us());
    }
    let (checks, jwks) = trusted(visit, realm, issuer).map_err(about_the_actor)?;
    let keys = keys(jwks, key_id, checks.issuer_name).await?;
    ActorToken::check((token, kind), client, &keys, &checks, evidence, now)
}

fn takes_its_own(realm: &RealmState, issuer: &str) -> bool {
    issuer == realm.config.issuer && realm.config.subject_issuers.contains(&realm.config.name)
}

fn trusted<'v>(
    visit: Visit<'v>,
    realm: &'v RealmState,
    issuer: &str,
) -> Result<(SubjectChecks<'v>, &'v Jwks), Refusal> {
    visit.state.subject_issuer(realm, issuer).ok_or_else(|| {
        Refusal::new(
            Reason::SubjectTokenIssuerUntrusted,
            format!("issuer {:?} is not among subjectIssuers of realm {}", clip(issuer), realm.config.name),
        )
    })
}

async fn keys(
    jwks: &Jwks,
    kid: Option<&str>,
    issuer: &str,
) -> Result<std::sync::Arc<crate::judgement::jose::keys::KeySet>, Refusal> {
    jwks.keys(kid).await.map_err(|error| Refusal::new(Reason::KeysUnavailable, format!("{issuer}: {error}")))
}
