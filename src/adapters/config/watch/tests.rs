use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::adapters::config::load::tests::{AUDIENCE, Folder, MAIN, TestEnvironment, pem};
use crate::adapters::config::load::{Before, attempt, load};
use crate::adapters::config::settings::audience_files::AudienceFiles;
use crate::words::clock::Clock;

fn watched(folder: &Folder) -> ConfigWatch {
    let path = folder.path("cambio.yaml");
    ConfigWatch::new(&load(&path, &TestEnvironment).unwrap(), &path, WatchPace::SERVE)
}

/// Looks after everything has been quiet for long enough.
fn sees(watch: &mut ConfigWatch) -> bool {
    let changed = watch.look(now()).is_some();
    if changed || watch.pause() == WatchPace::SERVE.interval {
        return changed;
    }
    age(watch);
    watch.look(now()).is_some()
}

fn now() -> Timestamp {
    Clock::System.now()
}

fn age(watch: &mut ConfigWatch) {
    for seen in watch.seen.values_mut() {
        seen.since -= WatchPace::SERVE.quiet;
    }
}

#[test]
fn sees_contents_and_folder() {
    let folder = Folder::new();
    folder.write("cambio.yaml", format!("{MAIN}    signingKey: corp.pem\n"));
    folder.write("corp.pem", pem()).write("audiences/a.yaml", AUDIENCE);
    let mut watch = watched(&folder);
    assert!(!sees(&mut watch), "nothing");
    folder.write("audiences/a.yaml", AUDIENCE);
    assert!(!sees(&mut watch), "the same bytes written again");
    folder.write("audiences/a.yaml", AUDIENCE.replace("email", "profile"));
    assert!(sees(&mut watch), "audience changed");
    folder.write("audiences/b.yaml", AUDIENCE);
    assert!(sees(&mut watch), "audience added");
    fs::remove_file(folder.path("audiences/b.yaml")).unwrap();
    assert!(sees(&mut watch), "audience removed");
    folder.write("audiences/.b.yaml", AUDIENCE);
    assert!(!sees(&mut watch), "hidden file");
    folder.write("corp.pem", pem());
    assert!(sees(&mut watch), "key changed");
    folder.write("cambio.yaml", MAIN);
    assert!(sees(&mut watch), "main file changed");
    assert!(!sees(&mut watch), "nothing again");
}

/// Reading a pipe or `/dev/zero` would not end. A file that can't be read is watched until it can.
#[test]
fn sees_that_a_broken_file_is_mended() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE);
    let mut watch = watched(&folder);
    let path = folder.path("audiences/b.yaml");
    for (name, make) in BROKEN {
        make(&path);
        assert!(sees(&mut watch), "{name} comes");
        assert!(!sees(&mut watch), "{name} stays");
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        folder.write("audiences/b.yaml", AUDIENCE);
        assert!(sees(&mut watch), "{name} is mended");
        fs::remove_file(&path).unwrap();
        assert!(sees(&mut watch), "{name} goes");
    }
}

/// A name, and what makes the file.
type Kind = (&'static str, fn(&Path));

/// What is no file, and files that are too large.
const BROKEN: &[Kind] = &[
    ("a pipe", |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success())),
    ("a link to /dev/zero", |path| symlink("/dev/zero", path).unwrap()),
    ("a link that leads nowhere", |path| symlink("nowhere", path).unwrap()),
    ("a link to itself", |path| symlink(path, path).unwrap()),
    ("a folder", |path| fs::create_dir(path).unwrap()),
    ("a large file", |path| fs::write(path, vec![b'#'; (1 << 20) + 1]).unwrap()),
];

#[test]
fn a_change_between_reading_and_watching_counts() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE);
    let mut watch = watched(&folder);
    folder.write("audiences/a.yaml", AUDIENCE.replace("email", "profile"));
    assert!(sees(&mut watch));
}

