//! `upstream`, `listen`, `admin`, `audit`, `log` and `runtime`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use http::{HeaderName, Uri};
use ipnet::IpNet;

use super::files::{Holds, contents, key_pair, line, named, warn_if_public};
use super::format::network_of;
use super::problem::At;
use super::value::is_plain_and_remote;
use crate::adapters::config::circle;
use crate::adapters::config::file::platform as file;
use crate::adapters::config::settings::{
    AdminListener, AuditOutput, CertificateHeader, ClientCertificates, Listen, Log, Upstream,
};
use crate::adapters::tls::peers::Peers;
use crate::words::secret::Secret;

/// The least bytes of `admin.tokenFile`'s token: nothing limits guesses.
const LEAST_TOKEN: usize = 32;

pub(super) fn upstream(file: &file::Upstream, at: &At<'_>) -> Option<Upstream> {
    let url = file.url.parse::<Uri>().ok();
    if let Some(uri) = url.as_ref().filter(|uri| is_plain_and_remote(uri)) {
        let host = uri.host().unwrap_or_default();
        at.field("url").warning(format!("tokens and client secrets go to {host} without TLS"));
    }
    if url.as_ref().is_some_and(|uri| uri.scheme_str() == Some("http")) {
        let tls = [("ca", file.ca.is_some()), ("clientCertificate", file.client_certificate.is_some())];
        at.unused(&tls, "has no effect: the upstream's URL is http");
    }
    let ca = at.optional("ca", file.ca.as_deref(), |ca, at| named(ca, Holds::Certificates, at));
    let client_certificate = at.optional("clientCertificate", file.client_certificate.as_ref(), |pair, at| {
        key_pair(&pair.certificate, &pair.key, at)
    });
    if !file.certificate_for_own_calls_only {
        let at = at.field("certificateForOwnCallsOnly");
        if file.client_certificate.is_none() {
            at.problem("has no effect without clientCertificate");
        } else {
            at.warning(
                "every caller's request arrives with Cambio's certificate: no client of the upstream may be authenticated \
                 by it, or each caller can be that client",
            );
        }
    }
    let parts = url?.into_parts();
    Some(Upstream {
        scheme: parts.scheme?,
        authority: parts.authority?,
        ca: ca?,
        client_certificate: client_certificate?,
        certificate_for_own_calls_only: file.certificate_for_own_calls_only,
        connect_timeout: file.connect_timeout.duration()?,
        response_timeout: file.response_timeout.duration()?,
        idle_timeout: file.idle_timeout.duration()?,
        max_connections: usize::try_from(file.max_connections).unwrap_or(usize::MAX),
    })
}

pub(super) fn listen(file: &file::Listen, at: &At<'_>) -> Option<Listen> {
    let tls = at.optional("tls", file.tls.as_ref(), |tls, at| key_pair(&tls.certificate, &tls.key, at));
    let asked = file.tls.as_ref().and_then(|tls| tls.client_certificates.as_ref());
    let client_certificates = at.field("tls").optional("clientCertificates", asked, client_certificates);
    let header = file.client_certificate_header.as_ref();
    let certificate_header = at.optional("clientCertificateHeader", header, |header, at| {
        if file.trusted_proxies.is_empty() {
            at.problem("has no effect without trustedProxies: Cambio believes it from them only");
        }
        let ca = at.optional("ca", header.ca.as_deref(), authority);
        Some(CertificateHeader { name: header.name.to_ascii_lowercase().parse().ok()?, ca: ca? })
    });
    let trusted_proxies = at.field("trustedProxies").all(&file.trusted_proxies, |text, at| {
        let network = network_of(text)?;
        if network.prefix_len() == 0 {
            at.warning("Cambio believes every caller's forwarding headers");
        }
        if file.client_certificate_header.is_some() && is_wide(network) {
            at.warning(
                "has more than 256 addresses, and each of them can be any client with a certificate in \
                 clientCertificateHeader, without its key: list the proxies alone",
            );
        }
        Some(network)
    });
    if file.proxy_protocol && file.trusted_proxies.is_empty() {
        at.field("proxyProtocol")
            .problem("has no effect without trustedProxies: only they state their callers' addresses");
    }
    let identity_headers = at
        .field("identityHeaders")
        .all(&file.identity_headers, |name, _| name.to_ascii_lowercase().parse::<HeaderName>().ok());
    Some(Listen {
        address: file.address.parse().ok()?,
        tls: tls?,
        client_certificates: client_certificates?,
        certificate_header: certificate_header?,
        trusted_proxies: trusted_proxies?,
        identity_headers: identity_headers?,
        proxy_protocol: file.proxy_protocol,
        header_timeout: file.header_timeout.duration()?,
        body_timeout: file.body_timeout.duration()?,
        idle_timeout: file.idle_timeout.duration()?,
        max_header_bytes: file.max_header_bytes.bytes()?,
        max_form_bytes: file.max_form_bytes.bytes()?,
        max_token_bytes: file.max_token_bytes.bytes()?,
        max_connections: usize::try_from(file.max_connections).ok()?,
        drain_timeout: file.drain_timeout.duration()?,
    })
}

