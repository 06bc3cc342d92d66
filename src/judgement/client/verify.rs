//! Authenticates a client: checks its credentials against the configuration.
//!
//! Pure: keys, certificate and time are arguments. The caller of this file runs what takes long
//! ([`ClientVerdict::SlowSecret`]), remembers assertions ([`ClientVerdict::UnspentAssertion`]) and asks the identity
//! provider ([`ClientVerdict::ByUpstream`]). Only this file makes an [`AuthenticatedClient`].

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::assertion::{self, AssertionKey, AssertionRules};
use super::certificate::ClientCertificate;
use super::credentials::{Assertion, Credentials, PresentedCredentials};
use super::secret::{Argon2id, HashMemory, SecretHash};
use crate::judgement::client::registry::{ClientKeys, Clients, Method, Unregistered, Workload};
use crate::judgement::jose::keys::KeySet;
use crate::judgement::jose::verify::VerifiedToken;
use crate::words::oauth::introspection::{IntrospectionAnswer, IntrospectionStatus, error_code};
use crate::words::oauth::urn::CLIENT_ASSERTION_SPIFFE;
use crate::words::refusal::{Reason, Refusal};
use crate::words::secret::Secret;

/// The name of the identity provider's word in audit lines.
pub const UPSTREAM: &str = "upstream";

/// The proof that a client is who it says. Only this module makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedClient {
    client_id: String,
    by: &'static str,
}

/// What a client shows besides its credentials, and how it is checked.
#[derive(Clone, Copy, Debug)]
pub struct ClientEvidence<'a> {
    /// The certificate of its connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// Index of a method of the client's entry → the keys that [`candidates`] asks for there.
    pub keys: &'a [(usize, Arc<KeySet>)],
    /// Tolerance for times of a client's own assertions.
    pub leeway: SignedDuration,
}

/// The result of the pure check.
#[derive(Debug)]
pub enum ClientVerdict {
    /// The client is who it says.
    Authenticated(AuthenticatedClient),
    /// The client is who it says, unless its assertion was used before.
    UnspentAssertion(UnspentAssertion),
    /// The client is who it says, if a slow hash fits.
    SlowSecret(SlowSecret),
    /// The configuration does not list the client: the identity provider judges.
    ByUpstream,
}

/// An assertion that passed all checks but one: whether it was used before.
#[derive(Debug)]
pub struct UnspentAssertion {
    proven: AuthenticatedClient,
    jti: String,
    until: Timestamp,
}

/// A secret whose hash takes long.
#[derive(Debug)]
pub struct SlowSecret {
    proven: AuthenticatedClient,
    secret: Secret,
    /// What the audit log says if no hash fits.
    wrong: &'static str,
    hashes: Vec<Argon2id>,
}

/// A method that the credentials could meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its index in the client's entry.
    pub index: usize,
    /// The keys that the method needs.
    pub needs: Needs,
}

/// Keys that a method needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None, or keys from the configuration.
    Nothing,
    /// The client's own keys, from its URL.
    ClientKeys {
        /// The key's id.
        kid: Option<String>,
    },
    /// The keys of the issuer of this name.
    IssuerKeys {
        /// The name under `issuers`.
        issuer: String,
        /// The key's id.
        kid: Option<String>,
    },
}

/// The methods of the client's entry that the credentials could meet, and the keys that they need.
pub fn candidates(credentials: &Credentials, clients: &Clients) -> Vec<Candidate> {
    let methods = clients.methods(credentials.client_id()).unwrap_or_default().iter().enumerate();
    let presented = credentials.presented();
    let needs = |method: &Method| {
        let needs = match (method, presented) {
            (Method::Secret(_), PresentedCredentials::Secret(_))
            | (Method::Tls(_) | Method::SelfSignedTls(_) | Method::Public, PresentedCredentials::Nothing) => {
                Needs::Nothing
            }
            (Method::Public, PresentedCredentials::Secret(_)) if clients.ignores_secret_of(credentials.client_id()) => {
                Needs::Nothing
            }
            (Method::PrivateKeyJwt { keys, .. }, PresentedCredentials::Assertion(assertion))
                if assertion.is_own() && !assertion::is_shared(assertion) =>
            {
                match keys {
                    ClientKeys::Set(_) => Needs::Nothing,
                    ClientKeys::Url(_) => Needs::ClientKeys { kid: assertion::kid(assertion) },
                }
            }
            (Method::SecretJwt { .. }, PresentedCredentials::Assertion(assertion))
                if assertion.is_own() && assertion::is_shared(assertion) =>
            {
                Needs::Nothing
            }
            (Method::Workload(workload), PresentedCredentials::Assertion(assertion))
                if is_about(assertion, workload) =>
            {
                Needs::IssuerKeys { issuer: workload.issuer.clone(), kid: assertion::kid(assertion) }
            }
            _ => return None,
        };
        Some(needs)
    };
    methods.filter_map(|(index, method)| Some(Candidate { index, needs: needs(method)? })).collect()
}

