//! The clients that permissions name: whether Keycloak has them, and whether they are set up for what is permitted.
//!
//! A permission names a client by its id. Where clients can register themselves (RFC 7591), whoever registers a name that
//! a permission mentions gets what the permission allows.

use std::collections::BTreeMap;

use super::file::PlacedAudience;
use super::inventory::{ClientFound, Inventory, Stopped};
use crate::adapters::config::problem::{Problem, shortened};
use crate::adapters::upstream::directory::inventory::ShownScope;
use crate::adapters::upstream::directory::settings::{ClientSettings, UnusualSetting, without_parameter};
use crate::judgement::policy::model::{Issuance, Permission};
use crate::judgement::policy::scopes::OFFLINE;
use crate::tools::check::online::gathered::Severity;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;
use crate::words::refusal::similar::did_you_mean;

/// The attribute of *Standard token exchange*.
const EXCHANGE: &str = "standard.token.exchange.enabled";
/// The attribute of *Allow refresh token in Standard Token Exchange*.
const REFRESH: &str = "standard.token.exchange.enableRefreshRequestedTokenType";
/// The scope of OpenID Connect, which every client may request.
const OPENID: &str = "openid";

/// A permission that names a client.
struct Mention<'f> {
    file: &'f PlacedAudience<'f>,
    index: usize,
    permission: &'f Permission,
    issuance: Issuance,
    /// Whether the client's tokens are exchanged by others, and the client itself exchanges nothing.
    as_subject: bool,
}

impl Mention<'_> {
    fn at(&self, client: &str, message: String) -> Problem {
        let list = if self.as_subject { "subjectClients" } else { "clients" };
        self.file.at_entry(&format!("permissions[{}].{list}", self.index), client, message)
    }

    /// Whether Keycloak takes part in the exchanges of the client.
    fn is_exchanged_upstream(&self) -> bool {
        !self.as_subject && self.issuance != Issuance::Mint
    }
}

/// Looks at every client.
pub(super) async fn look(inventory: &mut Inventory<'_>, files: &[PlacedAudience<'_>]) -> Result<(), Stopped> {
    for (client, mentions) in mentions(files) {
        let is_registered = inventory.realm.clients.methods(client).is_some();
        // Cambio itself authenticates a registered client, and mints alone.
        let mentions: Vec<_> = mentions
            .into_iter()
            .filter(|one| one.as_subject || !is_registered || one.is_exchanged_upstream())
            .collect();
        if mentions.is_empty() {
            continue;
        }
        let settings = match inventory.client(client).await? {
            ClientFound::Present(settings) => settings,
            ClientFound::NotShown => continue,
            ClientFound::Missing => {
                let meant = inventory.similar_client(client).await;
                let message = format!(
                    "the realm {} has no client {client:?}: whoever registers one gets what is permitted to it{meant}",
                    inventory.realm.name
                );
                for one in &mentions {
                    inventory.found.add(Severity::Problem, one.at(client, message.clone()));
                }
                continue;
            }
        };
        let scopes = inventory.client_scopes().await?;
        for one in &mentions {
            switches(inventory, &settings, one);
            unusual(inventory, &settings, one);
            if one.is_exchanged_upstream() {
                requested_scopes(inventory, &settings, one, scopes.as_deref());
            }
        }
    }
    Ok(())
}

fn mentions<'f>(files: &'f [PlacedAudience<'f>]) -> BTreeMap<&'f str, Vec<Mention<'f>>> {
    let mut mentions: BTreeMap<&str, Vec<Mention<'_>>> = BTreeMap::new();
    for file in files {
        for (index, permission, issuance) in file.permissions() {
            for (names, as_subject) in [(&permission.clients, false), (&permission.subject_clients, true)] {
                for client in names.written() {
                    let mention = Mention { file, index, permission, issuance, as_subject };
                    mentions.entry(client).or_default().push(mention);
                }
            }
        }
    }
    mentions
}

/// The switches without which Keycloak refuses.
fn switches(inventory: &mut Inventory<'_>, settings: &ClientSettings, mention: &Mention<'_>) {
    let (name, issuance) = (&inventory.realm.name, mention.issuance.as_str());
    let client = &settings.client_id;
    let mut add = |text: String| {
        let message = format!("the client {client:?} of the realm {name} {text}");
        inventory.found.add(Severity::Problem, mention.at(client, message));
    };
    if !settings.enabled {
        add("is disabled: switch it on in Keycloak, or take it out of the permission".to_owned());
    }
    if mention.as_subject {
        return;
    }
    if !mention.is_exchanged_upstream() {
        if settings.public_client {
            add(format!("is public: add it to realms.{name}.clients with the method none"));
        }
        return;
    }
    if settings.public_client {
        add(format!("is public, and {issuance} needs a confidential one: switch on Client authentication in Keycloak"));
    }
    if !settings.is_on(EXCHANGE) {
        add(format!(
            "may not exchange tokens: switch on Standard token exchange (Keycloak: Clients, {client}, Capability config)"
        ));
    }
    let refreshes = mention.permission.requested_tokens.contains(&TokenType::RefreshToken);
    if refreshes && settings.attribute(REFRESH) != "SAME_SESSION" {
        add("gets no refresh tokens: they need its setting Allow refresh token in Standard Token Exchange".to_owned());
    }
}

