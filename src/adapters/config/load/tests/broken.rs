//! A mistake in an audience file harms that audience alone.

use std::os::unix::fs::symlink;
use std::sync::Arc;

use super::*;
use crate::adapters::config::settings::audience_files::BrokenAudienceFile;
use crate::judgement::policy::model::{Audience, RealmPolicy};
use crate::words::oauth::names::Names;

/// [`MAIN`] with a key, so that every issuance but for those that need more is possible.
fn main_file() -> String {
    format!("{MAIN}    signingKey: corp.pem\n")
}

/// A good file of another team.
pub(super) fn file(audience: &str, resource: &str, client: &str) -> String {
    format!(
        "audience: {audience}\nowner: {audience}-team\nissuance: forward\nresources: ['https://{resource}']\n\
         permissions: [{{ clients: [{client}] }}]\n"
    )
}

/// A folder, and the configuration that was loaded from it last.
pub(super) struct Installation {
    pub(super) folder: Folder,
    pub(super) loaded: Config,
}

impl Installation {
    /// Loads these audience files as at a start.
    pub(super) fn start(files: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        folder.write("cambio.yaml", main_file()).write("corp.pem", pem());
        for (name, text) in files {
            folder.write(&format!("audiences/{name}"), text);
        }
        let loaded = load(&folder.path("cambio.yaml"), &()).unwrap();
        Self { folder, loaded }
    }

    /// Writes files, removes those without text, and loads again.
    pub(super) fn change(&mut self, files: &[(&str, &str)]) -> &mut Self {
        for (name, text) in files {
            let _ = fs::remove_file(self.folder.path(&format!("audiences/{name}")));
            if !text.is_empty() {
                self.folder.write(&format!("audiences/{name}"), text);
            }
        }
        self.reload()
    }

    pub(super) fn reload(&mut self) -> &mut Self {
        self.reload_but(&[])
    }

    /// [`Installation::reload`], while somebody writes to some files.
    fn reload_but(&mut self, unsettled: &[&str]) -> &mut Self {
        let unsettled = unsettled.iter().map(|name| self.folder.path(&format!("audiences/{name}"))).collect();
        let before = Before { files: &self.loaded.audience_files, unsettled: &unsettled, look: None, serving: false };
        let (loaded, _) = attempt(&self.folder.path("cambio.yaml"), &(), before);
        self.loaded = loaded.unwrap();
        self
    }

    fn audiences(&self) -> RealmPolicy {
        self.loaded.policy.realms.get("corp").cloned().unwrap_or_default()
    }

    /// The audiences in force, each with its only client: `a:x b:y`.
    pub(super) fn in_force(&self) -> String {
        let shown = |(name, audience): (&String, &Arc<Audience>)| {
            let Some(Names::Listed(clients)) = audience.permissions.first().map(|one| &one.clients) else {
                return format!("{name}:nobody");
            };
            format!("{name}:{}", clients.iter().cloned().collect::<Vec<_>>().join(","))
        };
        self.audiences().iter().map(shown).collect::<Vec<_>>().join(" ")
    }

    /// The broken files, each with `+` if its last good version is in force: `a.yaml+ b.yaml`.
    pub(super) fn broken(&self) -> String {
        let shown = |file: &BrokenAudienceFile| {
            let name = file.path.file_name().unwrap().to_string_lossy().into_owned();
            name + if file.kept { "+" } else { "" }
        };
        self.loaded.audience_files.broken.iter().map(shown).collect::<Vec<_>>().join(" ")
    }
}

