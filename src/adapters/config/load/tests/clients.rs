//! Registered clients: every slip at its place, and what good entries become.

use super::*;
use crate::judgement::client::registry::{Method, Unregistered};
use crate::judgement::client::secret::SecretHash;
use crate::words::secret::Secret;

/// A good file with a client whose methods are `METHODS`.
const REGISTRY: &str = "\
upstream: { url: 'http://127.0.0.1:8180' }
listen: { address: '127.0.0.1:8080' }
issuers: { k8s: { issuer: { url: 'https://k8s', audiences: [x] }, algorithms: [ES256] } }
realms:
  corp:
    issuer: https://sso.example.org/realms/corp
    subjectIssuers: [corp]
    clients:
      batch:
        - method: none
";

const NONE: &str = "method: none";
const LISTEN: &str = "'127.0.0.1:8080' }";
const AT: &str = ":10:11: realms.corp.clients.batch[0]";

const ROWS: &[Row] = &[
    ("good", NONE, NONE, &[]),
    ("no method", "        - method: none\n", "        []\n", &[":10:9: realms.corp.clients.batch: is empty"]),
    (
        "unknown method",
        NONE,
        "method: client_secret_basic",
        &[":10:19: realms.corp.clients.batch[0].method: must be client_secret or"],
    ),
    (
        "of another method",
        NONE,
        "method: none\n          secretHash: sha256:0000000000000000000000000000000000000000000000000000000000000000",
        &[":11:23: realms.corp.clients.batch[0].secretHash: has no effect"],
    ),
    ("control characters", "batch:", "\"a\\nb\":", &[":10:9: realms.corp.clients.a\\nb: … control characters"]),
    // secrets
    ("no hash", NONE, "method: client_secret", &[":10:11: realms.corp.clients.batch[0]: needs one of secretHash"]),
    ("the secret itself", NONE, "{ method: client_secret, secretHash: hunter2 }", &[":10:48: … is neither sha256:"]),
    (
        "a weak hash",
        NONE,
        "{ method: client_secret, secretHash: '$argon2id$v=19$m=16,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc' }",
        &[":10:48: … is too weak"],
    ),
    (
        "bcrypt",
        NONE,
        "{ method: client_secret, secretHash: '$2b$12$aaaaaaaaaaaaaaaaaaaaaa' }",
        &[":10:48: … another algorithm"],
    ),
    ("no file", NONE, "{ method: client_secret, secretHashFile: nope }", &[":10:52: … can't be read"]),
    ("a file of something else", NONE, "{ method: client_secret, secretHashFile: short }", &[":10:52: … is neither"]),
    (
        "both",
        NONE,
        "{ method: client_secret, secretHash: sha256:0000000000000000000000000000000000000000000000000000000000000000, secretHashFile: short }",
        &[AT],
    ),
    // shared secrets
    ("no secret", NONE, "method: client_secret_jwt", &[AT]),
    (
        "a secret in the file",
        NONE,
        "{ method: client_secret_jwt, secret: 0123456789abcdef0123456789abcdef }",
        &[":10:48: … a secret does not belong in this file"],
    ),
    ("short", NONE, "{ method: client_secret_jwt, secretFile: short }", &[":10:52: … shorter than 32 bytes"]),
    (
        "short, from the environment",
        NONE,
        "{ method: client_secret_jwt, secret: '${SECRET}' }",
        &[":10:48: … shorter than 32 bytes"],
    ),
    ("its algorithms", NONE, "{ method: client_secret_jwt, secretFile: long, algorithms: [HS256, HS384, HS512] }", &[]),
    (
        "another algorithm",
        NONE,
        "{ method: client_secret_jwt, secretFile: long, algorithms: [RS256] }",
        &[":10:71: … is not HS256"],
    ),
    ("no algorithm", NONE, "{ method: client_secret_jwt, secretFile: long, algorithms: [] }", &[":10:70: … is empty"]),
    // keys
    ("no keys", NONE, "{ method: private_key_jwt, algorithms: [ES256] }", &[AT]),
    (
        "no algorithms",
        NONE,
        "{ method: private_key_jwt, jwksURL: 'https://k' }",
        &[":10:11: realms.corp.clients.batch[0].algorithms: name the algorithms"],
    ),
    (
        "HMAC with keys",
        NONE,
        "{ method: private_key_jwt, jwksURL: 'https://k', algorithms: [HS256] }",
        &[":10:73: … shared-secret algorithm"],
    ),
    (
        "no key set",
        NONE,
        "{ method: private_key_jwt, jwksFile: short, algorithms: [ES256] }",
        &[":10:48: … no JSON object"],
    ),
    (
        "no URL",
        NONE,
        "{ method: private_key_jwt, jwksURL: 'ftp://k', algorithms: [ES256] }",
        &[":10:47: … http:// or https://"],
    ),
    // certificates
    (
        "no certificate ever comes",
        NONE,
        "{ method: tls_client_auth, subject: CN=batch }",
        &[":10:21: realms.corp.clients.batch[0].method: needs listen.tls"],
    ),
    (
        "nor a thumbprint",
        NONE,
        "{ method: self_signed_tls_client_auth, thumbprints: [AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA] }",
        &[":10:21: … needs listen.tls"],
    ),
    ("no name", NONE, "{ method: tls_client_auth }", &[AT, ":10:21: … needs listen.tls"]),
    ("two names", NONE, "{ method: tls_client_auth, subject: CN=a, sanDNS: a }", &[AT, ":10:21: … needs"]),
    (
        "no subject",
        NONE,
        "{ method: tls_client_auth, subject: batch }",
        &[":10:21: … needs", ":10:47: … not such a name"],
    ),
    (
        "no address",
        NONE,
        "{ method: tls_client_auth, sanIP: batch }",
        &[":10:21: … needs", ":10:45: … not such a name"],
    ),
    (
        "no thumbprint",
        NONE,
        "{ method: self_signed_tls_client_auth, thumbprints: [ab] }",
        &[":10:21: … needs", ":10:64: … must be a SHA-256 thumbprint"],
    ),
    (
        "asked for nothing",
        LISTEN,
        "'127.0.0.1:8080', tls: { certificate: c, key: k, clientCertificates: {} } }",
        &[
            ":2:58: listen.tls.certificate: … can't be read",
            ":2:66: listen.tls.key: … can't",
            ":2:89: listen.tls.clientCertificates: needs one of",
        ],
    ),
    (
        "a header without proxies",
        LISTEN,
        "'127.0.0.1:8080', clientCertificateHeader: { name: Client-Cert } }",
        &[":2:63: listen.clientCertificateHeader: has no effect without trustedProxies"],
    ),
    (
        "a header that is another",
        LISTEN,
        "'127.0.0.1:8080', trustedProxies: [10.0.0.1], clientCertificateHeader: { name: Authorization } }",
        &[":2:99: listen.clientCertificateHeader.name: … header of its own"],
    ),
    (
        "a header with an underscore",
        LISTEN,
        "'127.0.0.1:8080', trustedProxies: [10.0.0.1], clientCertificateHeader: { name: ssl_client_cert } }",
        &[":2:99: … header of its own"],
    ),
    // workloads
    (
        "no issuer",
        NONE,
        "{ method: kubernetes, subject: 'system:serviceaccount:a:b' }",
        &[":10:11: realms.corp.clients.batch[0].issuer: must be the name"],
    ),
    (
        "unknown issuer",
        NONE,
        "{ method: kubernetes, issuer: corp, subject: 'system:serviceaccount:a:b' }",
        &[":10:41: … must be the name"],
    ),
    (
        "any account",
        NONE,
        "{ method: kubernetes, issuer: k8s, subject: 'system:serviceaccount:*' }",
        &[":10:55: … must be the token's `sub`"],
    ),
    (
        "an SVID in the cluster",
        NONE,
        "{ method: kubernetes, issuer: k8s, subject: 'spiffe://a/b' }",
        &[":10:55: … system:serviceaccount:"],
    ),
    ("no SPIFFE id", NONE, "{ method: spiffe, issuer: k8s, subject: a }", &[":10:51: … spiffe://"]),
    // the others
    (
        "remembered for long",
        "    clients:\n",
        "    clientAuthentication: { cacheFor: 6m }\n    clients:\n",
        &[":8:39: realms.corp.clientAuthentication.cacheFor: … is not between 0s and 5m"],
    ),
    (
        "judged by nobody known",
        "    clients:\n",
        "    clientAuthentication: { unregistered: everybody }\n    clients:\n",
        &[":8:43: … must be upstream or refuse"],
    ),
];

