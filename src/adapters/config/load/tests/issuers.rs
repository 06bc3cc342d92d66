//! The foreign issuers of `cambio.yaml`.

use super::{Row, assert_main_rows};

const ROWS: &[Row] = &[
    (
        "introspection of an issuer",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a] }, introspection: { url: 'https://u:hunter2@p/i', clientId: c, clientSecretFile: '', cacheFor: 6m, method: basik } } }\nrealms:",
        &[
            ":3:85: issuers.p.introspection.url: the URL has credentials in it",
            ":3:141: issuers.p.introspection.clientSecretFile: names no file",
            ":3:155: issuers.p.introspection.cacheFor: … is not between",
            ":3:167: issuers.p.introspection.method: … did you mean \"basic\"?",
        ],
    ),
    (
        "introspection of an issuer, values",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a] }, introspection: { url: 'https://u:hunter2@p/i', clientId: c, clientSecretFile: '', cacheFor: 6m, method: post } } }\nrealms:",
        &[
            ":3:85: issuers.p.introspection.url: the URL has credentials in it",
            ":3:141: issuers.p.introspection.clientSecretFile: names no file",
            ":3:155: issuers.p.introspection.cacheFor: … is not between",
        ],
    ),
    ("issuer", "realms:", "issuers: { partner: { issuer: { url: 'https://p', audiences: [a] } } }\nrealms:", &[]),
    (
        "issuer named as a realm",
        "realms:",
        "issuers: { corp: { issuer: { url: 'https://p', audiences: [a] } } }\nrealms:",
        &[":3:18: issuers.corp: is also the name of a realm"],
    ),
    (
        "issuer of a realm",
        "realms:",
        "issuers: { p: { issuer: { url: https://sso.example.org/realms/corp, audiences: [a] } } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: is also the issuer of corp"],
    ),
    (
        "issuer without audience",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [] } } }\nrealms:",
        &[":3:56: issuers.p.issuer.audiences: is empty"],
    ),
    (
        "issuer for everyone",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: ['*'] } } }\nrealms:",
        &[":3:57: issuers.p.issuer.audiences[0]: must be the value"],
    ),
    (
        "two sources of keys",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a] }, jwksURL: 'https://p/k', jwksFile: k } }\nrealms:",
        &[":3:15: issuers.p: has more than one"],
    ),
    (
        "key file that is not there",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a] }, jwksFile: k } }\nrealms:",
        &[":3:73: issuers.p.jwksFile: the file \"k\" can't be read"],
    ),
    (
        "key URL with query",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a] }, jwksURL: 'https://p/k?p=x' } }\nrealms:",
        &[],
    ),
    (
        "an expression for access tokens",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a] }, accessTokens: { expression: 'token.scope' } } }\nrealms:",
        &[":3:91: issuers.p.accessTokens.expression: "],
    ),
    (
        "bad issuer URL once",
        "realms:",
        "issuers: { p: { issuer: { url: 'p', audiences: [a] } } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: the URL must begin"],
    ),
];

#[test]
fn every_slip_in_an_issuer_is_named_at_its_place() {
    assert_main_rows(ROWS);
}
