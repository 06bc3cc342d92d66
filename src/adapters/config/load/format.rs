//! The formats of the schemas: what a text of each must be.

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, Uri};
use ipnet::IpNet;
use jiff::Timestamp;
use jiff::civil::Date;
use jsonwebtoken::Algorithm;

use crate::adapters::config::file::value::{duration, size_of};
use crate::adapters::config::settings::proxy::Proxy;
use crate::adapters::limits::Rate;
use crate::judgement::client::secret::SecretHash;
use crate::judgement::jose::checks::KindRules;
use crate::judgement::jose::issuer_claims::TENANT_PLACE;
use crate::judgement::jose::jws;
use crate::judgement::policy::admin_roles::{AdminRoles, NoRole};
use crate::judgement::route::canonical::is_canonical;
use crate::words::oauth::scope::Scope;

/// Why a text does not have its format.
pub(super) enum Misfit {
    /// The message follows the text, which it quotes.
    Quoted(String),
    /// The message stands alone: the text could be a secret, or says nothing.
    Alone(String),
}

type Check = fn(&str) -> Result<(), Misfit>;

/// The formats of the schemas.
const FORMATS: [(&str, Check); 37] = [
    ("absolute-uri", absolute_uri),
    ("admin-role", |text| alone(AdminRoles::parse([text]).is_ok(), &NoRole.to_string())),
    ("algorithm", |text| quoted(jws::algorithm(text).is_some(), refused_algorithm(text))),
    ("aud-value", |text| alone(!matches!(text, "" | "*"), "must be the value of an `aud` claim")),
    ("certificate-header", certificate_header),
    ("client-id", client_id),
    ("date", |text| quoted(date_of(text).is_some(), "is not a date, such as 2027-06-30")),
    ("date-time", date_time),
    ("endpoint-path", endpoint_path),
    ("file", |text| alone(!text.is_empty(), "names no file")),
    ("http-url", |text| url(text, false).map(drop)),
    ("http-url-query", |text| url(text, true).map(drop)),
    ("identity-header", identity_header),
    ("issuer", issuer),
    ("issuer-algorithm", |text| quoted(issuer_algorithm(text).is_some(), refused_algorithm(text))),
    ("label", label),
    ("log-filter", log_filter),
    ("mark", mark),
    ("name", name),
    ("name-or-star", |text| if text == "*" { Ok(()) } else { name(text) }),
    ("network", network),
    ("origin", origin),
    ("path-segment", path_segment),
    ("period", |text| quoted(duration(text).is_some(), "is not a duration, such as 500ms, 5s, 5m or 2h")),
    ("proxy-url", |text| if text == "none" { Ok(()) } else { alone_error(Proxy::parse(text)) }),
    ("rate", |text| {
        quoted(Rate::parse(text).is_some(), "is not a rate from 1 to 1000000, such as 50/s, 600/m or 1000/h")
    }),
    ("role-source", role_source),
    ("scope", scope),
    ("secret-hash", |text| SecretHash::parse(text).map(drop).map_err(|error| Misfit::Alone(error.to_string()))),
    ("size", |text| alone(size_of(text).is_some(), "must be a size, such as 65536, 64KiB or 1MiB")),
    ("socket-address", socket_address),
    ("subject-claim", subject_claim),
    ("tenant", tenant),
    ("team", |text| alone(!text.trim().is_empty(), "is empty: name the team that owns this file")),
    ("thumbprint", thumbprint),
    ("web-origin", web_origin),
    ("url-path", |text| alone(is_canonical(text), CANONICAL)),
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

/// An error that quotes the text unless it `fits`.
fn quoted(fits: bool, message: &str) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(Misfit::Quoted(message.to_owned())) }
}

/// An error that does not quote the text unless it `fits`.
fn alone(fits: bool, message: &str) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(Misfit::Alone(message.to_owned())) }
}

fn alone_error<T>(parsed: Result<T, impl ToString>) -> Result<(), Misfit> {
    parsed.map(drop).map_err(|error| Misfit::Alone(error.to_string()))
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

/// A signature algorithm of an issuer, which may share a secret with Cambio.
pub(super) fn issuer_algorithm(name: &str) -> Option<Algorithm> {
    jws::algorithm(name).or(match name {
        "HS256" => Some(Algorithm::HS256),
        "HS384" => Some(Algorithm::HS384),
        "HS512" => Some(Algorithm::HS512),
        _ => None,
    })
}

/// Why a signature algorithm is refused.
pub(super) fn refused_algorithm(name: &str) -> &'static str {
    match name {
        "HS256" | "HS384" | "HS512" => "is a shared-secret algorithm, which no realm can have",
        "none" => "means no signature and is never accepted",
        _ => "is not one of RS256/384/512, PS256/384/512, ES256/384, EdDSA and Ed25519",
    }
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

/// A day; only its longest form, so that a year of two digits can't slip through.
pub(super) fn date_of(text: &str) -> Option<Date> {
    Date::strptime("%Y-%m-%d", text).ok().filter(|_| text.len() == "2027-06-30".len())
}

fn date_time(text: &str) -> Result<(), Misfit> {
    quoted(text.parse::<Timestamp>().is_ok(), "is not a time of RFC 3339, such as 2026-11-02T08:00:00Z")
}

/// A name that becomes a metric label.
fn label(text: &str) -> Result<(), Misfit> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    alone(
        (1..=64).contains(&text.len()) && text.bytes().all(letter),
        "the name must be 1 to 64 letters, digits, '.', '_' or '-'",
    )
}

