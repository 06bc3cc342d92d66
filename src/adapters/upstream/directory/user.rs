//! Finds a user with an id or a name, and checks their sessions. Neither is cached: disabling or logging out a user takes
//! effect at once. Only [`DirectoryClient::is_enabled`] is cached, and which id the `sub` of a dialect means, as long as
//! roles are.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped, segment};
use crate::judgement::dialect::Account;
use crate::judgement::token::lineage::Standing;

/// Longest user name in bytes that is looked up. Keycloak stores 255 characters.
const LONGEST_NAME: usize = 1024;

/// A user of the realm.
#[derive(Clone, PartialEq, Eq)]
pub struct DirectoryUser {
    /// Keycloak's id: the `sub` of the user's tokens.
    pub id: String,
    /// The user name as Keycloak stores it, in lower case.
    pub username: String,
    /// Whether the user may log in.
    pub enabled: bool,
    /// `sub`, `preferred_username`, `email_verified`, and, if known, `email`, `given_name`, `family_name` and `name`,
    /// as in Keycloak's tokens.
    pub claims: Map<String, Value>,
}

impl std::fmt::Debug for DirectoryUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // No names and addresses of people in logs.
        f.debug_struct("DirectoryUser").field("id", &self.id).field("enabled", &self.enabled).finish_non_exhaustive()
    }
}

/// A user in an answer of the admin API. Without `enabled`, the user counts as disabled.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) username: String,
    #[serde(default)]
    pub(super) enabled: bool,
    #[serde(default)]
    not_before: i64,
    /// In milliseconds since the epoch. Some user storages know none.
    created_timestamp: Option<i64>,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    first_name: Option<String>,
    last_name: Option<String>,
}

impl Found {
    /// Tokens that are older than the account are not about this user: the name was somebody else's then.
    pub(super) fn standing(&self) -> Standing {
        let created = self.created_timestamp.unwrap_or_default().div_euclid(1000);
        Standing { enabled: self.enabled, not_before: self.not_before.max(created) }
    }
}

impl DirectoryUser {
    /// Whether the user is a client's service account, as which nobody can log in to Keycloak. The admin API shows this
    /// only in the name, which Keycloak assigns.
    pub fn is_service_account(&self) -> bool {
        self.username.to_lowercase().starts_with("service-account-")
    }
}

impl DirectoryClient {
    /// The user with this id (a UUID as Keycloak writes it) or with exactly this user name in any case. Text that looks
    /// like an id is never a name: otherwise users could choose a name that passes for somebody else's id.
    ///
    /// # Errors
    /// [`DirectoryError::NoUser`] if there is no such user. The caller checks whether the user is enabled.
    pub async fn user(&self, upstream: &UpstreamClient, wanted: &str) -> Result<DirectoryUser, DirectoryError> {
        let what = "a question for a user";
        if is_id(wanted) {
            let path = format!("{}/users/{}", self.admin_path, segment(wanted)?);
            let found: Found = self.get(upstream, path, what).await?;
            return if found.id == wanted { Ok(found.into()) } else { Err(another_user()) };
        }
        self.named(upstream, wanted).await
    }

