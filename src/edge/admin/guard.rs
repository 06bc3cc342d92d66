//! Who may read what shows the policy: whoever has the token of `admin.tokenFile`; without one, whoever asks over loopback.
//!
//! A browser on the same machine asks over loopback, too, on behalf of every page that is open in it. So a request that a page
//! of another origin causes is refused, and so is a request by a name that somebody else's DNS can lead here.

use std::net::IpAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;

use super::reply::text;
use crate::words::secret::Secret;

/// Who may read what shows the policy.
pub(super) struct Guard<'a> {
    /// The token of `admin.tokenFile`.
    pub(super) token: Option<&'a Secret>,
    /// Whether the connection is to a loopback address.
    pub(super) is_local: bool,
}

/// Why a request is refused. The text says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Barred {
    #[error("a page of another origin asks, and Cambio answers only its own page")]
    OtherOrigin,
    #[error("send the token of admin.tokenFile: Authorization: Bearer TOKEN")]
    NoToken,
    #[error("this shows the policy: ask over a loopback address, or set admin.tokenFile")]
    NotLocal,
    #[error("ask by the name localhost or a loopback address: other names can be made to lead here")]
    OtherHost,
}

impl Guard<'_> {
    /// Admits a request for what shows the policy.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<(), Barred> {
        let host = host(request);
        if is_from_other_origin(request.headers(), host.as_ref()) {
            return Err(Barred::OtherOrigin);
        }
        match self.token {
            Some(token) => {
                bearer(request.headers()).filter(|sent| sent.ct_eq(token)).map_or(Err(Barred::NoToken), |_| Ok(()))
            }
            None => self.admit_locally(host.as_ref()),
        }
    }

    /// Admits a request for the files of the page, which show nothing and ask for the token.
    pub(super) fn admit_to_page<B>(&self, request: &Request<B>) -> Result<(), Barred> {
        if self.token.is_some() { Ok(()) } else { self.admit_locally(host(request).as_ref()) }
    }

    fn admit_locally(&self, host: Option<&Authority>) -> Result<(), Barred> {
        if !self.is_local {
            return Err(Barred::NotLocal);
        }
        host.is_some_and(is_loopback_name).then_some(()).ok_or(Barred::OtherHost)
    }
}

impl Barred {
    /// The answer.
    pub(super) fn response(self) -> Response<Full<Bytes>> {
        let status = match self {
            Self::OtherOrigin | Self::NotLocal => StatusCode::FORBIDDEN,
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::OtherHost => StatusCode::MISDIRECTED_REQUEST,
        };
        let mut response = text(status, &format!("{self}\n"));
        if self == Self::NoToken {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cambio admin\""));
        }
        response
    }
}

/// The host by which the listener was called, if there is one and no more (RFC 9112 section 3.2).
fn host<B>(request: &Request<B>) -> Option<Authority> {
    let mut all = request.headers().get_all(HOST).iter();
    let (host, other) = (all.next(), all.next());
    let host: Authority = host.filter(|_| other.is_none())?.to_str().ok()?.parse().ok()?;
    // A request to a proxy names the host in its target, too.
    request.uri().authority().is_none_or(|target| *target == host).then_some(host)
}

fn is_loopback_name(host: &Authority) -> bool {
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether a browser says that a page of another origin causes the request. Programs that are no browsers say nothing.
fn is_from_other_origin(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let mut sites = headers.get_all("sec-fetch-site").iter();
    let mut origins = headers.get_all(ORIGIN).iter();
    sites.any(|site| site != "same-origin" && site != "none") || origins.any(|origin| !is_own(origin, host))
}

fn is_own(origin: &HeaderValue, host: Option<&Authority>) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let authority = authority.and_then(|authority| authority.parse::<Authority>().ok());
    authority.is_some_and(|authority| Some(&authority) == host)
}

fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (first, other) = (all.next()?, all.next());
    let (scheme, token) = first.to_str().ok()?.split_once(' ')?;
    (other.is_none() && scheme.eq_ignore_ascii_case("bearer")).then(|| Secret::new(token.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    /// A name, the guard, the headers of a request, and whether it is admitted.
    type Row<'a> = (&'a str, &'a Guard<'a>, &'a [(&'a str, &'a str)], Result<(), Barred>);

    #[test]
    fn who_may_read_what_shows_the_policy() {
        let bearer = format!("Bearer {TOKEN}");
        let (bearer, here, local) = (bearer.as_str(), "127.0.0.1:9090", Guard { token: None, is_local: true });
        let secret = Secret::new(TOKEN);
        let (remote, guarded) =
            (Guard { token: None, is_local: false }, Guard { token: Some(&secret), is_local: false });
        let guarded_here = Guard { token: Some(&secret), is_local: true };
        let other_origin = Err(Barred::OtherOrigin);
        #[rustfmt::skip]
        let table: &[Row<'_>] = &[
            ("by address", &local, &[("host", here)], Ok(())),
            ("by another loopback address", &local, &[("host", "127.8.9.1")], Ok(())),
            ("by IPv6 address", &local, &[("host", "[::1]:9090")], Ok(())),
            ("by mapped address", &local, &[("host", "[::ffff:127.0.0.1]:9090")], Ok(())),
            ("by localhost", &local, &[("host", "LocalHost:1234")], Ok(())),
            ("by a name that DNS can rebind", &local, &[("host", "evil.example:9090")], Err(Barred::OtherHost)),
            ("by a name with localhost in it", &local, &[("host", "localhost.evil.example")], Err(Barred::OtherHost)),
            ("by another address", &local, &[("host", "10.0.0.1:9090")], Err(Barred::OtherHost)),
            ("user in the host", &local, &[("host", "localhost@evil.example")], Err(Barred::OtherHost)),
            ("no host", &local, &[], Err(Barred::OtherHost)),
            ("two hosts", &local, &[("host", here), ("host", here)], Err(Barred::OtherHost)),
            ("its own page", &local, &[("host", here), ("origin", "http://127.0.0.1:9090"), ("sec-fetch-site", "same-origin")], Ok(())),
            ("typed by the user", &local, &[("host", here), ("sec-fetch-site", "none")], Ok(())),
            ("another site", &local, &[("host", here), ("sec-fetch-site", "cross-site")], other_origin),
            ("another port of this machine", &local, &[("host", here), ("sec-fetch-site", "same-site")], other_origin),
            ("another port in Origin", &local, &[("host", here), ("origin", "http://127.0.0.1:8080")], other_origin),
            ("another name in Origin", &local, &[("host", here), ("origin", "http://localhost:9090")], other_origin),
            ("a page without an origin", &local, &[("host", here), ("origin", "null")], other_origin),
            ("from outside", &remote, &[("host", "localhost")], Err(Barred::NotLocal)),
            ("with the token", &guarded, &[("host", "cambio-admin.keycloak.svc"), ("authorization", bearer)], Ok(())),
            ("without the token", &guarded, &[("host", "cambio-admin.keycloak.svc")], Err(Barred::NoToken)),
            ("without the token, here", &guarded_here, &[("host", here)], Err(Barred::NoToken)),
            ("the start of the token", &guarded, &[("authorization", &bearer[..bearer.len() - 1])], Err(Barred::NoToken)),
            ("as a password", &guarded, &[("authorization", "Basic eDp4")], Err(Barred::NoToken)),
            ("two tokens", &guarded, &[("authorization", bearer), ("authorization", bearer)], Err(Barred::NoToken)),
            ("with the token, another site", &guarded, &[("host", here), ("authorization", bearer), ("sec-fetch-site", "cross-site")], other_origin),
        ];
        for (name, guard, headers, expected) in table {
            let mut request = Request::get("/page.json");
            for (header, value) in *headers {
                request = request.header(*header, *value);
            }
            assert_eq!(guard.admit(&request.body(()).unwrap()), *expected, "{name}");
        }
        let request = Request::get("http://evil.example/page.json").header("host", here).body(()).unwrap();
        assert_eq!(local.admit(&request), Err(Barred::OtherHost), "two names");
    }
}
