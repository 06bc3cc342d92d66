//! `store`.

use rustls_pki_types::ServerName;

use super::files::{Holds, named};
use super::problem::At;
use super::value::is_local;
use crate::adapters::config::file::platform as file;
use crate::adapters::config::store::{Redis, RedisAddress, RedisServers, Store};

pub(super) fn store(file: &file::Store, at: &At<'_>) -> Option<Store> {
    match &file.redis {
        None => Some(Store::Memory),
        Some(redis) => self::redis(redis, &at.field("redis")).map(Store::Redis),
    }
}

fn redis(file: &file::Redis, at: &At<'_>) -> Option<Redis> {
    let place = at.field("url").ok(place(&file.url));
    if let Some(place) = &place {
        without_tls(place, file, at);
    }
    let secret = |file: Option<&str>, key| at.optional(key, file, |path, at| named(path, Holds::Anything, at));
    let ca = at.optional("ca", file.ca.as_deref(), |ca, at| named(ca, Holds::Certificates, at));
    let password_file = secret(file.password_file.as_deref(), "passwordFile");
    let sentinel_password = secret(file.sentinel_password_file.as_deref(), "sentinelPasswordFile");
    if file.username.is_some() && file.password_file.is_none() {
        at.field("username").problem("needs a passwordFile");
    }
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':');
    if file.prefix.len() > 64 || !file.prefix.bytes().all(letter) {
        at.field("prefix").problem("takes at most 64 letters, digits, `.`, `_`, `-` and `:`");
    }
    let Place { tls, mut servers, database } = place?;
    if let RedisServers::Sentinel { password_file, .. } = &mut servers {
        *password_file = sentinel_password?;
    } else if file.sentinel_password_file.is_some() {
        at.field("sentinelPasswordFile").problem("has no effect: the URL is not redis+sentinel");
    }
    Some(Redis {
        servers,
        tls,
        database,
        username: file.username.clone(),
        password_file: password_file?,
        ca: ca?,
        prefix: file.prefix.clone(),
        timeout: file.timeout.duration()?,
    })
}

fn without_tls(place: &Place, file: &file::Redis, at: &At<'_>) {
    if place.tls {
        return;
    }
    if file.ca.is_some() {
        at.field("ca").problem("has no effect: the URL is redis, without TLS");
    }
    if let Some(remote) = place.servers.named().iter().find(|server| !is_local(&server.host)) {
        let message = format!("whoever is between here and {} can answer for it: use rediss", remote.host);
        at.field("url").warning(message);
    }
}

/// What a URL says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    tls: bool,
    servers: RedisServers,
    database: u32,
}

/// Reads a URL in one of three forms: `redis://HOST:PORT/DATABASE`, `redis+sentinel://HOST:PORT,…/MASTER/DATABASE` and
/// `redis+cluster://HOST:PORT,…`. The URL is not quoted in messages: it could hold a password.
fn place(url: &str) -> Result<Place, &'static str> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (tls, kind) = match scheme.strip_prefix("rediss") {
        Some(kind) => (true, kind),
        None => (false, scheme.strip_prefix("redis").unwrap_or("none")),
    };
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let place = match kind {
        "" if hosts.contains(',') => return Err("several hosts take redis+sentinel or redis+cluster"),
        "" => {
            let server = address(hosts, tls, 6379)?;
            Place { tls, servers: RedisServers::Single(server), database: database(path)? }
        }
        "+sentinel" => {
            let (master, number) = path.split_once('/').unwrap_or((path, ""));
            let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            if master.is_empty() || !master.bytes().all(letter) {
                return Err("after the Sentinels, the URL has the name of the primary, such as /mymaster");
            }
            let (sentinels, master) = (addresses(hosts, tls, 26379)?, master.to_owned());
            let servers = RedisServers::Sentinel { sentinels, master, password_file: None };
            Place { tls, servers, database: database(number)? }
        }
        "+cluster" => {
            if !path.is_empty() {
                return Err("a cluster has no databases: after the hosts, the URL ends");
            }
            Place { tls, servers: RedisServers::Cluster(addresses(hosts, tls, 6379)?), database: 0 }
        }
        _ => {
            return Err("the URL must begin with redis:// or rediss://, redis+sentinel:// or rediss+sentinel://, \
                        redis+cluster:// or rediss+cluster://");
        }
    };
    Ok(place)
}