    /// Keycloak's id of the account that a `sub` names: the `sub` itself, except in dialects that write more into it.
    ///
    /// # Errors
    /// [`DirectoryError::NoUser`] if there is no such account.
    pub(super) async fn id_of<'s>(
        &self,
        upstream: &UpstreamClient,
        subject: &'s str,
    ) -> Result<Cow<'s, str>, DirectoryError> {
        let Some(account) = (self.accounts)(subject) else { return Ok(Cow::Borrowed(subject)) };
        let fetch = async { Ok(Arc::from(self.account_id(upstream, account).await?)) };
        let id: Result<Arc<str>, _> = Box::pin(self.ids.try_get_with(subject.to_owned(), fetch)).await;
        id.map(|id| Cow::Owned(id.to_string())).map_err(Arc::unwrap_or_clone)
    }

    async fn account_id(&self, upstream: &UpstreamClient, account: Account<'_>) -> Result<String, DirectoryError> {
        let name = match account {
            Account::User(name) => name.to_owned(),
            Account::Client(client) => format!("service-account-{client}"),
        };
        let named = match self.named(upstream, &name).await {
            Err(DirectoryError::NoUser) => None,
            found => Some(found?.id),
        };
        // Users could choose a name that passes for somebody else's id.
        let identified = match account {
            Account::User(id) if is_id(id) => match self.user(upstream, id).await {
                Err(DirectoryError::NoUser) => None,
                found => Some(found?.id),
            },
            _ => None,
        };
        match (named, identified) {
            (Some(one), Some(other)) if one != other => Err(another_user()),
            (one, other) => one.or(other).ok_or(DirectoryError::NoUser),
        }
    }

    async fn named(&self, upstream: &UpstreamClient, wanted: &str) -> Result<DirectoryUser, DirectoryError> {
        let what = "a question for a user";
        // An empty name would be no condition, and the answer would list everybody.
        if wanted.is_empty() || wanted.len() > LONGEST_NAME || wanted.contains(char::is_control) {
            return Err(DirectoryError::NoUser);
        }
        let path = format!("{}/users?username={}&exact=true", self.admin_path, escaped(wanted));
        let found: Vec<Found> = self.get(upstream, path, what).await?;
        // Keycloak stores names in lower case. The comparison rejects the answer of a server that ignores `exact`.
        let name = wanted.to_lowercase();
        let mut found = found.into_iter().filter(|one| one.username.to_lowercase() == name);
        match (found.next(), found.next()) {
            (Some(user), None) => Ok(user.into()),
            (None, _) => Err(DirectoryError::NoUser),
            (Some(_), Some(_)) => Err(another_user()),
        }
    }

    /// Whether the user with this `sub` may log in.
    ///
    /// # Errors
    /// [`DirectoryError::NoUser`] if there is no such user.
    pub async fn is_enabled(&self, upstream: &UpstreamClient, subject: &str) -> Result<bool, DirectoryError> {
        let id = self.id_of(upstream, subject).await?;
        let fetch = async {
            let path = format!("{}/users/{}", self.admin_path, segment(&id)?);
            let found: Found = self.get(upstream, path, "a question for a user").await?;
            if found.id == id { Ok(found.enabled) } else { Err(another_user()) }
        };
        Box::pin(self.enabled.try_get_with(id.to_string(), fetch)).await.map_err(Arc::unwrap_or_clone)
    }

    /// Whether the user's session (`sid` in their tokens) still exists. Offline sessions do not count.
    ///
    /// # Errors
    /// The identity provider does not answer. A user who does not exist has no session.
    pub async fn session_is_alive(
        &self,
        upstream: &UpstreamClient,
        user: &str,
        sid: &str,
    ) -> Result<bool, DirectoryError> {
        #[derive(Deserialize)]
        struct Session {
            id: String,
        }
        let id = match self.id_of(upstream, user).await {
            Err(DirectoryError::NoUser) => return Ok(false),
            id => id?,
        };
        let Ok(segment) = segment(&id) else { return Ok(false) };
        let path = format!("{}/users/{segment}/sessions", self.admin_path);
        match self.get::<Vec<Session>>(upstream, path, "a question for a user's sessions").await {
            Ok(sessions) => Ok(sessions.iter().any(|session| session.id == sid)),
            Err(DirectoryError::NoUser) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl From<Found> for DirectoryUser {
    fn from(found: Found) -> Self {
        let texts = |parts: [&Option<String>; 2]| {
            let parts: Vec<&str> = parts.into_iter().flatten().map(|part| part.trim()).collect();
            Some(parts.join(" ").trim().to_owned()).filter(|name| !name.is_empty())
        };
        let name = texts([&found.first_name, &found.last_name]);
        let known = [
            ("sub", Some(found.id.clone())),
            ("preferred_username", Some(found.username.clone())),
            ("email", found.email),
            ("given_name", found.first_name),
            ("family_name", found.last_name),
            ("name", name),
        ];
        let mut claims: Map<String, Value> =
            known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?)))).collect();
        claims.insert("email_verified".to_owned(), Value::Bool(found.email_verified));
        Self { id: found.id, username: found.username, enabled: found.enabled, claims }
    }
}

/// The form of a UUID that Keycloak writes, in either case. Other texts after `users/` may be words of the API.
fn is_id(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

pub(super) fn another_user() -> DirectoryError {
    DirectoryError::Unavailable("an answer about another user".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Whoever gets the name of an account that was deleted is not the user of older tokens.
    #[test]
    fn tokens_that_are_older_than_the_account_are_not_valid() {
        for (account, expected) in [
            (json!({}), 0),
            (json!({"createdTimestamp": null}), 0),
            (json!({"createdTimestamp": 1_700_000_000_999_i64}), 1_700_000_000),
            (json!({"createdTimestamp": 1_700_000_000_000_i64, "notBefore": 1_800_000_000}), 1_800_000_000),
            (json!({"createdTimestamp": 1_700_000_000_000_i64, "notBefore": 1_600_000_000}), 1_700_000_000),
        ] {
            let mut shown = json!({"id": "i", "username": "u", "enabled": true});
            shown.as_object_mut().unwrap().extend(account.as_object().unwrap().clone());
            let found: Found = serde_json::from_value(shown).unwrap();
            assert_eq!(found.standing(), Standing { enabled: true, not_before: expected }, "{account}");
        }
    }
}