/// Name, text of z.yaml, the beginning of its problem, and the audience and owner that can be read.
type Kind = (&'static str, &'static str, &'static str, Option<&'static str>, Option<&'static str>);

const KINDS: &[Kind] = &[
    ("unknown key", "audience: z\nowner: t\nfoo: 1\n", "3:1: foo: unknown key", Some("z"), Some("t")),
    ("no YAML", "audience: z\nowner: t\na: [\n", "3:4: unclosed bracket", Some("z"), Some("t")),
    ("no YAML, and no name", "a: [\n", "1:4: unclosed bracket", None, None),
    ("a name in what is no YAML", "a: [\naudience: [z\nowner: t\n", "", None, Some("t")),
    (
        "bad CEL",
        "audience: z\nowner: t\npermissions: [{ clients: [x], condition: 'claims.' }]\n",
        "3:42: permissions[0].condition: does not compile",
        Some("z"),
        Some("t"),
    ),
    (
        "deep CEL",
        "audience: z\nowner: t\npermissions: [{ clients: [x], condition: '!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!(((true' }]\n",
        "3:42: permissions[0].condition: does not compile",
        Some("z"),
        Some("t"),
    ),
    ("no owner", "audience: z\npermissions: []\n", "1:1: owner: is missing", Some("z"), None),
    ("an empty owner", "audience: z\nowner: ' '\n", "2:8: owner: is empty", Some("z"), None),
    ("no audience", "owner: t\n", "1:1: audience: is missing", None, Some("t")),
    ("another type", "audience: [z]\nowner: { a: t }\n", "1:11: audience: must be text", None, None),
    ("a list", "- audience: z\n", "1:1: must be a mapping", None, None),
    ("empty", "\n", "", None, None),
    ("only a comment", "# audience: z\n", "", None, None),
    ("two documents", "audience: z\nowner: t\n---\naudience: y\n", "", Some("z"), Some("t")),
    (
        "a key twice",
        "audience: z\nowner: t\nowner: u\n",
        "3:1: owner: is given twice, first in line 2",
        Some("z"),
        Some("t"),
    ),
    ("the environment", "audience: z\nowner: ${SECRET}\n", "2:8: owner: ", Some("z"), Some("${SECRET}")),
    (
        "an unknown realm",
        "audience: z\nowner: t\nrealm: nope\n",
        "3:8: realm: \"nope\" is not a realm",
        Some("z"),
        Some("t"),
    ),
    (
        "an unknown issuer",
        "audience: z\nowner: t\nissuance: forward\npermissions: [{ clients: [x], issuers: [nope] }]\n",
        "4:41: permissions[0].issuers[0]: \"nope\" is not among",
        Some("z"),
        Some("t"),
    ),
    (
        "what the realm does not have",
        "audience: z\nowner: t\nissuance: mint\nroles: { source: directory }\n",
        "4:18: roles.source: set realms.corp.directory",
        Some("z"),
        Some("t"),
    ),
    (
        "a resource twice",
        "audience: z\nowner: t\nissuance: forward\nresources: ['https://z', 'https://z']\n",
        "4:26: resources[1]: \"https://z\" is listed twice",
        Some("z"),
        Some("t"),
    ),
    (
        "a refresh token that nobody renews",
        "audience: z\nowner: t\nissuance: forward\npermissions: [{ clients: [x], requestedTokens: [refresh_token] }]\n",
        "4:",
        Some("z"),
        Some("t"),
    ),
];

#[test]
fn a_broken_file_harms_nobody_else() {
    for &(name, text, problem, audience, owner) in KINDS {
        let good = file("a", "a", "x");
        let mut installation = Installation::start(&[("a.yaml", &good), ("z.yaml", text)]);
        let check = |installation: &Installation, how: &str| {
            let [broken] = &installation.loaded.audience_files.broken[..] else { panic!("{name}, {how}: not broken") };
            let shown = broken.problems[0].to_string();
            let path = format!("{}:{problem}", installation.folder.path("audiences/z.yaml").display());
            assert!(shown.starts_with(&path), "{name}, {how}: {shown}");
            let names = (broken.names.audience.as_deref(), broken.names.owner.as_deref());
            assert_eq!((names, broken.kept), ((audience, owner), false), "{name}, {how}");
        };
        check(&installation, "at the start");
        assert_eq!(installation.in_force(), "a:x", "{name}");
        // A change of another file takes effect.
        installation.change(&[("a.yaml", &file("a", "a", "y"))]);
        check(&installation, "after a reload");
        assert_eq!(installation.in_force(), "a:y", "{name}");
        // Mended, and broken again: the last good version stays.
        installation.change(&[("z.yaml", &file("z", "z", "x"))]);
        assert_eq!((installation.in_force(), installation.broken()), ("a:y z:x".into(), String::new()), "{name}");
        installation.change(&[("z.yaml", text), ("a.yaml", &file("a", "a", "x"))]);
        assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), "z.yaml+".into()), "{name}");
        installation.reload();
        assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), "z.yaml+".into()), "{name}");
        // Removed, its permissions go at once.
        installation.change(&[("z.yaml", "")]);
        assert_eq!((installation.in_force(), installation.broken()), ("a:x".into(), String::new()), "{name}");
        // No last good version comes back.
        installation.change(&[("z.yaml", text)]);
        assert_eq!((installation.in_force(), installation.broken()), ("a:x".into(), "z.yaml".into()), "{name}");
    }
}

