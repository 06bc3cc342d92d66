//! What a reviewer may lack, and what not.

use serde_json::json;

use super::{AUDIENCE, Folder, MAIN, SUBJECTS, TestEnvironment};
use crate::adapters::config::load::load;
use crate::adapters::config::load::review::{Review, review};

fn reviewed(main: &str) -> (Folder, Result<Review, Vec<String>>) {
    let folder = Folder::new();
    folder.write("cambio.yaml", main).write("audiences/a.yaml", AUDIENCE);
    let read = review(&folder.path("cambio.yaml"), &TestEnvironment);
    let read = read.map_err(|problems| problems.iter().map(ToString::to_string).collect());
    (folder, read)
}

const ISSUER: &str = "issuers: { partner: { issuer: { url: 'https://partner.example', audiences: [a] }, ";

#[test]
fn files_and_variables_with_secrets_may_be_missing() {
    let realm = |more: &str| MAIN.replace(SUBJECTS, &format!("{SUBJECTS}\n    {more}"));
    for (name, main, absent) in [
        ("nothing is missing", MAIN.to_owned(), ""),
        ("a signing key", realm("signingKey: corp.pem"), "realms.corp.signingKey"),
        ("signing keys", realm("signingKeys: keys"), "realms.corp.signingKeys"),
        (
            "a secret of the directory",
            realm("directory: { clientId: a, clientSecretFile: no.secret }"),
            "realms.corp.directory.clientSecretFile",
        ),
        (
            "a secret for introspection",
            realm("introspection: { clientId: a, clientSecretFile: no.secret }"),
            "realms.corp.introspection.clientSecretFile",
        ),
        (
            "keys of refresh tokens",
            realm("refreshTokens: { keyFiles: [seal.key] }"),
            "realms.corp.refreshTokens.keyFiles[0]",
        ),
        (
            "a key for nonces",
            realm("dpop: { nonce: required, nonceKeyFile: nonce.key }"),
            "realms.corp.dpop.nonceKeyFile",
        ),
        (
            "a secret of a client",
            realm("clients: { a: [{ method: client_secret_jwt, secret: '${NOT_SET}' }] }"),
            "realms.corp.clients.a[0].secret",
        ),
        (
            "a hash of a client's secret",
            realm("clients: { a: [{ method: client_secret, secretHashFile: a.hash }] }"),
            "realms.corp.clients.a[0].secretHashFile",
        ),
        (
            "a key set of a client",
            realm("clients: { a: [{ method: private_key_jwt, jwksFile: a.json, algorithms: [ES256] }] }"),
            "realms.corp.clients.a[0].jwksFile",
        ),
        ("a key set of an issuer", format!("{MAIN}{ISSUER}jwksFile: a.json }} }}\n"), "issuers.partner.jwksFile"),
        (
            "a secret of an issuer",
            format!("{MAIN}{ISSUER}hmacSecretFile: a.secret, algorithms: [HS256] }} }}\n"),
            "issuers.partner.hmacSecretFile",
        ),
        (
            "a token for keys",
            format!("{MAIN}{}", ISSUER.replace("audiences", "bearerTokenFile: token, audiences")) + "} }\n",
            "issuers.partner.issuer.bearerTokenFile",
        ),
        ("certificates", MAIN.replace("'http://127.0.0.1:8180'", "'https://sso.internal', ca: ca.pem"), "upstream.ca"),
        (
            "a key of the listener",
            MAIN.replace("'127.0.0.1:8080'", "'127.0.0.1:8080', tls: { certificate: a.pem, key: a.key }"),
            "listen.tls.certificate",
        ),
        ("the folder of the audit log", format!("{MAIN}audit: {{ output: /nowhere/audit.jsonl }}\n"), "audit.output"),
        (
            "a password of the store",
            format!("{MAIN}store: {{ redis: {{ url: 'redis://127.0.0.1', passwordFile: a }} }}\n"),
            "store.redis.passwordFile",
        ),
        ("an upstream from the environment", MAIN.replace("http://127.0.0.1:8180", "${NOT_SET}"), "upstream.url"),
    ] {
        let (folder, read) = reviewed(&main);
        let read = read.map_err(|problems| format!("{name}: {problems:#?}")).unwrap();
        assert_eq!(read.absent.first().map_or("", |problem| problem.key.as_str()), absent, "{name}: {:?}", read.absent);
        assert_eq!(read.policy.realms["corp"].len(), 1, "{name}");
        assert_eq!(load(&folder.path("cambio.yaml"), &TestEnvironment).is_ok(), absent.is_empty(), "{name}");
    }
}

#[test]
fn what_is_wrong_stays_wrong() {
    let realm = |more: &str| MAIN.replace(SUBJECTS, &format!("{SUBJECTS}\n    {more}"));
    for (name, main, part) in [
        ("a key that is no key", realm("signingKey: cambio.yaml"), "holds no PEM private key"),
        ("no name of a file", realm("signingKey: ''"), "names no file"),
        ("a variable without end", MAIN.replace("'http://127.0.0.1:8180'", "'${NOT_SET'"), "without \"}\""),
        ("a misspelt key beside a missing one", realm("signingKey: corp.pem\n    dialectt: cern"), "unknown key"),
        ("a missing choice", realm("dialect: '${NOT_SET}'"), "the environment variable NOT_SET is not set"),
        ("an audience's issuer", MAIN.replace("[corp]", "[corp, partner]"), "is neither a realm nor an issuer"),
    ] {
        let (_folder, read) = reviewed(&main);
        let problems = read.err().unwrap_or_default();
        assert!(problems.iter().any(|problem| problem.contains(part)), "{name}: {problems:#?}");
    }
}

#[test]
fn settings_have_defaults_presets_and_no_secrets() {
    let main = MAIN.replace(
        SUBJECTS,
        "subjectIssuers: [corp]\n    leeway: 1m\n    clients: { a: [{ method: client_secret, secretHash: \
         'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' }] }",
    );
    let main = format!("{main}issuers: {{ google: {{ preset: google, issuer: {{ audiences: ['${{SECRET}}'] }} }} }}\n");
    let (_folder, read) = reviewed(&main);
    let read = read.unwrap();
    let setting = |path: &str| {
        let path: Vec<_> = path.split('.').map(str::to_owned).collect();
        read.settings.get(&path).map(|setting| (setting.meaning.clone(), setting.shown.clone(), setting.line)).unwrap()
    };
    assert_eq!(setting("realms.corp.leeway"), (json!(60.0), json!("1m"), 7));
    assert_eq!(setting("realms.corp.doors.ciba"), (json!("closed"), json!("closed"), 0));
    assert_eq!(setting("issuers.google.issuer.url").0, json!("https://accounts.google.com"));
    let hidden = [setting("realms.corp.clients.a").1, setting("issuers.google.issuer.audiences").1];
    assert_eq!(hidden[0], json!([{ "method": "client_secret", "secretHash": "(not shown)" }]));
    assert_eq!(hidden[1], json!(["the value from the environment"]));
}
