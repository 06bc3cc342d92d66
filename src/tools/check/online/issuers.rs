//! A foreign issuer: whether it answers, with which keys, and what its clock says.

use std::sync::Arc;

use super::gathered::{Gathered, Severity};
use super::inquiry::Inquiry;
use super::keys::{self, KeyOwner};
use crate::adapters::config::KeySource;
use crate::adapters::jwks::fetch::Fetcher;

/// Looks at the issuer of this name, which the configuration has.
pub(super) async fn ask(asked: Arc<Inquiry>, name: String) -> Gathered {
    let mut found = Gathered::default();
    let Some(issuer) = asked.config.issuers.get(&name) else { return found };
    if matches!(issuer.keys, KeySource::Shared(_)) {
        found.see(format!("issuer {name}: a shared secret, which nobody else can confirm"));
        return found;
    }
    match Fetcher::issuer(issuer) {
        Ok(fetcher) => keys::look(&asked, &KeyOwner::issuer(issuer), &fetcher, &mut found).await,
        Err(error) => {
            let message = format!("the keys of the issuer {name} can't be fetched: {error}");
            found.add(Severity::Problem, asked.at(&format!("issuers.{name}"), message));
        }
    }
    found
}
