//! `upstream`, `listen`, `admin`, `audit`, `log` and `runtime`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use http::Uri;

use super::files::{Holds, key_pair, named};
use super::format::network_of;
use super::problem::{At, ProblemList, all, optional};
use super::value::is_plain_and_remote;
use crate::adapters::config::file::platform as file;
use crate::adapters::config::settings::listen::{CertificateHeader, ClientCertificates, Listen};
use crate::adapters::config::settings::upstream::Upstream;
use crate::adapters::config::settings::{AuditOutput, Log};
use crate::adapters::tls::peers::Peers;

pub(super) fn upstream(file: &file::Upstream, at: &At<'_>, report: &mut ProblemList) -> Option<Upstream> {
    let url = file.url.parse::<Uri>().ok();
    if let Some(uri) = url.as_ref().filter(|uri| is_plain_and_remote(uri)) {
        let host = uri.host().unwrap_or_default();
        at.field("url").warning(report, format!("tokens and client secrets go to {host} without TLS"));
    }
    let plain = url.as_ref().is_some_and(|uri| uri.scheme_str() == Some("http"));
    for (name, given) in [("ca", file.ca.is_some()), ("clientCertificate", file.client_certificate.is_some())] {
        if plain && given {
            at.field(name).problem(report, "has no effect: the upstream's URL is http");
        }
    }
    let ca = optional(file.ca.as_ref(), |ca| named(ca, Holds::Certificates, &at.field("ca"), report));
    let client_certificate =
        optional(file.client_certificate.as_ref(), |pair| key_pair(pair, &at.field("clientCertificate"), report));
    let parts = url?.into_parts();
    Some(Upstream {
        scheme: parts.scheme?,
        authority: parts.authority?,
        ca: ca?,
        client_certificate: client_certificate?,
        connect_timeout: file.connect_timeout.duration()?,
        response_timeout: file.response_timeout.duration()?,
        idle_timeout: file.idle_timeout.duration()?,
    })
}

pub(super) fn listen(file: &file::Listen, at: &At<'_>, report: &mut ProblemList) -> Option<Listen> {
    let tls_at = at.field("tls");
    let tls = optional(file.tls.as_ref(), |tls| {
        let pair = file::KeyPair { certificate: tls.certificate.clone(), key: tls.key.clone() };
        key_pair(&pair, &tls_at, report)
    });
    let asked = file.tls.as_ref().and_then(|tls| tls.client_certificates.as_ref());
    let client_certificates =
        optional(asked, |asked| client_certificates(asked, &tls_at.field("clientCertificates"), report));
    let header = file.client_certificate_header.as_ref();
    let certificate_header = optional(header, |header| {
        let at = at.field("clientCertificateHeader");
        if file.trusted_proxies.is_empty() {
            at.problem(report, "has no effect without trustedProxies: Cambio believes it from them only");
        }
        certificate_header(header, &at, report)
    });
    let proxies = at.field("trustedProxies");
    let trusted_proxies = all(file.trusted_proxies.iter().enumerate().map(|(index, text)| {
        let network = network_of(text)?;
        if network.prefix_len() == 0 {
            proxies.item(index).warning(report, "Cambio believes every caller's forwarding headers");
        }
        Some(network)
    }));
    Some(Listen {
        address: file.address.parse().ok()?,
        tls: tls?,
        client_certificates: client_certificates?,
        certificate_header: certificate_header?,
        trusted_proxies: trusted_proxies?,
        header_timeout: file.header_timeout.duration()?,
        body_timeout: file.body_timeout.duration()?,
        idle_timeout: file.idle_timeout.duration()?,
        max_header_bytes: file.max_header_bytes.bytes()?,
        max_form_bytes: file.max_form_bytes.bytes()?,
        max_connections: usize::try_from(file.max_connections).ok()?,
        drain_timeout: file.drain_timeout.duration()?,
    })
}

fn client_certificates(
    file: &file::ClientCertificates,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<ClientCertificates> {
    match (&file.ca, file.any_issuer) {
        (Some(ca), false) => authority(ca, &at.field("ca"), report).map(|ca| ClientCertificates { ca: Some(ca) }),
        (None, true) => Some(ClientCertificates { ca: None }),
        _ => {
            at.problem(report, "needs one of `ca` and `anyIssuer: true`");
            None
        }
    }
}

fn certificate_header(
    file: &file::ClientCertificateHeader,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<CertificateHeader> {
    let ca = optional(file.ca.as_ref(), |ca| authority(ca, &at.field("ca"), report));
    Some(CertificateHeader { name: file.name.to_ascii_lowercase().parse().ok()?, ca: ca? })
}

/// A file of certificates that can vouch for others.
fn authority(path: &str, at: &At<'_>, report: &mut ProblemList) -> Option<PathBuf> {
    let file = named(path, Holds::Certificates, at, report)?;
    match Peers::load(Some(&file)) {
        Ok(_) => Some(file),
        Err(error) => {
            at.problem(report, error.to_string());
            None
        }
    }
}

/// The admin listener's address, which must differ from the other listener's.
pub(super) fn admin(
    file: &file::Admin,
    listen: &file::Listen,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<SocketAddr> {
    let at = at.field("address");
    let admin: SocketAddr = file.address.parse().ok()?;
    let is_same = |listen: SocketAddr| {
        let either = listen.ip().is_unspecified() || admin.ip().is_unspecified() || listen.ip() == admin.ip();
        admin.port() != 0 && listen.port() == admin.port() && either
    };
    if listen.address.parse().is_ok_and(is_same) {
        at.problem(report, "is the port of listen.address");
        return None;
    }
    if !admin.ip().is_loopback() {
        at.warning(report, "is reachable from outside this machine, and has no authentication");
    }
    Some(admin)
}

pub(super) fn audit(file: &file::Audit, at: &At<'_>, report: &mut ProblemList) -> Option<AuditOutput> {
    let at = at.field("output");
    if file.output == "stdout" {
        return Some(AuditOutput::Stdout);
    }
    let path = report.resolve(&file.output);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        at.problem(report, format!("{} is not a file in an existing folder", at.shown(&file.output)));
        return None;
    }
    Some(AuditOutput::File(path))
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
