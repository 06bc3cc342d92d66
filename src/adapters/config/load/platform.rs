//! `upstream`, `listen`, `admin`, `audit`, `log` and `runtime`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderName;

use super::files::{Holds, key_pair, named};
use super::problem::{At, ProblemList};
use super::value::{HOUR, SHORTEST, address, is_plain_and_remote, network, number, period, size, url};
use crate::adapters::config::file;
use crate::adapters::config::settings::listen::{CertificateHeader, ClientCertificates, Listen};
use crate::adapters::config::settings::upstream::Upstream;
use crate::adapters::config::settings::{AuditOutput, Log};
use crate::adapters::tls::peers::Peers;

/// No time limit is longer than a day: a longer one is a slip of the unit.
const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn upstream(file: &file::Upstream, at: &At<'_>, report: &mut ProblemList) -> Option<Upstream> {
    let parsed = url(&file.url, false, &at.field("url"), report);
    let mut path_free = true;
    if parsed.as_ref().is_some_and(|uri| uri.path() != "/" || file.url.ends_with('/')) {
        at.field("url").problem(report, "the URL must end after host and port: no path, no trailing slash");
        path_free = false;
    }
    if let Some(uri) = parsed.as_ref().filter(|uri| is_plain_and_remote(uri)) {
        let host = uri.host().unwrap_or_default();
        at.field("url").warning(report, format!("tokens and client secrets go to {host} without TLS"));
    }
    let plain = parsed.as_ref().is_some_and(|uri| uri.scheme_str() == Some("http"));
    for (name, given) in [("ca", file.ca.is_some()), ("clientCertificate", file.client_certificate.is_some())]
    {
        if plain && given {
            at.field(name).problem(report, "has no meaning: the upstream's URL is http");
        }
    }
    let ca = optional(file.ca.as_ref(), |ca| named(ca, Holds::Certificates, &at.field("ca"), report));
    let client_certificate = optional(file.client_certificate.as_ref(), |pair| {
        key_pair(pair, &at.field("clientCertificate"), report)
    });
    let connect_timeout = period(&file.connect_timeout, SHORTEST..=HOUR, &at.field("connectTimeout"), report);
    let response_timeout =
        period(&file.response_timeout, SHORTEST..=DAY, &at.field("responseTimeout"), report);
    let idle_timeout = period(&file.idle_timeout, SHORTEST..=DAY, &at.field("idleTimeout"), report);
    let parts = parsed.filter(|_| path_free)?.into_parts();
    Some(Upstream {
        scheme: parts.scheme?,
        authority: parts.authority?,
        ca: ca?,
        client_certificate: client_certificate?,
        connect_timeout: connect_timeout?,
        response_timeout: response_timeout?,
        idle_timeout: idle_timeout?,
    })
}

pub(super) fn listen(file: &file::Listen, at: &At<'_>, report: &mut ProblemList) -> Option<Listen> {
    let address = address(&file.address, &at.field("address"), report);
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
            at.problem(report, "has no meaning without trustedProxies: it is believed from them only");
        }
        certificate_header(header, &at, report)
    });
    let proxies = at.field("trustedProxies");
    let trusted_proxies = all(file.trusted_proxies.iter().enumerate().map(|(index, text)| {
        let at = proxies.item(index);
        let network = network(text, &at, report)?;
        if network.prefix_len() == 0 {
            at.warning(report, "every caller's forwarding headers are believed");
        }
        Some(network)
    }));
    let header_timeout = period(&file.header_timeout, SHORTEST..=HOUR, &at.field("headerTimeout"), report);
    let body_timeout = period(&file.body_timeout, SHORTEST..=HOUR, &at.field("bodyTimeout"), report);
    let idle_timeout = period(&file.idle_timeout, SHORTEST..=DAY, &at.field("idleTimeout"), report);
    let drain_timeout = period(&file.drain_timeout, SHORTEST..=HOUR, &at.field("drainTimeout"), report);
    // hyper's own smallest buffer is 8 KiB.
    let max_header_bytes = size(&file.max_header_bytes, 8192..=1 << 20, &at.field("maxHeaderBytes"), report);
    let max_form_bytes = size(&file.max_form_bytes, 1024..=64 << 20, &at.field("maxFormBytes"), report);
    let max_connections = number(file.max_connections, 1..=1_000_000, &at.field("maxConnections"), report);
    Some(Listen {
        address: address?,
        tls: tls?,
        client_certificates: client_certificates?,
        certificate_header: certificate_header?,
        trusted_proxies: trusted_proxies?,
        header_timeout: header_timeout?,
        body_timeout: body_timeout?,
        idle_timeout: idle_timeout?,
        max_header_bytes: max_header_bytes?,
        max_form_bytes: max_form_bytes?,
        max_connections: max_connections?,
        drain_timeout: drain_timeout?,
    })
}

