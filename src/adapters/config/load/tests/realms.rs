//! The realms of `cambio.yaml`.

use super::{Row, SUBJECTS, assert_main_rows};

const ISSUER: &str = "https://sso.example.org/realms/corp";

/// Most rows add to the realm (`find` is [`SUBJECTS`]).
const ROWS: &[Row] = &[
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
    (
        "limits",
        SUBJECTS,
        "subjectIssuers: [corp]\n    rateLimits: { perClient: 50/s, perPeer: 600/m, perRealm: 1000000/h }\n    clientLockout: { wrongSecrets: 0, wrongSecretsPerPeer: 1/h, longest: 1h }",
        &[],
    ),
    (
        "limits that are none",
        SUBJECTS,
        "subjectIssuers: [corp]\n    rateLimits: { perClient: 50, perPeer: 0/s, perRealm: 5/d, perUser: 1/s }\n    clientLockout: { wrongSecrets: 1001, wrongSecretsPerPeer: many, longest: 0s }",
        &[
            ":7:30: realms.corp.rateLimits.perClient: must be text, not a whole number",
            ":7:43: realms.corp.rateLimits.perPeer: … is not a rate from 1 to 1000000, such as 50/s, 600/m or 1000/h",
            ":7:58: realms.corp.rateLimits.perRealm: … is not a rate",
            ":7:63: realms.corp.rateLimits.perUser: unknown key",
            ":8:36: realms.corp.clientLockout.wrongSecrets: 1001 is not between 0 and 1000",
            ":8:63: realms.corp.clientLockout.wrongSecretsPerPeer: … is not a rate",
            ":8:78: realms.corp.clientLockout.longest: … is not between 1s and 1h",
        ],
    ),
    (
        "unknown dialect",
        SUBJECTS,
        "subjectIssuers: [corp]\n    dialect: okta",
        &[":7:14: realms.corp.dialect: must be keycloak or cern"],
    ),
    ("dialect", SUBJECTS, "subjectIssuers: [corp]\n    dialect: key-bridge", &[]),
    (
        "endpoints",
        SUBJECTS,
        "subjectIssuers: [corp]\n    endpoints: { token: /oauth2/token/, jwks: /.well-known/jwks.json, userinfo: /me }",
        &["audiences/a.yaml:6: … forward needs Keycloak, and realms.corp.endpoints says that the upstream is not"],
    ),
    (
        "endpoints at the root",
        "https://sso.example.org/realms/corp\n    subjectIssuers: [corp]",
        "https://id.example.org/\n    subjectIssuers: [corp]\n    endpoints: { token: /token, jwks: /jwks }",
        &["audiences/a.yaml:6: … forward needs Keycloak"],
    ),
    (
        "endpoints, all wrong",
        SUBJECTS,
        "subjectIssuers: [corp]\n    endpoints: { token: 'https://a/token', jwks: /a//b, introspection: /%61, userinfo: /, revocation: token }",
        &[
            "audiences/a.yaml:6: … forward needs Keycloak",
            ":7:25: realms.corp.endpoints.token: must be a path like /oauth2/token",
            ":7: … realms.corp.endpoints.jwks: must be a path",
            ":7: … realms.corp.endpoints.introspection: must be a path",
            ":7: … realms.corp.endpoints.userinfo: must be a path",
            ":7: … realms.corp.endpoints.revocation: must be a path",
        ],
    ),
    (
        "endpoints that share a path",
        SUBJECTS,
        "subjectIssuers: [corp]\n    endpoints: { token: /token, jwks: /.well-known/oauth-authorization-server/realms/corp, introspection: /token/ }",
        &[
            "audiences/a.yaml:6: … forward needs Keycloak",
            ":7: … realms.corp.endpoints.jwks: /.well-known/oauth-authorization-server/realms/corp is also the path of a discovery document",
            ":7: … realms.corp.endpoints.introspection: /token/ is also the path of token",
        ],
    ),
    (
        "what needs Keycloak, beside endpoints",
        SUBJECTS,
        "subjectIssuers: [corp]\n    endpoints: { token: /token, jwks: /jwks }\n    clientAuthentication: { cacheFor: 1s }\n    introspection: { clientId: cambio, clientSecretFile: a.secret }\n    directory: { clientId: cambio, clientSecretFile: a.secret }",
        &[
            "audiences/a.yaml:6: … forward needs Keycloak",
            ":8: … realms.corp.clientAuthentication: `unregistered: upstream` needs `endpoints.introspection`",
            ":9: … realms.corp.introspection: needs `endpoints.introspection`",
            ":9: … realms.corp.introspection.clientSecretFile: the file",
            ":10: … realms.corp.directory: needs the admin API of Keycloak",
            ":10: … realms.corp.directory.clientSecretFile: the file",
        ],
    ),
    (
        "endpoints of two realms",
        "realms:",
        "realms:\n  a: { issuer: https://sso.example.org/a, subjectIssuers: [a], endpoints: { token: /token, jwks: /a/jwks } }\n  b: { issuer: https://sso.example.org/b, subjectIssuers: [b], endpoints: { token: /token, jwks: /b/jwks } }",
        &["audiences/a.yaml:1:1: realm: is missing", ":5: … realms.b.endpoints: /token is also a path of the realm a"],
    ),
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
    ("path with a space", SUBJECTS, "subjectIssuers: [corp]\n    path: /realms/my%20realm", &[]),
    ("path with a letter", SUBJECTS, "subjectIssuers: [corp]\n    path: /realms/m%C3%BCnchen", &[]),
    (
        "path with small digits",
        SUBJECTS,
        "subjectIssuers: [corp]\n    path: /realms/m%c3%bcnchen",
        &[":7:11: realms.corp.path: "],
    ),
    (
        "path with a raw letter",
        SUBJECTS,
        "subjectIssuers: [corp]\n    path: /realms/münchen",
        &[":7:11: realms.corp.path: "],
    ),
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
];

#[test]
fn every_slip_in_a_realm_is_named_at_its_place() {
    assert_main_rows(ROWS);
}
