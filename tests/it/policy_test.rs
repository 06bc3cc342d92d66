//! `cambio test`: tests of audience files.

use std::process::{Command, Stdio};

use crate::support::files::{Folder, signing_key_pem};
use crate::support::golden;

const MAIN: &str = "\
upstream: { url: 'http://127.0.0.1:8180' }
listen: { address: '127.0.0.1:8080' }
realms:
  corp: { issuer: 'https://sso.example.org/realms/corp', subjectIssuers: [corp], signingKey: corp.pem }
";
const AUDIENCE: &str = "\
audience: back-end-api
owner: payments-team
permissions:
- { clients: [front-end-app], scopes: [email, profile], lifetime: 2m }
- { clients: [gold], condition: claims.level == 'gold', issuance: mint }
- { clients: [nobody] }
roles: { own: true, realm: [auditor], map: [{ from: 'realm:admin', to: backend_admin }, { from: 'realm:x', to: unused }] }
token: { set: { tier: claims.level } }
";
const PASSING: &str = "\
audience: back-end-api
at: 2026-11-28T12:00:00Z
tests:
- name: the user's own roles, and the mapped one
  request:
    client: front-end-app
    scope: profile email
    claims:
      sub: alice
      level: gold
      realm_access: { roles: [admin, auditor, other] }
      resource_access: { back-end-api: { roles: [user] }, other: { roles: [x] } }
  expect:
    allowed: true
    roles: [user, backend_admin]
    realmRoles: [auditor]
    scope: email profile
    issuance: reissue
    lifetime: 2m
    refreshToken: false
    claims: { sub: alice, tier: gold, act: null }
- name: gold may
  request: { client: gold, claims: { level: gold } }
  expect: { allowed: true, issuance: mint }
- name: silver may not
  request: { client: gold, claims: { level: silver } }
  expect: { allowed: false, reason: condition_not_met }
- name: others may not
  request: { client: reporting }
  expect: { allowed: false, reason: client_not_permitted }
";
const FAILING: &str = "\
tests:
- name: <a> & \"b\"
  request: { client: front-end-app, audience: [back-end-api], claims: { level: silver } }
  expect: { allowed: true, roles: [user], lifetime: 5m, claims: { tier: gold } }
- name: refused otherwise
  request: { client: reporting, audience: [back-end-api] }
  expect: { allowed: false, reason: condition_not_met }
- name: refused at all
  request: { client: reporting, audience: [back-end-api] }
  expect: { allowed: true }
";

fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN);
    folder.write("corp.pem", &signing_key_pem());
    std::fs::set_permissions(folder.path("corp.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    folder.write("audiences/back-end-api.yaml", AUDIENCE);
    for (name, text) in files {
        folder.write(&format!("audiences/{name}"), text);
    }
    folder
}

fn tested(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cambio"));
    let output =
        command.arg("test").args(arguments).current_dir(folder.path("")).stdin(Stdio::null()).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn tests_pass_and_say_what_they_do_not_touch() {
    let folder = folder(&[("back-end-api.test.yaml", PASSING)]);
    let (status, text) = tested(&folder, &[]);
    golden::check("policy_test/passing.txt", &text);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(tested(&folder, &["--strict"]).0, Some(1));
    // The file of tests is no audience file.
    let check = Command::new(env!("CARGO_BIN_EXE_cambio")).arg("check").current_dir(folder.path("")).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
}

#[test]
fn tests_fail_and_say_what_was_decided() {
    let folder = folder(&[("team.test.yml", FAILING), ("back-end-api.test.yaml", PASSING)]);
    let (status, text) = tested(&folder, &["audiences/team.test.yml"]);
    golden::check("policy_test/failing.txt", &text);
    assert_eq!(status, Some(1), "{text}");
    let (status, text) = tested(&folder, &["--output", "junit"]);
    golden::check("policy_test/failing.xml", &text);
    assert_eq!(status, Some(1), "{text}");
}

#[test]
fn what_can_not_be_run_is_neither_passed_nor_failed() {
    for (name, file, text) in [
        ("no test", "tests: []\n", "there is no test in it"),
        ("an unknown key", "test: []\n", "unknown field `test`"),
        (
            "an unknown expectation",
            "tests: [{ name: a, request: {}, expect: { allow: true } }]\n",
            "unknown field `allow`",
        ),
        (
            "no realm of this name",
            "tests: [{ name: a, request: { realm: x }, expect: { allowed: true } }]\n",
            "there is no realm",
        ),
    ] {
        let folder = folder(&[("x.test.yaml", file)]);
        let (status, found) = tested(&folder, &[]);
        assert_eq!(status, Some(2), "{name}: {found}");
        assert!(found.contains(text) && found.contains("x.test.yaml"), "{name}: {found}");
    }
    let (status, found) = tested(&folder(&[]), &[]);
    assert!(status == Some(2) && found.contains("ends in .test.yaml"), "{found}");
}

/// An owner has the audience file and its tests, and nothing of the platform's.
#[test]
fn an_owner_tests_without_the_platforms_file() {
    let folder = Folder::new();
    let foreign = "- { clients: [partner-app], issuers: [partner], issuance: mint, scopes: [email] }\n";
    let audience = AUDIENCE.replace("- { clients: [nobody] }\n", foreign);
    folder.write("audiences/back-end-api.yaml", &audience);
    let partners = "\
- name: a partner's token
  request:
    client: partner-app
    scope: email
    claims: { iss: https://partner.invalid, sub: petra, aud: https://idp.invalid, level: none }
  expect: { allowed: true, issuance: mint, scope: email }
- name: another issuer's
  request: { client: partner-app, claims: { iss: https://other.example.org, aud: https://idp.invalid } }
  expect: { allowed: false, reason: subject_token_issuer_untrusted }
";
    folder.write("audiences/back-end-api.test.yaml", &format!("{PASSING}{partners}"));
    let (status, text) = tested(&folder, &["audiences/back-end-api.test.yaml"]);
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(text.matches("ok  ").count(), 6, "{text}");
    // Named, it must be there.
    let (status, text) = tested(&folder, &["--config", "cambio.yaml", "audiences/back-end-api.test.yaml"]);
    assert_eq!(status, Some(2), "{text}");
    for (name, wrong) in [("realm", "realm: my realm\n"), ("issuer", "")] {
        let audience = if name == "issuer" { audience.replace("[partner]", "['a b']") } else { audience.clone() };
        folder.write("audiences/back-end-api.yaml", &format!("{audience}{wrong}"));
        let (status, text) = tested(&folder, &["audiences/back-end-api.test.yaml"]);
        assert_eq!(status, Some(2), "{name}: {text}");
        assert!(text.contains("--config FILE") && !text.contains("cambio-test-"), "{name}: {text}");
    }
    // The realm that the file names is the stand-in's.
    folder.write("audiences/back-end-api.yaml", &format!("{audience}realm: staff\n"));
    let (status, text) = tested(&folder, &["audiences/back-end-api.test.yaml"]);
    assert_eq!(status, Some(0), "{text}");
}
