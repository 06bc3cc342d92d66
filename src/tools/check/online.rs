//! `cambio check --online`: what the identity provider and the issuers say about the configuration.
//!
//! Everything is only read. The requests that look for Cambio at a token endpoint have no token and no credentials, and every
//! server refuses them. Cambio's own credentials go to the identity provider and the issuers that the configuration names,
//! where Cambio itself sends them. One server that can't be asked is one finding, and stops no other question.

mod doors;
mod gathered;
mod inquiry;
mod issuers;
mod keys;
mod objects;
mod probe;
mod public;
mod realm;

use std::path::Path;
use std::sync::Arc;

use http::uri::Scheme;
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::gathered::OnlineFindings;
use self::gathered::{Gathered, Severity};
use self::inquiry::{Inquiry, LIMITS};
use crate::adapters::config::Config;
use crate::adapters::config::circle::leads_to;
use crate::adapters::net::url::bare_host;
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

/// Asks the identity provider and the issuers, all at the same time. `file` is the `cambio.yaml` that was loaded.
///
/// # Errors
/// A client can't be set up, because the certificates that the configuration names can't be read.
pub async fn ask(config: &Arc<Config>, file: &Path, clock: &Clock) -> Result<OnlineFindings, CommandFailure> {
    let asked = Arc::new(Inquiry::new(config, file, clock)?);
    let mut questions = JoinSet::new();
    for name in config.issuers.keys() {
        questions.spawn(issuers::ask(Arc::clone(&asked), name.clone()));
    }
    let mut found = circle(&asked).await;
    if let Some(until) = config.observed_until.filter(|until| until.is_on(clock.now())) {
        let message = format!(
            "exchanges of realms that are not under realms are observed until {}: they pass unjudged; remove observeUntil to enforce",
            until.last()
        );
        found.add(Severity::Note, asked.at("observeUntil", message));
    }
    match asked.upstream.is_reachable().await {
        Err(error) => {
            let message = format!("the identity provider can't be reached: {error}: realms were not looked at");
            found.add(Severity::Problem, asked.at("upstream.url", message));
        }
        Ok(()) => {
            for name in config.realms.keys() {
                questions.spawn(realm::ask(Arc::clone(&asked), name.clone()));
            }
        }
    }
    for one in questions.join_all().await {
        found.absorb(one);
    }
    Ok(found.findings())
}

/// A problem if the upstream's host resolves to an address on which Cambio listens.
async fn circle(asked: &Inquiry) -> Gathered {
    let mut found = Gathered::default();
    let (upstream, listen) = (&asked.config.upstream, asked.config.listen.address);
    let host = bare_host(upstream.authority.host());
    let default = if upstream.scheme == Scheme::HTTPS { 443 } else { 80 };
    let port = upstream.authority.port_u16().unwrap_or(default);
    let Ok(Ok(mut addresses)) = timeout(LIMITS.time, lookup_host((host, port))).await else { return found };
    if let Some(address) = addresses.find(|address| leads_to(*address, listen)) {
        let message = format!("{host} is {address}, which leads back to listen.address: every request goes in a loop");
        found.add(Severity::Problem, asked.at("upstream.url", message));
    }
    found
}
