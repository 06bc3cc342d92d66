//! Keycloak's fine-grained admin permissions (`admin-fine-grained-authz`), by which a user administers others without any
//! role.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped};

/// The client that holds the permissions of version 1.
const VERSION_1: &str = "realm-management";
/// The client that holds the permissions of version 2.
const VERSION_2: &str = "admin-permissions";
/// Version 2 evaluates one type of resources at a time, here the permissions for all resources of the type.
const TYPES: [&str; 4] = ["Users", "Groups", "Clients", "Roles"];

/// A verdict that lets the user do something.
const PERMIT: &str = "PERMIT";

/// Keycloak's evaluation of permissions for a user.
#[derive(Deserialize)]
struct Evaluation {
    status: String,
    #[serde(default)]
    results: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    status: String,
}

impl DirectoryClient {
    /// Whether fine-grained permissions let a user administer anything. The answer is not cached. In version 2, Keycloak
    /// does not tell about permissions for single users, groups, clients and roles.
    ///
    /// # Errors
    /// The permissions are on, and Cambio can't see them.
    pub async fn administers(&self, upstream: &UpstreamClient, subject: &str) -> Result<bool, DirectoryError> {
        if let Some(holder) = self.client_uuid(upstream, VERSION_1).await?
            && self.permits(upstream, subject, &holder, json!({ "resources": [] })).await?
        {
            return Ok(true);
        }
        let Some(holder) = self.client_uuid(upstream, VERSION_2).await? else { return Ok(false) };
        for name in TYPES {
            let question = json!({ "resourceType": name, "resources": [{ "name": name }] });
            if self.permits(upstream, subject, &holder, question).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keycloak answers 404 where the permissions are off, and 403 where they are on and Cambio may not see them.
    async fn permits(
        &self,
        upstream: &UpstreamClient,
        subject: &str,
        holder: &str,
        mut question: Value,
    ) -> Result<bool, DirectoryError> {
        let path = format!("{}/clients/{}/authz/resource-server/policy/evaluate", self.admin_path, escaped(holder));
        question["userId"] = json!(subject);
        question["clientId"] = json!(holder);
        question["entitlements"] = json!(false);
        question["context"] = json!({ "attributes": {} });
        let what = "a question for fine-grained admin permissions, which needs the role view-authorization, and view-realm for \
                    their version 2";
        let evaluation: Result<Evaluation, _> = self.ask(upstream, path, Some(question.to_string()), what).await;
        match evaluation {
            Ok(evaluation) => Ok(evaluation.permits()),
            Err(DirectoryError::NoUser) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Evaluation {
    fn permits(&self) -> bool {
        self.status == PERMIT || self.results.iter().any(|verdict| verdict.status == PERMIT)
    }
}
