//! The formats of the schemas: what a text of each must be.

mod name;
mod network;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::civil::Date;

pub(super) use self::network::{CANONICAL, is_canonical, network_of};
use super::misfit::{Misfit, alone, quoted};
use crate::adapters::config::file::value::{duration, size_of};
use crate::judgement::client::secret::SecretHash;
use crate::judgement::jose::jws;
use crate::judgement::policy::admin_roles::{AdminRoles, NoRole};

type Check = fn(&str) -> Result<(), Misfit>;

/// The formats of the schemas.
const FORMATS: [(&str, Check); 27] = [
    ("absolute-uri", network::absolute_uri),
    ("admin-role", admin_role),
    ("algorithm", algorithm),
    ("aud-value", name::aud_value),
    ("certificate-header", network::certificate_header),
    ("client-id", name::client_id),
    ("date", date),
    ("date-time", date_time),
    ("file", file),
    ("http-url", |text| network::url(text, false).map(drop)),
    ("http-url-query", |text| network::url(text, true).map(drop)),
    ("label", name::label),
    ("log-filter", log_filter),
    ("name", name::name),
    ("name-or-star", name::name_or_star),
    ("network", network::network),
    ("origin", network::origin),
    ("path-segment", network::path_segment),
    ("period", period),
    ("role-source", name::role_source),
    ("scope", name::scope),
    ("secret-hash", secret_hash),
    ("size", size),
    ("socket-address", network::socket_address),
    ("team", name::team),
    ("thumbprint", thumbprint),
    ("url-path", network::url_path),
];

/// Checks a text of `format`. Formats that the schemas do not have limit nothing.
pub(super) fn check(format: &str, text: &str) -> Result<(), Misfit> {
    match FORMATS.iter().find(|(name, _)| *name == format) {
        Some((_, check)) => check(text),
        None => Ok(()),
    }
}

/// Whether `format` is one of these.
#[cfg(test)]
pub(in crate::adapters::config) fn is_known(format: &str) -> bool {
    FORMATS.iter().any(|(name, _)| *name == format)
}

fn period(text: &str) -> Result<(), Misfit> {
    quoted(duration(text).is_some(), "is not a duration, such as 500ms, 5s, 5m or 2h")
}

fn size(text: &str) -> Result<(), Misfit> {
    alone(size_of(text).is_some(), "must be a size, such as 65536, 64KiB or 1MiB")
}

fn file(text: &str) -> Result<(), Misfit> {
    alone(!text.is_empty(), "names no file")
}

fn log_filter(text: &str) -> Result<(), Misfit> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let parts_are_known = text.split(',').all(|part| match part.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && LEVELS.contains(&level),
        None => LEVELS.contains(&part),
    });
    let known = parts_are_known && tracing_subscriber::EnvFilter::try_new(text).is_ok();
    quoted(known, &format!("is neither one of {} nor a filter such as info,cambio=debug", LEVELS.join(", ")))
}

/// Why a signature algorithm is refused.
pub(super) fn refused_algorithm(name: &str) -> &'static str {
    match name {
        "HS256" | "HS384" | "HS512" => "is a shared-secret algorithm and never accepted",
        "none" => "means no signature and is never accepted",
        _ => "is not one of RS256/384/512, PS256/384/512, ES256/384 and EdDSA",
    }
}

fn algorithm(text: &str) -> Result<(), Misfit> {
    quoted(jws::algorithm(text).is_some(), refused_algorithm(text))
}

fn admin_role(text: &str) -> Result<(), Misfit> {
    alone(AdminRoles::parse([text]).is_ok(), &NoRole.to_string())
}

/// A SHA-256 thumbprint in base64url or hexadecimal.
pub(super) fn thumbprint_of(text: &str) -> Option<[u8; 32]> {
    if text.len() == 43 {
        return URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok();
    }
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    let hex = (digits.len() == 64).then(|| {
        digits.chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(pair, 16).ok()
        })
    });
    hex?.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

fn thumbprint(text: &str) -> Result<(), Misfit> {
    let wants = "must be a SHA-256 thumbprint: 43 characters of base64url, or 64 hexadecimal digits";
    alone(thumbprint_of(text).is_some(), wants)
}

fn secret_hash(text: &str) -> Result<(), Misfit> {
    SecretHash::parse(text).map(drop).map_err(|error| Misfit::Alone(error.to_string()))
}

/// A day; only its longest form, so that a year of two digits can't slip through.
pub(super) fn date_of(text: &str) -> Option<Date> {
    Date::strptime("%Y-%m-%d", text).ok().filter(|_| text.len() == "2027-06-30".len())
}

fn date(text: &str) -> Result<(), Misfit> {
    quoted(date_of(text).is_some(), "is not a date, such as 2027-06-30")
}

fn date_time(text: &str) -> Result<(), Misfit> {
    quoted(text.parse::<Timestamp>().is_ok(), "is not a time of RFC 3339, such as 2026-11-02T08:00:00Z")
}