fn client_id(text: &str) -> Result<(), Misfit> {
    let fits = !text.is_empty() && !text.chars().any(char::is_control);
    alone(fits, "the client id is empty or has control characters")
}

fn name(text: &str) -> Result<(), Misfit> {
    let spaced = text.chars().any(char::is_control) || text.trim() != text;
    alone(!text.is_empty() && !spaced, "must be a name: not empty, no control characters, no spaces around it")?;
    alone(!text.contains('*'), "patterns are not supported: only a list of \"*\" alone means all")
}

fn scope(text: &str) -> Result<(), Misfit> {
    // Keycloak's scope for all organizations of the user: a name, no pattern.
    if matches!(text, "*" | "organization:*") {
        return Ok(());
    }
    let token = !text.contains(' ') && !text.is_empty() && Scope::parse(text).is_ok();
    quoted(token, "is not a scope token (RFC 6749 section 3.3)")?;
    name(text)
}

fn role_source(text: &str) -> Result<(), Misfit> {
    let (kind, rest) = text.split_once(':').unwrap_or(("", text));
    match kind {
        "realm" | "group" => name(rest),
        "scope" => {
            name(rest)?;
            quoted(!rest.contains(' '), "is not a scope token (RFC 6749 section 3.3)")
        }
        "client" => match rest.split_once('/') {
            Some((client, role)) => name(client).and_then(|()| name(role)),
            None => alone(false, "must be client:ID/ROLE"),
        },
        _ => name(text),
    }
}

fn socket_address(text: &str) -> Result<(), Misfit> {
    let wants = "is not an address with a port, such as 0.0.0.0:8080 or [::]:8080 (an IP address, no host name)";
    quoted(text.parse::<SocketAddr>().is_ok(), wants)
}

/// A network; an address alone is the network of that one address.
pub(super) fn network_of(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn network(text: &str) -> Result<(), Misfit> {
    match network_of(text) {
        None => quoted(false, "is not a network, such as 10.0.0.0/8"),
        Some(network) => {
            let right = network.trunc();
            quoted(right == network, &format!("has bits set behind its prefix; write {right}"))
        }
    }
}

/// An `http` or `https` URL without credentials and fragment; a query only if `query` allows one. No message quotes the
/// URL: it could contain a password.
fn url(text: &str, query: bool) -> Result<Uri, Misfit> {
    let message = match text.parse::<Uri>() {
        _ if text.contains('#') => "the URL has a fragment (#)",
        Err(_) => "must be a URL, such as https://sso.example.org/realms/corp",
        Ok(uri) if !matches!(uri.scheme_str(), Some("http" | "https")) => "the URL must begin with http:// or https://",
        Ok(uri) if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) => {
            "the URL has credentials in it"
        }
        Ok(uri) if uri.host().is_none_or(str::is_empty) => "the URL has no host",
        Ok(uri) if uri.authority().is_some_and(|a| a.as_str().ends_with(':') || bad_port(a)) => {
            "the URL's port is not a number from 1 to 65535"
        }
        Ok(uri) if !query && uri.query().is_some() => "the URL has a query (?)",
        Ok(uri) => return Ok(uri),
    };
    Err(Misfit::Alone(message.to_owned()))
}

/// An `iss`: a `StringOrURI` (RFC 7519 section 2), in which `{tenantid}` may stand for a tenant. An address of the web must
/// be a URL, so that a slip in it is found.
fn issuer(text: &str) -> Result<(), Misfit> {
    let concrete = text.replacen(TENANT_PLACE, "tenant", 1);
    alone(!concrete.contains(['{', '}']), "has braces: {tenantid} alone stands for something, and once only")?;
    let plain = !text.is_empty() && !text.contains(|one: char| one.is_whitespace() || one.is_control());
    alone(plain, "must be the `iss` of the issuer's tokens, which has no spaces")?;
    let Some((scheme, _)) = concrete.split_once(':') else { return Ok(()) };
    if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
        return url(&concrete, false).map(drop);
    }
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let is_scheme = scheme.starts_with(|one: char| one.is_ascii_alphabetic()) && scheme.bytes().all(letter);
    alone(is_scheme, "has a colon and is no URI (RFC 7519 section 2)")
}

