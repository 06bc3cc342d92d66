//! What `translate` needs: an identity provider of the realm for each issuer, and clients that may bring its tokens.

use std::collections::BTreeSet;

use super::file::PlacedAudience;
use super::inventory::{Inventory, Stopped};
use crate::adapters::config::TrustedIssuer;
use crate::adapters::config::problem::shortened;
use crate::adapters::upstream::directory::inventory::BrokeredProvider;
use crate::judgement::policy::model::Issuance;
use crate::tools::check::online::gathered::Severity;

/// The client's attribute that switches the grant on.
const GRANT: &str = "oauth2.jwt.authorization.grant.enabled";
/// The client's attribute with the aliases of identity providers, joined by `##`.
const PROVIDERS: &str = "oauth2.jwt.authorization.grant.idp";

/// Looks at every permission with `translate`.
pub(super) async fn look(inventory: &mut Inventory<'_>, files: &[PlacedAudience<'_>]) -> Result<(), Stopped> {
    let asked = inventory.asked;
    let mut providers = None;
    for file in files {
        for (index, permission, _) in file.permissions().filter(|(.., issuance)| *issuance == Issuance::Translate) {
            if providers.is_none() {
                providers = Some(inventory.brokered_providers().await?);
            }
            let shown = providers.as_ref().and_then(Option::as_deref);
            let trusted = inventory.realm.subject_issuers.iter().filter(|name| permission.issuers.contains(name));
            let issuers: Vec<_> = trusted.filter_map(|name| asked.config.issuers.get(name)).collect();
            let mut aliases = BTreeSet::new();
            for issuer in issuers {
                audience_of_tokens(inventory, issuer);
                if let Some(alias) = shown.and_then(|shown| provider(inventory, shown, issuer)) {
                    aliases.insert(alias);
                }
            }
            for client in permission.clients.written() {
                let Some(settings) = inventory.client(client).await?.present() else { continue };
                let allowed: Vec<_> = settings.attribute(PROVIDERS).split("##").collect();
                let missing: Vec<_> = aliases.iter().filter(|alias| !allowed.contains(&alias.as_str())).collect();
                let name = &inventory.realm.name;
                let message = if !settings.is_on(GRANT) {
                    format!("may not use the JWT authorization grant: translate needs its attribute {GRANT}=true")
                } else if let Some(alias) = missing.first() {
                    let alias = shortened(alias);
                    format!(
                        "may not bring tokens of the identity provider {alias}: add the alias to its attribute {PROVIDERS}"
                    )
                } else {
                    continue;
                };
                let message = format!("the client {client:?} of the realm {name} {message}");
                let place = file.at_entry(&format!("permissions[{index}].clients"), client, message);
                inventory.found.add(Severity::Problem, place);
            }
        }
    }
    Ok(())
}

/// Keycloak takes only tokens whose `aud` is the realm's issuer alone.
fn audience_of_tokens(inventory: &mut Inventory<'_>, issuer: &TrustedIssuer) {
    let realm = inventory.realm;
    if issuer.audiences.contains(&realm.issuer) {
        return;
    }
    let key = format!("issuers.{}.issuer.audiences", issuer.name);
    let message = format!(
        "translate needs tokens whose aud is {} alone, the issuer of the realm {}: let the issuer {} write it, and list it here",
        realm.issuer, realm.name, issuer.name
    );
    inventory.found.add(Severity::Problem, inventory.asked.at(&key, message));
}

/// The alias of the issuer's identity provider at the realm.
fn provider(inventory: &mut Inventory<'_>, shown: &[BrokeredProvider], issuer: &TrustedIssuer) -> Option<String> {
    let name = &inventory.realm.name;
    let found = shown.iter().find(|one| one.setting("issuer") == issuer.url);
    let mut faults = Vec::new();
    match found {
        None => faults.push((
            Severity::Problem,
            format!(
                "the realm {name} has no identity provider with the issuer {}: translate needs one (docs/issuance.md)",
                issuer.url
            ),
        )),
        Some(provider) => {
            let is_on = |setting: &str| provider.setting(setting) == "true";
            for (is_wrong, severity, text) in [
                (!provider.enabled, Severity::Problem, "is disabled: switch it on in Keycloak"),
                (
                    !is_on("jwtAuthorizationGrantEnabled"),
                    Severity::Problem,
                    "does not take part in the JWT authorization grant: translate needs its setting jwtAuthorizationGrantEnabled=true",
                ),
                (
                    provider.setting("jwtAuthorizationGrantMaxAllowedAssertionExpiration").is_empty(),
                    Severity::Warning,
                    "has no jwtAuthorizationGrantMaxAllowedAssertionExpiration: set it to the lifetime of the issuer's tokens, because \
                     Keycloak refuses tokens that live for longer",
                ),
            ] {
                if is_wrong {
                    faults.push((
                        severity,
                        format!("the identity provider {} of the realm {name} {text}", shortened(&provider.alias)),
                    ));
                }
            }
        }
    }
    let key = format!("issuers.{}", issuer.name);
    for (severity, fault) in faults {
        inventory.found.add(severity, inventory.asked.at(&key, fault));
    }
    found.map(|one| one.alias.clone())
}