/// A file that can't be read: its last good version stays, unless nothing is there.
#[test]
fn what_is_no_file_harms_nobody_else() {
    type Row = (&'static str, fn(&Path), &'static str, bool);
    let rows: &[Row] = &[
        (
            "a pipe",
            |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()),
            "not a regular file",
            true,
        ),
        ("a folder", |path| fs::create_dir(path).unwrap(), "not a regular file", true),
        (
            "a link to /dev/zero",
            |path| symlink("/dev/zero", path).unwrap(),
            "is a link to a file outside of its folder",
            true,
        ),
        (
            "a link to another folder",
            |path| symlink("../cambio.yaml", path).unwrap(),
            "is a link to a file outside of its folder",
            true,
        ),
        ("a link to itself", |path| symlink(path, path).unwrap(), "can't be read", true),
        ("no UTF-8", |path| fs::write(path, b"\xff\xfe\0\0").unwrap(), "not UTF-8", true),
        ("too large", |path| fs::write(path, vec![b'#'; (1 << 20) + 1]).unwrap(), "larger than 1 MiB", true),
        ("a link that leads nowhere", |path| symlink("nowhere", path).unwrap(), "No such file", false),
        ("a link through a file", |path| symlink("a.yaml/z", path).unwrap(), "Not a directory", false),
    ];
    for &(name, make, problem, kept) in rows {
        let (a, z) = (file("a", "a", "x"), file("z", "z", "x"));
        let mut installation = Installation::start(&[("a.yaml", &a), ("z.yaml", &z)]);
        fs::remove_file(installation.folder.path("audiences/z.yaml")).unwrap();
        make(&installation.folder.path("audiences/z.yaml"));
        installation.change(&[("a.yaml", &file("a", "a", "y"))]);
        let expected = if kept { "a:y z:x" } else { "a:y" };
        assert_eq!(installation.in_force(), expected, "{name}");
        let [broken] = &installation.loaded.audience_files.broken[..] else { panic!("{name}: not broken") };
        assert!(broken.problems[0].message.contains(problem), "{name}: {:?}", broken.problems);
        assert_eq!((broken.kept, broken.names.owner.as_deref()), (kept, Some("z-team")), "{name}");
        // A start knows nothing of it.
        let started = load(&installation.folder.path("cambio.yaml"), &()).unwrap();
        assert_eq!(started.policy.realms["corp"].keys().collect::<Vec<_>>(), ["a"], "{name}");
        assert_eq!(started.audience_files.broken[0].names.audience, None, "{name}");
    }
}

/// An issuance that the realm has no key for.
#[test]
fn an_issuance_without_a_key_stops_its_audience() {
    let mut installation = Installation::start(&[
        ("a.yaml", &file("a", "a", "x")),
        ("z.yaml", &file("z", "z", "x").replace("forward", "reissue")),
    ]);
    assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), String::new()));
    installation.folder.write("cambio.yaml", MAIN);
    installation.reload();
    assert_eq!((installation.in_force(), installation.broken()), ("a:x".into(), "z.yaml".into()));
    assert!(installation.loaded.audience_files.broken[0].text().contains("needs a key that the realm does not have"));
}

/// The platform's file decides what a last good version may refer to.
#[test]
fn the_last_good_version_fits_the_platforms_file() {
    let trusting = main_file().replace("[corp]", "[corp, partner]")
        + "issuers: { partner: { issuer: { url: 'https://p.example', audiences: ['https://sso.example.org'] } } }\n";
    let foreign =
        file("z", "z", "x").replace("forward", "translate").replace("clients:", "issuers: [partner], clients:");
    let mut installation = Installation::start(&[("a.yaml", &file("a", "a", "x"))]);
    installation.folder.write("cambio.yaml", &trusting);
    installation.change(&[("z.yaml", &foreign)]);
    assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), String::new()));
    installation.change(&[("z.yaml", &format!("{foreign}foo: 1\n"))]);
    assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), "z.yaml+".into()));
    // The issuer goes: neither the file nor its last good version is in force.
    installation.folder.write("cambio.yaml", main_file());
    installation.reload();
    assert_eq!((installation.in_force(), installation.broken()), ("a:x".into(), "z.yaml".into()));
    let told = installation.loaded.audience_files.broken[0].text();
    assert!(told.contains("foo: unknown key"), "{told}");
    assert!(
        told.contains("its last good version does not fit cambio.yaml any more: \"partner\" is not among"),
        "{told}"
    );
    assert_eq!(installation.loaded.policy.broken.0[0].names.audience.as_deref(), Some("z"));
    // What was not in force when the issuer came back does not come back by itself.
    installation.folder.write("cambio.yaml", &trusting);
    installation.reload();
    assert_eq!((installation.in_force(), installation.broken()), ("a:x".into(), "z.yaml".into()));
    installation.change(&[("z.yaml", &foreign)]);
    assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), String::new()));
    // A good file that refers to what is gone is broken for as long.
    installation.folder.write("cambio.yaml", main_file());
    installation.reload();
    assert_eq!((installation.in_force(), installation.broken()), ("a:x".into(), "z.yaml".into()));
    assert_eq!(installation.loaded.audience_files.broken[0].problems.len(), 1);
    installation.folder.write("cambio.yaml", &trusting);
    installation.reload();
    assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), String::new()));
}