/// A tenant's id: it becomes a part of an `iss` and of a `sub`.
fn tenant(text: &str) -> Result<(), Misfit> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let fits = (1..=64).contains(&text.len()) && text.bytes().all(letter);
    alone(fits, "must be a tenant's id, as the claim `tid` has it, such as 9188040d-6c67-4c5b-b112-36a304b66dad")
}

/// A claim that can mark other kinds of tokens.
fn mark(text: &str) -> Result<(), Misfit> {
    let marks: Vec<_> = KindRules::marks().collect();
    quoted(marks.contains(&text), &format!("marks no other kind of token; there are {}", marks.join(", ")))
}

/// A claim that can name a subject.
fn subject_claim(text: &str) -> Result<(), Misfit> {
    name(text)?;
    let other = ["iss", "aud", "exp", "nbf", "iat", "jti", "act", "may_act", "cnf", "tid"].contains(&text);
    quoted(!other, "is a claim with another meaning")
}

fn bad_port(authority: &http::uri::Authority) -> bool {
    // `Authority` keeps a port that is too large as text and then has no `port_u16`.
    let text = authority.as_str();
    let after_host = text.rsplit_once(']').map_or(text, |(_, rest)| rest);
    after_host.contains(':') && authority.port_u16().is_none_or(|port| port == 0)
}

fn origin(text: &str) -> Result<(), Misfit> {
    let path_free = url(text, false)?.path() == "/" && !text.ends_with('/');
    alone(path_free, "the URL must end after host and port: no path, no trailing slash")
}

/// An origin as browsers write it: the comparison is letter by letter.
fn web_origin(text: &str) -> Result<(), Misfit> {
    if text == "+" {
        return Err(Misfit::Alone(
            "stands for the redirect URIs, which the identity provider knows: list the origins".into(),
        ));
    }
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let default = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => "/",
    };
    let plain = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase() && !b"/?#@*,".contains(&byte);
    let fits = !scheme.is_empty() && !rest.is_empty() && text.bytes().all(|byte| plain(byte) || byte == b'/');
    let fits = fits && rest.bytes().all(plain) && !rest.ends_with(default);
    alone(
        text == "*" || fits,
        "must be \"*\" or an origin as browsers send it, such as https://app.example.org: lower case, no default port, no path",
    )
}

/// What a path that is not canonical lacks.
pub(super) const CANONICAL: &str = "the realm's path must be as Keycloak publishes it, like /realms/corp or \
    /realms/my%20realm: no trailing slash, no empty segment, no escapes but those of spaces and letters, with capital \
    digits; set `path` if the issuer has another, or `endpoints` if the upstream is not Keycloak";

/// The path of an endpoint, perhaps with a slash at the end.
fn endpoint_path(text: &str) -> Result<(), Misfit> {
    let wants = "must be a path like /oauth2/token: no host, no empty segment, no escapes, no query";
    alone(!text.contains('%') && is_canonical(text.strip_suffix('/').unwrap_or(text)), wants)
}

fn path_segment(text: &str) -> Result<(), Misfit> {
    let fits = !text.contains(['/', '%']) && is_canonical(&format!("/{text}"));
    alone(fits, "must be one segment of a path, such as mySubRealm: no slash, no escapes")
}

/// Headers that mean something else to Cambio or to the servers behind it.
const OTHER_HEADERS: [&str; 12] = [
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

fn certificate_header(text: &str) -> Result<(), Misfit> {
    let lower = text.to_ascii_lowercase();
    // Traefik and Envoy send certificates in such headers.
    let forwarding = lower.starts_with("x-forwarded-") && !lower.contains("client-cert");
    let taken = forwarding || OTHER_HEADERS.contains(&lower.as_str());
    quoted(
        lower.parse::<HeaderName>().is_ok() && !lower.contains('_') && !taken,
        "is not the name of a header of its own, such as Client-Cert or X-SSL-Client-Cert, without `_`",
    )
}

fn identity_header(text: &str) -> Result<(), Misfit> {
    let lower = text.to_ascii_lowercase();
    let dashed = lower.replace('_', "-");
    let standard = dashed != "client-cert-chain" && OTHER_HEADERS.contains(&dashed.as_str());
    quoted(
        lower.parse::<HeaderName>().is_ok() && !standard,
        "is not the name of a header about callers, such as X-Client-DN or SSL_CLIENT_CERT",
    )
}

fn absolute_uri(text: &str) -> Result<(), Misfit> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let letters = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let printable = text.bytes().all(|b| b.is_ascii_graphic());
    quoted(
        !scheme.is_empty() && letters && printable && !text.contains('#'),
        "is not an absolute URI without fragment (RFC 8693 section 2.1)",
    )
}