/// Settings that make tokens unusual. docs/issuance.md has the table that this follows.
fn unusual(inventory: &mut Inventory<'_>, settings: &ClientSettings, mention: &Mention<'_>) {
    let (client, realm) = (&settings.client_id, inventory.realm);
    for setting in settings.unusual() {
        let message =
            format!("the client {client:?} of the realm {} {setting}: docs/issuance.md says what works", realm.name);
        let severity = severity(setting, mention);
        inventory.found.add(severity, mention.at(client, message));
    }
}

fn severity(setting: UnusualSetting, mention: &Mention<'_>) -> Severity {
    let fails = match setting {
        // The answer to an exchange has the sub of the subject token, whatever the client that exchanges is set up for.
        UnusualSetting::NoSub => mention.as_subject,
        UnusualSetting::Pairwise => false,
        UnusualSetting::SharedSecret => mention.as_subject || mention.issuance != Issuance::Mint,
        UnusualSetting::Lightweight => match mention.issuance {
            // The client's own mappers decide.
            Issuance::Forward => false,
            Issuance::Translate => true,
            Issuance::Reissue => !mention.file.audience.roles.directory,
            Issuance::Mint => mention.as_subject && !mention.file.audience.roles.directory,
        },
    };
    if fails { Severity::Problem } else { Severity::Warning }
}

/// The scopes that a permission lists, which Keycloak must grant to the client.
fn requested_scopes(
    inventory: &mut Inventory<'_>,
    settings: &ClientSettings,
    mention: &Mention<'_>,
    scopes: Option<&[ShownScope]>,
) {
    let (client, name) = (&settings.client_id, &inventory.realm.name);
    let (index, permission) = (mention.index, mention.permission);
    let Names::Listed(listed) = &permission.scopes else { return };
    let realms = scopes.unwrap_or_default();
    let is_known = |scope: &str| {
        settings.client_scopes().chain(realms.iter().map(|one| one.name.as_str())).any(|name| name == scope)
    };
    for scope in listed.iter().filter(|scope| *scope != OPENID) {
        // A client scope may have a colon in its name.
        let name_of_scope = if is_known(scope) { scope } else { without_parameter(scope) };
        if settings.client_scopes().any(|one| one == name_of_scope) {
            continue;
        }
        let message = if scopes.is_none() {
            format!(
                "the client {client:?} of the realm {name} may not request the scope {scope:?}; whether the realm has the client \
                 scope is not shown to Cambio"
            )
        } else if is_known(name_of_scope) {
            format!(
                "the client {client:?} of the realm {name} may not request the scope {scope:?}: add the client scope to it \
                 (Keycloak: Clients, {client}, Client scopes)"
            )
        } else {
            let known = settings.client_scopes().chain(realms.iter().map(|one| one.name.as_str()));
            let meant = did_you_mean(scope, known.collect::<std::collections::BTreeSet<_>>());
            format!("the realm {name} has no client scope {scope:?}, so that Keycloak refuses a request for it{meant}")
        };
        let place = mention.file.at_entry(&format!("permissions[{index}].scopes"), scope, message);
        inventory.found.add(Severity::Problem, place);
    }
    if mention.issuance != Issuance::Forward {
        return;
    }
    // Forward takes nothing out of Keycloak's answer, which has every default scope of the client.
    let is_permitted = |scope: &str| scope != OFFLINE && listed.contains(scope);
    let surplus: Vec<_> = realms
        .iter()
        .filter(|one| {
            one.is_in_token() && settings.default_client_scopes.iter().flatten().any(|name| *name == one.name)
        })
        .filter(|one| !is_permitted(&one.name))
        .map(|one| shortened(&one.name))
        .collect();
    if !surplus.is_empty() {
        let message = format!(
            "forward refuses every answer to the client {client:?} of the realm {name}, because Keycloak adds its default client \
             scopes {}: permit them, or make them optional at the client",
            surplus.join(", ")
        );
        inventory.found.add(Severity::Problem, mention.file.at(&format!("permissions[{index}].scopes"), message));
    }
}