fn database(path: &str) -> Result<u32, &'static str> {
    match path {
        "" => Ok(0),
        digits if digits.len() <= 5 && digits.bytes().all(|b| b.is_ascii_digit()) => {
            digits.parse().map_err(|_| "the database is no number")
        }
        _ => Err("at its end, the URL has only the number of a database"),
    }
}

fn addresses(hosts: &str, tls: bool, port: u16) -> Result<Vec<RedisAddress>, &'static str> {
    hosts.split(',').map(|host| address(host, tls, port)).collect()
}

fn address(text: &str, tls: bool, default_port: u16) -> Result<RedisAddress, &'static str> {
    if text.contains('@') {
        return Err("the URL has credentials in it: use username and passwordFile");
    }
    let authority: http::uri::Authority =
        text.parse().map_err(|_| "no URL, such as rediss://redis.example.org:6379/0")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    // `Authority` keeps a port that is too large as text and then has none.
    let after_host = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest);
    let port = if after_host.contains(':') { authority.port_u16().unwrap_or(0) } else { default_port };
    if host.is_empty() {
        return Err("the URL has no host");
    }
    if port == 0 {
        return Err("the URL's port is no number from 1 to 65535");
    }
    if tls && ServerName::try_from(host.as_str()).is_err() {
        return Err("the URL's host is no name that a certificate has");
    }
    Ok(RedisAddress { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        // The second column is how the URL is shown.
        let cases = [
            ("redis://redis", Some("redis://redis:6379/0")),
            ("redis://redis/", Some("redis://redis:6379/0")),
            ("redis://127.0.0.1:6380/15", Some("redis://127.0.0.1:6380/15")),
            ("redis://[::1]:6380", Some("redis://[::1]:6380/0")),
            ("rediss://redis.example.org/1", Some("rediss://redis.example.org:6379/1")),
            ("rediss://[::1]", Some("rediss://[::1]:6379/0")),
            ("redis+sentinel://a/mymaster", Some("redis+sentinel://a:26379/mymaster/0")),
            ("rediss+sentinel://a:1,[::1]/m-1/3", Some("rediss+sentinel://a:1,[::1]:26379/m-1/3")),
            ("redis+cluster://a,b:6380", Some("redis+cluster://a:6379,b:6380")),
            ("rediss+cluster://a", Some("rediss+cluster://a:6379")),
            ("redis://user:secret@redis", None),
            ("redis://:secret@redis", None),
            ("redis+cluster://a,:secret@b", None),
            ("redis://a,b", None),
            ("redis://redis/0?a=b", None),
            ("redis://redis/a", None),
            ("redis://redis/+1", None),
            ("redis://redis:", None),
            ("redis://redis:0", None),
            ("redis://redis:70000", None),
            ("redis://", None),
            ("redis+sentinel://a", None),
            ("redis+sentinel://a/", None),
            ("redis+sentinel://a//0", None),
            ("redis+sentinel://a/my master", None),
            ("redis+sentinel://a/mymaster/x", None),
            ("redis+sentinel://a,/mymaster", None),
            ("redis+cluster://a/0", None),
            ("redis+cluster://", None),
            ("redis+other://a", None),
            ("redis-sentinel://a", None),
            ("http://redis", None),
            ("redis", None),
            ("", None),
        ];
        for (url, expected) in cases {
            let shown = place(url).ok().map(|place| {
                let (servers, tls, database) = (place.servers, place.tls, place.database);
                let (username, password_file, ca) = (None, None, None);
                let (prefix, timeout) = (String::new(), std::time::Duration::ZERO);
                Redis { servers, tls, database, username, password_file, ca, prefix, timeout }.to_string()
            });
            assert_eq!(shown.as_deref(), expected, "{url}");
        }
    }
}
