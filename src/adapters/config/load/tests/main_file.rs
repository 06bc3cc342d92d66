use super::{AUDIENCE, MAIN, Row, assert_rows};

const URL: &str = "'http://127.0.0.1:8180'";
const LISTEN: &str = "'127.0.0.1:8080' }";
const ISSUER: &str = "https://sso.example.org/realms/corp";
const SUBJECTS: &str = "subjectIssuers: [corp]";

/// Adds to the realm (`find` is [`SUBJECTS`]), to the listener ([`LISTEN`]) or at the top (`realms:`).
const ROWS: &[Row] = &[
    ("good", URL, URL, &[]),
    // store
    ("store", "realms:", "store: {}\nrealms:", &[]),
    ("redis", "realms:", "store: { redis: { url: 'redis://127.0.0.1' } }\nrealms:", &[]),
    (
        "redis, unknown key",
        "realms:",
        "store: { redis: { url: 'redis://a', password: b } }\nrealms:",
        &[":3:37: store.redis.password: unknown key"],
    ),
    (
        "redis, all wrong",
        "realms:",
        "store: { redis: { url: 'redis://u:hunter2@a', username: u, ca: no.pem, passwordFile: '', prefix: 'a b', timeout: 11s } }\nrealms:",
        &[
            ":3:24: store.redis.url: the URL has credentials in it: use username and passwordFile",
            ":3:64: store.redis.ca: the file \"no.pem\" can't be read",
            ":3:86: store.redis.passwordFile: names no file",
            ":3:98: store.redis.prefix: takes at most 64",
            ":3:114: store.redis.timeout: \"11s\" is not between 1ms and 10s",
        ],
    ),
    (
        "redis, user without password",
        "realms:",
        "store: { redis: { url: 'redis://a', username: u } }\nrealms:",
        &[":3:47: store.redis.username: needs a passwordFile"],
    ),
    (
        "redis, ca without TLS",
        "realms:",
        "store: { redis: { url: 'redis://a', ca: cambio.yaml } }\nrealms:",
        &[
            ":3:41: store.redis.ca: has no effect",
            ":3:41: store.redis.ca: the file \"cambio.yaml\" holds no PEM certificate",
        ],
    ),
    // introspection
    (
        "introspection, all wrong",
        SUBJECTS,
        "subjectIssuers: [corp]\n    introspection: { clientId: '', clientSecretFile: no.secret }",
        &[
            ":7:32: realms.corp.introspection.clientId: is empty",
            ":7:54: realms.corp.introspection.clientSecretFile: … can't be read",
        ],
    ),
    (
        "introspection, a secret of more than one line",
        SUBJECTS,
        "subjectIssuers: [corp]\n    introspection: { clientId: cambio, clientSecretFile: cambio.yaml }",
        &[":7:58: realms.corp.introspection.clientSecretFile: … must hold the secret in one line"],
    ),
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
    (
        "admin roles",
        SUBJECTS,
        "subjectIssuers: [corp]\n    adminRoles: ['realm:root', 'client:api/*', 'client:api/admin']",
        &[],
    ),
    (
        "no admin roles",
        SUBJECTS,
        "subjectIssuers: [corp]\n    adminRoles: []",
        &[":7:17: realms.corp.adminRoles: is empty: leave it out for the default"],
    ),
    (
        "admin roles that name none",
        SUBJECTS,
        "subjectIssuers: [corp]\n    adminRoles: ['realm:root', admin, 'client:*/*']",
        &[
            ":7:32: realms.corp.adminRoles[1]: must be realm:ROLE, client:ID/ROLE or client:ID/*",
            ":7:39: realms.corp.adminRoles[2]: must be",
        ],
    ),
    // YAML
    ("tab", "  corp:", "\tcorp:", &[":"]),
    ("unclosed", SUBJECTS, "subjectIssuers: [corp", &[":"]),
    ("two documents", "realms:", "---\nrealms:", &[":4:1: more than one YAML document"]),
    ("key twice", "realms:", "log: {}\nlog: {}\nrealms:", &[":4:1: log: is given twice, first in line 3"]),
    ("merge key", "realms:", "<<: { log: {} }\nrealms:", &[":3:1: \"<<\" is not accepted"]),
    ("unknown alias", SUBJECTS, "subjectIssuers: *nope", &[":6:21: alias references unknown anchor"]),
    ("alias", SUBJECTS, "subjectIssuers: &s [corp]\n    algorithms: [RS256]", &[]),
    // shape
    ("unknown key", "realms:", "banana: 1\nrealms:", &[":3:1: banana: unknown key; known here: admin, "]),
    ("typo", "listen:", "lsten:", &[":2:1: lsten: unknown key; did you mean \"listen\"?"]),
    ("other case", SUBJECTS, "subject_issuers: [corp]", &[":6:5: realms.corp.subject_issuers: … \"subjectIssuers\""]),
    ("missing", "url: 'http://127.0.0.1:8180'", "", &[":1:11: upstream.url: is missing"]),
    ("two missing", "listen: { address: '127.0.0.1:8080' }", "listen: {}", &[":2:9: listen.address: is missing"]),
    ("nothing", SUBJECTS, "subjectIssuers:", &[":6:19: realms.corp.subjectIssuers: must be a list, not nothing"]),
    ("null for optional", SUBJECTS, "subjectIssuers: [corp]\n    path: ~", &[":7:11: realms.corp.path: must be text"]),
    ("text for list", SUBJECTS, "subjectIssuers: corp", &[":6:21: realms.corp.subjectIssuers: … put it in [ ]"]),
    ("number for text", SUBJECTS, "subjectIssuers: [1]", &[":6:22: realms.corp.subjectIssuers[0]: … put it in quotes"]),
    ("list for mapping", "realms:", "log: []\nrealms:", &[":3:6: log: must be a mapping, not a list"]),
    ("unknown value", "realms:", "log: { format: jsn }\nrealms:", &[":3:16: log.format: … did you mean \"json\"?"]),
    (
        "unknown dialect",
        SUBJECTS,
        "subjectIssuers: [corp]\n    dialect: okta",
        &[":7:14: realms.corp.dialect: must be keycloak or cern"],
    ),
    ("dialect", SUBJECTS, "subjectIssuers: [corp]\n    dialect: key-bridge", &[]),
    (
        "path parameter",
        SUBJECTS,
        "subjectIssuers: [corp]\n    dialect: forgerock\n    pathParameters: { realm: mySubRealm }",
        &[],
    ),
    (
        "path parameter that no path has",
        SUBJECTS,
        "subjectIssuers: [corp]\n    pathParameters: { realm: mySubRealm }",
        &[":7:30: realms.corp.pathParameters.realm: has no effect"],
    ),
    (
        "path parameter of two segments",
        SUBJECTS,
        "subjectIssuers: [corp]\n    dialect: forgerock\n    pathParameters: { realm: a/b }",
        &[":8:30: realms.corp.pathParameters.realm: must be one segment"],
    ),
    (
        "a path of two realms",
        "realms:",
        "realms:\n  a: { issuer: https://sso.example.org/realms/a, subjectIssuers: [a], dialect: pace }\n  b: { issuer: https://sso.example.org/realms/b, subjectIssuers: [b], dialect: pace }",
        &[
            "audiences/a.yaml:1:1: realm: is missing",
            ":5:80: realms.b.dialect: /protocol/openid-connect/token is also a path of the realm a",
        ],
    ),
    ("negative", LISTEN, "'127.0.0.1:8080', maxConnections: -1 }", &[":2:54: listen.maxConnections: below zero"]),
    (
        "fraction",
        LISTEN,
        "'127.0.0.1:8080', maxConnections: 1.5 }",
        &[":2:54: listen.maxConnections: must be a whole number"],
    ),
    // environment
    ("unset variable", URL, "'${NOPE}'", &[":1:18: upstream.url: the environment variable NOPE is not set"]),
    ("no variable in keys", "realms:", "${UPSTREAM}: 1\nrealms:", &[":3:1: ${UPSTREAM}: unknown key"]),
    // upstream
    ("upstream with path", URL, "'http://127.0.0.1:8180/auth'", &[":1:18: upstream.url: … no path"]),
    ("upstream with slash", URL, "'http://127.0.0.1:8180/'", &[":1:18: upstream.url: … no trailing slash"]),
    ("upstream with credentials", URL, "'http://a:b@127.0.0.1'", &[":1:18: upstream.url: the URL has credentials"]),
    ("upstream with query", URL, "'http://127.0.0.1?a=b'", &[":1:18: upstream.url: the URL has a query"]),
    ("upstream with fragment", URL, "'http://127.0.0.1#a'", &[":1:18: upstream.url: the URL has a fragment"]),
    ("upstream of another scheme", URL, "'ftp://127.0.0.1'", &[":1:18: upstream.url: the URL must begin with http"]),
    ("upstream without scheme", URL, "127.0.0.1", &[":1:18: upstream.url: the URL must begin with http"]),
    ("port too large", URL, "'http://127.0.0.1:99999'", &[":1:18: upstream.url: "]),
    ("port zero", URL, "'http://127.0.0.1:0'", &[":1:18: upstream.url: … port"]),
    ("port empty", URL, "'http://127.0.0.1:'", &[":1:18: upstream.url: … port"]),
    (
        "CA for http",
        URL,
        "'http://127.0.0.1', ca: ca.pem",
        &[":1:42: upstream.ca: has no effect", ":1:42: upstream.ca: … ca.pem"],
    ),
    (
        "CA that is not there",
        URL,
        "'https://127.0.0.1', ca: ca.pem",
        &[":1:43: upstream.ca: the file \"ca.pem\" can't be read"],
    ),
    (
        "CA that is none",
        URL,
        "'https://127.0.0.1', ca: cambio.yaml",
        &[":1:43: upstream.ca: … holds no PEM certificate"],
    ),
    (
        "timeout of zero",
        URL,
        "'http://127.0.0.1', connectTimeout: 0s",
        &[":1:54: upstream.connectTimeout: \"0s\" is not between 1ms and 1h"],
    ),
    ("timeout of a week", URL, "'http://127.0.0.1', responseTimeout: 168h", &[":1:55: upstream.responseTimeout: "]),
    (
        "timeout without unit",
        URL,
        "'http://127.0.0.1', idleTimeout: '5'",
        &[":1:51: upstream.idleTimeout: \"5\" is not a duration"],
    ),
    // listen and admin
    ("host name", LISTEN, "'localhost:8080' }", &[":2:20: listen.address: \"localhost:8080\" is not an address"]),
    (
        "no network",
        LISTEN,
        "'127.0.0.1:8080', trustedProxies: [all] }",
        &[":2:55: listen.trustedProxies[0]: \"all\" is not a network"],
    ),
    (
        "bits behind the prefix",
        LISTEN,
        "'127.0.0.1:8080', trustedProxies: [10.0.0.0/8, 10.1.0.0/8] }",
        &[":2:67: listen.trustedProxies[1]: … write 10.0.0.0/8"],
    ),
    ("one address", LISTEN, "'127.0.0.1:8080', trustedProxies: [10.0.0.1, '::1'] }", &[]),
    (
        "size too small",
        LISTEN,
        "'127.0.0.1:8080', maxHeaderBytes: 1KiB }",
        &[":2:54: listen.maxHeaderBytes: 1024 is not between 8192"],
    ),
    ("no size", LISTEN, "'127.0.0.1:8080', maxFormBytes: 1GB }", &[":2:52: listen.maxFormBytes: must be a size"]),
    ("size as number", LISTEN, "'127.0.0.1:8080', maxFormBytes: 4096 }", &[]),
    (
        "no connections",
        LISTEN,
        "'127.0.0.1:8080', maxConnections: 0 }",
        &[":2:54: listen.maxConnections: 0 is not between 1"],
    ),
    ("TLS without key", LISTEN, "'127.0.0.1:8080', tls: { certificate: a } }", &[":2:43: listen.tls.key: is missing"]),
    (
        "one port twice",
        "realms:",
        "admin: { address: '0.0.0.0:8080' }\nrealms:",
        &[":3:19: admin.address: is the port of listen.address"],
    ),
    // audit, log, runtime
    (
        "audit in no folder",
        "realms:",
        "audit: { output: nope/a.log }\nrealms:",
        &[":3:18: audit.output: … is not a file in an existing folder"],
    ),
    ("unknown level", "realms:", "log: { level: loud }\nrealms:", &[":3:15: log.level: \"loud\" is neither"]),
    ("filter", "realms:", "log: { level: 'info,cambio=debug' }\nrealms:", &[]),
    ("no threads", "realms:", "runtime: { threads: 0 }\nrealms:", &[":3:21: runtime.threads: 0 is not between"]),
    // realms
    (
        "no realm",
        "  corp:\n    issuer: https://sso.example.org/realms/corp\n    subjectIssuers: [corp]",
        "  {}",
        &[":4:3: realms: is empty: nothing would be governed"],
    ),
    (
        "realm with an odd name",
        "  corp:",
        "  'co rp':",
        &["audiences", ":5:5: realms.co rp: the name", ":6:22: realms.co rp.subjectIssuers[0]: "],
    ),
    (
        "issuer with query",
        ISSUER,
        "https://sso.example.org/realms/corp?a",
        &[":5:13: realms.corp.issuer: the URL has a query"],
    ),
    ("issuer over http", ISSUER, "http://localhost:8080/realms/corp", &[]),
    ("issuer without path", ISSUER, "https://sso.example.org", &[":5:13: realms.corp.issuer: … like /realms/corp"]),
    ("path of its own", ISSUER, "https://sso.example.org\n    path: /realms/corp", &[]),
    ("path with slash", SUBJECTS, "subjectIssuers: [corp]\n    path: /realms/corp/", &[":7:11: realms.corp.path: "]),
    ("path with escape", SUBJECTS, "subjectIssuers: [corp]\n    path: /realms/%63orp", &[":7:11: realms.corp.path: "]),
    ("path with dots", SUBJECTS, "subjectIssuers: [corp]\n    path: /realms/../corp", &[":7:11: realms.corp.path: "]),
    (
        "path in a path",
        SUBJECTS,
        "subjectIssuers: [corp]\n  sub: { issuer: 'https://a/b', path: /realms/corp/x, subjectIssuers: [sub] }",
        &["audiences", ":7:39: realms.sub.path: … lies within"],
    ),
    (
        "issuer twice",
        SUBJECTS,
        "subjectIssuers: [corp]\n  two: { issuer: https://sso.example.org/realms/corp, path: /b, subjectIssuers: [two] }",
        &["audiences", ":7:18: realms.two.issuer: is the issuer of the realm corp"],
    ),
    (
        "no subject issuer",
        SUBJECTS,
        "subjectIssuers: []",
        &["audiences", ":6:21: realms.corp.subjectIssuers: is empty"],
    ),
    (
        "every subject issuer",
        SUBJECTS,
        "subjectIssuers: [corp, '*']",
        &[":6:28: realms.corp.subjectIssuers[1]: \"*\" is not accepted"],
    ),
    (
        "unknown subject issuer",
        SUBJECTS,
        "subjectIssuers: [corp, nope]",
        &[":6:28: realms.corp.subjectIssuers[1]: \"nope\" is neither"],
    ),
    (
        "subject issuer twice",
        SUBJECTS,
        "subjectIssuers: [corp, corp]",
        &[":6:28: realms.corp.subjectIssuers[1]: corp is named twice"],
    ),
    ("algorithms", SUBJECTS, "subjectIssuers: [corp]\n    algorithms: [RS256, PS512, ES384, EdDSA]", &[]),
    (
        "shared secret",
        SUBJECTS,
        "subjectIssuers: [corp]\n    algorithms: [HS256]",
        &[":7:18: realms.corp.algorithms[0]: \"HS256\" is a shared-secret"],
    ),
    (
        "no signature",
        SUBJECTS,
        "subjectIssuers: [corp]\n    algorithms: [none]",
        &[":7:18: realms.corp.algorithms[0]: \"none\" means no signature"],
    ),
    (
        "unknown algorithm",
        SUBJECTS,
        "subjectIssuers: [corp]\n    algorithms: [rs256]",
        &[":7:18: realms.corp.algorithms[0]: \"rs256\" is not"],
    ),
    (
        "no algorithm",
        SUBJECTS,
        "subjectIssuers: [corp]\n    algorithms: []",
        &[":7:17: realms.corp.algorithms: is empty"],
    ),
    (
        "leeway",
        SUBJECTS,
        "subjectIssuers: [corp]\n    leeway: 61s",
        &[":7:13: realms.corp.leeway: \"61s\" is not between 0s and 60s"],
    ),
    ("DPoP", SUBJECTS, "subjectIssuers: [corp]\n    dpop: { nonce: required, window: 30s, algorithms: [ES256] }", &[]),
    ("DPoP without nonce", SUBJECTS, "subjectIssuers: [corp]\n    dpop: { nonce: off }", &[]),
    (
        "DPoP window",
        SUBJECTS,
        "subjectIssuers: [corp]\n    dpop: { window: 1s }",
        &[":7:21: realms.corp.dpop.window: \"1s\" is not between 5s and 600s"],
    ),
    (
        "DPoP algorithm",
        SUBJECTS,
        "subjectIssuers: [corp]\n    dpop: { algorithms: [HS256] }",
        &[":7:26: realms.corp.dpop.algorithms[0]: \"HS256\" is a shared-secret algorithm"],
    ),
    (
        "no DPoP algorithm",
        SUBJECTS,
        "subjectIssuers: [corp]\n    dpop: { algorithms: [] }",
        &[":7:25: realms.corp.dpop.algorithms: is empty"],
    ),
    (
        "nonce key that is not there",
        SUBJECTS,
        "subjectIssuers: [corp]\n    dpop: { nonce: required, nonceKeyFile: nonce.key }",
        &[":7:44: realms.corp.dpop.nonceKeyFile: the file \"nonce.key\" can't be read"],
    ),
    ("no leeway", SUBJECTS, "subjectIssuers: [corp]\n    leeway: 0s", &[]),
    (
        "CEL",
        SUBJECTS,
        "subjectIssuers: [corp]\n    claimValidationRules: [{ expression: 'claims.' }]",
        &[":7:42: realms.corp.claimValidationRules[0].expression: does not compile"],
    ),
    (
        "stale before fresh",
        SUBJECTS,
        "subjectIssuers: [corp]\n    jwks: { refreshInterval: 2h }",
        &[":7:11: realms.corp.jwks.maxStale: is below refreshInterval"],
    ),
    (
        "door ajar",
        SUBJECTS,
        "subjectIssuers: [corp]\n    doors: { ciba: ajar }",
        &[":7:20: realms.corp.doors.ciba: must be"],
    ),
    // issuers
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
        "bad issuer URL once",
        "realms:",
        "issuers: { p: { issuer: { url: 'p', audiences: [a] } } }\nrealms:",
        &[":3:32: issuers.p.issuer.url: the URL must begin"],
    ),
];

#[test]
fn every_slip_in_cambio_yaml_is_named_at_its_place() {
    assert_rows(ROWS, MAIN, "cambio.yaml", |folder| {
        folder.write("audiences/a.yaml", AUDIENCE);
    });
}
