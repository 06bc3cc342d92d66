//! Whom a request wants to become: looked up at the identity provider, for a client that has proved who it is.

use http::request::Parts;

use crate::adapters::upstream::directory::{DirectoryError, User};
use crate::edge::gateway::authenticate;
use crate::edge::gateway::generation::RealmState;
use crate::edge::gateway::record::Exit;
use crate::edge::gateway::token_endpoint::Visit;
use crate::judgement::policy::request::Impersonated;
use crate::judgement::token::Validated;
use crate::words::refusal::{Reason, Refusal};

/// A user of the realm who is asked for as the subject.
pub(super) struct Target {
    user: User,
    protected: bool,
}

impl Target {
    /// What policy judges.
    pub(super) fn as_impersonated(&self) -> Impersonated<'_> {
        Impersonated { subject: &self.user.id, claims: &self.user.claims, protected: self.protected }
    }
}

/// Who is meant by `requested_subject`, which is `wanted`.
///
/// # Errors
/// The client is not proven, there is no such user, he is disabled or a client's service account, or that can't be found
/// out.
pub(super) async fn target(
    visit: Visit<'_>,
    realm: &RealmState,
    (validated, wanted): (&Validated, &str),
    head: &Parts,
    exit: &mut Exit<'_>,
) -> Result<Target, Refusal> {
    let (authenticated, name) = (validated.authenticated(), &realm.config.name);
    let parsed = authenticated.parsed();
    if authenticated.proof().is_none() {
        // Nobody learns who is a user here but a client that is known.
        authenticate::client(visit, realm, parsed.credentials(), head).await?;
    }
    if !visit.state.config.policy.lets_impersonate(name, authenticated.client_id()) {
        // Neither do those that are known, but may become nobody.
        let detail = "no audience's file has a permission with impersonation for this client";
        return Err(Refusal::new(Reason::ImpersonationNotPermitted, detail));
    }
    let Some(directory) = &realm.directory else {
        let detail = format!("requested_subject: write realms.{name}.directory in cambio.yaml");
        return Err(Refusal::new(Reason::ImpersonationNotPermitted, detail));
    };
    let refused = |error: DirectoryError| {
        let reason = match error {
            DirectoryError::NoUser => Reason::ImpersonationSubjectUnknown,
            _ => Reason::DirectoryUnavailable,
        };
        Refusal::new(reason, format!("realms.{name}.directory: {error}"))
    };
    let (upstream, now) = (&visit.gateway.upstream, visit.gateway.clock.now());
    let user = directory.user(upstream, wanted, now).await.map_err(refused)?;
    exit.impersonates(&user.id);
    if !user.enabled {
        return Err(Refusal::new(Reason::ImpersonationSubjectUnknown, "the user is disabled"));
    }
    if user.is_service_account() {
        let detail = "the user is a client's service account";
        return Err(Refusal::new(Reason::ImpersonationSubjectUnknown, detail));
    }
    let admin = &realm.config.admin_roles;
    let roles = directory.admin_roles(upstream, &user.id, admin, now).await.map_err(refused)?;
    Ok(Target { protected: admin.names(&roles), user })
}
