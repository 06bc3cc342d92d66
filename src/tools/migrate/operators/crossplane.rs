//! Objects of Crossplane's `provider-keycloak`.
//!
//! `ClientPermissions` has the policies of each permission of a client, by the ids or names that Keycloak gave them. Every kind
//! of policy is an object of its own. Objects refer to each other by names of objects (`clientIdRef`), or by Keycloak's ids,
//! which an object has in its status after it was created. What a selector chooses is not known here.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::parameters::Parameters;
use super::draft::{DELETED, Draft, Drafts, PermittedResource};
use super::object::{KubernetesObject, realm_name, text};
use crate::tools::migrate::export::{ClientScope, ExportedClient, ExportedPolicy, IdentityProvider};
use crate::tools::migrate::finding::MigrationFinding;

mod parameters;

/// The objects of the provider.
struct CrossplaneObjects<'a> {
    objects: &'a [KubernetesObject],
}

/// Adds what the objects say to their realms.
pub(super) fn read(
    drafts: &mut Drafts,
    objects: &[KubernetesObject],
    others: &mut BTreeSet<String>,
    findings: &mut Vec<MigrationFinding>,
) {
    let all = CrossplaneObjects { objects };
    for object in objects {
        if policy_kind(&object.kind).is_none() && !HANDLED.contains(&object.kind.as_str()) {
            if object.kind.ends_with("Permissions") || object.kind.ends_with("Permission") {
                findings.push(object.not_carried_over("permissions of this kind were not read"));
            } else {
                others.insert(object.shown_kind());
            }
            continue;
        }
        let added = match all.realm_of(object) {
            Some(realm) => {
                let draft = drafts.of(&object.document, &realm);
                match object.unenforced() {
                    Some(reason) => all.skip(draft, object, reason),
                    None => all.add(draft, object),
                }
            }
            None => Err("names no realm, or one by a selector"),
        };
        if let Err(problem) = added {
            findings.push(object.not_carried_over(problem));
        }
    }
}

/// The kinds that are read besides policies.
const HANDLED: [&str; 10] = [
    "Realm",
    "Client",
    "Role",
    "ClientScope",
    "IdentityProvider",
    "ProviderTokenExchangeScopePermission",
    "ClientAuthorizationPermission",
    "ClientPermissions",
    // Read with the clients.
    "ClientDefaultScopes",
    "ClientOptionalScopes",
];

/// Keycloak's name of a kind of policy.
fn policy_kind(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "ClientClientPolicy" => "client",
        "ClientGroupPolicy" => "group",
        "ClientRolePolicy" => "role",
        "ClientUserPolicy" => "user",
        "ClientTimePolicy" => "time",
        "ClientRegexPolicy" => "regex",
        "ClientJsPolicy" => "js",
        "ClientAggregatePolicy" => "aggregate",
        "ClientAuthorizationClientScopePolicy" => "client-scope",
        _ if kind.starts_with("Client") && kind.ends_with("Policy") => "unknown",
        _ => return None,
    })
}

