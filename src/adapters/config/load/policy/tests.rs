use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::adapters::config::load::tests::{Folder, MAIN, TestEnvironment, pem};
use crate::adapters::config::load::{attempt, document, environment::Environment, load};
use crate::adapters::config::settings::Sources;
use crate::adapters::config::watch::{ConfigWatch, Look, WatchPace};
use crate::words::clock::Clock;

fn audience(name: usize, client: &str) -> String {
    format!(
        "audience: a{name}\nowner: t{name}\nresources: ['https://a{name}']\npermissions: [{{ clients: [{client}, \"c{name}\"], scopes: [email] }}]\n"
    )
}

/// Some hundred files, some of which are broken or claim what another has.
fn large() -> Folder {
    let folder = Folder::new();
    folder.write("cambio.yaml", format!("{MAIN}    signingKey: corp.pem\n")).write("corp.pem", pem());
    for number in 0..300 {
        let text = match number % 50 {
            7 => "audience: [\n".to_owned(),
            8 => audience(number - 2, "x"),
            9 => audience(number, "x") + "foo: 1\n",
            _ => audience(number, "x"),
        };
        std::fs::create_dir_all(folder.path(&format!("audiences/team-{}", number % 3))).unwrap();
        folder.write(&format!("audiences/team-{}/{number:03}.yaml", number % 3), text);
    }
    folder
}

fn again(folder: &Folder, last: &Config, look: Option<&Look>) -> (Result<Config, Vec<Problem>>, Sources) {
    let before = Before { files: &last.audience_files, unsettled: &BTreeSet::new(), look, serving: true };
    attempt(&folder.path("cambio.yaml"), &TestEnvironment, before)
}

fn loaded(folder: &Folder) -> Config {
    load(&folder.path("cambio.yaml"), &TestEnvironment).unwrap()
}

/// What an audience's clients are.
fn clients(config: &Config, audience: &str) -> String {
    let audience = config.policy.realms.get("corp").and_then(|realm| realm.get(audience));
    audience.map_or_else(|| "nobody".to_owned(), |audience| format!("{:?}", audience.permissions[0].clients))
}

#[test]
fn several_threads_load_what_one_loads() {
    let folder = large();
    let none = AudienceFiles::default();
    let read = |serving| {
        let before = Before { files: &none, unsettled: &BTreeSet::new(), look: None, serving };
        let (config, sources) = attempt(&folder.path("cambio.yaml"), &TestEnvironment, before);
        (config.unwrap(), sources)
    };
    let ((all, sources), (one, sources_of_one)) = (read(false), read(true));
    assert_eq!(all.policy.hash, one.policy.hash);
    assert_eq!(all.audience_files, one.audience_files);
    assert_eq!(all.audience_files.broken.len(), 24, "6 of each of: no YAML, claimed twice (both files), unknown key");
    assert_eq!(all.warnings, one.warnings);
    assert_eq!(sources, sources_of_one);
    assert_eq!(sources.files.len(), 302);
    for name in all.policy.realms["corp"].keys() {
        assert_eq!(clients(&all, name), clients(&one, name));
    }
}

/// Thousands of permissions list the same few names.
#[test]
fn equal_sets_of_names_are_one() {
    let folder = large();
    let config = loaded(&folder);
    let mut scopes = config.policy.realms["corp"].values().map(|audience| match &audience.permissions[0].scopes {
        crate::words::oauth::names::Names::Listed(names) => Arc::as_ptr(names),
        crate::words::oauth::names::Names::Any => panic!("any scope"),
    });
    let distinct: BTreeSet<_> = scopes.by_ref().collect();
    let cores = std::thread::available_parallelism().unwrap().get();
    assert!(distinct.len() <= cores, "{} sets", distinct.len());
}

/// The load puts in force what the look saw, and not what somebody wrote a moment later.
#[test]
fn a_change_after_the_look_waits_for_the_next_look() {
    let folder = large();
    let (first, path) = (loaded(&folder), folder.path("cambio.yaml"));
    let mut watch = ConfigWatch::new(&first, &path, WatchPace::SERVE);
    // Old enough to count at once.
    let later = || Clock::System.now() + jiff::SignedDuration::from_secs(10);
    folder.write("audiences/team-0/000.yaml", audience(0, "seen"));
    assert_eq!(watch.look(later()), Some(BTreeSet::new()));
    folder.write("audiences/team-1/001.yaml", audience(1, "after"));
    folder.write("audiences/team-0/new.yaml", audience(900, "after"));
    std::fs::remove_file(folder.path("audiences/team-2/002.yaml")).unwrap();
    let (second, sources) = again(&folder, &first, Some(watch.seen_last()));
    let second = second.unwrap();
    assert!(clients(&second, "a0").contains("seen"));
    assert_eq!(clients(&second, "a1"), clients(&first, "a1"));
    assert_eq!(clients(&second, "a900"), "nobody");
    assert_eq!(clients(&second, "a2"), "nobody", "a removal may count at once");
    assert!(!watch.was_overtaken(&sources));
    watch.follow(sources);
    assert_eq!(watch.look(later()), Some(BTreeSet::new()));
    let (third, sources) = again(&folder, &second, Some(watch.seen_last()));
    let third = third.unwrap();
    assert!(clients(&third, "a1").contains("after") && clients(&third, "a900").contains("after"));
    watch.follow(sources);
    assert_eq!(watch.look(later()), None);
}

