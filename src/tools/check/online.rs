//! Asks the realms' directories for the clients that permissions name, and the identity provider where its endpoints are.
//!
//! A permission names a client by its id. Where clients can register themselves (RFC 7591), whoever registers a name that
//! a permission mentions gets what the permission allows.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs as _;
use std::sync::Arc;

use http::uri::Scheme;

use crate::adapters::config::circle::leads_to;
use crate::adapters::config::{Config, Realm};
use crate::adapters::net::url::{PublicAddress, bare_host};
use crate::adapters::upstream::client::UpstreamClient;
use crate::adapters::upstream::directory::DirectoryClient;
use crate::adapters::upstream::discovery::differences;
use crate::judgement::policy::model::Audience;
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;
use crate::words::oauth::names::Names;

/// Runs [`unknown_clients`], and looks whether the upstream's name leads back to Cambio on this machine.
pub(super) fn ask(config: &Config) -> Result<Vec<String>, CommandFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CommandFailure::of)?;
    let mut warnings = runtime.block_on(unknown_clients(config, &Clock::System))?;
    warnings.extend(runtime.block_on(misplaced_endpoints(config))?);
    warnings.extend(circle(config));
    Ok(warnings)
}

/// A warning for every difference between the endpoints of a realm and its discovery document. Of a realm of Keycloak, a
/// document that can't be read says nothing.
///
/// # Errors
/// The client for the identity provider can't be set up.
pub async fn misplaced_endpoints(config: &Config) -> Result<Vec<String>, CommandFailure> {
    let upstream = UpstreamClient::new(&config.upstream).map_err(CommandFailure::of)?;
    let mut warnings = Vec::new();
    for realm in config.realms.values() {
        let name = &realm.name;
        match differences(&upstream, realm).await {
            Ok(found) => warnings.extend(found.into_iter().map(|one| format!("realms.{name}: {one}"))),
            Err(error) if realm.is_elsewhere() => {
                warnings.push(format!("realms.{name}.endpoints: not compared with the discovery document: {error}"));
            }
            Err(_) => {}
        }
    }
    Ok(warnings)
}

/// A warning for every client that a permission names and that the realm's directory does not know or whose tokens are
/// unusual, and for every realm that has no directory to ask. Clients of `realms.*.clients` are left out, because Cambio
/// authenticates them itself.
///
/// # Errors
/// A directory does not answer.
pub async fn unknown_clients(config: &Config, clock: &Clock) -> Result<Vec<String>, CommandFailure> {
    let upstream = UpstreamClient::new(&config.upstream).map_err(CommandFailure::of)?;
    let mut warnings = Vec::new();
    for realm in config.realms.values() {
        let Some(audiences) = config.policy.realms.get(&realm.name) else { continue };
        if realm.is_elsewhere() {
            continue;
        }
        let Some(directory) = directory(realm, clock)? else {
            warnings.push(format!("realms.{}: has no directory, so its clients are not known", realm.name));
            continue;
        };
        for (client, places) in named(realm, audiences) {
            let failed = |error| CommandFailure(format!("realms.{}.directory: {error}", realm.name));
            if directory.knows_client(&upstream, client).await.map_err(failed)? {
                for setting in directory.unusual_settings(&upstream, client).await.map_err(failed)? {
                    warnings.push(format!(
                        "{}: the client {client:?} of the realm {} {setting}: docs/issuance.md says what works",
                        places.join(", "),
                        realm.name
                    ));
                }
                continue;
            }
            warnings.push(format!(
                "{}: the realm {} has no client {client:?}: whoever registers one gets what is permitted to it",
                places.join(", "),
                realm.name
            ));
        }
    }
    Ok(warnings)
}

/// A warning if the upstream's host resolves to an address on which Cambio listens.
fn circle(config: &Config) -> Option<String> {
    let (upstream, listen) = (&config.upstream, config.listen.address);
    let host = bare_host(upstream.authority.host());
    let default = if upstream.scheme == Scheme::HTTPS { 443 } else { 80 };
    let mut addresses = (host, upstream.authority.port_u16().unwrap_or(default)).to_socket_addrs().ok()?;
    let address = addresses.find(|address| leads_to(*address, listen))?;
    Some(format!("upstream.url: {host} is {address}, which leads back to listen.address: every request goes in a loop"))
}

fn directory(realm: &Realm, clock: &Clock) -> Result<Option<DirectoryClient>, CommandFailure> {
    let Some(config) = &realm.directory else { return Ok(None) };
    let public = PublicAddress::of(&realm.issuer).map_err(CommandFailure::of)?;
    Ok(Some(DirectoryClient::new(config, &realm.path, public, clock.clone())))
}

/// The clients that permissions name, and where.
fn named<'c>(realm: &Realm, audiences: &'c BTreeMap<String, Arc<Audience>>) -> BTreeMap<&'c str, Vec<String>> {
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for audience in audiences.values() {
        for (index, permission) in audience.permissions.iter().enumerate() {
            for names in [&permission.clients, &permission.subject_clients] {
                let Names::Listed(clients) = names else { continue };
                for client in clients.iter().filter(|client| realm.clients.methods(client).is_none()) {
                    let place = format!("audience {}: permissions[{index}]", audience.name);
                    let places = named.entry(client).or_default();
                    if places.last() != Some(&place) {
                        places.push(place);
                    }
                }
            }
        }
    }
    named
}
