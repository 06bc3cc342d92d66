//! Client authentication: the pure check of `client::verify`, and its effects. Keys are fetched, slow hashes run in
//! the background, the store remembers used assertions, and the identity provider authenticates clients that the
//! configuration does not register.

mod upstream;

use std::sync::Arc;

use super::case::Case;
use super::case::client::CaseClient;
use super::replay::store_unavailable;
use crate::adapters::jwks::{JwksCache, JwksError};
use crate::adapters::metrics::Outcome;
use crate::adapters::store::{MarkKey, MarkKind};
use crate::judgement::client::credentials::{Credentials, CredentialsMethod};
use crate::judgement::client::registry::{ClientKeys, Method, Unregistered};
use crate::judgement::client::verify::{
    AuthenticatedClient, Candidate, ClientEvidence, ClientVerdict, Needs, UPSTREAM, UnspentAssertion, authenticate,
    candidates, lacks_its_key,
};
use crate::judgement::jose::keys::KeySet;
use crate::words::refusal::{Reason, Refusal};

/// Keys for the methods of a client.
struct MethodKeys {
    /// The keys by the index of the method.
    found: Vec<(usize, Arc<KeySet>)>,
    /// The last reason for which some keys are missing.
    missing: Option<JwksError>,
}

/// Keys that a method of a client needs.
struct KeyNeed<'c> {
    /// The index of the method.
    index: usize,
    jwks: &'c JwksCache,
    kid: Option<String>,
}

