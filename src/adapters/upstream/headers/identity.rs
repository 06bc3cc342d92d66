//! Names of headers in which a proxy, a load balancer or a gateway describes the caller: address, certificate, user.
//!
//! Only a listed proxy may send such a header: the identity provider, or another server behind it, may believe the header.

/// Whether `name` is such a name, written with `-` or with `_`. Names are in lower case.
pub(super) fn is_identity(name: &str) -> bool {
    candidates(name.as_bytes()).iter().any(|pattern| fits(pattern, name))
}

/// Whether a server that does not tell `_` from `-` could take `name` for `own`.
pub(super) fn likens(own: &str, name: &str) -> bool {
    own.len() == name.len() && own.bytes().zip(name.bytes()).all(|(a, b)| dashed(a) == dashed(b))
}

/// The patterns that could fit a name, by the byte that tells most of them apart. A pattern that ends with `*` stands for a
/// family of names. Most names of ordinary requests have no candidates, or differ from each in the second byte.
fn candidates(name: &[u8]) -> &'static [&'static str] {
    match name {
        [b'c', ..] => &[
            "cert-chain*",
            "cf-access-*",
            "cf-client-cert-*",
            "cf-connecting-*",
            "cf-pseudo-ipv4",
            "client-cert*",
            "client-ip",
            "cloudfront-viewer-*",
        ],
        [b'd', ..] => &["do-connecting-ip"],
        [b'f', ..] => &["fastly-client*", "fly-client-ip", "forwarded", "forwarded-for"],
        [b'p', ..] => &["proxy-client-ip"],
        [b'r', ..] => &["remote-*"],
        [b's', ..] => &["ssl-cert*", "ssl-client*"],
        [b't', ..] => &["tailscale-user-*", "tls-client-*", "true-client-ip"],
        [b'w', ..] => &["wl-proxy-*"],
        [b'x', _, second, ..] => of_x(*second),
        _ => &[],
    }
}

/// The patterns of names that begin with `x-` and this byte.
fn of_x(byte: u8) -> &'static [&'static str] {
    match byte {
        b'a' => &[
            "x-amzn-mtls-*",
            "x-amzn-oidc-*",
            "x-apigateway-api-userinfo",
            "x-appengine-*",
            "x-arr-clientcert*",
            "x-arr-ssl",
            "x-auth-request-*",
            "x-authenticated-*",
            "x-authentik-*",
            "x-azure-clientip",
            "x-azure-socketip",
        ],
        b'c' => &[
            "x-client-cert*",
            "x-client-ip",
            "x-client-verify",
            "x-cluster-client-ip",
            "x-consumer-*",
            "x-credential-*",
        ],
        b'e' => &["x-endpoint-api-userinfo", "x-envoy-*"],
        b'f' => &["x-forwarded", "x-forwarded-*"],
        b'g' => &["x-goog-authenticated-*", "x-goog-iap-*"],
        b'm' => &["x-ms-client-principal*", "x-ms-token-*"],
        b'n' => &["x-nf-client-connection-ip"],
        b'o' => {
            &["x-original-forwarded-for", "x-original-host", "x-original-uri", "x-original-url", "x-originating-ip"]
        }
        b'p' => &["x-pomerium-*", "x-proxyuser-ip"],
        b'r' => &["x-real-ip", "x-remote-*", "x-rewrite-url"],
        b's' => &["x-ssl", "x-ssl-*"],
        b't' => &["x-tls-*"],
        b'v' => &["x-vouch-*"],
        b'w' => &["x-webauth-*"],
        _ => &[],
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(family) => name.get(..family.len()).is_some_and(|start| likens(family, start)),
        None => likens(pattern, name),
    }
}

fn dashed(byte: u8) -> u8 {
    if byte == b'_' { b'-' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_in_every_spelling() {
        let names = [
            "cert-chain-0",
            "cf-connecting-ip",
            "client-cert",
            "client-cert-chain",
            "fastly-client-ip",
            "forwarded",
            "remote-user",
            "ssl-client-cert",
            "ssl-client-s-dn-cn",
            "ssl-client-verify",
            "true-client-ip",
            "x-amzn-mtls-clientcert",
            "x-amzn-mtls-clientcert-leaf",
            "x-amzn-oidc-data",
            "x-appengine-user-ip",
            "x-arr-clientcert",
            "x-auth-request-user",
            "x-azure-clientip",
            "x-client-cert",
            "x-client-certificate",
            "x-envoy-external-address",
            "x-forwarded-client-cert",
            "x-forwarded-for",
            "x-forwarded-tls-client-cert-info",
            "x-goog-authenticated-user-email",
            "x-goog-iap-jwt-assertion",
            "x-ms-client-principal",
            "x-ms-client-principal-name",
            "x-real-ip",
            "x-remote-user",
            "x-ssl-cert",
            "x-ssl-client-cert",
            "x-ssl-client-verify",
        ];
        for name in names {
            let mixed = name.replacen('-', "_", 1);
            for spelling in [name, &name.replace('-', "_"), &mixed] {
                assert!(is_identity(spelling), "{spelling}");
            }
        }
    }

    #[test]
    fn other_headers_are_not() {
        let names = [
            "accept",
            "accept-encoding",
            "authorization",
            "cache-control",
            "client",
            "content-type",
            "cookie",
            "dnt",
            "dpop",
            "forwarded-by-nobody",
            "from",
            "host",
            "if-none-match",
            "origin",
            "priority",
            "referer",
            "sec-fetch-site",
            "ssl",
            "te",
            "traceparent",
            "tracestate",
            "upgrade-insecure-requests",
            "user-agent",
            "via",
            "x",
            "x-",
            "x-amz-date",
            "x-amzn-trace-id",
            "x-arr-log-id",
            "x-atlassian-token",
            "x-b3-traceid",
            "x-client-trace-id",
            "x-csrf-token",
            "x-goog-api-client",
            "x-ms-client-request-id",
            "x-realm",
            "x-request-id",
            "x-requested-with",
        ];
        for name in names {
            assert!(!is_identity(name), "{name}");
        }
    }

    /// A pattern under the wrong byte is never found.
    #[test]
    fn every_pattern_stands_where_it_is_looked_for() {
        let starts = (b'a'..=b'z').flat_map(|first| [vec![first], vec![b'x', b'-', first]]);
        let mut seen = 0;
        for start in starts {
            for pattern in candidates(&start) {
                assert!(pattern.as_bytes().starts_with(&start), "{pattern}");
                assert!(!pattern.trim_end_matches('*').contains(['_', '*']), "{pattern}");
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }
}