/// Whether the credentials are an assertion that none of these keys verifies, so that newer keys could.
pub fn lacks_its_key(credentials: &Credentials, keys: &KeySet) -> bool {
    match credentials.presented() {
        PresentedCredentials::Assertion(assertion) => assertion::lacks_its_key(assertion, keys),
        _ => false,
    }
}

/// Authenticates the client with the first of its methods that the credentials meet.
pub fn authenticate(
    credentials: &Credentials,
    clients: &Clients,
    evidence: &ClientEvidence<'_>,
    now: Timestamp,
) -> Result<ClientVerdict, Refusal> {
    let client = credentials.client_id();
    let Some(methods) = clients.methods(client) else {
        return match (clients.unregistered, credentials.presented()) {
            // The identity provider finds the client in the assertion: a success is not about `client_id`.
            (Unregistered::Upstream { .. }, PresentedCredentials::Assertion(assertion)) if !assertion.is_own() => {
                Err(unauthenticated(
                    "the assertion does not name its client by iss and sub: list the client in realms.*.clients with the workload that it is",
                ))
            }
            (Unregistered::Upstream { .. }, _) => Ok(ClientVerdict::ByUpstream),
            (Unregistered::Refused, _) => Err(unauthenticated(
                "the client is not among realms.*.clients, and clientAuthentication.unregistered is refuse",
            )),
        };
    };
    let mut refusal = None;
    let mut slow: Vec<Argon2id> = Vec::new();
    for Candidate { index, .. } in candidates(credentials, clients) {
        let Some(method) = methods.get(index) else { continue };
        let keys = evidence.keys.iter().find(|(of, _)| *of == index).map(|(_, keys)| &**keys);
        let proven = || AuthenticatedClient { client_id: client.to_owned(), by: method.name() };
        match meets(method, credentials, clients, evidence, keys, now) {
            Ok(MethodVerdict::Authenticated) => return Ok(ClientVerdict::Authenticated(proven())),
            Ok(MethodVerdict::UnspentAssertion(fresh)) => {
                let assertion::UnspentJti { jti, until } = fresh;
                return Ok(ClientVerdict::UnspentAssertion(UnspentAssertion { proven: proven(), jti, until }));
            }
            Ok(MethodVerdict::SlowSecret(hash)) => slow.push(hash.clone()),
            Err(why) => refusal = Some(why),
        }
    }
    if let (false, PresentedCredentials::Secret(secret)) = (slow.is_empty(), credentials.presented()) {
        let proven = AuthenticatedClient { client_id: client.to_owned(), by: "client_secret" };
        return Ok(ClientVerdict::SlowSecret(SlowSecret {
            proven,
            secret: secret.clone(),
            wrong: credentials.wrong_secret(),
            hashes: slow,
        }));
    }
    Err(refusal.unwrap_or_else(|| {
        let names: Vec<_> = methods.iter().map(Method::name).collect();
        let shown = credentials.method().name();
        unauthenticated(&format!("{shown} was shown, and realms.*.clients has {} for it", names.join(", ")))
    }))
}

