//! How Cambio reaches foreign servers: certificate authorities, proxies and a bearer token.

use http::Uri;

use super::environment::Environment;
use super::files::{Holds, named, read, read_noted};
use super::problem::{At, ProblemList};
use super::tree::Location;
use super::value::is_plain_and_remote;
use crate::adapters::config::file::Config;
use crate::adapters::config::file::issuer as file;
use crate::adapters::config::settings::issuer::{KeySource, ServerAccess};
use crate::adapters::config::settings::proxy::{Proxies, Proxy};

/// The proxies that the environment names. The upper-case name counts before the lower-case one, and an empty variable is
/// none. That `HTTP_PROXY` could come from a request's header `Proxy` concerns CGI programs only.
pub(super) fn proxies(main: &Config, env: &dyn Environment, report: &ProblemList) -> Proxies {
    let of = |names: [&'static str; 2]| {
        names.into_iter().find_map(|name| Some((name, env.var(name).filter(|text| !text.is_empty())?)))
    };
    let proxy = |names| {
        let (name, text) = of(names)?;
        let url = if text.contains("://") { text } else { format!("http://{text}") };
        let parsed = Proxy::parse(&url);
        if let Err(error) = &parsed
            && asks_foreign_servers(main)
        {
            report.problem(Location::default(), name, format!("the environment variable {error}"));
        }
        parsed.ok()
    };
    let (http, https) = (proxy(["HTTP_PROXY", "http_proxy"]), proxy(["HTTPS_PROXY", "https_proxy"]));
    let except = of(["NO_PROXY", "no_proxy"]).map(|(_, text)| text);
    Proxies::new(http, https, except.as_deref().unwrap_or_default())
}

/// Whether Cambio asks any server but the identity provider.
fn asks_foreign_servers(main: &Config) -> bool {
    let mut methods = main.realms.values().flat_map(|realm| realm.clients.values().flatten());
    !main.issuers.is_empty() || methods.any(|method| method.jwks_url.is_some())
}

/// How Cambio reaches the servers of an issuer whose keys come from `keys`.
pub(super) fn access(
    file: &file::TrustedIssuer,
    keys: Option<&KeySource>,
    environment: &Proxies,
    at: &At<'_>,
) -> Option<ServerAccess> {
    let (identity, at) = (&file.issuer, at.field("issuer"));
    let ca = at.optional("certificateAuthorityFile", identity.certificate_authority_file.as_deref(), |path, at| {
        named(path, Holds::Certificates, at)
    });
    let proxies = match &identity.proxy_url {
        None => Some(environment.clone()),
        Some(url) => written_proxy(&url.0, &at.field("proxyURL")),
    };
    let bearer_token_file = at.optional("bearerTokenFile", identity.bearer_token_file.as_deref(), |path, at| {
        if let Some(wrong) = keys.and_then(|keys| unfit_for_bearer(keys, identity.proxy_url.as_ref())) {
            return at.refuse(wrong);
        }
        bearer_token_file(path, at)
    });
    Some(ServerAccess { ca: ca?, client_certificate: None, proxies: proxies?, bearer_token_file: bearer_token_file? })
}

fn written_proxy(url: &str, at: &At<'_>) -> Option<Proxies> {
    if url == "none" {
        return Some(Proxies::default());
    }
    let proxy = at.ok(Proxy::parse(url))?;
    if proxy.authorization().is_some() && !at.is_from_environment() {
        return at.refuse(
            "a password does not belong in this file: write environment variables, such as \"http://${USER}:${PASSWORD}@…\"",
        );
    }
    Some(Proxies::always(proxy))
}

/// Why keys from here are not fetched with a bearer token.
fn unfit_for_bearer(keys: &KeySource, proxy: Option<&file::ProxyUrl>) -> Option<&'static str> {
    let url = match keys {
        KeySource::Discovery(url) | KeySource::Url(url) => url.parse::<Uri>().ok()?,
        KeySource::File(_) | KeySource::Shared(_) => return Some("has no effect: no keys are fetched for this issuer"),
    };
    if is_plain_and_remote(&url) {
        return Some("the issuer's keys are fetched over plain http: whoever controls the network would see the token");
    }
    let is_proxied = proxy.is_some_and(|url| url.0 != "none");
    (url.scheme_str() == Some("http") && is_proxied).then_some("the proxy of proxyURL would see the token: use https")
}

/// A file that Cambio reads for each fetch. Its changes are no changes of the configuration: Kubernetes writes a new token
/// every hour. Every user of a pod can read the file that Kubernetes mounts, so this is no reason for a warning.
fn bearer_token_file(path: &str, at: &At<'_>) -> Option<std::path::PathBuf> {
    if path.is_empty() {
        return at.refuse("names no file");
    }
    let file = at.report.resolve(path);
    if read(&file).is_ok() {
        return Some(file);
    }
    // Watched until it can be read.
    let error = read_noted(&file, at.report).err().unwrap_or_default();
    at.unread(&file, format!("the file {} {error}", at.shown(path)))
}
