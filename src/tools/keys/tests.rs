use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use jiff::SignedDuration;
use serde_json::Value;

use super::*;
use crate::adapters::config::load::keys::{FolderKey, read as read_folder};
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::issue::ring::KeyState;
use crate::tools::keys::folder::{FolderChange, LockedFolder, NewKey};

const AT: Timestamp = Timestamp::constant(1_793_606_400, 0);

/// A folder that goes away with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("cambio-keys-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn keys(&self) -> PathBuf {
        self.0.join("keys/corp")
    }

    /// Runs a command on the folder of keys, this many minutes after [`AT`].
    fn run(&self, minutes: i64, words: &str) -> Result<String, KeysError> {
        let words = format!("{words} --dir {}", self.keys().display());
        let (result, output, notes) = call_at(AT + SignedDuration::from_mins(minutes), &words);
        result.map(|()| output + &notes)
    }

    fn read(&self) -> Vec<FolderKey> {
        read_folder(&self.keys()).unwrap().keys
    }

    fn states(&self) -> Vec<(String, KeyState)> {
        self.read().into_iter().map(|key| (key.kid, key.state)).collect()
    }

    fn private_keys(&self) -> usize {
        let names = std::fs::read_dir(self.keys()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".pem")).count()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn call_at(now: Timestamp, words: &str) -> (Result<(), KeysError>, String, String) {
    let (mut output, mut notes) = (Vec::new(), Vec::new());
    let arguments = KeysArguments::parse_from(["keys"].into_iter().chain(words.split_whitespace()));
    let result = run_at(&arguments, now, &mut output, &mut notes);
    (result, String::from_utf8(output).unwrap(), String::from_utf8(notes).unwrap())
}

#[test]
fn without_a_file_the_key_is_all_of_the_output() {
    for (kind, algorithm) in [("rsa", "RS256"), ("p256", "ES256"), ("p384", "ES384"), ("ed25519", "EdDSA")] {
        let (result, output, notes) = call_at(AT, &format!("generate --type {kind}"));
        result.unwrap();
        let key = SigningKey::from_pem(output.as_bytes()).unwrap();
        assert_eq!(key.jwk()["alg"], algorithm);
        assert_eq!(notes, format!("{}\nkid {}\n", key.jwk(), key.kid()));
        assert!(!notes.contains("PRIVATE"));
    }
}

#[test]
fn a_file_is_private_and_never_overwritten() {
    let place = Place::new();
    let path = place.0.join("corp.pem");
    let words = format!("generate --type=p256 --out {}", path.display());
    let (result, output, _) = call_at(AT, &words);
    result.unwrap();
    let written = std::fs::read(&path).unwrap();
    assert_eq!(output, format!("{}\n", SigningKey::from_pem(&written).unwrap().jwk()));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(call_at(AT, &words).0, Err(KeysError::Exists(_))));
    assert_eq!(std::fs::read(&path).unwrap(), written);
}

#[test]
fn a_folder_lives() {
    let place = Place::new();
    place.run(0, "generate --type p256").unwrap();
    let [(second, KeyState::Next), (first, KeyState::Active)] = &place.states()[..] else { panic!() };
    assert_eq!(place.private_keys(), 2);
    for entry in std::fs::read_dir(place.keys()).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(matches!(place.run(1, "generate"), Err(KeysError::NextIsThere(kid)) if kid == *second));

    // Resource servers do not have it yet.
    let early = place.run(9, "rotate").unwrap_err();
    assert!(early.to_string().contains("may not have it before 2026-11-02T08:10:00Z"), "{early}");
    assert!(matches!(place.run(29, "rotate --min-published 30m"), Err(KeysError::TooYoung { .. })));
    assert!(matches!(place.run(-1, "rotate --min-published 0s"), Err(KeysError::TooYoung { .. })));
    assert_eq!(place.private_keys(), 2);

    place.run(10, "rotate").unwrap();
    let [(third, KeyState::Next), active, retired] = &place.states()[..] else { panic!() };
    assert_eq!(active, &(second.clone(), KeyState::Active));
    assert_eq!(retired, &(first.clone(), KeyState::Retired));
    assert_eq!(place.private_keys(), 2, "the retired private key is gone");
    assert_eq!(place.read()[0].jwk["alg"], "ES256", "the kind stays");

    place.run(10, "rotate --now --type ed25519").unwrap();
    assert_eq!(place.read()[0].jwk["alg"], "EdDSA");
    assert_eq!(place.states()[1..].iter().map(|(kid, _)| kid).collect::<Vec<_>>(), [third, second, first]);

    // Its algorithm is new, and some resource servers read the algorithms only when they start.
    let early = place.run(10 + 24 * 60 - 1, "rotate").unwrap_err().to_string();
    assert!(early.contains("signs with EdDSA") && early.contains("from 2026-11-03T08:10:00Z on"), "{early}");
    assert!(matches!(place.run(11, "rotate --min-published 30m"), Err(KeysError::TooYoung { .. })));

    // A day later the first two have no tokens left.
    let text = place.run(10 + 24 * 60 + 1, "rotate").unwrap();
    assert!(text.contains(&format!("dropped {first}: its last token has expired")), "{text}");
    assert!(text.contains("refuse EdDSA if they were started before 2026-11-02T08:10:00Z"), "{text}");
    assert_eq!(
        place.states().iter().map(|(_, state)| *state).collect::<Vec<_>>(),
        [KeyState::Next, KeyState::Active, KeyState::Retired]
    );
    assert!(!text.contains("PRIVATE"));
}

