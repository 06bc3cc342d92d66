//! What the audience files name and Keycloak must have: clients, client scopes, roles and identity providers.

mod audiences;
mod clients;
mod file;
mod grant;
mod inventory;
mod roles;

use self::file::PlacedAudience;
use self::inventory::{Inventory, Stopped};
use super::gathered::{Gathered, Severity};
use super::inquiry::Inquiry;
use crate::adapters::config::Realm;
use crate::adapters::config::load::review::Places;
use crate::adapters::config::settings::audience_files::AudienceVersion;
use crate::adapters::net::url::PublicAddress;
use crate::adapters::upstream::directory::DirectoryClient;

/// Asks the realm's directory about everything that the audience files name.
pub(super) async fn look(asked: &Inquiry, realm: &Realm, found: &mut Gathered) {
    let files: Vec<PlacedAudience<'_>> = asked
        .config
        .audience_files
        .in_force
        .iter()
        .filter(|(_, version)| version.names.realm.as_ref() == Some(&realm.name))
        .map(|(path, AudienceVersion { bytes, audience, .. })| PlacedAudience {
            path,
            audience,
            places: Places::of(bytes),
        })
        .collect();
    // The directory is Keycloak's.
    if realm.is_elsewhere() || files.is_empty() {
        return;
    }
    let key = format!("realms.{}", realm.name);
    let Some(config) = &realm.directory else {
        let message = format!(
            "the realm {} has no directory, so its clients, scopes and roles are not known: docs/issuance.md says what \
             {key}.directory needs",
            realm.name
        );
        return found.add(Severity::Note, asked.at(&key, message));
    };
    let Ok(public) = PublicAddress::of(&realm.issuer) else { return };
    let directory = DirectoryClient::new(config, &realm.path, public, asked.clock.clone());
    let mut inventory = Inventory::new(asked, realm, directory);
    // Whatever stopped the questions is a finding.
    let _: Result<(), Stopped> = everything(&mut inventory, &files).await;
    found.absorb(inventory.found);
}

async fn everything(inventory: &mut Inventory<'_>, files: &[PlacedAudience<'_>]) -> Result<(), Stopped> {
    inventory.check_access().await?;
    clients::look(inventory, files).await?;
    for (index, file) in files.iter().enumerate() {
        let (name, more) = (&file.audience.name, files.len() - index - 1);
        inventory.rest = format!("the audience {name:?}, {more} further files, and identity providers");
        audiences::look(inventory, file).await?;
        roles::look(inventory, file).await?;
    }
    "identity providers".clone_into(&mut inventory.rest);
    grant::look(inventory, files).await
}