/// The hash names the versions in force, so that an audit line shows which of them decided.
#[test]
fn the_hash_is_of_what_is_in_force() {
    let (a, z) = (file("a", "a", "x"), file("z", "z", "x"));
    let mut installation = Installation::start(&[("a.yaml", &a), ("z.yaml", &z)]);
    let both = installation.loaded.policy.hash.clone();
    installation.change(&[("z.yaml", "a: [\n")]);
    assert_eq!(installation.loaded.policy.hash, both);
    let started = load(&installation.folder.path("cambio.yaml"), &()).unwrap();
    assert_eq!(started.policy.hash, files::sha256(format!("{}  a.yaml\n", files::sha256(a.as_bytes())).as_bytes()));
}

#[test]
fn a_file_with_many_problems_is_told_briefly() {
    let many: String = (0..1000).fold(String::new(), |text, n| text + &format!("key{n}: 1\n"));
    let mut installation = Installation::start(&[("z.yaml", &many)]);
    assert_eq!(installation.folder.problems().len(), 1002);
    installation.loaded.audience_files.abridge();
    let broken = &installation.loaded.audience_files.broken[0];
    assert_eq!((broken.problems.len(), broken.more), (10, 992));
    assert!(broken.text().ends_with("; and 992 more problems"), "{}", broken.text());
    // Neither does the file hide what is wrong with the platform's, or fill the log with it.
    installation.folder.write("cambio.yaml", "upstream: [\n");
    let mut problems = load(&installation.folder.path("cambio.yaml"), &()).unwrap_err();
    Problem::abridge(&mut problems);
    assert!(problems.len() == 11 && problems[10].file.ends_with("cambio.yaml"), "{problems:#?}");
}

#[test]
fn the_platforms_file_is_no_audience_file() {
    let folder = Folder::new();
    folder.write("audiences/cambio.yaml", format!("{MAIN}audiences: .\n"));
    let problems = load(&folder.path("audiences/cambio.yaml"), &()).unwrap_err();
    assert!(
        problems.iter().any(|one| one.key == "audiences" && one.message.contains("has this file among")),
        "{problems:#?}"
    );
}

/// What somebody still writes to stays as it was.
#[test]
fn half_written_files_do_not_count() {
    let (a, z) = (file("a", "a", "x"), file("z", "z", "x"));
    let mut installation = Installation::start(&[("a.yaml", &a), ("z.yaml", &z)]);
    let hash = installation.loaded.policy.hash.clone();
    installation.folder.write("audiences/z.yaml", file("z", "z", "y")).write("audiences/new.yaml", file("n", "n", "x"));
    installation.reload_but(&["z.yaml", "new.yaml"]);
    assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), String::new()));
    assert_eq!(installation.loaded.policy.hash, hash);
    installation.folder.write("audiences/a.yaml", file("a", "a", "y"));
    assert_eq!(installation.reload_but(&["z.yaml", "new.yaml"]).in_force(), "a:y z:x");
    assert_eq!(installation.reload().in_force(), "a:y n:x z:y");
}

/// Whoever mends a broken file keeps what the file claims.
#[test]
fn nobody_takes_the_audience_of_a_file_that_is_being_mended() {
    let other = file("payments", "b", "evil");
    let mut installation =
        Installation::start(&[("a.yaml", "audience: payments\nowner: a\na: [\n"), ("b.yaml", &other)]);
    assert_eq!((installation.in_force(), installation.broken()), (String::new(), "a.yaml b.yaml".into()));
    installation.folder.write("audiences/a.yaml", file("payments", "a", "x"));
    installation.folder.write("audiences/c.yaml", file("c", "c", "x"));
    installation.reload_but(&["a.yaml"]);
    assert_eq!((installation.in_force(), installation.broken()), ("c:x".into(), "a.yaml b.yaml".into()));
    // Now both claim it, and none had it.
    installation.reload();
    assert_eq!((installation.in_force(), installation.broken()), ("c:x".into(), "a.yaml b.yaml".into()));
    assert_eq!(installation.change(&[("b.yaml", "")]).in_force(), "c:x payments:x");
}