#[test]
fn every_slip_in_a_registry_is_named_at_its_place() {
    assert_rows(ROWS, REGISTRY, "cambio.yaml", |folder| {
        folder.write("audiences/a.yaml", AUDIENCE);
        folder.write("short", "hunter2\n").write("long", "0123456789abcdef0123456789abcdef\n");
    });
}

#[test]
fn good_registries_load_and_show_no_secret() {
    let folder = Folder::new();
    let methods = "        - { method: client_secret, secretHashFile: batch.hash }
        - { method: client_secret_jwt, secretFile: long }
        - { method: self_signed_tls_client_auth, thumbprints: ['AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA:AA'] }
        - { method: kubernetes, issuer: k8s, subject: 'system:serviceaccount:payments:batch' }
";
    let header = "'127.0.0.1:8080', trustedProxies: [10.0.0.1], clientCertificateHeader: { name: X-SSL-Client-Cert } }";
    folder.write("cambio.yaml", REGISTRY.replace("        - method: none\n", methods).replace(LISTEN, header));
    folder.write("audiences/a.yaml", AUDIENCE);
    folder.write("batch.hash", SecretHash::sha256(&Secret::new("s3cret")) + "\n");
    folder.write("long", "0123456789abcdef0123456789abcdef\n");
    let config = load(&folder.path("cambio.yaml"), &()).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let clients = &config.realms["corp"].clients;
    let found = clients.methods("batch").unwrap();
    assert!(matches!(&found[0], Method::Secret(hash) if hash.matches(&Secret::new("s3cret"))));
    assert!(matches!(&found[1], Method::SecretJwt { secret, .. } if secret.expose().len() == 32));
    assert!(matches!(&found[2], Method::SelfSignedTls(thumbprints) if thumbprints == &[[0xAA; 32]]));
    assert_eq!(clients.workloads.client("https://k8s", "system:serviceaccount:payments:batch"), Some("batch"));
    assert_eq!(clients.unregistered, Unregistered::Upstream { cache_for: std::time::Duration::from_secs(30) });
    let issuer = "https://sso.example.org/realms/corp";
    assert_eq!(clients.audiences, [issuer.to_owned(), format!("{issuer}/protocol/openid-connect/token")]);
    for name in ["batch.hash", "long"] {
        assert!(config.sources.files.contains_key(&folder.path(name)), "{name}");
    }
    let shown = format!("{:?}{}", config.realms, crate::adapters::config::summary(&config));
    assert!(shown.contains("client_secret_jwt") && !shown.contains("0123456789abcdef"), "{shown}");
}
