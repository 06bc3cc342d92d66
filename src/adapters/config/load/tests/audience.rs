use super::{AUDIENCE, Folder, MAIN, Row, TestEnvironment, assert_rows, load};

const CLIENTS: &str = "clients: [front-end-app]";
const SCOPES: &str = "scopes: [email]";
const FORWARD: &str = "issuance: forward";
const REISSUE: &str = "reissue needs a key";

const ROWS: &[Row] = &[
    ("good", FORWARD, FORWARD, &[]),
    ("no realm given, one there", FORWARD, FORWARD, &[]),
    ("realm", FORWARD, "issuance: forward\nrealm: corp", &[]),
    ("empty file", AUDIENCE, "", &[":1:1: must be a mapping, not nothing"]),
    (
        "unknown realm",
        FORWARD,
        "issuance: forward\nrealm: crp",
        &[":7:8: realm: \"crp\" is not a realm of cambio.yaml, which has corp"],
    ),
    ("no audience", "audience: back-end-api", "", &[":2:1: audience: is missing"]),
    ("audience without name", "back-end-api", "''", &[":1:11: audience: must be a name"]),
    ("audience as pattern", "back-end-api", "'*'", &[":1:11: audience: patterns are not supported"]),
    ("no owner", "owner: payments-team\n", "", &[":1:1: owner: is missing"]),
    ("owner without name", "payments-team", "' '", &[":2:8: owner: is empty"]),
    (
        "typo in permission",
        CLIENTS,
        "client: [a]",
        &[":4:5: permissions[0].client: unknown key; did you mean \"clients\"?"],
    ),
    (
        "no client",
        CLIENTS,
        "clients: []",
        &[":4:14: permissions[0].clients: is empty: write [\"*\"] if you mean every client"],
    ),
    ("no clients", "clients: [front-end-app]\n    ", "", &[":4:5: permissions[0].clients: is missing"]),
    (
        "star beside names",
        CLIENTS,
        "clients: [a, '*']",
        &[":4:18: permissions[0].clients[1]: \"*\" means every client"],
    ),
    ("star", CLIENTS, "clients: ['*']", &[]),
    ("all organizations", SCOPES, "scopes: ['organization:*', 'organization:acme']", &[]),
    (
        "pattern of a scope",
        SCOPES,
        "scopes: ['team:*']",
        &[":5:14: permissions[0].scopes[0]: patterns are not supported"],
    ),
    ("pattern", CLIENTS, "clients: ['front-*']", &[":4:15: permissions[0].clients[0]: patterns are not supported"]),
    ("empty name", CLIENTS, "clients: ['']", &[":4:15: permissions[0].clients[0]: must be a name"]),
    (
        "clients as text",
        CLIENTS,
        "clients: front-end-app",
        &[":4:14: permissions[0].clients: must be a list, not text; put it in [ ]"],
    ),
    ("scopes left out", "    scopes: [email]\n", "", &[]),
    ("no scope", SCOPES, "scopes: []", &[":5:13: permissions[0].scopes: is empty: leave it out"]),
    (
        "two scopes in one",
        SCOPES,
        "scopes: ['a b']",
        &[":5:14: permissions[0].scopes[0]: \"a b\" is not a scope token"],
    ),
    ("issuers", SCOPES, "issuers: [corp]", &[]),
    ("every issuer", SCOPES, "issuers: ['*']", &[]),
    (
        "unknown issuer",
        SCOPES,
        "issuers: [nope]",
        &[":5:15: permissions[0].issuers[0]: \"nope\" is not among realms.corp.subjectIssuers"],
    ),
    (
        "foreign issuer",
        SCOPES,
        "issuers: [corp, partner]",
        &[":5:21: permissions[0].issuers[1]: … exchange the realm's own tokens only"],
    ),
    ("no issuer", SCOPES, "issuers: []", &[":5:14: permissions[0].issuers: is empty"]),
    ("token types", SCOPES, "subjectTokens: [access_token]\n    requestedTokens: [access_token, id_token]", &[]),
    (
        "subject tokens that the upstream does not exchange",
        SCOPES,
        "subjectTokens: [access_token, id_token, jwt, id_jag]",
        &[
            ":5:35: permissions[0].subjectTokens[1]: id_token needs `issuance: translate` or `mint`",
            ":5:45: permissions[0].subjectTokens[2]: jwt needs",
            ":5:50: permissions[0].subjectTokens[3]: id_jag needs",
        ],
    ),
    (
        "refresh token of the upstream's",
        SCOPES,
        "requestedTokens: [refresh_token]",
        &[":5:22: permissions[0].requestedTokens: refresh_token is not possible with `issuance: forward`"],
    ),
    (
        "no such token",
        SCOPES,
        "requestedTokens: [saml2]",
        &[":5:23: permissions[0].requestedTokens[0]: must be access_token or id_token or refresh_token or jwt"],
    ),
    (
        "translate of own tokens, without a key",
        SCOPES,
        "issuance: translate\n    issuers: [corp, partner]",
        &[
            ":5:15: permissions[0].issuance: translate needs a key",
            ":6:15: permissions[0].issuers[0]: \"corp\" is the realm itself: translate exchanges foreign tokens only",
        ],
    ),
    (
        "translate of whose tokens",
        SCOPES,
        "issuance: translate",
        &[":4:5: permissions[0].issuers: is missing: translate", ":5:15: permissions[0].issuance: translate needs"],
    ),
    ("mint without a key", SCOPES, "issuance: mint", &[":5:15: permissions[0].issuance: mint needs a key"]),
    (
        "token type as URN",
        SCOPES,
        "subjectTokens: ['urn:ietf:params:oauth:token-type:access_token']",
        &[":5:21: permissions[0].subjectTokens[0]: must be"],
    ),
    ("no token type", SCOPES, "subjectTokens: []", &[":5:20: permissions[0].subjectTokens: is empty"]),
    ("a JWT", SCOPES, "requestedTokens: [jwt]", &[]),
    ("this client's life", SCOPES, "lifetime: 1h", &[]),
    (
        "this client's long life",
        SCOPES,
        "lifetime: 25h",
        &[":5:15: permissions[0].lifetime: \"25h\" is not between 10s and 24h"],
    ),
    (
        "delegation that the upstream would ignore",
        SCOPES,
        "delegation: {}",
        &[":5:17: permissions[0].delegation: is not possible with `issuance: forward`"],
    ),
    (
        "impersonation by the upstream",
        SCOPES,
        "impersonation: { who: 'true', whom: 'true' }",
        &[
            ":5:20: permissions[0].impersonation: needs `issuance: mint`",
            ":5:20: permissions[0].impersonation: needs `source: directory`",
            ":5:20: permissions[0].impersonation: needs realms.corp.doors.requestedSubject: judged",
        ],
    ),
    (
        "impersonation of anybody",
        SCOPES,
        "impersonation: { who: 'true' }",
        &[":5:20: permissions[0].impersonation.whom: is missing"],
    ),
    ("date", SCOPES, "expires: 2027-06-30", &[]),
    ("no such day", SCOPES, "expires: 2027-02-30", &[":5:14: permissions[0].expires: \"2027-02-30\" is not a date"]),
    ("date and time", SCOPES, "expires: 2027-02-20T00:00:00Z", &[":5:14: permissions[0].expires: … is not a date"]),
    ("American date", SCOPES, "expires: 06/30/2027", &[":5:14: permissions[0].expires: "]),
    ("empty condition", SCOPES, "condition: ''", &[":5:16: permissions[0].condition: is empty"]),
    ("condition", SCOPES, "condition: 'claims.acr == \"1\"'", &[]),
    ("bad condition", SCOPES, "condition: 'claims.acr == '", &[":5:16: permissions[0].condition: does not compile"]),
    (
        "condition over nothing known",
        SCOPES,
        "condition: 'header.acr == \"1\"'",
        &[":5:16: permissions[0].condition: does not compile"],
    ),
    (
        "environment",
        SCOPES,
        "scopes: ['${SECRET}']",
        &[":5:14: permissions[0].scopes[0]: ${SECRET}: audience files do not read the environment"],
    ),
    ("resource", FORWARD, "issuance: forward\nresources: ['https://api.example.org', 'urn:x:y']", &[]),
    (
        "resource with fragment",
        FORWARD,
        "issuance: forward\nresources: ['https://a#b']",
        &[":7:13: resources[0]: … is not an absolute URI"],
    ),
    (
        "relative resource",
        FORWARD,
        "issuance: forward\nresources: [api]",
        &[":7:13: resources[0]: … is not an absolute URI"],
    ),
    (
        "resource twice",
        FORWARD,
        "issuance: forward\nresources: ['https://a', 'https://a']",
        &[":7:26: resources[1]: … listed twice"],
    ),
    (
        "mapping in forward",
        FORWARD,
        "issuance: forward\nroles: { map: [{ from: a, to: b }] }",
        &[":7:15: roles.map: needs `issuance: reissue`"],
    ),
    ("claims in forward", FORWARD, "issuance: forward\ntoken: { claims: [a] }", &[]),
    (
        "every claim in forward",
        FORWARD,
        "issuance: forward\ntoken: { claims: ['*'] }",
        &[":7:18: token.claims: \"*\" can't stand beside `issuance: forward`"],
    ),
    (
        "realm role as pattern",
        FORWARD,
        "issuance: forward\nroles: { realm: ['*'] }",
        &[":7:18: roles.realm[0]: patterns"],
    ),
    (
        "short life",
        FORWARD,
        "issuance: forward\ntoken: { lifetime: 9s }",
        &[":7:20: token.lifetime: \"9s\" is not between 10s and 24h"],
    ),
    ("long life", FORWARD, "issuance: forward\ntoken: { lifetime: 25h }", &[":7:20: token.lifetime: "]),
    (
        "no key",
        FORWARD,
        "issuance: reissue",
        &[
            ":6:11: issuance: reissue needs a key that the realm does not have: set realms.corp.signingKeys or signingKey",
        ],
    ),
    ("no key by default", FORWARD, "token: {}", &[":1:1: issuance: reissue needs a key"]),
    (
        "mapping from nowhere",
        FORWARD,
        "roles: { map: [{ to: b }] }",
        &[":1:1: issuance", ":6:16: roles.map[0]: must have exactly one of `from` and `when`"],
    ),
    (
        "mapping from both",
        FORWARD,
        "roles: { map: [{ from: a, when: 'true', to: b }] }",
        &[":1:1: issuance", ":6:16: roles.map[0]: must have exactly one"],
    ),
    (
        "mapping from a realm's nothing",
        FORWARD,
        "roles: { map: [{ from: 'realm:', to: b }] }",
        &[":1:1: issuance", ":6:24: roles.map[0].from: must be a name"],
    ),
    (
        "mapping to nothing",
        FORWARD,
        "roles: { map: [{ from: a, to: '' }] }",
        &[":1:1: issuance", ":6:31: roles.map[0].to: must be a name"],
    ),
];