#[test]
fn a_file_of_the_platform_that_changed_after_the_look_postpones_the_load() {
    let folder = large();
    let (first, path) = (loaded(&folder), folder.path("cambio.yaml"));
    let good = std::fs::read_to_string(&path).unwrap();
    let mut watch = ConfigWatch::new(&first, &path, WatchPace::SERVE);
    let later = || Clock::System.now() + jiff::SignedDuration::from_secs(10);
    folder.write("cambio.yaml", format!("{good}# seen\n"));
    assert_eq!(watch.look(later()), Some(BTreeSet::new()));
    folder.write("cambio.yaml", format!("{good}# half"));
    let (_, sources) = again(&folder, &first, Some(watch.seen_last()));
    assert!(watch.was_overtaken(&sources));
    watch.look_again();
    // Even if the file is as the look saw it, the change was not loaded yet.
    folder.write("cambio.yaml", format!("{good}# seen\n"));
    assert_eq!(watch.look(later()), Some(BTreeSet::new()));
    let (_, sources) = again(&folder, &first, Some(watch.seen_last()));
    assert!(!watch.was_overtaken(&sources));
    watch.follow(sources);
    assert_eq!(watch.look(later()), None);
}

/// The look did not see that folder, so the load reads whatever is there.
#[test]
fn another_folder_of_audience_files_is_read_at_once() {
    let folder = large();
    let (first, path) = (loaded(&folder), folder.path("cambio.yaml"));
    let mut watch = ConfigWatch::new(&first, &path, WatchPace::SERVE);
    std::fs::rename(folder.path("audiences"), folder.path("others")).unwrap();
    std::fs::create_dir(folder.path("audiences")).unwrap();
    folder.write("cambio.yaml", format!("{}audiences: others\n", std::fs::read_to_string(&path).unwrap()));
    assert!(watch.look(Clock::System.now() + jiff::SignedDuration::from_secs(10)).is_some());
    let (second, _) = again(&folder, &first, Some(watch.seen_last()));
    assert_eq!(second.unwrap().policy.realms["corp"].len(), first.policy.realms["corp"].len());
}

/// Its files are not removed: nobody knows what is there.
#[test]
fn the_files_of_a_folder_that_cannot_be_listed_stay_in_force() {
    let folder = large();
    let first = loaded(&folder);
    let (path, audiences) = (folder.path("cambio.yaml"), folder.path("audiences"));
    let report = ProblemList::below(&folder.path(""));
    let read =
        document::read::<file::Config>(&path, &schema::config(), Some(&TestEnvironment as &dyn Environment), &report);
    let document = read.ok().unwrap();
    let main = Main { realms: Some(&document.file.realms), issuers: Some(&first.issuers) };
    let schema = schema::audience();
    let none = BTreeSet::new();
    let before = Before { files: &first.audience_files, unsettled: &none, look: None, serving: true };
    let ground = Ground::new(&audiences, main, &schema, before, Some(first.hash.as_str()));
    let listing = files::Listing { files: Vec::new(), hidden: vec![folder.path("audiences/team-0")] };
    assert!(listing.hides(&folder.path("audiences/team-0/000.yaml")));
    assert!(!listing.hides(&folder.path("audiences/team-00/000.yaml")));
    let files = read_all(&ground, listing.sorted(&audiences), true, &report);
    let is_in_force = |path: &PathBuf| files.iter().any(|file| file.path == *path && file.version().is_some());
    let of_team = |path: &&PathBuf| path.starts_with(folder.path("audiences/team-0"));
    let before: Vec<_> = first.audience_files.in_force.keys().filter(of_team).collect();
    assert!(before.len() > 80 && before.into_iter().all(is_in_force));
    let shown: Vec<_> = files.iter().filter(|file| file.path == folder.path("audiences/team-0")).collect();
    assert!(shown[0].problems[0].message.starts_with("the folder can't be read"), "{:?}", shown[0].problems);
}

/// Behind `endpoints` there is no `directory`.
#[test]
fn no_advice_is_about_what_endpoints_refuse() {
    let realm = "    signingKey: corp.pem\n    endpoints: { token: /token, jwks: /jwks }\n";
    for (name, rules, expected) in [
        ("roles", "permissions: [{ clients: [x] }]\nroles: { source: directory }\n", "write `source: token`"),
        (
            "refresh tokens",
            "permissions: [{ clients: [x], requestedTokens: [refresh_token] }]\n",
            "give the foreign issuers a permission of their own",
        ),
        (
            "impersonation",
            "permissions: [{ clients: [x], impersonation: { who: claims.vip, whom: requested.vip } }]\n",
            "remove impersonation",
        ),
    ] {
        let folder = Folder::new();
        folder.write("cambio.yaml", format!("{MAIN}{realm}")).write("corp.pem", pem());
        folder.write("audiences/a.yaml", format!("audience: a\nowner: t\nissuance: mint\n{rules}"));
        let problems: Vec<_> = loaded(&folder).audience_files.problems().iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|one| one.contains(expected)), "{name}: {problems:#?}");
        let advises = |one: &String| ["realms.corp.directory", "source: directory"].iter().any(|key| one.contains(key));
        assert!(!problems.iter().any(advises), "{name}: {problems:#?}");
    }
}