/// Authenticates a client through the identity provider's introspection endpoint: Cambio asked it as this client
/// about a text that is no token.
pub fn authenticate_by_introspection(
    credentials: &Credentials,
    status: u16,
    body: &[u8],
) -> Result<AuthenticatedClient, Refusal> {
    // A proxy's error page may have status 200, too, but it is no answer.
    let is_answer = || IntrospectionAnswer::read(body).is_ok_and(|answer| !answer.is_active());
    match (IntrospectionStatus::of(status), error_code(body).as_deref()) {
        (IntrospectionStatus::Answered, None) if is_answer() => {
            Ok(AuthenticatedClient { client_id: credentials.client_id().to_owned(), by: UPSTREAM })
        }
        (IntrospectionStatus::ClientRefused, _)
        | (IntrospectionStatus::ErrorResponse, Some("invalid_client" | "unauthorized_client")) => {
            Err(unauthenticated(&format!(
                "the identity provider refuses the credentials of {:?}: see whether the client is enabled, and has this secret or key",
                credentials.client_id()
            )))
        }
        (IntrospectionStatus::ClientForbidden, _) => Err(unauthenticated(
            "the identity provider does not authenticate it, as it is a public client: list it in realms.*.clients with `method: none`",
        )),
        _ => Err(Refusal::new(
            Reason::ClientAuthenticationUnavailable,
            format!("the identity provider's introspection endpoint answered with status {status}"),
        )),
    }
}

/// Authenticates a client through its service account (RFC 6749 section 4.4): the identity provider has just issued
/// `token` for these credentials, and its keys verified the token.
pub(crate) fn authenticate_by_service_account(
    credentials: &Credentials,
    token: &VerifiedToken,
) -> Result<AuthenticatedClient, Refusal> {
    match token.claims().get("azp").and_then(serde_json::Value::as_str) {
        Some(party) if party == credentials.client_id() => {
            Ok(AuthenticatedClient { client_id: party.to_owned(), by: UPSTREAM })
        }
        _ => Err(Refusal::new(Reason::AnswerSubject, "the service account's token is another client's")),
    }
}

impl AuthenticatedClient {
    /// The client.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Whether nothing proved it: the client has no credentials.
    pub fn is_public(&self) -> bool {
        self.by == Method::Public.name()
    }

    /// Whether the identity provider proved it.
    pub fn is_by_upstream(&self) -> bool {
        self.by == UPSTREAM
    }

    /// What proved it: the name of a method in the configuration, or `upstream` for the identity provider.
    pub fn by(&self) -> &'static str {
        self.by
    }
}

impl UnspentAssertion {
    /// The client that chose the `jti`: two clients may choose equal ones.
    pub fn client_id(&self) -> &str {
        &self.proven.client_id
    }

    /// The assertion's `jti`.
    pub fn jti(&self) -> &str {
        &self.jti
    }

    /// From this time on nobody can use the assertion.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The proof, if this is the assertion's first use.
    pub fn claimed(self, first: bool) -> Result<AuthenticatedClient, Refusal> {
        if first {
            Ok(self.proven)
        } else {
            Err(Refusal::new(Reason::ClientAssertionReplayed, "the assertion's jti was used before"))
        }
    }
}

impl SlowSecret {
    /// Hashes and compares: tens of milliseconds and megabytes for each hash.
    pub fn run(self, memory: &mut HashMemory) -> Result<AuthenticatedClient, Refusal> {
        let mut is_unknown = false;
        for hash in &self.hashes {
            match hash.matches(&self.secret, memory) {
                Some(true) => return Ok(self.proven),
                Some(false) => {}
                None => is_unknown = true,
            }
        }
        if is_unknown {
            let detail = "there is no memory to hash the secret";
            return Err(Refusal::new(Reason::ClientAuthenticationUnavailable, detail));
        }
        Err(unauthenticated(self.wrong))
    }

    /// The client whose secret it is, if a hash fits.
    pub fn client_id(&self) -> &str {
        &self.proven.client_id
    }

    /// The values that the outcome depends on: client, secret and configured hashes. They are only for a keyed hash.
    pub(crate) fn inputs(&self) -> Vec<Secret> {
        let hashes = self.hashes.iter().map(|hash| {
            use base64::Engine as _;
            Secret::new(base64::engine::general_purpose::STANDARD_NO_PAD.encode(hash.identity()))
        });
        [Secret::new(self.proven.client_id.as_str()), self.secret.clone()].into_iter().chain(hashes).collect()
    }
}

enum MethodVerdict<'m> {
    Authenticated,
    UnspentAssertion(assertion::UnspentJti),
    SlowSecret(&'m Argon2id),
}

