//! Introspection of subject tokens (RFC 7662): issuers explain their opaque tokens, the identity provider says whether
//! a token of its own is still active.

use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::token::confirmation::Evidence;
use crate::judgement::token::{SubjectChecks, Validated, validate_introspected};
use crate::words::oauth::introspection::IntrospectionAnswer;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Checks an opaque subject token with its issuer's answer. The configuration names the issuer, or `subject_issuer` if
/// there are several.
///
/// # Errors No issuer can be asked, the issuer does not answer, or its answer fails a check.
pub async fn subject(
    visit: Visit<'_>,
    realm: &RealmState,
    authenticated: Authenticated,
    evidence: Evidence<'_>,
) -> Result<Validated, Refusal> {
    let parsed = authenticated.parsed();
    let (answer, checks) = ask(visit, realm, parsed.subject_token(), parsed.subject_issuer()).await?;
    validate_introspected(authenticated, &answer, &checks, evidence, visit.gateway.clock.now())
}

/// The issuer's answer about an opaque token, and the checks for it.
///
/// # Errors No issuer can be asked, or the issuer does not answer.
pub async fn ask<'v>(
    visit: Visit<'v>,
    realm: &'v RealmState,
    token: &Secret,
    issuer: Option<&str>,
) -> Result<(IntrospectionAnswer, SubjectChecks<'v>), Refusal> {
    let (checks, issuer) = visit.state.opaque_issuer(&realm.config, issuer)?;
    let answer = issuer.ask(&visit.gateway.upstream, token).await.map_err(|error| {
        tracing::warn!(issuer = checks.issuer_name, %error, "the issuer could not be asked about an opaque token");
        Refusal::new(Reason::IntrospectionUnavailable, format!("issuer {}: {error}", checks.issuer_name))
    })?;
    Ok((answer, checks))
}

/// Checks that one of the realm's own tokens is still active. The identity provider is asked each time.
///
/// # Errors The token is not active, or the identity provider does not answer.
pub async fn still_active(visit: Visit<'_>, realm: &RealmState, token: &Secret) -> Result<(), Refusal> {
    let name = &realm.config.name;
    let unavailable = |detail: String| Refusal::new(Reason::IntrospectionUnavailable, detail);
    let Some(client) = &realm.introspection else {
        return Err(unavailable(format!("stillActive: write realms.{name}.introspection in cambio.yaml")));
    };
    match client.ask(&visit.gateway.upstream, token).await {
        Ok(answer) if answer.is_active() => Ok(()),
        Ok(_) => Err(Refusal::new(
            Reason::SubjectTokenInactive,
            format!(
                "stillActive: realm {name} says that the token is not active; Keycloak says so, too, when the client {:?} is not in the token's aud",
                client.client_id()
            ),
        )),
        Err(error) => {
            tracing::warn!(realm = name, %error, "the identity provider could not be asked whether a token is active");
            Err(unavailable(format!("stillActive: realm {name}: {error}")))
        }
    }
}