#[test]
fn a_file_may_be_missing_for_a_moment() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE);
    let mut watch = watched(&folder);
    fs::remove_file(folder.path("cambio.yaml")).unwrap();
    assert!(!sees(&mut watch));
    folder.write("cambio.yaml", MAIN);
    assert!(!sees(&mut watch), "back as it was");
    fs::remove_file(folder.path("cambio.yaml")).unwrap();
    assert!(!sees(&mut watch) && !sees(&mut watch));
    assert!(sees(&mut watch), "missing for good");
    folder.write("cambio.yaml", MAIN);
    assert!(sees(&mut watch), "back");
}

#[test]
fn sees_the_swap_of_a_config_map() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN);
    let audiences = folder.path("audiences");
    for (version, text) in [("..1", AUDIENCE.to_owned()), ("..2", AUDIENCE.replace("email", "profile"))] {
        fs::create_dir(audiences.join(version)).unwrap();
        fs::write(audiences.join(version).join("a.yaml"), text).unwrap();
    }
    symlink("..1", audiences.join("..data")).unwrap();
    symlink("..data/a.yaml", audiences.join("a.yaml")).unwrap();
    let mut watch = watched(&folder);
    assert!(!sees(&mut watch));
    symlink("..2", audiences.join("..data_tmp")).unwrap();
    fs::rename(audiences.join("..data_tmp"), audiences.join("..data")).unwrap();
    assert!(sees(&mut watch));
    assert!(!sees(&mut watch));
}

#[test]
fn follows_the_files_of_a_failed_attempt() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN);
    let mut watch = watched(&folder);
    folder.write("cambio.yaml", format!("{MAIN}    signingKey: corp.pem\n"));
    assert!(sees(&mut watch));
    let (outcome, sources) = attempt(
        &folder.path("cambio.yaml"),
        &TestEnvironment,
        Before { files: &AudienceFiles::default(), unsettled: &BTreeSet::new(), look: None, serving: false },
    );
    assert!(outcome.is_err());
    watch.follow(sources);
    assert!(!sees(&mut watch));
    folder.write("corp.pem", pem());
    assert!(sees(&mut watch));
}

/// Somebody writes a file bit by bit: no half of it counts, and another team's change does not wait.
#[test]
fn a_file_counts_when_nobody_writes_to_it_any_more() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE).write("audiences/b.yaml", AUDIENCE);
    let mut watch = watched(&folder);
    assert!(!sees(&mut watch));
    folder.write("audiences/a.yaml", &AUDIENCE[..40]);
    assert_eq!(watch.look(now()), None, "half of a.yaml");
    assert_eq!(watch.pause(), WatchPace::SERVE.short_interval);
    folder.write("audiences/a.yaml", AUDIENCE.replace("email", "profile"));
    assert_eq!(watch.look(now()), None, "another stamp");
    assert!(sees(&mut watch), "a second later");
    assert_eq!(watch.look(now()), None);
    assert_eq!(watch.pause(), WatchPace::SERVE.interval);
    // A removal counts at once, and so does a change that is a second old.
    folder.write("audiences/a.yaml", &AUDIENCE[..50]);
    fs::remove_file(folder.path("audiences/b.yaml")).unwrap();
    assert_eq!(watch.look(now()), Some(BTreeSet::from([folder.path("audiences/a.yaml")])));
    assert!(sees(&mut watch), "a.yaml in its turn");
    // The platform's file must be complete before anything is read with it.
    folder.write("audiences/b.yaml", AUDIENCE);
    assert!(sees(&mut watch));
    fs::remove_file(folder.path("audiences/b.yaml")).unwrap();
    folder.write("cambio.yaml", "upstream:\n");
    assert_eq!(watch.look(now()), None);
    assert!(sees(&mut watch));
}

/// From the moment right after a look, over the pauses that the watch chooses.
#[test]
fn a_permission_that_is_taken_away_is_gone_within_two_seconds() {
    let changes: [Change; 2] = [
        ("the file changes", |folder| {
            folder.write("audiences/a.yaml", AUDIENCE.replace("email", "profile"));
        }),
        ("the file goes", |folder| fs::remove_file(folder.path("audiences/a.yaml")).unwrap()),
    ];
    for (name, change) in changes {
        let folder = Folder::new();
        folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE);
        let mut watch = watched(&folder);
        assert_eq!(watch.look(now()), None, "{name}");
        let (began, mut passed) = (now(), watch.pause());
        change(&folder);
        while watch.look(began + passed).is_none() {
            passed += watch.pause();
        }
        assert!(passed < Duration::from_secs(2), "{name}: {passed:?}");
    }
}

