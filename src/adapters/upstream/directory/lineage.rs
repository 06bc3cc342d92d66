//! Looks up what a token that Cambio signed depends on: the realm's not-before, the client, the users and their sessions.

use http::{Method, StatusCode};
use serde::Deserialize;

use super::user::Found;
use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::{DirectoryClient, DirectoryError, escaped, read, segment, send};
use crate::judgement::token::lineage::{LineageFacts, LineageUser, Standing, TokenLineage, UserFacts};

/// The name that Keycloak gives the grant of an offline token.
const OFFLINE: &str = "Offline Token";

/// How old an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// At most `sessionCacheFor`.
    Recent,
    /// Asked for now.
    Now,
}

impl DirectoryClient {
    /// Everything that a token depends on.
    ///
    /// # Errors
    /// The identity provider does not answer, or does not show its clients to Cambio.
    pub async fn lineage_facts(
        &self,
        upstream: &UpstreamClient,
        lineage: &TokenLineage<'_>,
        freshness: Freshness,
    ) -> Result<LineageFacts, DirectoryError> {
        if freshness == Freshness::Now {
            self.lookups.forget(lineage).await;
        }
        let realm = self.lookups.realm.get_or((), self.realm_not_before(upstream));
        let users = async {
            let mut found = Vec::with_capacity(lineage.users.len());
            for user in &lineage.users {
                found.push(Box::pin(self.user_facts(upstream, *user, lineage.client)).await?);
            }
            Ok(found)
        };
        let (realm_not_before, client, users) =
            tokio::try_join!(realm, self.client_standing(upstream, lineage.client), users)?;
        if client.is_none() && self.client_standing(upstream, &self.client.id).await?.is_none() {
            // Without view-clients, no client is shown, and each would seem to be gone.
            return Err(DirectoryError::NoClient(self.client.id.clone()));
        }
        Ok(LineageFacts { realm_not_before, client, users })
    }

    /// The realm's own page, which everybody may read, tells its not-before.
    async fn realm_not_before(&self, upstream: &UpstreamClient) -> Result<i64, DirectoryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(rename = "tokens-not-before")]
            not_before: i64,
        }
        let request = self.request(Method::GET, &self.realm_path, String::new())?;
        let (status, body) = send(upstream, request).await?;
        if status != StatusCode::OK {
            return Err(DirectoryError::Status(status, "a question for the realm's not-before"));
        }
        read::<Page>(&body).map(|page| page.not_before)
    }

    async fn client_standing(
        &self,
        upstream: &UpstreamClient,
        client: &str,
    ) -> Result<Option<Standing>, DirectoryError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown {
            client_id: String,
            #[serde(default)]
            enabled: bool,
            #[serde(default)]
            not_before: i64,
        }
        let fetch = async {
            let path = format!("{}/clients?clientId={}", self.admin_path, escaped(client));
            let found: Vec<Shown> = self.get(upstream, path, "a question for a client").await?;
            let found = found.into_iter().find(|found| found.client_id == client);
            Ok(found.map(|found| Standing { enabled: found.enabled, not_before: found.not_before }))
        };
        Box::pin(self.lookups.clients.get_or(client.to_owned(), fetch)).await
    }

    async fn user_facts(
        &self,
        upstream: &UpstreamClient,
        user: LineageUser<'_>,
        client: &str,
    ) -> Result<UserFacts, DirectoryError> {
        let standing = self.lookups.users.get_or(user.subject.to_owned(), async {
            // A token for API access names the service account, and not its id.
            let by_name = user.subject.strip_prefix("service-account-") == Some(client);
            let id = self.id_of(upstream, user.subject).await;
            let found = match id {
                Ok(id) => self.account(upstream, &id, by_name).await,
                Err(error) => Err(error),
            };
            match found {
                Ok(found) => Ok(Some(found.standing())),
                Err(DirectoryError::NoUser) => Ok(None),
                Err(error) => Err(error),
            }
        });
        let in_session = async {
            let Some(session) = user.session else { return Ok(true) };
            let key = (user.subject.to_owned(), session.to_owned());
            Box::pin(self.lookups.sessions.get_or(key, self.session_goes_on(upstream, user.subject, session))).await
        };
        let (standing, in_session) = tokio::try_join!(standing, in_session)?;
        Ok(UserFacts { standing, in_session })
    }

    async fn account(&self, upstream: &UpstreamClient, subject: &str, by_name: bool) -> Result<Found, DirectoryError> {
        let what = "a question for a user";
        if by_name {
            let path = format!("{}/users?username={}&exact=true", self.admin_path, escaped(subject));
            let found: Vec<Found> = self.get(upstream, path, what).await?;
            let found = found.into_iter().find(|found| found.username.eq_ignore_ascii_case(subject));
            return found.ok_or(DirectoryError::NoUser);
        }
        let path = format!("{}/users/{}", self.admin_path, segment(subject)?);
        let found: Found = self.get(upstream, path, what).await?;
        if found.id == subject { Ok(found) } else { Err(super::user::another_user()) }
    }

    /// Whether a session goes on, be it an ordinary one or an offline one, which Keycloak lists by client.
    async fn session_goes_on(
        &self,
        upstream: &UpstreamClient,
        user: &str,
        session: &str,
    ) -> Result<bool, DirectoryError> {
        #[derive(Deserialize)]
        struct Consent {
            #[serde(default, rename = "additionalGrants")]
            grants: Vec<Grant>,
        }
        #[derive(Deserialize)]
        struct Grant {
            client: String,
            key: String,
        }
        #[derive(Deserialize)]
        struct Session {
            id: String,
        }
        if self.session_is_alive(upstream, user, session).await? {
            return Ok(true);
        }
        let id = match self.id_of(upstream, user).await {
            Err(DirectoryError::NoUser) => return Ok(false),
            id => id?,
        };
        let Ok(user) = segment(&id) else { return Ok(false) };
        let of_user = format!("{}/users/{user}", self.admin_path);
        let consents =
            self.get::<Vec<Consent>>(upstream, format!("{of_user}/consents"), "a question for offline tokens");
        let consents = match consents.await {
            Err(DirectoryError::NoUser) => return Ok(false),
            consents => consents?,
        };
        let grants = consents.into_iter().flat_map(|consent| consent.grants);
        for client in grants.filter(|grant| grant.key == OFFLINE).map(|grant| grant.client) {
            let path = format!("{of_user}/offline-sessions/{}", escaped(&client));
            match self.get::<Vec<Session>>(upstream, path, "a question for offline sessions").await {
                Ok(sessions) if sessions.iter().any(|one| one.id == session) => return Ok(true),
                Ok(_) | Err(DirectoryError::NoUser) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}