impl CrossplaneObjects<'_> {
    /// Adds an object to its realm.
    fn add(&self, draft: &mut Draft, object: &KubernetesObject) -> Result<(), &'static str> {
        let parameters = Parameters::of(object);
        let management = draft.realm.management_name();
        match object.kind.as_str() {
            "Realm" => switches(draft, object)?,
            "Client" => draft.realm.clients.push(self.client(object)?),
            "Role" => {
                if let (Some(client), Some(role)) = (self.client_name(&parameters, "clientId"), parameters.text("name"))
                {
                    draft.roles(&client, &[role.to_owned()]);
                }
            }
            "ClientScope" => {
                let named = parameters.get("includeInTokenScope").is_none_or(|value| *value == json!(true));
                let attributes = [("include.in.token.scope".to_owned(), json!(named.to_string()))].into();
                let name = parameters.text("name").unwrap_or_default().to_owned();
                draft.realm.client_scopes.push(ClientScope { name, attributes });
            }
            "IdentityProvider" => {
                let alias = parameters.text("alias").unwrap_or(&object.name).to_owned();
                draft.realm.identity_providers.push(IdentityProvider { internal_id: alias.clone(), alias });
            }
            "ProviderTokenExchangeScopePermission" => self.provider_permission(draft, object)?,
            // The permission may decide beside those of V1, so nothing is certain any more.
            "ClientAuthorizationPermission" if self.is_for(&parameters, management) => {
                draft.policy(ExportedPolicy::positive("scope", object.name.clone(), []));
            }
            "ClientPermissions" => {
                let id = self.client_id(&parameters, "clientId").ok_or("names no client, or one by a selector")?;
                let (applied, strategy) = parameters.exchange_scope().ok_or("its tokenExchangeScope can't be read")?;
                draft.permission(PermittedResource::Client, &id, self.policy_names(&applied), &strategy);
            }
            kind => {
                if let Some(kind) = policy_kind(kind).filter(|_| self.is_for(&parameters, management)) {
                    draft.policy(self.policy(object, kind));
                }
            }
        }
        Ok(())
    }

    /// Adds what an object is good for that the operator does not enforce: it grants nothing, and what refers to it is not
    /// understood. A realm that is only observed still tells its name, and what it refuses.
    fn skip(&self, draft: &mut Draft, object: &KubernetesObject, reason: &'static str) -> Result<(), &'static str> {
        let parameters = Parameters::of(object);
        let management = draft.realm.management_name();
        match object.kind.as_str() {
            "Realm" if !object.deleted => switches(draft, object)?,
            "Realm" => draft.doubt(DELETED),
            // Keycloak makes this client itself, so its object is usually observed.
            "Client" if client_name(object) == management && !object.deleted => return Ok(()),
            "Client" if client_name(object) == management => draft.doubt(DELETED),
            "ClientScope" => draft.silent_scope(parameters.text("name").unwrap_or_default()),
            // Keycloak may have it nevertheless.
            "ClientAuthorizationPermission" if self.is_for(&parameters, management) => {
                draft.policy(ExportedPolicy::positive("scope", object.name.clone(), []));
            }
            "ClientPermissions" => {
                let id = self.client_id(&parameters, "clientId").ok_or("names no client, or one by a selector")?;
                let policy = format!("policies of {}", object.name);
                draft.unenforced_policy(policy.clone());
                draft.permission(PermittedResource::Client, &id, vec![policy], "UNANIMOUS");
            }
            kind if policy_kind(kind).is_some() && self.is_for(&parameters, management) => {
                draft.unenforced_policy(policy_name(object));
            }
            _ => (),
        }
        Err(reason)
    }

    /// A permission to exchange the tokens of an identity provider. The provider makes its client policy itself.
    fn provider_permission(&self, draft: &mut Draft, object: &KubernetesObject) -> Result<(), &'static str> {
        let parameters = Parameters::of(object);
        let alias_of =
            |provider: &KubernetesObject| Parameters::of(provider).text("alias").unwrap_or(&provider.name).to_owned();
        let alias = parameters.named("providerAlias", |name| self.only("IdentityProvider", name).map(alias_of));
        let alias = alias.ok_or("names no identity provider, or one by a selector")?;
        let policy = format!("clients of {}", object.name);
        draft.policy(self.clients_policy(&parameters, policy.clone()));
        draft.permission(PermittedResource::IdentityProvider, &alias, vec![policy], "UNANIMOUS");
        Ok(())
    }

    /// The object of this kind and name, if there is exactly one.
    fn only(&self, kind: &str, name: &str) -> Option<&KubernetesObject> {
        let mut found = self.objects.iter().filter(|one| one.kind == kind && one.name == name && !one.is_saml());
        found.next().filter(|_| found.next().is_none())
    }

    fn realm_of(&self, object: &KubernetesObject) -> Option<String> {
        let parameters = Parameters::of(object);
        if object.kind == "Realm" {
            return Some(parameters.text("realm").unwrap_or(&object.name).to_owned());
        }
        let written = parameters.text("realmId").or_else(|| parameters.text("realm"));
        if let Some(name) = written {
            return Some(name.to_owned());
        }
        let name = parameters.reference("realmId").or_else(|| parameters.reference("realm"))?;
        realm_name(self.objects, |one| one.kind == "Realm", name, |realm| self.realm_of(realm))
    }

    /// The id of the client that `key` or its reference names.
    fn client_id(&self, parameters: &Parameters<'_>, key: &str) -> Option<String> {
        parameters.named(key, |name| self.only("Client", name).map(id_of))
    }

    /// The name of that client.
    fn client_name(&self, parameters: &Parameters<'_>, key: &str) -> Option<String> {
        let id = self.client_id(parameters, key)?;
        self.objects.iter().filter(|one| one.kind == "Client").find(|one| id_of(one) == id).map(client_name)
    }

    /// Whether a policy belongs to the client that holds the permissions. A client that the documents don't have may be it.
    fn is_for(&self, parameters: &Parameters<'_>, management: &str) -> bool {
        self.client_name(parameters, "resourceServerId").is_none_or(|name| name == management)
    }

    fn client(&self, object: &KubernetesObject) -> Result<ExportedClient, &'static str> {
        let parameters = Parameters::of(object);
        let scopes = |kind: &str, key: &str| -> Vec<String> {
            let of_client = |one: &&KubernetesObject| {
                let is_enforced = one.kind == kind && one.unenforced().is_none();
                is_enforced && self.client_id(&Parameters::of(one), "clientId") == Some(id_of(object))
            };
            let lists = self.objects.iter().filter(of_client);
            lists.flat_map(|one| Parameters::of(one).texts(key).unwrap_or_default()).collect()
        };
        let access = parameters.text("accessType").unwrap_or("CONFIDENTIAL");
        let mut attributes = parameters.get("extraConfig").cloned().unwrap_or_else(|| json!({}));
        if let (Some(enabled), Value::Object(attributes)) =
            (parameters.get("standardTokenExchangeEnabled"), &mut attributes)
        {
            attributes.insert("standard.token.exchange.enabled".to_owned(), enabled.clone());
        }
        let document = json!({
            "id": id_of(object),
            "clientId": client_name(object),
            "enabled": parameters.get("enabled"),
            "publicClient": access == "PUBLIC",
            "bearerOnly": access == "BEARER-ONLY",
            "protocol": if object.is_saml() { "saml" } else { "openid-connect" },
            "attributes": attributes,
            "defaultClientScopes": scopes("ClientDefaultScopes", "defaultScopes"),
            "optionalClientScopes": scopes("ClientOptionalScopes", "optionalScopes"),
        });
        if !["CONFIDENTIAL", "PUBLIC", "BEARER-ONLY"].contains(&access) {
            return Err("its accessType can't be read");
        }
        serde_json::from_value(document).map_err(|_| "can't be read")
    }

    fn policy(&self, object: &KubernetesObject, kind: &str) -> ExportedPolicy {
        let parameters = Parameters::of(object);
        let name = policy_name(object);
        let mut policy = match kind {
            "client" => self.clients_policy(&parameters, name),
            "aggregate" => self.aggregate(&parameters, name),
            _ => ExportedPolicy::positive(kind, name, []),
        };
        // Neither is filled in: a policy without them is not understood.
        policy.logic = parameters.text("logic").map(str::to_owned);
        policy.decision_strategy = parameters.text("decisionStrategy").map(str::to_owned);
        policy
    }

    /// A client policy with the clients that `clients` and `clientsRefs` name.
    fn clients_policy(&self, parameters: &Parameters<'_>, name: String) -> ExportedPolicy {
        let clients = parameters.all_named("clients", |name| self.only("Client", name).map(id_of));
        let policy = ExportedPolicy::positive("client", name, [("clients", clients.clone().unwrap_or_default())]);
        if clients.is_some() { policy } else { policy.without_understanding("clients") }
    }

    /// An aggregated policy. The provider has a list of references for each kind of policy.
    fn aggregate(&self, parameters: &Parameters<'_>, name: String) -> ExportedPolicy {
        let only = |name: &str| {
            let mut found = self.policies().filter(|one| one.name == name);
            found.next().filter(|_| found.next().is_none()).map(policy_name)
        };
        let written = parameters.texts("policies").map(|ids| self.policy_names(&ids));
        let by_reference = parameters
            .reference_keys()
            .into_iter()
            .filter(|key| *key != "realmIdSelector" && *key != "resourceServerIdSelector")
            .map(|key| {
                let names = parameters.references(key).filter(|_| key.ends_with("Refs"))?;
                names.into_iter().map(only).collect::<Option<Vec<_>>>()
            });
        let applied =
            std::iter::once(written).chain(by_reference).collect::<Option<Vec<_>>>().map(|lists| lists.concat());
        let policy =
            ExportedPolicy::positive("aggregate", name, [("applyPolicies", applied.clone().unwrap_or_default())]);
        if applied.is_some() { policy } else { policy.without_understanding("applyPolicies") }
    }

    fn policies(&self) -> impl Iterator<Item = &KubernetesObject> {
        self.objects.iter().filter(|one| policy_kind(&one.kind).is_some())
    }

    /// The names of policies that a list has by id or by name.
    fn policy_names(&self, listed: &[String]) -> Vec<String> {
        let by_id = |id: &String| self.policies().find(|one| one.keycloak_id() == Some(id)).map(policy_name);
        listed.iter().map(|one| by_id(one).unwrap_or_else(|| one.clone())).collect()
    }
}

