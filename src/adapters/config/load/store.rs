//! `store`.

use rustls_pki_types::ServerName;

use super::files::{Holds, named};
use super::problem::{At, ProblemList, optional};
use crate::adapters::config::file::store as file;
use crate::adapters::config::store::{Redis, Store};

pub(super) fn store(file: &file::Store, at: &At<'_>, report: &mut ProblemList) -> Option<Store> {
    match &file.redis {
        None => Some(Store::Memory),
        Some(redis) => self::redis(redis, &at.field("redis"), report).map(Store::Redis),
    }
}

fn redis(file: &file::Redis, at: &At<'_>, report: &mut ProblemList) -> Option<Redis> {
    let address = match address(&file.url) {
        Ok(address) => Some(address),
        Err(message) => {
            at.field("url").problem(report, message);
            None
        }
    };
    if let Some(address) = address.as_ref().filter(|address| address.tls_name.is_none()) {
        if file.ca.is_some() {
            at.field("ca").problem(report, "has no meaning: the URL is redis, without TLS");
        }
        let local = address.host == "localhost"
            || address.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !local {
            let message =
                format!("whoever is between here and {} can answer for it: use rediss", address.host);
            at.field("url").warning(report, message);
        }
    }
    let ca = optional(file.ca.as_ref(), |ca| named(ca, Holds::Certificates, &at.field("ca"), report));
    let password_file = optional(file.password_file.as_ref(), |path| {
        named(path, Holds::Anything, &at.field("passwordFile"), report)
    });
    if file.username.is_some() && file.password_file.is_none() {
        at.field("username").problem(report, "needs a passwordFile");
    }
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
    if file.prefix.len() > 64 || !file.prefix.bytes().all(letter) {
        at.field("prefix").problem(report, "takes at most 64 letters, digits, `.`, `_`, `-` and `:`");
    }
    let Address { host, port, tls_name, database } = address?;
    Some(Redis {
        host,
        port,
        tls_name,
        database,
        username: file.username.clone(),
        password_file: password_file?,
        ca: ca?,
        prefix: file.prefix.clone(),
        timeout: file.timeout.duration()?,
    })
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    tls_name: Option<ServerName<'static>>,
    database: u32,
}

/// Reads `redis[s]://HOST[:PORT][/DATABASE]`. The URL is not quoted in messages: it could hold a password.
fn address(url: &str) -> Result<Address, &'static str> {
    let (tls, rest) = match url.split_once("://") {
        Some(("redis", rest)) => (false, rest),
        Some(("rediss", rest)) => (true, rest),
        _ => return Err("the URL must begin with redis:// or rediss://"),
    };
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    if authority.contains('@') {
        return Err("the URL has credentials in it: use username and passwordFile");
    }
    let database = match database {
        "" => 0,
        digits if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| "the database is no number")?
        }
        _ => return Err("after host and port, the URL has only the number of a database"),
    };
    let authority: http::uri::Authority =
        authority.parse().map_err(|_| "no URL, such as rediss://redis.example.org:6379/0")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    // `Authority` keeps a port that is too large as text and then has none.
    let after_host = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest);
    let port = if after_host.contains(':') { authority.port_u16().unwrap_or(0) } else { 6379 };
    if host.is_empty() {
        return Err("the URL has no host");
    }
    if port == 0 {
        return Err("the URL's port is no number from 1 to 65535");
    }
    let tls_name = if tls {
        Some(
            ServerName::try_from(host.clone())
                .map_err(|_| "the URL's host is no name that a certificate has")?,
        )
    } else {
        None
    };
    Ok(Address { host, port, tls_name, database })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let name = |host: &str| Some(ServerName::try_from(host.to_owned()).unwrap());
        let cases = [
            ("redis://redis", Some(("redis", 6379, None, 0))),
            ("redis://redis/", Some(("redis", 6379, None, 0))),
            ("redis://127.0.0.1:6380/15", Some(("127.0.0.1", 6380, None, 15))),
            ("redis://[::1]:6380", Some(("::1", 6380, None, 0))),
            ("rediss://redis.example.org/1", Some(("redis.example.org", 6379, name("redis.example.org"), 1))),
            ("rediss://[::1]", Some(("::1", 6379, name("::1"), 0))),
            ("redis://user:secret@redis", None),
            ("redis://:secret@redis", None),
            ("redis://redis/0?a=b", None),
            ("redis://redis/a", None),
            ("redis://redis/+1", None),
            ("redis://redis:", None),
            ("redis://redis:0", None),
            ("redis://redis:70000", None),
            ("redis://", None),
            ("redis-sentinel://a", None),
            ("http://redis", None),
            ("redis", None),
            ("", None),
        ];
        for (url, expected) in cases {
            let got = address(url).ok().map(|one| (one.host, one.port, one.tls_name, one.database));
            let expected = expected.map(|(host, port, name, number)| (host.to_owned(), port, name, number));
            assert_eq!(got, expected, "{url}");
        }
    }
}
