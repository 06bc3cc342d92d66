//! What an owner can do with the own files alone: without the platform's file, without its secrets, and quickly.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::files::Folder;
use crate::support::golden;

/// The keys and secrets that it names are not there.
const MAIN: &str = "\
upstream: { url: 'https://sso.internal', ca: ca.pem }
listen: { address: '127.0.0.1:8080', tls: { certificate: tls.pem, key: tls.key } }
realms:
  corp:
    issuer: https://sso.example.org/realms/corp
    subjectIssuers: [corp, partner, ci]
    signingKeys: keys
    directory: { clientId: cambio, clientSecretFile: directory.secret }
    refreshTokens: { keyFiles: [seal.key] }
    clients: { batch: [{ method: client_secret_jwt, secret: '${BATCH_SECRET}' }] }
issuers:
  partner: { issuer: { url: https://login.partner.example, audiences: [cambio] }, jwksFile: partner.json }
  ci: { issuer: { url: https://ci.example, audiences: [cambio] }, hmacSecretFile: ci.secret, algorithms: [HS256] }
";

const ORDERS: &str = "\
audience: orders
owner: orders-team
permissions:
  - { clients: [shop, batch], scopes: [email], expires: 2020-01-31 }
  - { clients: [gateway], issuers: [partner], issuance: mint, condition: claims.level > 1 }
  - { clients: ['*'], requestedTokens: [access_token, refresh_token] }
roles: { own: true }
";

const BROKEN: &str = "\
audience: stock
owner: stock-team
resources: ['https://stock.example']
permissions:
  - { clients: [shop], onceTime: true }
  - { clients: [shop], condition: claims.level > }
";

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN);
    folder.write("audiences/orders.yaml", ORDERS);
    folder
}

/// Runs Cambio in the folder, with nothing in its environment: exit status, standard output, standard error.
fn cambio(folder: &Folder, line: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cambio"));
    command.args(line.split_whitespace()).current_dir(folder.path("")).stdin(Stdio::null()).env_clear();
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn an_owner_checks_a_file_alone() {
    let folder = folder();
    folder.remove("cambio.yaml");
    let started = Instant::now();
    let (status, out, err) = cambio(&folder, "check audiences/orders.yaml");
    let took = started.elapsed();
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    golden::check("owners/alone.txt", &out);
    assert!(took < Duration::from_secs(1), "{took:?}");
    folder.write("audiences/stock.yaml", BROKEN);
    folder.write("audiences/orders.test.yaml", "tests: []\n");
    folder.write("audiences/copy.yaml", ORDERS);
    let files = "audiences/orders.yaml audiences/stock.yaml audiences/copy.yaml audiences/orders.test.yaml";
    let (status, out, err) = cambio(&folder, &format!("check {files} audiences/none.yaml"));
    assert_eq!((status, out.as_str()), (1, ""));
    golden::check("owners/broken.txt", &err);
}

#[test]
fn an_owner_checks_a_file_against_the_platforms() {
    let folder = folder();
    let (status, out, err) = cambio(&folder, "check --config cambio.yaml audiences/orders.yaml");
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    golden::check("owners/platform.txt", &out);
    // Another team's broken file is that team's.
    folder.write("audiences/stock.yaml", BROKEN);
    assert_eq!(cambio(&folder, "check -c cambio.yaml audiences/orders.yaml").0, 0);
    for (name, from, to, expected) in [
        (
            "a realm",
            "owner: orders-team",
            "owner: orders-team\nrealm: crop",
            "orders.yaml:3:8: realm: \"crop\" is not a realm",
        ),
        (
            "an issuer",
            "[partner]",
            "[partnr]",
            "orders.yaml:5:37: permissions[1].issuers[0]: \"partnr\" is not among realms.corp",
        ),
    ] {
        folder.write("audiences/orders.yaml", &ORDERS.replace(from, to));
        assert_eq!(cambio(&folder, "check audiences/orders.yaml").0, 0, "{name}");
        let (status, _, err) = cambio(&folder, "check --config cambio.yaml audiences/orders.yaml");
        assert!(status == 1 && err.contains(expected), "{name}: {err}");
    }
    for (name, line, expected) in [
        ("the platform's file", "check cambio.yaml", "cambio.yaml:1:1: is the platform's file and no audience file"),
        ("no platform's file", "check --config none.yaml audiences/orders.yaml", "none.yaml: can't be read"),
        ("a folder", "check audiences", "audiences: can't be read"),
    ] {
        let (status, out, err) = cambio(&folder, line);
        assert!(status == 1 && out.is_empty() && err.contains(expected), "{name}: {err}");
    }
    assert_eq!(cambio(&folder, "check --online audiences/orders.yaml").0, 2);
    // The platform's mistake does not stop an owner.
    folder.write("audiences/orders.yaml", ORDERS);
    folder.write("cambio.yaml", &MAIN.replace("127.0.0.1:8080", "127.0.0.1:9090"));
    let (status, out, err) = cambio(&folder, "check --config cambio.yaml audiences/orders.yaml");
    assert!(status == 0 && out.contains("cambio.yaml has 1 problem itself"), "{out}{err}");
}

/// `explain` and `test` decide without the platform's secrets.
#[test]
fn an_owner_tests_without_the_secrets() {
    let folder = folder();
    let test = "\
audience: orders
at: 2026-11-28T12:00:00Z
tests:
- { name: a, request: { client: anybody }, expect: { allowed: true, issuance: reissue } }
- name: b
  request: { client: gateway, claims: { iss: 'https://login.partner.example', sub: x, aud: cambio, level: 2 } }
  expect: { allowed: true, issuance: mint }
- { name: c, request: { client: shop, scope: email }, expect: { allowed: false } }
- { name: d, request: { client: shop, requestedTokenType: refresh_token }, expect: { allowed: true, refreshToken: true } }
";
    folder.write("audiences/orders.test.yaml", test);
    let started = Instant::now();
    let (status, out, err) = cambio(&folder, "test audiences/orders.test.yaml");
    let took = started.elapsed();
    assert_eq!(status, 0, "{out}{err}");
    assert!(out.ends_with("4 tests, 0 failed\n") && err.is_empty(), "{out}{err}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    // A variable that decides must be set.
    folder.write("cambio.yaml", &MAIN.replace("https://sso.example.org/realms/corp", "'${ISSUER}'"));
    let (status, _, err) = cambio(&folder, "test audiences/orders.test.yaml");
    assert!(status == 2 && err.contains("ISSUER is not set"), "{err}");
}

#[test]
fn findings_are_shown_in_code_review() {
    let folder = folder();
    folder.write("audiences/stock.yaml", BROKEN);
    let files = "audiences/orders.yaml ./audiences/stock.yaml audiences/no%20ne.yaml";
    let (status, text, err) = cambio(&folder, &format!("check --output sarif {files}"));
    assert_eq!((status, err.as_str()), (1, ""));
    let log: Value = serde_json::from_str(&text).unwrap();
    is_sarif(&log);
    golden::check("owners/check.sarif", &text.replace(env!("CARGO_PKG_VERSION"), "[version]"));
    assert_eq!(cambio(&folder, &format!("check --output sarif {files}")).1, text);
    let (_, json, _) = cambio(&folder, &format!("check --output json {files}"));
    golden::check("owners/check.json", &json);
    // The whole configuration, of which secrets are missing.
    let (status, text, _) = cambio(&folder, "check --output sarif");
    let whole: Value = serde_json::from_str(&text).unwrap();
    is_sarif(&whole);
    let results = whole["runs"][0]["results"].as_array().unwrap();
    let of = |file: &str| results.iter().filter(|one| one["locations"][0].to_string().contains(file)).count();
    assert!(status == 1 && of("cambio.yaml") > 3 && of("stock.yaml") == 2, "{text}");
}

/// What SARIF 2.1.0 requires of the members that Cambio writes (sections 3.13, 3.14, 3.19, 3.20, 3.27 to 3.30, 3.49, 3.58).
fn is_sarif(log: &Value) {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(log), ["$schema", "runs", "version"]);
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert_eq!(keys(run), ["columnKind", "invocations", "results", "tool"]);
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert!(run["invocations"][0]["executionSuccessful"].is_boolean());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let location = &result["locations"][0]["physicalLocation"];
        let uri = location["artifactLocation"]["uri"].as_str().unwrap();
        assert!(!uri.contains([' ', '\\']) && !uri.starts_with("./"), "{uri}");
        if let Some(region) = location.get("region") {
            assert!(region["startLine"].as_u64().unwrap() >= 1 && region["startColumn"].as_u64().unwrap() >= 1);
        }
    }
}

/// Every line of docs/pull-requests.md that begins with `cambio` is run, in two checkouts without the platform's secrets.
#[test]
fn the_recipe_for_reviews_runs() {
    const PAGE: &str = include_str!("../../docs/pull-requests.md");
    let folder = Folder::new();
    let orders = ORDERS.replace(", expires: 2020-01-31", "").replace("claims.level > 1", "claims.level == 2");
    let test = "\
audience: orders
tests:
- { name: a, request: { client: shop, scope: email }, expect: { allowed: true } }
- { name: b, request: { client: anybody }, expect: { allowed: true } }
- name: c
  request: { client: gateway, claims: { iss: 'https://login.partner.example', aud: cambio, level: 2 } }
  expect: { allowed: true }
- name: d
  request: { client: gateway, claims: { iss: 'https://login.partner.example', aud: cambio, level: 1 } }
  expect: { allowed: false }
";
    for (checkout, orders) in [("base", ORDERS), ("new", orders.as_str())] {
        std::fs::create_dir_all(folder.path(&format!("{checkout}/audiences"))).unwrap();
        for (name, text) in [
            ("cambio.yaml", MAIN),
            ("audiences/orders.yaml", orders),
            ("audiences/orders.test.yaml", test),
            ("audit.json", ""),
        ] {
            std::fs::write(folder.path(&format!("{checkout}/{name}")), text).unwrap();
        }
    }
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_cambio"));
    let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
    let lines = PAGE.lines().map(|line| line.trim().trim_start_matches("- "));
    let commands: Vec<_> = lines.filter(|line| line.starts_with("cambio ")).collect();
    assert!(commands.len() >= 12, "{commands:#?}");
    for line in commands {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).current_dir(folder.path("new")).stdin(Stdio::null()).env_clear().env("PATH", &path);
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {said}");
    }
    let log: Value = serde_json::from_str(&folder.read("new/cambio.sarif")).unwrap();
    is_sarif(&log);
}
