mod audience;
mod broken;
mod claims;
mod clients;
mod dialects;
mod foreign;
mod issuance;
mod issuers;
mod main_file;
mod presets;
mod realms;
mod review;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::*;
use crate::judgement::issue::key::{KeyKind, generate};

/// A folder that goes away with the test.
pub(in crate::adapters::config) struct Folder(PathBuf);

impl Folder {
    pub(in crate::adapters::config) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("cambio-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("audiences")).unwrap();
        Self(path)
    }

    pub(in crate::adapters::config) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(in crate::adapters::config) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> &Self {
        fs::write(self.path(name), text).unwrap();
        self
    }

    /// Problems of all files as `name:line:column: key: message` with names relative to the folder.
    pub(super) fn problems(&self) -> Vec<String> {
        let prefix = format!("{}/", self.0.display());
        let problems = match load(&self.path("cambio.yaml"), &TestEnvironment) {
            Ok(config) => config.audience_files.problems(),
            Err(problems) => problems,
        };
        problems.iter().map(|problem| problem.to_string().replace(&prefix, "")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `UPSTREAM`, and a secret that no message may quote.
pub(in crate::adapters::config) struct TestEnvironment;

impl Environment for TestEnvironment {
    fn var(&self, name: &str) -> Option<String> {
        match name {
            "UPSTREAM" => Some("http://127.0.0.1:8180".to_owned()),
            "SECRET" => Some("s3cret: {a: b}".to_owned()),
            _ => None,
        }
    }
}

/// A new private key.
pub(in crate::adapters::config) fn pem() -> String {
    generate(KeyKind::P256).unwrap().expose().to_owned()
}

/// The smallest good `cambio.yaml`.
pub(in crate::adapters::config) const MAIN: &str = "\
upstream: { url: 'http://127.0.0.1:8180' }
listen: { address: '127.0.0.1:8080' }
realms:
  corp:
    issuer: https://sso.example.org/realms/corp
    subjectIssuers: [corp]
";

/// A good audience file.
pub(in crate::adapters::config) const AUDIENCE: &str = "\
audience: back-end-api
owner: payments-team
permissions:
  - clients: [front-end-app]
    scopes: [email]
issuance: forward
";

/// A row: name, text in the good file, what replaces it, and the problems: each a beginning and, after ` … `, a part.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

/// The issuers of the realm of [`MAIN`]: rows replace this text to add to the realm.
const SUBJECTS: &str = "subjectIssuers: [corp]";

/// [`assert_rows`] over [`MAIN`], beside a good audience file.
fn assert_main_rows(rows: &[Row]) {
    assert_rows(rows, MAIN, "cambio.yaml", |folder| {
        folder.write("audiences/a.yaml", AUDIENCE);
    });
}

fn assert_rows(rows: &[Row], good: &str, file: &str, set_up: impl Fn(&Folder)) {
    let mut wrong = Vec::new();
    for (name, find, replace, expected) in rows {
        assert!(good.contains(find), "{name}: {find} is not in the good file");
        let folder = Folder::new();
        set_up(&folder);
        folder.write(file, good.replacen(find, replace, 1));
        let got = folder.problems();
        let fits = |(got, expected): (&String, &&str)| {
            let (start, part) = expected.split_once(" … ").unwrap_or((expected, ""));
            got.strip_prefix(file).unwrap_or(got).starts_with(start) && got.contains(part)
        };
        if got.len() != expected.len() || !got.iter().zip(*expected).all(fits) {
            wrong.push(format!("{name}: got {got:#?}, not {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn good_files_load() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", AUDIENCE);
    // What a mounted ConfigMap brings along, and what people leave behind.
    folder.write("audiences/.hidden.yaml", "{").write("audiences/README.md", "# hello");
    fs::create_dir(folder.path("audiences/..data")).unwrap();
    folder.write("audiences/..data/b.yaml", "{");
    let config = load(&folder.path("cambio.yaml"), &()).unwrap();
    assert_eq!(config.realms["corp"].path, "/realms/corp");
    assert_eq!(config.policy.realms["corp"]["back-end-api"].owner, "payments-team");
    let files: Vec<_> = config.sources.files.keys().cloned().collect();
    assert_eq!(files, [folder.path("audiences/a.yaml"), folder.path("cambio.yaml")]);
    assert_eq!(config.hash, files::sha256(MAIN.as_bytes()));
    let listing = format!("{}  a.yaml\n", files::sha256(AUDIENCE.as_bytes()));
    assert_eq!(config.policy.hash, files::sha256(listing.as_bytes()));
    assert_eq!(config.warnings, []);
}

#[test]
fn all_problems_of_all_files_come_at_once() {
    let folder = Folder::new();
    folder.write(
        "cambio.yaml",
        MAIN.replace("127.0.0.1:8080", "localhost").replace("[corp]", "[corp, nope]\n    leeway: 5m\n    signngKey: x"),
    );
    folder.write("audiences/a.yaml", AUDIENCE.replace("[front-end-app]", "[]").replace("payments-team", "''"));
    folder.write("audiences/b.yaml", AUDIENCE.replace("forward", "forwrd").replace("owner:", "owners:"));
    folder.write("audiences/c.yaml", "audience: [\nowner: x\n");
    folder.write("audiences/d.yaml", AUDIENCE);
    folder.write("audiences/e.yaml", AUDIENCE);
    let got = folder.problems();
    let expected = [
        "audiences/a.yaml:2:8: owner: is empty",
        "audiences/a.yaml:4:14: permissions[0].clients: is empty",
        "audiences/b.yaml:2:1: owners: unknown key; did you mean \"owner\"?",
        "audiences/b.yaml:6:11: issuance: \"forwrd\" is not known; did you mean \"forward\"?",
        "audiences/c.yaml:",
        "audiences/d.yaml:1:11: audience: the realm corp has it in",
        "audiences/e.yaml:1:11: audience: the realm corp has it in",
        "cambio.yaml:2:20: listen.address: \"localhost\" is not an address with a port",
        "cambio.yaml:6:28: realms.corp.subjectIssuers[1]: \"nope\" is neither",
        "cambio.yaml:7:13: realms.corp.leeway: \"5m\" is not between 0s and 60s",
        "cambio.yaml:8:5: realms.corp.signngKey: unknown key; did you mean \"signingKey\"?",
        "cambio.yaml:8:16: realms.corp.signingKey: the file \"x\" can't be read",
    ];
    assert_eq!(got.len(), expected.len(), "{got:#?}");
    for (got, expected) in got.iter().zip(expected) {
        assert!(got.starts_with(expected), "{got:?} is not {expected:?}");
    }
}

#[test]
fn audience_files_are_checked_though_the_main_file_is_broken() {
    let folder = Folder::new();
    folder.write("cambio.yaml", "upstream: [\n");
    folder.write("audiences/a.yaml", AUDIENCE.replace("payments-team", "''"));
    let got = folder.problems();
    assert_eq!(got.len(), 2, "{got:#?}");
    assert!(got[0].starts_with("audiences/a.yaml:2:8: owner: is empty"), "{got:#?}");
}

#[test]
fn the_environment_is_expanded_and_never_quoted() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN.replace("http://127.0.0.1:8180", "${UPSTREAM}"));
    let config = load(&folder.path("cambio.yaml"), &TestEnvironment).unwrap();
    assert_eq!(config.upstream.authority, "127.0.0.1:8180");
    folder.write(
        "cambio.yaml",
        "upstream: { url: '${SECRET}', connectTimeout: '${SECRET}' }\nlisten: { address: '${SECRET}', maxFormBytes: '${SECRET}' }\n\
         log: { format: '${SECRET}' }\nrealms: { corp: { issuer: '${SECRET}', subjectIssuers: ['${SECRET}'] } }\n",
    );
    let got = folder.problems().join("\n");
    assert!(got.contains("must be text or json"), "{got}");
    assert!(!got.contains("s3cret"), "{got}");
    folder.write(
        "cambio.yaml",
        MAIN.replace("http://127.0.0.1:8180", "${SECRET}").replace("127.0.0.1:8080", "${SECRET}")
            + "admin: { address: '${SECRET}' }\naudit: { output: '/nope/${SECRET}' }\nlog: { level: '${SECRET}' }\n",
    );
    let got = folder.problems();
    assert_eq!(got.len(), 5, "{got:#?}");
    assert!(!got.join("\n").contains("s3cret"), "{got:#?}");
}

#[test]
fn a_problem_is_one_line() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN).write("audiences/a.yaml", "\"a\\nb\\e[31m\": 1\n");
    let got = folder.problems();
    assert!(got.iter().all(|problem| !problem.contains(char::is_control)), "{got:#?}");
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = Folder::new();
    folder.write("cambio.yaml", format!("{MAIN}    signingKey: audiences\n"));
    assert!(folder.problems()[0].contains("can't be read: not a regular file"));
    assert!(load(Path::new("/dev/zero"), &()).unwrap_err()[0].message.contains("not a regular file"));
}

#[test]
fn warnings_do_not_stop() {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN.replace("127.0.0.1:8180", "idp:8080") + "    doors: { ciba: open }\n");
    folder.write("audiences/a.yaml", AUDIENCE.replace("[front-end-app]", "[\"*\"]"));
    let config = load(&folder.path("cambio.yaml"), &()).unwrap();
    let warnings: Vec<String> = config.warnings.iter().map(|one| format!("{} {}", one.key, one.message)).collect();
    assert_eq!(
        warnings,
        [
            "permissions[0].clients \"*\": every client",
            "upstream.url tokens and client secrets go to idp without TLS",
            "realms.corp.doors.ciba open: callers can get tokens that no audience's owner has permitted",
        ]
    );
    fs::remove_dir_all(folder.path("audiences")).unwrap();
    let config = load(&folder.path("cambio.yaml"), &()).unwrap();
    assert!(config.warnings.iter().any(|one| one.message.contains("every exchange is refused")));
}

#[test]
fn every_example_loads() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    let mut loaded = 0;
    for example in fs::read_dir(examples).unwrap() {
        let folder = Folder::new();
        copy(&example.unwrap().path(), &folder.path(""));
        let text = fs::read_to_string(folder.path("cambio.yaml")).unwrap();
        // Private keys are no part of an example: its first line to try makes them.
        if text.contains("signingKeys: keys") {
            generate_keys(&folder.path("keys"));
        }
        for secret in ["directory.secret", "introspection.secret"] {
            if text.contains(secret) {
                folder.write(secret, "s3cret");
            }
        }
        if text.contains("seal.key") {
            folder.write("seal.key", format!("{}\n", crate::adapters::seal::generate().unwrap().expose()));
        }
        let got = folder.problems();
        assert!(got.is_empty(), "{got:#?}");
        loaded += 1;
    }
    assert!(loaded > 6);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn generate_keys(folder: &Path) {
    let words = format!("keys generate --type p256 --dir {}", folder.display());
    let arguments = <crate::tools::keys::KeysArguments as clap::Parser>::parse_from(words.split(' '));
    crate::tools::keys::run_at(&arguments, jiff::Timestamp::UNIX_EPOCH, &mut Vec::new(), &mut Vec::new()).unwrap();
}

#[test]
fn the_config_maps_for_kubernetes_load() {
    #[derive(serde::Deserialize)]
    struct ConfigMap {
        data: BTreeMap<String, String>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/cambio.yaml");
    let maps: Vec<ConfigMap> = serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap();
    // Laid out as the Deployment mounts them.
    let folder = Folder::new();
    fs::create_dir(folder.path("platform")).unwrap();
    generate_keys(&folder.path("keys"));
    for (name, text) in maps.into_iter().flat_map(|map| map.data) {
        let mounted = if name == "cambio.yaml" { "platform" } else { "audiences" };
        folder.write(&format!("{mounted}/{name}"), &text);
    }
    let config = load(&folder.path("platform/cambio.yaml"), &TestEnvironment).unwrap();
    assert_eq!((config.policy.realms.len(), config.audience_files.problems()), (1, Vec::new()));
}

#[test]
fn an_alias_bomb_is_defused() {
    let level = |level: u32| {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        format!("a{level}: &a{level} [{items}]\n")
    };
    let bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned() + &(1..9).map(level).collect::<String>();
    let folder = Folder::new();
    folder.write("cambio.yaml", bomb);
    assert_eq!(folder.problems().len(), 1);
    folder.write("cambio.yaml", "[".repeat(100_000));
    assert_eq!(folder.problems().len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read_without_panic(main: Vec<u8>, audience: Vec<u8>) {
        let folder = Folder::new();
        folder.write("cambio.yaml", &main).write("audiences/a.yaml", &audience);
        prop_assert!(!folder.problems().is_empty());
    }

    #[test]
    fn any_damage_of_good_files_is_read_without_panic(
        at in 0..AUDIENCE.len(), cut in 0..20_usize, insert in "[\\[\\]{}:,*&!|>'\"#%@`$ \\n\\ta-z0-9é-]{0,8}",
    ) {
        let folder = Folder::new();
        for (name, good) in [("cambio.yaml", MAIN), ("audiences/a.yaml", AUDIENCE)] {
            let end = (at + cut).min(good.len());
            folder.write(name, format!("{}{insert}{}", &good[..at.min(good.len())], &good[end.max(at.min(good.len()))..]));
        }
        let (result, sources) = attempt(&folder.path("cambio.yaml"), &TestEnvironment, Before { files: &AudienceFiles::default(), unsettled: &BTreeSet::new(), look: None, serving: false });
        prop_assert!(sources.files.contains_key(&folder.path("cambio.yaml")));
        match result {
            Ok(config) => prop_assert!(config.audience_files.broken.iter().all(|file| !file.problems.is_empty())),
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
}
