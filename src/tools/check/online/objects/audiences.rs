//! The audience itself: whether Keycloak has the client, and gives tokens for it to those who may exchange.

use super::file::PlacedAudience;
use super::inventory::{ClientFound, Inventory, Stopped, TokenReach};
use crate::adapters::config::problem::shortened;
use crate::adapters::upstream::directory::inventory::RoleOwner;
use crate::adapters::upstream::directory::settings::ClientSettings;
use crate::judgement::policy::model::{Issuance, Permission};
use crate::tools::check::online::gathered::Severity;
use crate::words::oauth::names::Names;

/// Looks at the audience of a file.
pub(super) async fn look(inventory: &mut Inventory<'_>, file: &PlacedAudience<'_>) -> Result<(), Stopped> {
    let (name, realm) = (&file.audience.name, inventory.realm.name.clone());
    let upstream: Vec<_> = file.permissions().filter(|(.., issuance)| *issuance != Issuance::Mint).collect();
    // Who mints needs no client, unless its roles come from Keycloak.
    let takes_roles = file.audience.roles.directory && file.audience.roles.own;
    if upstream.is_empty() && !takes_roles {
        return Ok(());
    }
    let audience = match inventory.client(name).await? {
        ClientFound::Present(audience) => audience,
        ClientFound::NotShown => return Ok(()),
        ClientFound::Missing => {
            let meant = inventory.similar_client(name).await;
            let severity = if upstream.is_empty() { Severity::Warning } else { Severity::Problem };
            let message =
                format!("the realm {realm} has no client {name:?}, so that Keycloak knows no such audience{meant}");
            inventory.found.add(severity, file.at("audience", message));
            return Ok(());
        }
    };
    if upstream.is_empty() {
        return Ok(());
    }
    if !audience.enabled {
        let message = format!("the client {name:?} of the realm {realm} is disabled: Keycloak issues no tokens for it");
        inventory.found.add(Severity::Problem, file.at("audience", message));
    }
    for (index, permission, issuance) in upstream {
        for caller in permission.clients.written() {
            // A caller that is missing is a finding already.
            let Some(settings) = inventory.client(caller).await?.present() else { continue };
            let case = Case { file, index, permission, caller: &settings, audience: &audience };
            case.available(inventory).await?;
            if issuance == Issuance::Forward {
                case.realm_roles(inventory).await?;
            }
        }
    }
    Ok(())
}

/// A client that may exchange tokens for an audience.
struct Case<'c> {
    file: &'c PlacedAudience<'c>,
    index: usize,
    permission: &'c Permission,
    caller: &'c ClientSettings,
    audience: &'c ClientSettings,
}

impl Case<'_> {
    /// The most that the caller may request.
    fn scope(&self) -> String {
        match &self.permission.scopes {
            Names::Any => self.caller.optional_client_scopes.join(" "),
            Names::Listed(scopes) => scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        }
    }

    fn add(&self, inventory: &mut Inventory<'_>, severity: Severity, message: String) {
        let key = format!("permissions[{}].clients", self.index);
        inventory.found.add(severity, self.file.at_entry(&key, &self.caller.client_id, message));
    }

    /// Whether Keycloak can make a token of the caller for the audience.
    async fn available(&self, inventory: &mut Inventory<'_>) -> Result<(), Stopped> {
        let Some(reach) = inventory.reach(self.caller, self.audience, &self.scope()).await? else { return Ok(()) };
        let (caller, audience) = (&self.caller.client_id, &self.audience.client_id);
        let why = match reach {
            TokenReach { adds: true, .. } => return Ok(()),
            TokenReach { resolves: true, roles, .. } if !roles.is_empty() => return Ok(()),
            TokenReach { resolves: false, .. } => {
                format!("{caller} lacks the client scope \"roles\" (mapper audience resolve)")
            }
            TokenReach { .. } => {
                let owner = RoleOwner::Client(&self.audience.id);
                match inventory.has_any_role(owner).await {
                    Some(false) => format!("{audience} has no roles that a user could have"),
                    Some(true) | None => format!(
                        "Full scope allowed is off at {caller}, and no role of {audience} is in its scope (Keycloak: Clients, {caller}, \
                         Client scopes, {caller}-dedicated, Scope)"
                    ),
                }
            }
        };
        let message = format!(
            "Keycloak has no token for the audience {audience:?} for the client {caller:?} of the realm {} (\"Requested audience not \
             available\"): {why}, and there is no audience mapper",
            inventory.realm.name
        );
        self.add(inventory, Severity::Problem, message);
        Ok(())
    }

    /// Whether the file allows the realm roles that `forward` can't take away.
    async fn realm_roles(&self, inventory: &mut Inventory<'_>) -> Result<(), Stopped> {
        let scope = self.scope();
        let Some(reach) = inventory.reach(self.caller, self.audience, &scope).await? else { return Ok(()) };
        if !reach.writes_realm_roles {
            return Ok(());
        }
        let Some(roles) = inventory.realm_roles_of(self.caller, &scope).await? else { return Ok(()) };
        let mut surplus: Vec<_> = roles.iter().filter(|role| !self.file.audience.roles.realm.contains(*role)).collect();
        if surplus.is_empty() {
            return Ok(());
        }
        // Keycloak gives this role to everybody, so it is named first.
        let is_everybodys = |role: &str| role.starts_with("default-roles-");
        surplus.sort_by_key(|role| !is_everybodys(role));
        let everybody = surplus.first().is_some_and(|role| is_everybodys(role));
        let severity = if everybody { Severity::Problem } else { Severity::Warning };
        let named = surplus.iter().take(3).map(|role| shortened(role)).collect::<Vec<_>>().join(", ");
        let more = if surplus.len() > 3 { format!(" and {} more", surplus.len() - 3) } else { String::new() };
        let message = format!(
            "forward refuses the tokens of users with the realm roles {named}{more}, which the client {:?} of the realm {} lets into \
             tokens and roles.realm does not list: switch Full scope allowed off at the client, list the roles, or use reissue",
            self.caller.client_id, inventory.realm.name
        );
        self.add(inventory, severity, message);
        Ok(())
    }
}
