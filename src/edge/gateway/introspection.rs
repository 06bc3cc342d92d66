//! Asking others about subject tokens: an opaque one's issuer what it is, the identity provider whether one of its own
//! is still active (RFC 7662).

use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::token::SubjectChecks;
use crate::judgement::token::checked::{CheckedToken, TokenSource};
use crate::judgement::token::introspected::IntrospectionAnswer;
use crate::judgement::token::presented::{PresentedToken, Presenter};
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// Checks an opaque token by what its issuer says about it. The configuration says who the issuer is, or `subject_issuer`
/// where there are several.
///
/// # Errors
/// No issuer can be asked, it does not answer, or what it says does not hold.
pub async fn checked(
    visit: Visit<'_>,
    realm: &RealmState,
    incoming: PresentedToken<'_>,
    presenter: Presenter<'_>,
) -> Result<CheckedToken, Refusal> {
    let role = incoming.role();
    let asked = ask(visit, realm, incoming.token(), incoming.issuer()).await;
    let (answer, checks) = asked.map_err(|refusal| role.refusal(refusal))?;
    let source = TokenSource::Introspected { answer: &answer, kind: incoming.kind() };
    CheckedToken::of(source, role, presenter, &checks, visit.gateway.clock.now())
}

/// What the issuer of an opaque token says about it, and how that is checked.
///
/// # Errors
/// No issuer can be asked, or it does not answer.
async fn ask<'v>(
    visit: Visit<'v>,
    realm: &'v RealmState,
    token: &Secret,
    issuer: Option<&str>,
) -> Result<(IntrospectionAnswer, SubjectChecks<'v>), Refusal> {
    let (checks, issuer) = visit.state.opaque_issuer(&realm.config, issuer)?;
    let answer = issuer.ask(token).await.map_err(|error| {
        tracing::warn!(issuer = checks.issuer_name, %error, "the issuer could not be asked about an opaque token");
        Refusal::new(Reason::IntrospectionUnavailable, format!("issuer {}: {error}", checks.issuer_name))
    })?;
    Ok((answer, checks))
}

/// Whether the identity provider says that one of the realm's own tokens is still active. It is asked each time.
///
/// # Errors
/// It says no, or does not say.
pub async fn still_active(visit: Visit<'_>, realm: &RealmState, token: &Secret) -> Result<(), Refusal> {
    let name = &realm.config.name;
    let unavailable = |detail: String| Refusal::new(Reason::IntrospectionUnavailable, detail);
    let Some(client) = &realm.config.introspection else {
        return Err(unavailable(format!("stillActive: write realms.{name}.introspection in cambio.yaml")));
    };
    let asked = realm.introspection.ask(&visit.gateway.upstream, client, token).await;
    match asked {
        Ok(answer) if answer.is_active() => Ok(()),
        Ok(_) => Err(Refusal::new(
            Reason::SubjectTokenInactive,
            format!(
                "stillActive: realm {name} says that the token is not active; Keycloak says so, too, when the client {:?} is not in the token's aud",
                client.id
            ),
        )),
        Err(error) => {
            tracing::warn!(realm = name, %error, "the identity provider could not be asked whether a token is active");
            Err(unavailable(format!("stillActive: realm {name}: {error}")))
        }
    }
}