/// Whether a network has more than 256 addresses.
fn is_wide(network: IpNet) -> bool {
    network.max_prefix_len() - network.prefix_len() > 8
}

fn client_certificates(file: &file::ClientCertificates, at: &At<'_>) -> Option<ClientCertificates> {
    match (&file.ca, file.any_issuer) {
        (Some(ca), false) => authority(ca, &at.field("ca")).map(|ca| ClientCertificates { ca: Some(ca) }),
        (None, true) => Some(ClientCertificates { ca: None }),
        _ => at.refuse("needs one of `ca` and `anyIssuer: true`"),
    }
}

/// A file of certificates that can vouch for others.
fn authority(path: &str, at: &At<'_>) -> Option<PathBuf> {
    let file = named(path, Holds::Certificates, at)?;
    at.ok(Peers::load(Some(&file))).map(|_| file)
}

/// The admin listener, whose address must differ from the other listener's.
pub(super) fn admin(file: &file::Admin, listen: &file::Listen, at: &At<'_>) -> Option<AdminListener> {
    let token = at.optional("tokenFile", file.token_file.as_deref(), admin_token);
    let at = at.field("address");
    let admin: SocketAddr = file.address.parse().ok()?;
    let is_same = |listen: SocketAddr| {
        let either = listen.ip().is_unspecified() || admin.ip().is_unspecified() || listen.ip() == admin.ip();
        admin.port() != 0 && listen.port() == admin.port() && either
    };
    if listen.address.parse().is_ok_and(is_same) {
        return at.refuse("is the port of listen.address");
    }
    if !admin.ip().is_loopback() && file.token_file.is_none() {
        at.warning("is reachable from outside this machine, and has no authentication");
    }
    Some(AdminListener { address: admin, token: token? })
}

/// The token in the file `path`.
fn admin_token(path: &str, at: &At<'_>) -> Option<Secret> {
    let file = at.report.resolve(path);
    let bytes = contents(&file, path, Holds::Anything, at)?;
    let shown = at.shown(path);
    let Some(text) = line(&bytes).filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic())) else {
        return at.refuse(format!("the file {shown} must hold the token in one line, without spaces"));
    };
    if text.len() < LEAST_TOKEN {
        return at.refuse(format!("the token in {shown} is shorter than {LEAST_TOKEN} bytes: write a random one"));
    }
    warn_if_public(&file, &format!("the token {shown}"), at);
    Some(Secret::new(text))
}

/// The upstream must be another server than Cambio.
pub(super) fn leads_elsewhere(url: &str, listen: SocketAddr, admin: SocketAddr, at: &At<'_>) {
    let Ok(url) = url.parse::<Uri>() else { return };
    let addresses = circle::known_addresses(&url);
    if addresses.iter().any(|address| circle::leads_to(*address, admin)) {
        at.problem("leads to admin.address: callers would reach the admin listener");
    } else if addresses.iter().any(|address| circle::leads_to(*address, listen)) {
        at.warning("leads back to listen.address: every request goes in a loop, and is answered with 508");
    }
}

pub(super) fn audit(file: &file::Audit, at: &At<'_>) -> Option<AuditOutput> {
    if file.output == "stdout" {
        if file.fsync {
            at.field("fsync").problem("needs audit.output to be a file");
        }
        return Some(AuditOutput::Stdout);
    }
    let at = at.field("output");
    let path = at.report.resolve(&file.output);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        return at.unread(&path, format!("{} is not a file in an existing folder", at.shown(&file.output)));
    }
    Some(AuditOutput::File { path, fsync: file.fsync })
}

pub(super) fn log(file: &file::Log) -> Log {
    Log { json: file.format == file::LogFormat::Json, level: file.level.clone() }
}

pub(super) fn threads(file: &file::Runtime) -> Option<usize> {
    match file.threads {
        Some(threads) => usize::try_from(threads).ok(),
        None => Some(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)),
    }
}

pub(super) fn memory(file: &file::Runtime) -> Option<usize> {
    file.memory.as_ref()?.bytes()
}