fn meets<'m>(
    method: &'m Method,
    credentials: &Credentials,
    clients: &Clients,
    evidence: &ClientEvidence<'_>,
    keys: Option<&KeySet>,
    now: Timestamp,
) -> Result<MethodVerdict<'m>, Refusal> {
    let own = |assertion: &Assertion, with: &AssertionKey<'_>, algorithms: &[jsonwebtoken::Algorithm]| {
        let must = AssertionRules { algorithms, audiences: &clients.audiences, leeway: evidence.leeway };
        assertion::own(assertion, with, &must, now).map(MethodVerdict::UnspentAssertion)
    };
    let no_keys = || Refusal::new(Reason::ClientAuthenticationUnavailable, "the keys can't be had");
    match (method, credentials.presented()) {
        (Method::Secret(SecretHash::Argon2id(hash)), PresentedCredentials::Secret(_)) => {
            Ok(MethodVerdict::SlowSecret(hash))
        }
        (Method::Secret(hash), PresentedCredentials::Secret(secret)) if hash.matches(secret) => {
            Ok(MethodVerdict::Authenticated)
        }
        (Method::Secret(_), PresentedCredentials::Secret(_)) => Err(unauthenticated(credentials.wrong_secret())),
        (Method::PrivateKeyJwt { keys: of, algorithms }, PresentedCredentials::Assertion(assertion)) => {
            let keys = match of {
                ClientKeys::Set(keys) => &**keys,
                ClientKeys::Url(_) => keys.ok_or_else(no_keys)?,
            };
            own(assertion, &AssertionKey::Keys(keys), algorithms)
        }
        (Method::SecretJwt { secret, algorithms }, PresentedCredentials::Assertion(assertion)) => {
            own(assertion, &AssertionKey::Shared(secret), algorithms)
        }
        (Method::Workload(workload), PresentedCredentials::Assertion(assertion)) => {
            let realm = clients.audiences.first().map_or("", String::as_str);
            let keys = keys.ok_or_else(no_keys)?;
            assertion::workload(assertion, workload, keys, credentials.client_id(), realm, now)
                .map(|()| MethodVerdict::Authenticated)
        }
        (Method::Tls(name), PresentedCredentials::Nothing) => {
            let certificate = shown(evidence, now)?;
            if !certificate.is_trusted() {
                return Err(unauthenticated("the certificate is not by the authority that is configured for clients"));
            }
            if !certificate.has(name) {
                return Err(unauthenticated("the certificate has another name"));
            }
            Ok(MethodVerdict::Authenticated)
        }
        (Method::SelfSignedTls(thumbprints), PresentedCredentials::Nothing) => {
            if !thumbprints.contains(shown(evidence, now)?.thumbprint()) {
                return Err(unauthenticated("the certificate's thumbprint is another"));
            }
            Ok(MethodVerdict::Authenticated)
        }
        (Method::Public, PresentedCredentials::Nothing) => Ok(MethodVerdict::Authenticated),
        (Method::Public, PresentedCredentials::Secret(_)) if clients.ignores_secret_of(credentials.client_id()) => {
            Ok(MethodVerdict::Authenticated)
        }
        _ => Err(unauthenticated("the method is another")),
    }
}

/// The certificate, if one was shown and has not expired since.
fn shown<'e>(evidence: &ClientEvidence<'e>, now: Timestamp) -> Result<&'e ClientCertificate, Refusal> {
    let certificate =
        evidence.certificate.ok_or_else(|| unauthenticated("the connection has no client certificate"))?;
    if !certificate.is_valid_at(now) {
        return Err(unauthenticated("the certificate has expired or is not yet valid"));
    }
    Ok(certificate)
}

fn is_about(assertion: &Assertion, workload: &Workload) -> bool {
    use crate::judgement::client::registry::Platform;
    (assertion.kind != CLIENT_ASSERTION_SPIFFE || workload.platform == Platform::Spiffe)
        && assertion.issuer == workload.url
        && assertion.subject == workload.subject
}

fn unauthenticated(detail: &str) -> Refusal {
    Refusal::new(Reason::ClientUnauthenticated, detail)
}

#[cfg(test)]
mod tests;
