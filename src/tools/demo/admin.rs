//! The part of Keycloak's admin REST API that tells who a user is, and which roles and sessions they have.

use http::HeaderMap;
use serde_json::{Value, json};

use crate::tools::demo::answer::ProviderAnswer;
use crate::tools::demo::directory::DemoUser;
use crate::tools::demo::form::Fields;
use crate::tools::demo::grants::read_bearer;
use crate::tools::demo::provider::View;
use crate::tools::demo::tokens::{GrantedToken, grant_scope};

/// The client whose service account's roles open the admin API.
const MANAGEMENT: &str = "realm-management";

impl View<'_> {
    /// `clients?clientId=…`, `clients/{uuid}/evaluate-scopes/generate-example-access-token`,
    /// `users?username=…&exact=true`, `users/{id}` and below it `sessions`, `consents` and
    /// `role-mappings/{realm|clients/{uuid}}/composite`; and what the realm has ([`View::inventory`]).
    pub(super) fn admin(&self, headers: &HeaderMap, target: &str) -> ProviderAnswer {
        let claims = read_bearer(headers).and_then(|token| self.read_token(token));
        let caller = claims.as_ref().and_then(|claims| self.realm.subject(claims.get("sub")?.as_str()?));
        match caller {
            None => return ProviderAnswer::error(401, "HTTP 401 Unauthorized", ""),
            Some(caller) if !caller.has_role_of(MANAGEMENT) => {
                return ProviderAnswer::error(403, "HTTP 403 Forbidden", "");
            }
            Some(_) => {}
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let parts: Vec<&str> = path.split('/').skip(4).collect();
        match parts.as_slice() {
            ["clients", client, "evaluate-scopes", "generate-example-access-token"] => self.example(client, query),
            ["users"] => self.users(query),
            ["users", id] => self.realm.subject(id).map_or_else(no_user, |user| ProviderAnswer::ok(&shown(user))),
            ["users", id, "sessions"] => self.realm.subject(id).map_or_else(no_user, |user| {
                let sessions = self.provider.sessions(user);
                ProviderAnswer::ok(&sessions.into_iter().map(|id| json!({"id": id, "userId": user.id})).collect())
            }),
            // The demo has no offline sessions.
            ["users", id, "consents"] => {
                self.realm.subject(id).map_or_else(no_user, |_| ProviderAnswer::ok(&json!([])))
            }
            ["users", user, "role-mappings", rest @ .., "composite"] => self.role_mappings(user, rest),
            parts => self.inventory(parts, query),
        }
    }

    /// The claims of an access token that the client would get now for the user, with another session.
    fn example(&self, client: &str, query: &str) -> ProviderAnswer {
        let fields = Fields::parse(query.as_bytes()).unwrap_or_default();
        let client = self.realm.clients.iter().find(|one| internal_id(one.id) == client);
        let Some((client, user)) = client.zip(self.realm.subject(fields.one("userId").unwrap_or_default())) else {
            return ProviderAnswer::error(404, "No user found", "");
        };
        let Ok(scope) = grant_scope(fields.one("scope")) else {
            return ProviderAnswer::error(400, "Invalid scope", "");
        };
        let (session, origin) = (uuid::Uuid::new_v4().to_string(), "onrtna");
        let grant =
            GrantedToken { client, user, session, scope, origin, audiences: Vec::new(), nonce: None, key: None };
        ProviderAnswer::ok(&Value::from(self.access_claims(&grant)))
    }

    /// As in Keycloak, `exact` compares the whole name in lower case. Without a name the answer lists everybody.
    fn users(&self, query: &str) -> ProviderAnswer {
        let fields = Fields::parse(query.as_bytes()).unwrap_or_default();
        let name = fields.one("username").unwrap_or_default().to_lowercase();
        let exact = fields.one("exact") == Some("true");
        let is_meant = |user: &&DemoUser| {
            if exact && !name.is_empty() { user.name == name } else { user.name.contains(&name) }
        };
        let found = self.realm.users.iter().filter(is_meant);
        ProviderAnswer::ok(&found.map(shown).collect())
    }

    fn role_mappings(&self, user: &str, of: &[&str]) -> ProviderAnswer {
        let Some(user) = self.realm.subject(user) else {
            return no_user();
        };
        let roles: &[&str] = match of {
            ["realm"] => user.realm_roles,
            ["clients", id] => user
                .client_roles
                .iter()
                .find(|(client, _)| internal_id(client) == *id)
                .map_or(&[][..], |(_, roles)| roles),
            _ => return ProviderAnswer::error(404, "HTTP 404 Not Found", ""),
        };
        ProviderAnswer::ok(&Value::from(roles.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()))
    }
}

fn shown(user: &DemoUser) -> Value {
    let (first, last) = user.full_name;
    json!({
        "id": user.id, "username": user.name, "enabled": user.enabled, "firstName": first, "lastName": last,
        "email": user.email(), "emailVerified": true, "notBefore": 0,
    })
}

fn no_user() -> ProviderAnswer {
    ProviderAnswer::error(404, "User not found", "")
}

/// The client's internal id.
pub(super) fn internal_id(client: &str) -> String {
    format!("uuid-of-{client}")
}
