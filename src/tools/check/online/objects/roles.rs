//! The roles that a file takes from Keycloak's tokens. The roles that the file gives are its own, and need not exist.

use super::file::PlacedAudience;
use super::inventory::{ClientFound, Inventory, RoleFound, Stopped};
use crate::adapters::upstream::directory::inventory::RoleOwner;
use crate::judgement::policy::model::RoleSource;
use crate::tools::check::online::gathered::Severity;

/// Looks at the roles of a file.
pub(super) async fn look(inventory: &mut Inventory<'_>, file: &PlacedAudience<'_>) -> Result<(), Stopped> {
    let (audience, realm) = (&file.audience.name, inventory.realm.name.clone());
    for role in &file.audience.roles.realm {
        if let Some(RoleFound::Missing(meant)) = inventory.role(RoleOwner::Realm, role).await? {
            let message = format!("the realm {realm} has no realm role {role:?}: no token has it{meant}");
            inventory.found.add(Severity::Warning, file.at_entry("roles.realm", role, message));
        }
    }
    for (index, line) in file.audience.roles.map.iter().enumerate().filter(|(_, one)| one.is_about(&realm, &realm)) {
        let missing = match &line.from {
            RoleSource::Realm(role) => match inventory.role(RoleOwner::Realm, role).await? {
                Some(RoleFound::Missing(meant)) => {
                    Some((format!("the realm {realm} has no realm role {role:?}"), meant))
                }
                Some(RoleFound::Present) | None => None,
            },
            RoleSource::Own(role) => of_client(inventory, audience, role).await?,
            RoleSource::Client { client, role } => of_client(inventory, client, role).await?,
            RoleSource::Group(_) | RoleSource::Scope(_) | RoleSource::When(_) => None,
        };
        if let Some((what, meant)) = missing {
            let message = format!("{what}, so that this line gives nobody the role {:?}{meant}", line.to);
            inventory.found.add(Severity::Warning, file.at(&format!("roles.map[{index}].from"), message));
        }
    }
    given(inventory, file).await
}

/// What is missing of a role of a client, and "did you mean".
async fn of_client(
    inventory: &mut Inventory<'_>,
    client: &str,
    role: &str,
) -> Result<Option<(String, String)>, Stopped> {
    let realm = inventory.realm.name.clone();
    let settings = match inventory.client(client).await? {
        ClientFound::Present(settings) => settings,
        ClientFound::NotShown => return Ok(None),
        ClientFound::Missing => {
            let meant = inventory.similar_client(client).await;
            return Ok(Some((format!("the realm {realm} has no client {client:?}"), meant)));
        }
    };
    Ok(match inventory.role(RoleOwner::Client(&settings.id), role).await? {
        Some(RoleFound::Missing(meant)) => {
            Some((format!("the client {client:?} of the realm {realm} has no role {role:?}"), meant))
        }
        Some(RoleFound::Present) | None => None,
    })
}

/// Roles that the file gives are looked at only for a name that is nearly one of Keycloak's.
async fn given(inventory: &mut Inventory<'_>, file: &PlacedAudience<'_>) -> Result<(), Stopped> {
    let (rules, name) = (&file.audience.roles, &file.audience.name);
    let mapped = rules.map.iter().enumerate().map(|(index, line)| (&line.to, format!("roles.map[{index}].to")));
    let fixed = rules.fixed.iter().map(|role| (role, file.places.entry("roles.static", role)));
    let default = rules.default.iter().map(|role| (role, file.places.entry("roles.default", role)));
    let given: Vec<_> = mapped.chain(fixed).chain(default).collect();
    if given.is_empty() {
        return Ok(());
    }
    let Some(audience) = inventory.client(name).await?.present() else { return Ok(()) };
    for (role, key) in given {
        match inventory.role(RoleOwner::Client(&audience.id), role).await? {
            Some(RoleFound::Missing(meant)) if !meant.is_empty() => {
                let realm = &inventory.realm.name;
                let message = format!("the client {name:?} of the realm {realm} has no role {role:?}{meant}");
                inventory.found.add(Severity::Warning, file.at(&key, message));
            }
            _ => {}
        }
    }
    Ok(())
}
