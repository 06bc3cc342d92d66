//! Which client authentications could be guesses at a secret.

use super::assertion;
use super::credentials::{Credentials, PresentedCredentials};
use super::registry::{Clients, Method, Unregistered};
use super::verify::candidates;

/// Whether the credentials rest on a secret that somebody could guess: a client secret, or an assertion that was made
/// with one. A key, a certificate and the token of a workload can't be guessed, and nor can what a client without a
/// secret is asked for.
pub fn is_guess(credentials: &Credentials, clients: &Clients) -> bool {
    let shown = match credentials.presented() {
        PresentedCredentials::Nothing => false,
        PresentedCredentials::Secret(_) => true,
        PresentedCredentials::Assertion(assertion) => assertion::is_shared(assertion),
    };
    shown
        && match clients.methods(credentials.client_id()) {
            Some(methods) => candidates(credentials, clients).iter().any(|candidate| {
                matches!(methods.get(candidate.index), Some(Method::Secret(_) | Method::SecretJwt { .. }))
            }),
            None => clients.unregistered != Unregistered::Refused,
        }
}