fn client_certificates(
    file: &file::ClientCertificates,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<ClientCertificates> {
    match (&file.ca, file.any_issuer) {
        (Some(ca), false) => {
            authority(ca, &at.field("ca"), report).map(|ca| ClientCertificates { ca: Some(ca) })
        }
        (None, true) => Some(ClientCertificates { ca: None }),
        _ => {
            at.problem(report, "needs one of `ca` and `anyIssuer: true`");
            None
        }
    }
}

/// Headers that mean something else, to us or to whoever is behind us.
const NO_CERTIFICATE: [&str; 12] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "dpop",
    "forwarded",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
    "client-cert-chain",
];

fn certificate_header(
    file: &file::ClientCertificateHeader,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<CertificateHeader> {
    let name_at = at.field("name");
    let name = file.name.to_ascii_lowercase().parse::<HeaderName>().ok();
    let name = name.filter(|name| {
        let text = name.as_str();
        !text.contains('_') && !text.starts_with("x-forwarded-") && !NO_CERTIFICATE.contains(&text)
    });
    if name.is_none() {
        let wants = "the name of a header of its own, such as Client-Cert or X-SSL-Client-Cert, without `_`";
        name_at.problem(report, format!("{} is not {wants}", name_at.shown(&file.name)));
    }
    let ca = optional(file.ca.as_ref(), |ca| authority(ca, &at.field("ca"), report));
    Some(CertificateHeader { name: name?, ca: ca? })
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

/// The admin listener's address, which is not the other listener's.
pub(super) fn admin(
    file: &file::Admin,
    listen: Option<SocketAddr>,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<SocketAddr> {
    let at = at.field("address");
    let admin = address(&file.address, &at, report)?;
    let same = |listen: SocketAddr| {
        let either = listen.ip().is_unspecified() || admin.ip().is_unspecified() || listen.ip() == admin.ip();
        admin.port() != 0 && listen.port() == admin.port() && either
    };
    if listen.is_some_and(same) {
        at.problem(report, "is the port of listen.address");
        return None;
    }
    if !admin.ip().is_loopback() {
        at.warning(report, "reachable from outside this machine, and it has no authentication");
    }
    Some(admin)
}

pub(super) fn audit(file: &file::Audit, at: &At<'_>, report: &mut ProblemList) -> Option<AuditOutput> {
    let at = at.field("output");
    match file.output.as_str() {
        "stdout" => Some(AuditOutput::Stdout),
        "" => {
            at.problem(report, "must be stdout or a file");
            None
        }
        path => {
            let file = report.resolve(path);
            let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
            if file.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
                at.problem(report, format!("{} is no file in a folder that exists", at.shown(path)));
                return None;
            }
            Some(AuditOutput::File(file))
        }
    }
}

pub(super) fn log(file: &file::Log, at: &At<'_>, report: &mut ProblemList) -> Option<Log> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let at = at.field("level");
    let parts_are_known = file.level.split(',').all(|part| match part.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && LEVELS.contains(&level),
        None => LEVELS.contains(&part),
    });
    if !parts_are_known || tracing_subscriber::EnvFilter::try_new(&file.level).is_err() {
        let levels = LEVELS.join(", ");
        at.problem(
            report,
            format!(
                "{} is neither of {levels} nor a filter such as info,cambio=debug",
                at.shown(&file.level)
            ),
        );
        return None;
    }
    Some(Log { json: file.format == file::LogFormat::Json, level: file.level.clone() })
}

pub(super) fn threads(file: &file::Runtime, at: &At<'_>, report: &mut ProblemList) -> Option<usize> {
    match file.threads {
        Some(threads) => number(threads, 1..=1024, &at.field("threads"), report),
        None => Some(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)),
    }
}

/// `Some(None)` where nothing was given, `None` where what was given is wrong.
#[expect(
    clippy::option_option,
    reason = "left out, wrong and right are three things, and `?` takes the second away"
)]
pub(super) fn optional<T, U>(value: Option<T>, check: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => check(value).map(Some),
    }
}

/// All of them, each looked at even when an earlier one is wrong.
pub(super) fn all<T>(checked: impl Iterator<Item = Option<T>>) -> Option<Vec<T>> {
    let checked: Vec<Option<T>> = checked.collect();
    checked.into_iter().collect()
}
