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
        &[
            ":3:32: issuers.p.issuer.url: is no URL, so Cambio can't fetch a discovery document below it: set jwksURL, jwksFile or",
        ],
    ),
    (
        "an iss that is no URL",
        "realms:",
        "issuers: { p: { issuer: { url: accounts.google.com, audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[],
    ),
    (
        "an iss with a path",
        "realms:",
        "issuers: { p: { issuer: { url: kubernetes/serviceaccount, audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[],
    ),
    (
        "a URN",
        "realms:",
        "issuers: { p: { issuer: { url: 'urn:acme:idp', audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[],
    ),
    (
        "an iss that is no URL, with a discovery document",
        "realms:",
        "issuers: { p: { issuer: { url: wso2.org/products/am, audiences: [a], discoveryURL: 'https://p/d' } } }\nrealms:",
        &[],
    ),
    (
        "a URN without keys",
        "realms:",
        "issuers: { p: { issuer: { url: 'urn:acme:idp', audiences: [a] } } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: is no URL, so Cambio can't fetch"],
    ),
    (
        "an iss with a space",
        "realms:",
        "issuers: { p: { issuer: { url: 'a b', audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: must be the `iss` of the issuer's tokens"],
    ),
    (
        "a colon that makes no URI",
        "realms:",
        "issuers: { p: { issuer: { url: '1:a', audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: has a colon and is no URI"],
    ),
    (
        "an address of the web with a password",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://u:p@p', audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: the URL has credentials in it"],
    ),
    (
        "tenants",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://login.microsoftonline.com/{tenantid}/v2.0', tenants: [t-1, t-2], audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[],
    ),
    (
        "any tenant",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/{tenantid}/v2.0', audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: has {tenantid}, which stands for any tenant: list the ids"],
    ),
    (
        "no tenants",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/{tenantid}/v2.0', tenants: [], audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[":3:70: issuers.p.issuer.tenants: is empty"],
    ),
    (
        "a tenant that is none",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/{tenantid}/v2.0', tenants: ['*', 'a/b', 'a#b'], audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[
            ":3:71: issuers.p.issuer.tenants[0]: must be a tenant's id",
            ":3:76: issuers.p.issuer.tenants[1]: must be a tenant's id",
            ":3:83: issuers.p.issuer.tenants[2]: must be a tenant's id",
        ],
    ),
    (
        "tenants without a place",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/v2.0', tenants: [t], audiences: [a] } } }\nrealms:",
        &[":3:59: issuers.p.issuer.tenants: has no effect: issuer.url has no {tenantid} in it"],
    ),
    (
        "other braces",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/{tenant}/v2.0', audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: has braces: {tenantid} alone stands for something"],
    ),
    (
        "tenants and no document",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/{tenantid}/v2.0', tenants: [t], audiences: [a] } } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: has {tenantid}, so Cambio can't fetch a discovery document below it"],
    ),
    (
        "tenants, and a name that does not depend on them",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/{tenantid}/v2.0', tenants: [t], audiences: [a] }, jwksURL: 'https://p/k', claimMappings: { username: { expression: claims.email } } } }\nrealms:",
        &[":3:158: issuers.p.claimMappings.username.expression: must look at claims.tid or claims.iss"],
    ),
    (
        "a tenant's own entry beside the tenants",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/{tenantid}/v2.0', tenants: [t, u], audiences: [a] }, jwksURL: 'https://p/k' }, q: { issuer: { url: 'https://m/t/v2.0', audiences: [a] } } }\nrealms:",
        &[":3:142: issuers.q.issuer.url: is also the issuer of p"],
    ),
    (
        "two entries with one tenant",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://m/{tenantid}/v2.0', tenants: [t, u], audiences: [a] }, jwksURL: 'https://p/k' }, q: { issuer: { url: 'https://m/{tenantid}/v2.0', tenants: [u], audiences: [a] }, jwksURL: 'https://p/k' } }\nrealms:",
        &[":3:142: issuers.q.issuer.url: is also the issuer of p"],
    ),
    (
        "claims",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a], audienceClaim: client_id }, subjectClaim: Username, clientClaim: cid, groupsOverage: accept, accessTokens: { mayHave: [at_hash, typ] } } }\nrealms:",
        &[],
    ),
    (
        "claims, mistaken",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a], audienceClaim: clientid }, subjectClaim: iss, clientClaim: sub, groupsOverage: ignore, accessTokens: { mayHave: [scope] } } }\nrealms:",
        &[
            ":3:76: issuers.p.issuer.audienceClaim: ",
            ":3:102: issuers.p.subjectClaim: \"iss\" is a claim with another meaning",
            ":3:120: issuers.p.clientClaim: ",
            ":3:140: issuers.p.groupsOverage: ",
            ":3:174: issuers.p.accessTokens.mayHave[0]: \"scope\" marks no other kind of token; there are at_hash, ",
        ],
    ),
    (
        "access tokens that say nothing",
        "realms:",
        "issuers: { p: { issuer: { url: 'https://p', audiences: [a] }, accessTokens: {} } }\nrealms:",
        &[":3:77: issuers.p.accessTokens: needs expression or mayHave"],
    ),
];

#[test]
fn every_slip_in_an_issuer_is_named_at_its_place() {
    assert_main_rows(ROWS);
}
