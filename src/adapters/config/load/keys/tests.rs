use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::adapters::config::load::load;
use crate::adapters::config::load::tests::{AUDIENCE, Folder as Files, MAIN};
use crate::adapters::config::load::{Before, attempt};
use crate::adapters::config::settings::audience_files::AudienceFiles;
use crate::judgement::issue::key::{KeyKind, generate};

/// A name, replacements in the manifest, files with their text, and a part of the problem.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], &'a str);

/// Private keys and what the manifest says of them.
struct Keys {
    pems: Vec<String>,
    kids: Vec<String>,
    jwks: Vec<Value>,
}

fn keys() -> Keys {
    let pems: Vec<String> = [KeyKind::Ed25519, KeyKind::P256, KeyKind::P384]
        .map(|kind| generate(kind).unwrap().expose().to_owned())
        .to_vec();
    let read = |pem: &String| SigningKey::from_pem(pem.as_bytes()).unwrap();
    Keys {
        kids: pems.iter().map(|pem| read(pem).kid().to_owned()).collect(),
        jwks: pems.iter().map(|pem| read(pem).jwk().clone()).collect(),
        pems,
    }
}

/// A folder in order: `n.pem` is next, `a.pem` is active, the third is retired.
fn folder(keys: &Keys) -> (Files, String) {
    let files = Files::new();
    fs::create_dir(files.path("keys")).unwrap();
    let [next, active, old] = [0, 1, 2].map(|at| &keys.kids[at]);
    let manifest = format!(
        "keys:
  - {{ kid: {next:?}, state: next, since: 2026-11-02T08:00:00Z, file: n.pem }}
  - {{ kid: {active:?}, state: active, since: 2026-11-01T08:00:00Z, file: a.pem }}
  - {{ kid: {old:?}, state: retired, since: 2026-11-01T08:00:00Z, jwk: {} }}
",
        keys.jwks[2]
    );
    files.write("cambio.yaml", format!("{MAIN}    signingKeys: ./keys\n"));
    files.write("audiences/a.yaml", AUDIENCE.replace("forward", "reissue"));
    files.write("keys/keys.yaml", &manifest).write("keys/n.pem", &keys.pems[0]);
    files.write("keys/a.pem", &keys.pems[1]);
    for name in ["keys/n.pem", "keys/a.pem"] {
        fs::set_permissions(files.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    (files, manifest)
}

fn shown(files: &Files) -> Vec<String> {
    let prefix = format!("{}/", files.path("").display().to_string().trim_end_matches('/'));
    let loaded = load(&files.path("cambio.yaml"), &());
    let problems = loaded.map_or_else(|problems| problems, |config| config.audience_files.problems());
    problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
}

#[test]
fn a_folder_is_a_ring_and_is_watched() {
    let keys = keys();
    let (files, _) = folder(&keys);
    let config = load(&files.path("cambio.yaml"), &()).unwrap();
    let about_keys = config.warnings.iter().filter(|one| one.key != "realms.corp.directory");
    assert_eq!(about_keys.count(), 0, "{:?}", config.warnings);
    let ring = config.realms["corp"].signing.as_ref().unwrap();
    assert_eq!(ring.active().kid(), keys.kids[1]);
    let states: Vec<_> = ring.all().map(|key| (key.kid, key.state)).collect();
    let expected = [KeyState::Next, KeyState::Active, KeyState::Retired];
    assert_eq!(states, keys.kids.iter().map(String::as_str).zip(expected).collect::<Vec<_>>());
    for name in ["keys/keys.yaml", "keys/n.pem", "keys/a.pem"] {
        assert!(config.sources.files[&files.path(name)].is_some(), "{name}");
    }
    let summary = crate::adapters::config::summary(&config).to_string();
    assert!(keys.kids.iter().all(|kid| summary.contains(kid)) && !summary.contains("PRIVATE"));
    assert!(!format!("{config:?}").contains("PRIVATE"));
}

/// As a Kubernetes secret is mounted: links to links, and readable by all unless told otherwise.
#[test]
fn a_mounted_secret_is_a_folder() {
    let (files, _) = folder(&keys());
    fs::rename(files.path("keys"), files.path("before")).unwrap();
    fs::create_dir(files.path("keys")).unwrap();
    fs::rename(files.path("before"), files.path("keys/..1")).unwrap();
    symlink("..1", files.path("keys/..data")).unwrap();
    for name in ["keys.yaml", "n.pem", "a.pem"] {
        symlink(format!("..data/{name}"), files.path("keys").join(name)).unwrap();
    }
    fs::set_permissions(files.path("keys/..1/a.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    let config = load(&files.path("cambio.yaml"), &()).unwrap();
    let about_keys = config.warnings.iter().filter(|one| one.key != "realms.corp.directory");
    let warnings: Vec<String> = about_keys.map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("keys.yaml:3:") && warnings[0].contains("can be read by every user"));

    // A link out of the folder is not read.
    for name in ["a.pem", "keys.yaml"] {
        let link = files.path("keys").join(name);
        fs::rename(files.path("keys/..1").join(name), files.path(name)).unwrap();
        fs::remove_file(&link).unwrap();
        symlink(files.path(name), &link).unwrap();
        let problems = load(&files.path("cambio.yaml"), &()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].message.contains("a link to a file outside of its folder"), "{problems:#?}");
        fs::remove_file(&link).unwrap();
        fs::rename(files.path(name), &link).unwrap();
    }
}

#[test]
fn what_is_not_in_order_is_named_with_its_place() {
    let keys = keys();
    let [next, active, old] = [0, 1, 2].map(|at| keys.kids[at].as_str());
    let another = generate(KeyKind::P256).unwrap();
    let (strange, jwk) = (another.expose(), keys.jwks[0].to_string());
    let own = keys.jwks[2].to_string();
    let private = own.replace("\"kty\"", "\"d\":\"AAAA\",\"kty\"");
    let encryption = own.replace("\"sig\"", "\"enc\"");
    let cases: &[Case<'_>] = &[
        ("none active", &[("active", "retired")], &[], "keys/keys.yaml:2:3: keys: no key is active"),
        ("two active", &[("next", "active")], &[], "keys.yaml:2:3: keys: 2 keys are active"),
        ("two next", &[("active", "next")], &[], "keys.yaml:2:3: keys: 2 keys are next"),
        ("a kid twice", &[(active, next)], &[], "keys.yaml:3:12: keys[1].kid: "),
        ("another key's file", &[], &[("a.pem", strange)], "keys.yaml:3:12: keys[1].kid: "),
        ("no such file", &[("a.pem", "b.pem")], &[], "keys[1].file: the file \"b.pem\" can't be read"),
        ("a path", &[("a.pem", "../a.pem")], &[], "keys[1].file: \"../a.pem\" must be the name of a file"),
        ("no PEM", &[], &[("n.pem", "x")], "keys[0].file: the file \"n.pem\" holds no PEM private key"),
        ("no file", &[(", file: a.pem", "")], &[], "keys[1].file: is missing"),
        ("a time without zone", &[("08:00:00Z", "08:00:00")], &[], "keys[0].since: \"2026-11-02T08:00:00\" is no"),
        ("unknown state", &[("next", "nxt")], &[], "keys[0].state: \"nxt\" is not known; did you mean \"next\"?"),
        ("unknown key", &[("since", "sinse")], &[], "keys[0].sinse: unknown key; did you mean \"since\"?"),
        ("another key's half", &[(&own, &jwk)], &[], "keys[2].jwk: does not fit the kid"),
        ("no half", &[(", jwk: ", " } #")], &[], "keys[2].jwk: is missing"),
        ("a private half", &[(&own, &private)], &[], "keys[2].jwk.d: unknown key"),
        ("for encryption", &[(&own, &encryption)], &[], "keys[2].jwk: can't be used to verify signatures"),
        ("a retired file", &[(", jwk", ", file: o.pem, jwk")], &[], "keys[2].file: a retired key does not sign"),
        ("a half of an active key", &[(", file: a.pem", ", file: a.pem, jwk: {}")], &[], "keys[1].jwk"),
        ("no YAML", &[("keys:", "keys: [")], &[], "keys/keys.yaml:"),
        ("empty", &[("keys:", "keys: [] #")], &[], "keys/keys.yaml:"),
    ];
    for (name, edits, writes, expected) in cases {
        let (files, mut manifest) = folder(&keys);
        for (old, new) in *edits {
            assert!(manifest.contains(old), "{name}");
            manifest = manifest.replacen(old, new, 1);
        }
        files.write("keys/keys.yaml", &manifest);
        for (file, text) in *writes {
            files.write(&format!("keys/{file}"), text);
        }
        let got = shown(&files);
        assert!(got.iter().any(|problem| problem.contains(expected)), "{name}: {got:#?}");
        assert!(!got.join("\n").contains("AAAA"), "{name}");
    }
    assert_ne!(next, old);
}

#[test]
fn the_realm_says_which_keys_it_has() {
    let keys = keys();
    for (name, line, expected) in [
        ("one file", "signingKey: keys/a.pem", None),
        ("a folder", "signingKeys: keys/", None),
        (
            "both",
            "signingKey: keys/a.pem\n    signingKeys: keys",
            Some(": realms.corp.signingKeys: is given together with"),
        ),
        ("none", "jwks: {}", Some("issuance: reissue needs a key that the realm does not have")),
        ("no folder", "signingKeys: nowhere", Some("\"nowhere\" has no keys.yaml: `cambio keys generate --dir`")),
        ("a folder without a manifest", "signingKeys: audiences", Some("\"audiences\" has no keys.yaml")),
        ("a file for a folder", "signingKeys: keys/a.pem", Some("\"keys/a.pem\" has no keys.yaml")),
        ("a folder for a file", "signingKey: keys", Some("the file \"keys\" can't be read: not a regular file")),
        ("no name", "signingKey: ''", Some("realms.corp.signingKey: names no file")),
        ("no folder's name", "signingKeys: ''", Some("realms.corp.signingKeys: the folder \"\" has no")),
    ] {
        let (files, _) = folder(&keys);
        files.write("cambio.yaml", format!("{MAIN}    {line}\n"));
        match (shown(&files).as_slice(), expected) {
            ([], None) => {}
            ([one], Some(part)) => assert!(one.contains(part), "{name}: {one}"),
            (got, _) => panic!("{name}: {got:#?}"),
        }
    }
}

/// Also a folder that Cambio's user may not read; the tests' user may read everything.
#[test]
fn a_manifest_that_cannot_be_read_is_not_missing() {
    let files = Files::new();
    files.write("cambio.yaml", format!("{MAIN}    signingKeys: looped\n"));
    std::fs::create_dir(files.path("looped")).unwrap();
    std::os::unix::fs::symlink("keys.yaml", files.path("looped/keys.yaml")).unwrap();
    let [problem] = shown(&files).try_into().unwrap();
    for part in ["keys.yaml in the folder \"looped\" can't be read (", "the user that Cambio runs as"] {
        assert!(problem.contains(part), "{part}: {problem}");
    }
}

/// A folder that comes later is noticed: its manifest is watched before it is there.
#[test]
fn a_missing_manifest_is_watched() {
    let files = Files::new();
    files.write("cambio.yaml", format!("{MAIN}    signingKeys: later\n"));
    let (_, sources) = attempt(
        &files.path("cambio.yaml"),
        &(),
        Before {
            files: &AudienceFiles::default(),
            unsettled: &std::collections::BTreeSet::new(),
            look: None,
            serving: false,
        },
    );
    assert_eq!(sources.files.get(&files.path("later/keys.yaml")), Some(&None));
}

#[test]
fn one_file_is_looked_at() {
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    let good = generate(KeyKind::P256).unwrap();
    for (name, text, expected) in [
        ("good", good.expose().to_owned(), None),
        ("no key in it", pem("PRIVATE KEY"), Some("can't be used: no valid private key of type RSA (2048")),
        ("two", format!("{0}{0}", good.expose()), Some("can't be used: not exactly one PEM private key")),
        ("public", pem("PUBLIC KEY"), Some("holds no PEM private key")),
        ("encrypted", pem("ENCRYPTED PRIVATE KEY"), Some("holds an encrypted private key")),
        ("empty", String::new(), Some("holds no PEM private key")),
    ] {
        let files = Files::new();
        files.write("cambio.yaml", format!("{MAIN}    signingKey: corp.pem\n")).write("corp.pem", text);
        match (shown(&files).as_slice(), expected) {
            ([], None) => {
                let config = load(&files.path("cambio.yaml"), &()).unwrap();
                assert!(config.sources.files.contains_key(&files.path("corp.pem")), "{name}");
            }
            ([one], Some(part)) => assert!(one.contains(part) && !one.contains("AAAA"), "{name}: {one}"),
            (got, _) => panic!("{name}: {got:#?}"),
        }
    }
}

#[test]
fn two_realms_need_two_keys() {
    let keys = keys();
    let (files, _) = folder(&keys);
    let second = "  b: { issuer: 'https://a/realms/b', subjectIssuers: [b], signingKey: ./b.pem }\n";
    files.write("cambio.yaml", format!("{MAIN}    signingKeys: keys\n{second}")).write("b.pem", &keys.pems[0]);
    files.write("audiences/a.yaml", format!("realm: corp\n{AUDIENCE}"));
    let got = shown(&files);
    assert_eq!(got.len(), 1, "{got:#?}");
    let expected = format!("has the key {}, which the realm b has, too: each realm needs its own", keys.kids[0]);
    assert!(got[0].contains(&expected) && got[0].contains("corp.signingKeys"), "{got:#?}");
    files.write("b.pem", generate(KeyKind::P256).unwrap().expose());
    assert_eq!(shown(&files), [""; 0]);
}