/// Each file has a wait of its own: what others write, however often, starts no wait anew.
#[test]
fn a_change_does_not_wait_for_those_who_write_elsewhere() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE).write("audiences/b.yaml", AUDIENCE);
    let mut watch = watched(&folder);
    folder.write("audiences/a.yaml", AUDIENCE.replace("email", "profile"));
    for count in 0..3 {
        folder.write("audiences/b.yaml", format!("# {count}"));
        assert_eq!(watch.look(now()), None, "{count}");
    }
    age(&mut watch);
    folder.write("audiences/b.yaml", "# more");
    assert_eq!(watch.look(now()), Some(BTreeSet::from([folder.path("audiences/b.yaml")])));
}

/// A look at files that did not change reads none of them.
#[test]
fn unchanged_files_are_not_read() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE);
    let mut watch = watched(&folder);
    assert!(!sees(&mut watch));
    // A change within the file system's unit of time might leave the stamp as it is.
    assert!(watch.seen.values().all(|seen| !seen.sure), "the files are new");
    for seen in watch.seen.values_mut() {
        seen.sure = true;
        seen.hash = Some("as it was".to_owned());
    }
    let hashes: BTreeSet<_> = watch.read(now()).into_values().collect();
    assert_eq!(hashes, BTreeSet::from([Some("as it was".to_owned())]));
    folder.write("audiences/a.yaml", AUDIENCE.replace("email", "profile"));
    assert_ne!(watch.read(now())[&folder.path("audiences/a.yaml")], Some("as it was".to_owned()));
}

#[test]
fn sees_folders_in_the_folder() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN);
    fs::create_dir_all(folder.path("audiences/team/back")).unwrap();
    let mut watch = watched(&folder);
    folder.write("audiences/team/back/a.yaml", AUDIENCE);
    assert!(sees(&mut watch), "a file comes");
    assert!(!sees(&mut watch));
    fs::remove_dir_all(folder.path("audiences/team")).unwrap();
    assert!(sees(&mut watch), "the folder goes");
    fs::create_dir_all(folder.path("audiences/.team")).unwrap();
    folder.write("audiences/.team/a.yaml", AUDIENCE);
    assert!(!sees(&mut watch), "a hidden folder");
}

/// A name, and what changes.
type Change = (&'static str, fn(&Folder));

/// At rest, a look asks for the stamps alone; whatever changes them is seen.
#[test]
fn a_look_at_rest_sees_every_change() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("audiences/team")).unwrap();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE).write("audiences/team/b.yaml", AUDIENCE);
    let mut watch = watched(&folder);
    let later = || now() + jiff::SignedDuration::from_secs(10);
    assert_eq!(watch.look(later()), None);
    assert!(watch.is_even && watch.is_as_seen(), "nothing changed");
    let changes: [Change; 5] = [
        ("a file changes", |folder| {
            folder.write("audiences/a.yaml", AUDIENCE.replace("email", "profile"));
        }),
        ("a file comes", |folder| {
            folder.write("audiences/c.yaml", AUDIENCE);
        }),
        ("a file goes", |folder| fs::remove_file(folder.path("audiences/c.yaml")).unwrap()),
        ("a file takes another's place", |folder| {
            fs::rename(folder.path("audiences/a.yaml"), folder.path("audiences/d.yaml")).unwrap();
        }),
        ("the platform's file changes", |folder| {
            folder.write("cambio.yaml", format!("{MAIN}# another\n"));
        }),
    ];
    for (name, change) in changes {
        change(&folder);
        assert!(!watch.is_as_seen(), "{name}");
        assert!(watch.look(later()).is_some(), "{name}");
        assert_eq!(watch.look(later()), None, "{name}");
        assert!(watch.is_even && watch.is_as_seen(), "{name}");
    }
}