#[test]
fn a_folder_without_a_next_key_gets_one() {
    let place = Place::new();
    place.run(0, "generate --type p256").unwrap();
    let folder = LockedFolder::existing(&place.keys()).unwrap();
    let keys = folder.keys().unwrap().into_iter().filter(|key| key.state == KeyState::Active).collect();
    folder.apply(FolderChange { write: Vec::new(), keys }).unwrap();
    drop(folder);
    assert_eq!(place.private_keys(), 1);
    assert!(matches!(place.run(60, "rotate"), Err(KeysError::NextIsMissing)));
    place.run(60, "generate --type p384").unwrap();
    assert_eq!(place.read()[0].since, AT + SignedDuration::from_hours(1));
    assert_eq!(place.private_keys(), 2);
}

#[test]
fn list_says_what_is_public() {
    let place = Place::new();
    place.run(0, "generate --type p256").unwrap();
    place.run(10, "rotate").unwrap();
    let kids: Vec<String> = place.states().into_iter().map(|(kid, _)| kid).collect();
    let expected = format!(
        "KID                                          ALG    STATE    SINCE                 PUBLISHED UNTIL
{}  ES256  next     2026-11-02T08:10:00Z  -
{}  ES256  active   2026-11-02T08:10:00Z  -
{}  ES256  retired  2026-11-02T08:10:00Z  2026-11-03T08:11:00Z
",
        kids[0], kids[1], kids[2]
    );
    assert_eq!(place.run(11, "list").unwrap(), expected);
    let json: Value = serde_json::from_str(&place.run(11, "list --json").unwrap()).unwrap();
    assert_eq!(json[0]["kid"], kids[0].as_str());
    assert_eq!(
        json[2],
        serde_json::json!({
            "kid": kids[2],
            "alg": "ES256",
            "state": "retired",
            "since": "2026-11-02T08:10:00Z",
            "until": "2026-11-03T08:11:00Z",
        })
    );
    let later = AT + SignedDuration::new(20 * 60, 1);
    let words = format!("rotate --dir {}", place.keys().display());
    assert!(call_at(later, &words).1.contains("active   2026-11-02T08:20:01Z  -\n"), "whole seconds");
    assert!(matches!(call_at(AT, "list --dir /nowhere").0, Err(KeysError::Folder(_))));
}

/// kill -9 between any two steps, and in the middle of writing the draft.
#[test]
fn a_crash_leaves_a_folder_that_loads() {
    let change = |folder: &LockedFolder| {
        let rotated =
            crate::tools::keys::commands::rotated(folder.keys().unwrap(), Some(SignedDuration::MIN), AT).unwrap();
        let new = NewKey::make(KeyKind::P256, KeyState::Next, AT).unwrap();
        let mut keys = rotated.keys;
        keys.push(new.key.clone());
        folder.steps(FolderChange { write: vec![new], keys }).unwrap()
    };
    for crash in 0..=4 {
        let place = Place::new();
        place.run(0, "generate --type p256").unwrap();
        let before = place.states();
        let folder = LockedFolder::existing(&place.keys()).unwrap();
        let steps = change(&folder);
        assert_eq!(steps.len(), 4);
        for step in steps.into_iter().take(crash) {
            folder.step(step).unwrap();
        }
        if crash == 2 {
            std::fs::write(place.keys().join(".keys.yaml.new"), "keys: [{ ki").unwrap();
        }
        drop(folder);
        assert_eq!(place.states() == before, crash < 3, "after {crash} steps");
        place.run(20, "rotate").unwrap_or_else(|error| panic!("after {crash} steps: {error}"));
        assert_eq!(place.private_keys(), 2, "after {crash} steps: what was left behind is gone");
        assert!(!place.keys().join(".keys.yaml.new").exists(), "after {crash} steps");
    }
}

#[test]
fn files_of_others_stay() {
    let place = Place::new();
    place.run(0, "generate --type p256").unwrap();
    for name in ["notes.txt", "key-old.pem", "corp.pem"] {
        std::fs::write(place.keys().join(name), "x").unwrap();
    }
    place.run(20, "rotate").unwrap();
    for name in ["notes.txt", "key-old.pem", "corp.pem"] {
        assert!(place.keys().join(name).exists(), "{name}");
    }
}

#[test]
fn two_at_a_time_are_one_too_many() {
    let place = Place::new();
    place.run(0, "generate --type p256").unwrap();
    let first = LockedFolder::existing(&place.keys()).unwrap();
    assert!(matches!(place.run(20, "rotate"), Err(KeysError::Busy(_))));
    place.run(20, "list").unwrap();
    drop(first);
    place.run(20, "rotate").unwrap();
}

#[test]
fn a_broken_folder_is_not_changed() {
    let place = Place::new();
    place.run(0, "generate --type p256").unwrap();
    let next = place.read()[0].file.clone().unwrap();
    std::fs::write(place.keys().join(next), generate(KeyKind::P256).unwrap().expose()).unwrap();
    let manifest = |path: &Path| std::fs::read(path.join("keys.yaml")).unwrap();
    let before = manifest(&place.keys());
    for words in ["rotate --now", "generate", "list"] {
        let error = place.run(20, words).unwrap_err();
        assert!(error.to_string().contains("keys.yaml:3:10: keys[0].kid: "), "{words}: {error}");
    }
    assert_eq!(manifest(&place.keys()), before);
}
