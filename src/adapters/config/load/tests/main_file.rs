//! Everything in `cambio.yaml` but its realms and issuers.

use super::{AUDIENCE, Folder, MAIN, Row, SUBJECTS, assert_main_rows};

const URL: &str = "'http://127.0.0.1:8180'";
const LISTEN: &str = "'127.0.0.1:8080' }";

/// Adds to the listener (`find` is [`LISTEN`]) or at the top (`realms:`).
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
    // proxies
    (
        "proxies",
        LISTEN,
        "'127.0.0.1:8080', trustedProxies: [10.0.0.1], proxyProtocol: true, identityHeaders: [SSL_CLIENT_CERT, X-DN], maxTokenBytes: 1MiB }",
        &[],
    ),
    (
        "a protocol without proxies",
        LISTEN,
        "'127.0.0.1:8080', proxyProtocol: true }",
        &[":2:53: listen.proxyProtocol: has no effect without trustedProxies"],
    ),
    (
        "headers that are others",
        LISTEN,
        "'127.0.0.1:8080', identityHeaders: [Authorization, X-DN, 'a b', content_length] }",
        &[
            ":2:56: listen.identityHeaders[0]: … header about callers",
            ":2:77: listen.identityHeaders[2]: … header about callers",
            ":2:84: listen.identityHeaders[3]: … header about callers",
        ],
    ),
    (
        "tokens longer than any",
        LISTEN,
        "'127.0.0.1:8080', maxTokenBytes: 2MiB }",
        &[":2:53: listen.maxTokenBytes: 2097152 is not between 1024 and 1048576"],
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
];

#[test]
fn every_slip_in_cambio_yaml_is_named_at_its_place() {
    assert_main_rows(ROWS);
}

#[test]
fn the_token_of_the_admin_listener_is_one_long_line() {
    const KEY: &str = "admin: { tokenFile: 'token' }\nrealms:";
    let long = "0123456789abcdef".repeat(2);
    for (name, token, problem) in [
        ("good", Some(format!("{long}\n")), ""),
        ("missing", None, "can't be read"),
        ("short", Some(long[1..].to_owned()), "is shorter than 32 bytes: write a random one"),
        ("empty", Some(String::new()), "must hold the token in one line"),
        ("two lines", Some(format!("{long}\n{long}\n")), "must hold the token in one line"),
        ("spaces", Some(format!("{long} {long}")), "without spaces"),
    ] {
        let folder = Folder::new();
        folder.write("cambio.yaml", MAIN.replacen("realms:", KEY, 1)).write("audiences/a.yaml", AUDIENCE);
        if let Some(token) = token {
            folder.write("token", token);
        }
        let problems = folder.problems();
        assert_eq!(problems.is_empty(), problem.is_empty(), "{name}: {problems:?}");
        assert!(
            problems.iter().all(|one| one.starts_with("cambio.yaml:3:21: admin.tokenFile: ")),
            "{name}: {problems:?}"
        );
        assert!(
            problems.iter().all(|one| one.contains(problem) && !one.contains("0123456789")),
            "{name}: {problems:?}"
        );
    }
}