/// A writer that pauses: the end of the document says that the file is complete.
#[test]
fn a_file_with_an_end_keeps_it() {
    for end in ["...", "...\n", "\n...\r\n\n"] {
        let (a, z) = (file("a", "a", "x"), format!("{}{end}", file("z", "z", "x")));
        let mut installation = Installation::start(&[("a.yaml", &a), ("z.yaml", &z)]);
        assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), String::new()), "{end:?}");
        installation.change(&[("z.yaml", &file("z", "z", "y"))]);
        assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), "z.yaml+".into()), "{end:?}");
        assert!(installation.loaded.audience_files.broken[0].text().contains("without `...`"));
        installation.change(&[("z.yaml", &format!("{}...\n", file("z", "z", "y")))]);
        assert_eq!((installation.in_force(), installation.broken()), ("a:x z:y".into(), String::new()), "{end:?}");
    }
    // Others need none.
    let mut installation = Installation::start(&[("a.yaml", &file("a...", "a", "x"))]);
    installation.change(&[("a.yaml", &file("a", "a", "y"))]);
    assert_eq!((installation.in_force(), installation.broken()), ("a:y".into(), String::new()));
}

/// Whoever takes the folder away has made a mistake; whoever takes a file away has not.
#[test]
fn a_folder_that_vanishes_is_no_removal_of_its_files() {
    let mut installation = Installation::start(&[("a.yaml", &file("a", "a", "x"))]);
    fs::rename(installation.folder.path("audiences"), installation.folder.path("away")).unwrap();
    let before =
        Before { files: &installation.loaded.audience_files, unsettled: &BTreeSet::new(), look: None, serving: false };
    let problems = attempt(&installation.folder.path("cambio.yaml"), &(), before).0.unwrap_err();
    assert!(problems[0].message.ends_with("which had audience files, is gone"), "{problems:?}");
    fs::rename(installation.folder.path("away"), installation.folder.path("audiences")).unwrap();
    assert_eq!(installation.reload().in_force(), "a:x");
    assert_eq!(installation.change(&[("a.yaml", "")]).in_force(), "");
}

/// Each team may have a folder.
#[test]
fn folders_in_the_folder_have_files_too() {
    let (a, z) = (file("a", "a", "x"), file("z", "z", "x"));
    let mut installation = Installation::start(&[("a.yaml", &a)]);
    fs::create_dir_all(installation.folder.path("audiences/team/..v1")).unwrap();
    installation.change(&[("team/..v1/z.yaml", &z)]);
    assert_eq!(installation.in_force(), "a:x", "a version of a ConfigMap is hidden");
    symlink("..v1/z.yaml", installation.folder.path("audiences/team/z.yaml")).unwrap();
    assert_eq!((installation.reload().in_force(), installation.broken()), ("a:x z:x".into(), String::new()));
    let listing: String = [("a.yaml", &a), ("team/z.yaml", &z)]
        .iter()
        .fold(String::new(), |text, (name, file)| text + &format!("{}  {name}\n", files::sha256(file.as_bytes())));
    assert_eq!(installation.loaded.policy.hash, files::sha256(listing.as_bytes()));
    symlink("../team", installation.folder.path("audiences/link")).unwrap();
    assert_eq!(installation.reload().in_force(), "a:x z:x", "links to folders are not followed");
    installation.change(&[("team/z.yaml", "audience: z\n")]);
    assert_eq!((installation.in_force(), installation.broken()), ("a:x z:x".into(), "z.yaml+".into()));
}

/// A reload checks what changed, and nothing else: the others are the same in memory.
#[test]
fn unchanged_files_are_not_checked_again() {
    let (a, z) = (file("a", "a", "x"), file("z", "z", "x"));
    let mut installation = Installation::start(&[("a.yaml", &a), ("z.yaml", &z)]);
    let before = installation.audiences();
    installation.change(&[("z.yaml", &file("z", "z", "y"))]);
    let now = installation.audiences();
    assert!(Arc::ptr_eq(&before["a"], &now["a"]));
    assert!(!Arc::ptr_eq(&before["z"], &now["z"]));
    installation.folder.write("cambio.yaml", format!("{}# another\n", main_file()));
    assert!(!Arc::ptr_eq(&now["a"], &installation.reload().audiences()["a"]), "cambio.yaml changed");
}
