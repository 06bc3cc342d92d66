//! Looks up the user to be impersonated (`requested_subject`) at the identity provider, for an authenticated client.

use crate::adapters::upstream::directory::DirectoryError;
use crate::adapters::upstream::directory::user::DirectoryUser;
use crate::edge::gateway::case::Case;
use crate::judgement::exchange::authenticated::Authenticated;
use crate::judgement::policy::request::Impersonated;
use crate::words::refusal::{Reason, Refusal};

/// The user of the realm who is the requested subject.
pub(super) struct Target {
    user: DirectoryUser,
    protected: bool,
}

impl Target {
    /// The input of policy.
    pub(super) fn as_impersonated(&self) -> Impersonated<'_> {
        Impersonated { subject: &self.user.id, claims: &self.user.claims, protected: self.protected }
    }
}

impl Case<'_> {
    /// The user whom `requested_subject` names, which is `wanted`.
    ///
    /// # Errors
    /// The client is not authentic; there is no such user; the user is disabled or a client's service account; or the
    /// identity provider does not answer.
    pub(super) async fn impersonated(
        &mut self,
        authenticated: &Authenticated,
        wanted: &str,
    ) -> Result<Target, Refusal> {
        let (realm, name) = (self.realm, &self.realm.config.name);
        // Only an authenticated client learns who is a user here.
        self.require_client().await?;
        if !self.generation.config.policy.lets_impersonate(name, authenticated.client_id()) {
            // An authenticated client that may impersonate nobody learns nothing either.
            let detail = "no audience's file has a permission with impersonation for this client";
            return Err(Refusal::new(Reason::ImpersonationNotPermitted, detail));
        }
        let Some(directory) = &realm.directory else {
            let detail = format!("requested_subject: write realms.{name}.directory in cambio.yaml");
            return Err(Refusal::new(Reason::ImpersonationNotPermitted, detail));
        };
        let refused = |error: DirectoryError| {
            let reason = match &error {
                DirectoryError::NoUser => Reason::ImpersonationSubjectUnknown,
                _ => Reason::DirectoryUnavailable,
            };
            let retry_after = error.retry_after();
            Refusal::new(reason, format!("realms.{name}.directory: {error}")).retry_after(retry_after)
        };
        let upstream = &self.services.upstream;
        let user = directory.user(upstream, wanted).await.map_err(refused)?;
        self.record.impersonates(&user.id);
        if !user.enabled {
            return Err(Refusal::new(Reason::ImpersonationSubjectUnknown, "the user is disabled"));
        }
        if user.is_service_account() {
            let detail = "the user is a client's service account";
            return Err(Refusal::new(Reason::ImpersonationSubjectUnknown, detail));
        }
        let admin = &realm.config.admin_roles;
        let roles = directory.admin_roles(upstream, &user.id, admin).await.map_err(refused)?;
        let by_role = admin.names(&roles);
        let protected = by_role || directory.administers(upstream, &user.id).await.map_err(refused)?;
        Ok(Target { user, protected })
    }
}