impl Case<'_> {
    /// Reads whose request it is. Cambio authenticates the client before anything else if the configuration registers
    /// it or refuses it, or if the dialect refuses an unknown client before all else and the credentials are good for
    /// more than one call. The identity provider authenticates all other clients, when it gets the client's request;
    /// until then, [`Case::require_client`] proves the client where something depends on it.
    ///
    /// # Errors
    /// The client is not authentic, or this is unknown.
    pub async fn meet_client(&mut self, credentials: &Credentials) -> Result<(), Refusal> {
        self.page.names(credentials.client_id());
        let config = &self.realm.config;
        let known = config.clients.methods(credentials.client_id()).is_some();
        let reusable = credentials.method() != CredentialsMethod::Assertion;
        // Another identity provider than Keycloak takes part in no exchange.
        let first = config.is_elsewhere() || !config.dialect.rules().upstream_refusals && reusable;
        self.client = if known || first || config.clients.unregistered == Unregistered::Refused {
            CaseClient::Proven(Box::pin(self.prove_client(credentials)).await?)
        } else {
            self.may_guess(credentials)?;
            self.has_room(credentials.client_id())?;
            CaseClient::Unproven(Box::new(credentials.clone()))
        };
        Ok(())
    }

    /// Reads whose request it is that the identity provider has answered with a token. Cambio authenticates the client as well
    /// if the configuration registers it, or refuses all others.
    ///
    /// # Errors
    /// The client is not authentic according to the configuration, or this is unknown.
    pub async fn meet_accepted_client(&mut self, credentials: &Credentials) -> Result<(), Refusal> {
        let clients = &self.realm.config.clients;
        let known = clients.methods(credentials.client_id()).is_some();
        self.client = if known || clients.unregistered == Unregistered::Refused {
            CaseClient::Proven(Box::pin(self.prove_client(credentials)).await?)
        } else {
            CaseClient::Accepted
        };
        Ok(())
    }

    /// Proves the client, if it is not proven yet. Whatever is used up or asked elsewhere comes after this.
    ///
    /// # Errors
    /// The client is not authentic, or this is unknown.
    pub async fn require_client(&mut self) -> Result<(), Refusal> {
        let CaseClient::Unproven(credentials) = &self.client else { return Ok(()) };
        // Rare or large, so it is boxed.
        let proof = Box::pin(self.prove_client(credentials)).await?;
        self.client = CaseClient::Proven(proof);
        Ok(())
    }

    /// Authenticates the client, and counts the request for the client. This happens once per request, because it uses up
    /// the assertion.
    ///
    /// # Errors
    /// `client_unauthenticated` and `client_assertion_replayed` if the client is not authentic;
    /// `client_authentication_unavailable` and `store_unavailable` if this is unknown; `client_locked_out` if nothing was
    /// checked, or nothing may be told of it; `rate_limited` if the client is authentic.
    pub async fn prove_client(&self, credentials: &Credentials) -> Result<AuthenticatedClient, Refusal> {
        let result = match self.may_guess(credentials) {
            Ok(()) => {
                let checked = self.authenticate_client(credentials).await;
                self.count_checked(credentials, &checked);
                // Guesses that were sent at once learn nothing, once there were too many of them.
                self.may_guess(credentials).and(checked)
            }
            Err(locked_out) => Err(locked_out),
        };
        match &result {
            Ok(_) => self.guessed(credentials, true),
            Err(refusal) if refusal.reason == Reason::ClientUnauthenticated => self.guessed(credentials, false),
            Err(_) => {}
        }
        let proven = result?;
        self.count_client(proven.client_id())?;
        Ok(proven)
    }

    /// Counts in the metrics what came of the credentials. A lock-out is none of it: nothing was checked.
    fn count_checked(&self, credentials: &Credentials, checked: &Result<AuthenticatedClient, Refusal>) {
        let metrics = &self.realm.metrics;
        let refused = match checked {
            Ok(proven) => return metrics.client_authenticated(proven.by()),
            Err(refusal) => refusal.reason,
        };
        let is_registered = self.realm.config.clients.methods(credentials.client_id()).is_some();
        let method = if is_registered { credentials.method().name() } else { UPSTREAM };
        let is_wrong = matches!(refused, Reason::ClientUnauthenticated | Reason::ClientAssertionReplayed);
        metrics.client_refused(method, if is_wrong { Outcome::Denied } else { Outcome::Failed });
    }

    async fn authenticate_client(&self, credentials: &Credentials) -> Result<AuthenticatedClient, Refusal> {
        let config = &self.realm.config;
        let MethodKeys { mut found, missing } = self.method_keys(credentials).await;
        let certificate = self.client_certificate()?;
        let judge = |found: &[(usize, Arc<KeySet>)]| {
            let certificate = certificate.as_deref();
            let evidence = ClientEvidence { certificate, keys: found, leeway: config.tokens.leeway };
            authenticate(credentials, &config.clients, &evidence, self.services.now())
        };
        let mut verdict = judge(&found);
        if verdict.is_err() && Box::pin(self.renew_keys(credentials, &mut found)).await {
            verdict = judge(&found);
        }
        match verdict {
            Ok(ClientVerdict::Authenticated(proven)) => Ok(proven),
            Ok(ClientVerdict::UnspentAssertion(assertion)) => self.spend_assertion(assertion).await,
            Ok(ClientVerdict::SlowSecret(slow)) => {
                self.services.authenticator.hash_in_background(slow, &self.services.clock).await
            }
            Ok(ClientVerdict::ByUpstream) => match config.clients.unregistered {
                Unregistered::Upstream { cache_for } => self.authenticate_upstream(credentials, cache_for).await,
                Unregistered::Refused => Err(Refusal::new(Reason::Internal, "no method authenticates the client")),
            },
            // The client may be authentic, with keys that are not available.
            Err(refusal) => match missing {
                Some(error) if refusal.reason != Reason::ClientAssertionReplayed => {
                    let refusal = Refusal::new(Reason::ClientAuthenticationUnavailable, error.to_string());
                    Err(refusal.retry_after(error.retry_after()))
                }
                _ => Err(refusal),
            },
        }
    }

    async fn method_keys(&self, credentials: &Credentials) -> MethodKeys {
        let mut keys = MethodKeys { found: Vec::new(), missing: None };
        for KeyNeed { index, jwks, kid } in self.needed_keys(credentials) {
            match jwks.keys(kid.as_deref()).await {
                Ok(set) => keys.found.push((index, set)),
                Err(error) => keys.missing = Some(error),
            }
        }
        keys
    }

    /// Replaces keys that don't verify the client's assertion with newer ones. Whether there are any.
    async fn renew_keys(&self, credentials: &Credentials, found: &mut [(usize, Arc<KeySet>)]) -> bool {
        let mut renewed = false;
        for KeyNeed { index, jwks, .. } in self.needed_keys(credentials) {
            let Some((_, set)) = found.iter_mut().find(|(of, _)| *of == index) else { continue };
            if lacks_its_key(credentials, set)
                && let Some(newer) = jwks.newer(set).await
            {
                *set = newer;
                renewed = true;
            }
        }
        renewed
    }

    /// The caches with the keys that the methods of the client need.
    fn needed_keys(&self, credentials: &Credentials) -> Vec<KeyNeed<'_>> {
        let clients = &self.realm.config.clients;
        let methods = clients.methods(credentials.client_id()).unwrap_or_default();
        let cache = |candidate: Candidate| {
            let (jwks, kid) = match (candidate.needs, methods.get(candidate.index)) {
                (Needs::ClientKeys { kid }, Some(Method::PrivateKeyJwt { keys: ClientKeys::Url(url), .. })) => {
                    (self.realm.client_keys(url), kid)
                }
                (Needs::IssuerKeys { issuer, kid }, _) => (self.generation.issuers.keys(&issuer), kid),
                _ => return None,
            };
            Some(KeyNeed { index: candidate.index, jwks: jwks?, kid })
        };
        candidates(credentials, clients).into_iter().filter_map(cache).collect()
    }

    /// An assertion is good for one use (RFC 7523 section 3, OpenID Connect Core section 9).
    async fn spend_assertion(&self, assertion: UnspentAssertion) -> Result<AuthenticatedClient, Refusal> {
        let key =
            MarkKey::new(MarkKind::ClientAssertion, &[&self.realm.config.name, assertion.client_id(), assertion.jti()]);
        let first = self.services.store.claim(&key, assertion.until()).await;
        let first = first.map_err(store_unavailable)?;
        assertion.claimed(first)
    }
}

#[cfg(test)]
mod tests;