/// Takes over the switches of a realm: those of the object, or what the provider saw at Keycloak if it enforces nothing.
fn switches(draft: &mut Draft, realm: &KubernetesObject) -> Result<(), &'static str> {
    let parameters = Parameters::of(realm);
    let value = |key: &str| {
        let written = parameters.get(key);
        let seen = realm.status.get("atProvider").and_then(|seen| seen.get(key)).filter(|value| !value.is_null());
        if realm.unenforced().is_none() { written.or(seen) } else { seen.or(written) }
    };
    draft.switches(value("enabled"), value("adminPermissionsEnabled"))
}

impl KubernetesObject {
    /// The id that Keycloak gave, if the object was read from a cluster, or adopts what is in Keycloak.
    fn keycloak_id(&self) -> Option<&str> {
        let observed = self.status.get("atProvider").and_then(|provider| text(provider, "id"));
        observed.or_else(|| self.annotation("crossplane.io/external-name")).filter(|id| !id.is_empty())
    }

    fn is_saml(&self) -> bool {
        self.group.starts_with("saml")
    }
}

/// The id of a client: Keycloak's, or the name of the client.
fn id_of(client: &KubernetesObject) -> String {
    client.keycloak_id().map_or_else(|| client_name(client), str::to_owned)
}

fn client_name(client: &KubernetesObject) -> String {
    Parameters::of(client).text("clientId").unwrap_or(&client.name).to_owned()
}

fn policy_name(policy: &KubernetesObject) -> String {
    Parameters::of(policy).text("name").unwrap_or(&policy.name).to_owned()
}