#[test]
fn every_slip_in_an_audience_file_is_named_at_its_place() {
    assert!(ROWS.iter().any(|row| row.3.iter().any(|problem| problem.contains(REISSUE))));
    let main = MAIN.replace("subjectIssuers: [corp]", "subjectIssuers: [corp, partner]")
        + "issuers: { partner: { issuer: { url: 'https://p.example', audiences: [a] } } }\n";
    assert_rows(ROWS, AUDIENCE, "audiences/a.yaml", |folder| {
        folder.write("cambio.yaml", &main);
    });
}

/// Keycloak exchanges its own tokens only, so a star must not let a foreign one reach it.
#[test]
fn every_issuer_is_the_realm_itself() {
    let folder = Folder::new();
    let trusting = MAIN.replace("subjectIssuers: [corp]", "subjectIssuers: [corp, partner]")
        + "issuers: { partner: { issuer: { url: 'https://p.example', audiences: [a] } } }\n";
    folder.write("cambio.yaml", trusting);
    folder.write("audiences/a.yaml", AUDIENCE.replace(SCOPES, "scopes: [email]\n    issuers: ['*']"));
    let config = load(&folder.path("cambio.yaml"), &TestEnvironment).unwrap();
    let audience = config.policy.realms["corp"].values().next().unwrap();
    let issuers = &audience.permissions[0].issuers;
    assert!(issuers.contains("corp") && !issuers.contains("partner"), "{issuers:?}");
}
