//! The part of Keycloak's admin REST API that tells what a realm has: clients, client scopes, roles and identity providers.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::tools::demo::admin::internal_id;
use crate::tools::demo::answer::ProviderAnswer;
use crate::tools::demo::directory::{DEFAULT_SCOPES, DemoClient, OPTIONAL_SCOPES};
use crate::tools::demo::form::Fields;
use crate::tools::demo::provider::View;

/// The client scopes that stand in no token's `scope`.
const SILENT_SCOPES: [&str; 3] = ["basic", "roles", "web-origins"];

impl View<'_> {
    /// `clients`, `client-scopes`, `roles`, `clients/{uuid}/roles`, `identity-provider/instances`, a role by its name and
    /// `clients/{uuid}/evaluate-scopes/scope-mappings/{realm|uuid}/granted`.
    pub(super) fn inventory(&self, parts: &[&str], query: &str) -> ProviderAnswer {
        let fields = Fields::parse(query.as_bytes()).unwrap_or_default();
        let search = fields.one("search").unwrap_or_default();
        match parts {
            ["clients"] => self.clients(&fields),
            ["client-scopes"] => ProviderAnswer::ok(&client_scopes()),
            ["roles"] => named(self.realm_role_names(), search),
            ["clients", id, "roles"] => named(self.client_role_names(id), search),
            ["roles", name] => one_of(&self.realm_role_names(), name),
            ["clients", id, "roles", name] => one_of(&self.client_role_names(id), name),
            ["clients", _, "evaluate-scopes", "scope-mappings", owner, "granted"] => {
                let of_realm = *owner == self.realm.name;
                // Every client has Full scope allowed.
                named(if of_realm { self.realm_role_names() } else { self.client_role_names(owner) }, "")
            }
            ["identity-provider", "instances"] => ProviderAnswer::ok(&json!([{
                "alias": "partner", "enabled": true, "config": {
                    "issuer": self.issuer.replace("/realms/corp", "/realms/partner"),
                    "jwtAuthorizationGrantEnabled": "true",
                    "jwtAuthorizationGrantMaxAllowedAssertionExpiration": "3600",
                },
            }])),
            // As a Keycloak without fine-grained admin permissions.
            _ => ProviderAnswer::error(404, "HTTP 404 Not Found", ""),
        }
    }

    fn clients(&self, fields: &Fields) -> ProviderAnswer {
        let number = |name| fields.one(name).and_then(|text| text.parse::<usize>().ok());
        let is_meant = |client: &&DemoClient| fields.one("clientId").is_none_or(|id| id == client.id);
        let clients = self.realm.clients.iter().filter(is_meant).skip(number("first").unwrap_or(0));
        ProviderAnswer::ok(&clients.take(number("max").unwrap_or(usize::MAX)).map(shown).collect())
    }

    fn realm_role_names(&self) -> BTreeSet<&'static str> {
        self.realm.users.iter().flat_map(|user| user.realm_roles).copied().collect()
    }

    fn client_role_names(&self, id: &str) -> BTreeSet<&'static str> {
        let held = self.realm.users.iter().flat_map(|user| user.client_roles);
        held.filter(|(client, _)| internal_id(client) == id).flat_map(|(_, roles)| *roles).copied().collect()
    }
}

fn named(names: BTreeSet<&str>, search: &str) -> ProviderAnswer {
    let found = names.into_iter().filter(|name| name.contains(search));
    ProviderAnswer::ok(&found.map(|name| json!({ "name": name })).collect())
}

/// The role of this name, which a path has escaped.
fn one_of(names: &BTreeSet<&str>, escaped: &str) -> ProviderAnswer {
    match percent_decode_str(escaped).decode_utf8().ok().and_then(|name| names.get(name.as_ref())) {
        Some(name) => ProviderAnswer::ok(&json!({ "name": name })),
        None => ProviderAnswer::error(404, "Could not find role", ""),
    }
}

fn shown(client: &DemoClient) -> Value {
    let is_on = |on: bool| if on { "true" } else { "false" };
    let default: Vec<_> = DEFAULT_SCOPES.iter().chain(&SILENT_SCOPES).collect();
    json!({
        "id": internal_id(client.id), "clientId": client.id, "enabled": true, "notBefore": 0,
        "rootUrl": client.web_origin(), "redirectUris": ["/*"], "webOrigins": ["+"],
        "publicClient": client.secret.is_none(), "fullScopeAllowed": true,
        "defaultClientScopes": default, "optionalClientScopes": OPTIONAL_SCOPES,
        "attributes": {
            "standard.token.exchange.enabled": is_on(client.exchange),
            "standard.token.exchange.enableRefreshRequestedTokenType":
                if client.exchange_refresh { "SAME_SESSION" } else { "NO" },
            "oauth2.jwt.authorization.grant.enabled": is_on(client.jwt_bearer),
            "oauth2.jwt.authorization.grant.idp": "partner",
        },
    })
}

fn client_scopes() -> Value {
    let mapper = |kind: &str| json!({ "protocolMapper": kind, "config": { "access.token.claim": "true" } });
    let all = DEFAULT_SCOPES.iter().chain(&OPTIONAL_SCOPES).chain(&SILENT_SCOPES);
    all.map(|name| {
        let mappers = match *name {
            "basic" => vec![mapper("oidc-sub-mapper")],
            "roles" => ["oidc-audience-resolve-mapper", "oidc-usermodel-realm-role-mapper"].map(mapper).to_vec(),
            _ => Vec::new(),
        };
        let is_shown = (!SILENT_SCOPES.contains(name)).to_string();
        json!({ "name": name, "attributes": { "include.in.token.scope": is_shown }, "protocolMappers": mappers })
    })
    .collect()
}
