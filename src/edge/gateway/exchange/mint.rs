//! Tokens that Cambio issues without an exchange at the identity provider, which only authenticates clients and, if
//! an audience needs them, tells users' roles.

use http::header::{CONTENT_TYPE, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{Response, response};

use super::outcome::IssuedAnswer;
use crate::adapters::upstream::directory::DirectoryError;
use crate::edge::gateway::case::Case;
use crate::edge::gateway::signing::signer;
use crate::judgement::client::verify::AuthenticatedClient;
use crate::judgement::exchange::grant::Grant;
use crate::judgement::issue;
use crate::judgement::permit::Permit;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::mint::{Ingredients, Question};
use crate::judgement::policy::roles::RoleNames;
use crate::words::refusal::{Reason, Refusal};

impl Case<'_> {
    /// Mints a token: authenticates the client, looks up roles and signs.
    pub(super) async fn mint(&mut self, permit: &mut Permit) -> Result<IssuedAnswer, Refusal> {
        let proof = self.minting_client().await?;
        let directory = self.subject_roles(permit.contract()).await?;
        if permit.validated().authenticated().parsed().grant() == Grant::ApiAccess {
            // Only now: the directory knows the account by its id.
            permit.name_service_account();
        }
        let mut buffer = uuid::Uuid::encode_buffer();
        let jti: &str = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
        let (signer, issuer) = (signer(self.realm)?, self.realm.config.issuer.as_str());
        let from = Ingredients { directory: directory.as_ref(), issuer, now: self.services.now(), jti };
        let conformed = issue::mint::conform(permit, &proof, &from, signer)?;
        Ok(IssuedAnswer { head: head(), conformed, session: None })
    }

    /// The authenticated client: authenticated before, or now through the identity provider.
    async fn minting_client(&mut self) -> Result<AuthenticatedClient, Refusal> {
        self.require_client().await?;
        let proof = self.client.proof().cloned();
        proof.ok_or_else(|| Refusal::new(Reason::Internal, "a token is minted for a client that was not authenticated"))
    }

    /// The roles that the directory has for the subject, if the contract asks for them.
    ///
    /// # Errors
    /// The directory does not answer, or the user is disabled or unknown.
    pub(super) async fn subject_roles(&self, contract: &Contract) -> Result<Option<RoleNames>, Refusal> {
        match contract.directory() {
            // Rare and large, so it is boxed.
            Some(question) => Ok(Some(Box::pin(self.directory_roles(question)).await?)),
            None => Ok(None),
        }
    }

    /// The user's present roles in the identity provider, unless the user is disabled.
    async fn directory_roles(&self, question: Question<'_>) -> Result<RoleNames, Refusal> {
        let name = &self.realm.config.name;
        let Some(directory) = &self.realm.directory else {
            let detail = format!("roles.source: directory: write realms.{name}.directory");
            return Err(Refusal::new(Reason::DirectoryUnavailable, detail));
        };
        let upstream = &self.services.upstream;
        let refused = |error: DirectoryError| {
            let reason = match &error {
                DirectoryError::NoUser => Reason::SubjectTokenInactive,
                _ => Reason::DirectoryUnavailable,
            };
            let retry_after = error.retry_after();
            Refusal::new(reason, format!("realms.{name}.directory: {error}")).retry_after(retry_after)
        };
        if !directory.is_enabled(upstream, question.subject).await.map_err(refused)? {
            return Err(Refusal::new(Reason::SubjectTokenInactive, "the user is disabled"));
        }
        let mut roles = RoleNames::default();
        if question.realm {
            let held = directory.realm_roles(upstream, question.subject).await.map_err(refused)?;
            roles.realm.extend(held.iter().cloned());
        }
        for client in question.clients {
            let held = directory.client_roles(upstream, question.subject, client).await.map_err(refused)?;
            if !held.is_empty() {
                roles.clients.insert(client.to_owned(), (*held).clone());
            }
        }
        Ok(roles)
    }
}

/// The head of an answer that only Cambio makes.
fn head() -> response::Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    head.headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    head.headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    head
}
