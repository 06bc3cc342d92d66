//! The tokens that came with an exchange, against the keys and rules of their issuers.

use std::sync::Arc;

use super::clip;
use crate::adapters::jwks::Jwks;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::token_endpoint::Visit;
use crate::edge::gateway::{introspection, own_tokens};
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::jose::keys::KeySet;
use crate::judgement::token::checked::{CheckedToken, TokenSource};
use crate::judgement::token::introspected::is_opaque;
use crate::judgement::token::presented::{PresentedToken, Presenter};
use crate::judgement::token::{SubjectChecks, Validated};
use crate::words::oauth::confirmation::Evidence;
use crate::words::refusal::{Reason, Refusal};

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
    let presenter = Presenter::of(&authenticated, evidence);
    let subject = checked(visit, realm, PresentedToken::subject(authenticated.parsed()), presenter).await?;
    let validated = Validated::new(authenticated, subject)?;
    let authenticated = validated.authenticated();
    let Some(actor) = PresentedToken::actor(authenticated.parsed()) else { return Ok(validated) };
    let presenter = Presenter::of(authenticated, evidence);
    // Rare: in a box of its own.
    let actor = Box::pin(checked(visit, realm, actor, presenter)).await?;
    Ok(validated.with_actor(actor))
}

/// Checks one token by what vouches for it: its issuer's answer, Cambio's keys or its issuer's keys.
async fn checked(
    visit: Visit<'_>,
    realm: &RealmState,
    incoming: PresentedToken<'_>,
    presenter: Presenter<'_>,
) -> Result<CheckedToken, Refusal> {
    if is_opaque(incoming.token().expose()) {
        return Box::pin(introspection::checked(visit, realm, incoming, presenter)).await;
    }
    let (role, token) = (incoming.role(), incoming.read()?);
    let kind = incoming.kind_of(&token);
    let now = visit.gateway.clock.now();
    if takes_its_own(realm, token.issuer())
        && let Some((checks, keys)) = realm.ours(token.kid(), now)
    {
        let source = TokenSource::Cambio {
            token,
            kind,
            keys,
            role_claims: &realm.role_claims,
            foreign_issuer: &|iss| foreign_issuer(visit, realm, iss),
        };
        let checked = CheckedToken::of(source, role, presenter, &checks, now)?;
        let id = own_tokens::id(incoming.token(), checked.token());
        if own_tokens::is_revoked(visit, realm, &id).await? {
            return Err(role.refuse(Reason::SubjectTokenInactive, "a token of ours that was revoked"));
        }
        return Ok(checked);
    }
    let (checks, jwks) = trusted(visit, realm, token.issuer()).map_err(|refusal| role.refusal(refusal))?;
    let keys = keys(jwks, token.kid(), checks.issuer_name).await?;
    let source = TokenSource::Jwt { token, kind, keys: &keys };
    CheckedToken::of(source, role, presenter, &checks, now)
}

fn takes_its_own(realm: &RealmState, issuer: &str) -> bool {
    issuer == realm.config.issuer && realm.config.subject_issuers.contains(&realm.config.name)
}

fn trusted<'v>(
    visit: Visit<'v>,
    realm: &'v RealmState,
    issuer: &str,
) -> Result<(SubjectChecks<'v>, &'v Jwks), Refusal> {
    visit.state.subject_issuer(realm, issuer).ok_or_else(|| untrusted(realm, issuer))
}

/// The name of the foreign issuer whose subject a minted token is about.
fn foreign_issuer(visit: Visit<'_>, realm: &RealmState, iss: &str) -> Result<String, Refusal> {
    let (checks, _) = trusted(visit, realm, iss)?;
    if checks.issuer_name == realm.config.name {
        return Err(untrusted(realm, iss));
    }
    Ok(checks.issuer_name.to_owned())
}

fn untrusted(realm: &RealmState, issuer: &str) -> Refusal {
    Refusal::new(
        Reason::SubjectTokenIssuerUntrusted,
        format!("issuer {:?} is not among subjectIssuers of realm {}", clip(issuer), realm.config.name),
    )
}

async fn keys(jwks: &Jwks, kid: Option<&str>, issuer: &str) -> Result<Arc<KeySet>, Refusal> {
    jwks.keys(kid).await.map_err(|error| Refusal::new(Reason::KeysUnavailable, format!("{issuer}: {error}")))
}
