//! The command line of the built binary: help, wrong arguments, completions and manual pages.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::files::Folder;

/// Every command and its options, but for `--help`.
#[rustfmt::skip]
const COMMANDS: &[(&str, &[&str])] = &[
    ("serve", &["--config"]),
    ("check", &["--config", "--online", "--output"]),
    ("doctor", &["--config", "--output"]),
    ("diff", &["--output"]),
    ("replay", &["--config", "--at", "--output"]),
    ("schema", &["--markdown"]),
    ("verify", &["--config", "--issuer", "--client", "--jwks", "--iss", "--aud", "--alg", "--jws", "--at", "--claims"]),
    ("conformance", &[
        "--token-endpoint", "--host", "--client-id", "--client-secret-file", "--client-auth",
        "--subject-token-file", "--subject-token-command", "--subject-token-type",
        "--actor-token-file", "--actor-token-command", "--actor-token-type",
        "--second-actor-token-file", "--second-actor-token-command", "--second-actor-token-type",
        "--expired-actor-token-file", "--expired-actor-token-command", "--expired-actor-token-type",
        "--may-act-token-file", "--may-act-token-command", "--may-act-token-type",
        "--other-may-act-token-file", "--other-may-act-token-command", "--other-may-act-token-type",
        "--empty-may-act-token-file", "--empty-may-act-token-command", "--empty-may-act-token-type",
        "--malformed-may-act-token-file", "--malformed-may-act-token-command", "--malformed-may-act-token-type",
        "--expired-subject-token-file", "--expired-subject-token-command", "--expired-subject-token-type",
        "--early-subject-token-file", "--early-subject-token-command", "--early-subject-token-type",
        "--revoked-subject-token-file", "--revoked-subject-token-command", "--revoked-subject-token-type",
        "--untrusted-subject-token-file", "--untrusted-subject-token-command", "--untrusted-subject-token-type",
        "--id-token-file", "--id-token-command", "--id-token-type",
        "--audience", "--resource", "--scope", "--unknown-audience", "--issuer", "--jwks-url",
        "--introspection-endpoint", "--introspection-client-id", "--introspection-client-secret-file",
        "--ca", "--insecure", "--format", "--only", "--strict", "--timeout",
    ]),
    ("explain", &[
        "--config", "--realm", "--client", "--audience", "--resource", "--scope", "--claims", "--actor-claims",
        "--subject-token-type", "--requested-token-type", "--request", "--id", "--audit-log", "--at", "--output",
    ]),
    ("test", &["--config", "--strict", "--at", "--output"]),
    ("keys", &[]),
    ("keys generate", &["--type", "--out", "--dir"]),
    ("keys list", &["--dir", "--json"]),
    ("learn", &["--out", "--realm", "--owner", "--force"]),
    ("keys rotate", &["--dir", "--type", "--min-published", "--now"]),
    ("seal-key", &["--out"]),
    ("client-secret", &["--argon2id"]),
    ("migrate", &[]),
    ("migrate keycloak", &["--out", "--realm", "--owner", "--report", "--force"]),
    ("demo", &["--once"]),
    ("completions", &[]),
    ("man", &["--dir"]),
];

fn cambio(line: &str) -> Output {
    let line: Vec<_> = line.split_whitespace().collect();
    cambio_in(Path::new("."), &line, &[])
}

fn cambio_in(folder: &Path, line: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cambio"));
    command.args(line).current_dir(folder).stdin(Stdio::null()).env_clear();
    command.envs(environment.iter().copied()).output().unwrap()
}

/// The exit status, standard output and standard error.
fn said(output: &Output) -> (i32, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// The words with which the lines of a section of a help text begin.
fn section<'h>(help: &'h str, title: &str) -> BTreeSet<&'h str> {
    let lines = help.lines().skip_while(|line| *line != title).skip(1).take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next()).collect()
}

#[test]
fn the_help_of_every_command_names_every_option() {
    for (command, options) in COMMANDS {
        let output = cambio(&format!("{command} --help"));
        let (status, help, err) = said(&output);
        assert_eq!((status, err), (0, ""), "{command}");
        assert!(help.contains("Usage: cambio "), "{command}: {help}");
        let named: BTreeSet<&str> = help
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("-c, ").or(Some(line.trim_start())))
            .filter(|line| line.starts_with("--"))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(named, options.iter().copied().collect(), "{command}");
        let long: Vec<_> = help.lines().filter(|line| line.chars().count() > 120).collect();
        assert!(long.is_empty(), "{command}: {long:?}");
        let short = cambio(&format!("{command} -h"));
        assert_eq!(said(&short).0, 0, "{command} -h");
        let named = cambio(&format!("help {command}"));
        assert_eq!(said(&named).1, help, "help {command}");
    }
}

#[test]
fn the_table_of_commands_is_complete() {
    let names = |parent: &str| -> BTreeSet<String> {
        let output = cambio(&format!("{parent} --help"));
        let mut names = section(said(&output).1, "Commands:");
        names.remove("help");
        names.into_iter().map(|name| format!("{parent} {name}").trim_start().to_owned()).collect()
    };
    let all: BTreeSet<String> = ["", "keys", "migrate"].into_iter().flat_map(names).collect();
    assert_eq!(all, COMMANDS.iter().map(|(command, _)| (*command).to_owned()).collect());
}

#[test]
fn the_readme_names_every_command() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for (command, _) in COMMANDS.iter().filter(|(command, _)| !command.starts_with("keys ")) {
        let row = format!("| `{command}");
        assert!(page.lines().any(|line| line.starts_with(&row)), "no row for {command}");
    }
}

#[test]
fn help_and_version_are_no_errors_and_no_command_is_one() {
    let version = cambio("--version");
    assert_eq!(said(&version), (0, concat!("cambio ", env!("CARGO_PKG_VERSION"), "\n"), ""));
    assert_eq!(cambio("-V"), version);
    let help = cambio("--help");
    assert_eq!(said(&help).0, 0);
    assert_eq!(cambio("help"), help);
    let nothing = cambio("");
    assert_eq!(said(&nothing), (2, "", said(&help).1));
}

#[test]
fn wrong_arguments_are_status_2_and_named() {
    for (line, named) in [
        ("sevre", "'sevre'"),
        ("serve x", "'x'"),
        ("serve --confg x", "'--confg'"),
        ("check --config", "'--config <FILE>'"),
        ("check --markdown", "'--markdown'"),
        ("diff a.yaml", "<NEW>"),
        ("diff a.yaml b.yaml c.yaml", "'c.yaml'"),
        ("diff a.yaml b.yaml --output xml", "'xml' for '--output <FORMAT>'"),
        ("schema realm", "'realm'"),
        ("schema --json", "'--json'"),
        ("verify token", "'token'"),
        ("verify --jwks a --config b", "'--config <FILE>'"),
        ("verify --jwks a --issuer b", "'--issuer <NAME>'"),
        ("verify --jwks a --client b", "'--client <ID>'"),
        ("verify --aud a", "--jwks <FILE>"),
        ("verify --iss a", "--jwks <FILE>"),
        ("verify --alg RS256", "--jwks <FILE>"),
        ("verify --jws", "--jwks <FILE>"),
        ("verify --jwks a --jws --iss b", "'--iss <ISS>'"),
        ("verify --jwks a --jws --claims", "'--claims'"),
        ("verify --jwks a --jws --at 2027-01-31T12:00:00Z", "'--at <TIME>'"),
        ("verify --jwks a --alg RS256,HS256", "'HS256' for '--alg <LIST>': not supported: there are RS256, "),
        ("verify --at now", "'now' for '--at <TIME>'"),
        ("conformance --client-id x", "--token-endpoint <URL>"),
        ("conformance --token-endpoint http://a/", "--client-id <ID>"),
        ("conformance --token-endpoint ftp://a/ --client-id x", "'ftp://a/' for '--token-endpoint <URL>'"),
        ("conformance --client-id x --client-id y", "'--client-id <ID>'"),
        ("conformance --client-auth jwt", "'jwt' for '--client-auth <METHOD>'"),
        ("conformance --format xml", "'xml' for '--format <FORMAT>'"),
        ("conformance --timeout 0", "'0' for '--timeout <SECONDS>'"),
        ("conformance --ca a --insecure", "'--insecure'"),
        ("conformance --introspection-client-secret-file a", "--introspection-client-id <ID>"),
        ("conformance --actor-token-file a --actor-token-command b", "'--actor-token-command <COMMAND>'"),
        ("conformance --subject-token a", "'--subject-token'"),
        ("keys", "generate"),
        ("keys revoke --dir x", "'revoke'"),
        ("keys generate generate", "'generate'"),
        ("keys generate --type rsa1024", "'rsa1024' for '--type <TYPE>'"),
        ("keys generate --type", "'--type <TYPE>'"),
        ("keys generate --force", "'--force'"),
        ("keys generate --out a --dir b", "'--dir <FOLDER>'"),
        ("keys list", "--dir <FOLDER>"),
        ("keys list --dir x --now", "'--now'"),
        ("keys --json list --dir x", "'--json'"),
        ("keys rotate --now", "--dir <FOLDER>"),
        ("keys rotate --dir x --min-published 10", "'10' for '--min-published <DURATION>'"),
        ("seal-key x", "'x'"),
        ("seal-key --out", "'--out <FILE>'"),
        ("seal-key --out a --out b", "'--out <FILE>'"),
        ("seal-key --force", "'--force'"),
        ("client-secret --sha256", "'--sha256'"),
        ("client-secret hunter2", "'hunter2'"),
        ("migrate", "keycloak"),
        ("migrate okta x.json", "'okta'"),
        ("migrate keycloak", "<EXPORT>"),
        ("migrate keycloak a.json --all", "'--all'"),
        ("migrate keycloak a.json --owner= ", "'' for '--owner <TEAM>'"),
        ("migrate keycloak a.json --out a --out b", "'--out <FOLDER>'"),
        ("demo --twice", "'--twice'"),
        ("completions", "<SHELL>"),
        ("completions csh", "'csh' for '<SHELL>'"),
        ("man keys revoke", "'keys revoke'"),
        ("man keys --dir x", "'--dir <FOLDER>'"),
    ] {
        let output = cambio(line);
        let (status, out, err) = said(&output);
        assert_eq!((status, out), (2, ""), "{line}: {err}");
        assert!(err.contains(named), "{line}: {err}");
    }
}

#[test]
fn options_can_be_written_in_several_ways() {
    let folder = Folder::new();
    folder.write("audiences/api.yaml", "audience: api\nowner: o\nissuance: forward\n");
    folder.write(
        "good.yaml",
        "upstream: { url: 'http://127.0.0.1:1' }\nlisten: { address: '127.0.0.1:0' }\nadmin: { address: '127.0.0.1:0' }\n\
         realms: { corp: { issuer: https://sso.example.org/realms/corp, subjectIssuers: [corp] } }\naudiences: ./audiences\n",
    );
    let config = folder.path("good.yaml").display().to_string();
    let config = config.as_str();
    let nowhere = folder.path("nowhere.yaml").display().to_string();
    let check = |line: &[&str], environment: &[(&str, &str)]| {
        let output = cambio_in(&folder.path(""), &[&["check"], line].concat(), environment);
        output.status.code().unwrap()
    };
    for (name, line, environment, status) in [
        ("the long name", &["--config", config][..], &[][..], 0),
        ("with an equals sign", &[&format!("--config={config}")], &[], 0),
        ("the short name", &["-c", config], &[], 0),
        ("in one word", &[&format!("-c{config}")], &[], 0),
        ("the last one counts", &["-c", &nowhere, "--config", config], &[], 0),
        ("and not the first one", &["-c", config, "--config", &nowhere], &[], 1),
        ("the environment", &[], &[("CAMBIO_CONFIG", config)], 0),
        ("before the environment", &["-c", &nowhere], &[("CAMBIO_CONFIG", config)], 1),
        ("none", &[], &[], 1),
    ] {
        assert_eq!(check(line, environment), status, "{name}");
    }
    let named = "name the file with --config FILE or CAMBIO_CONFIG";
    let none = cambio_in(&folder.path(""), &["serve"], &[]);
    assert!(said(&none).2.contains(named), "{none:?}");
    std::fs::copy(config, folder.path("cambio.yaml")).unwrap();
    let found = cambio_in(&folder.path(""), &["check"], &[]);
    assert!(!said(&found).2.contains(named), "{found:?}");
}

#[test]
fn switches_and_lists_can_be_given_twice() {
    for line in
        ["schema --markdown --markdown", "client-secret --argon2id --argon2id", "keys generate --type rsa --type p256"]
    {
        let output = cambio(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", said(&output).2);
    }
    // These pass the command line and fail on what they name.
    for (line, status, named) in [
        ("migrate keycloak --force --force /nowhere/a.json", 1, "/nowhere/a.json"),
        ("keys list --json --json --dir /nowhere", 1, "/nowhere"),
        ("diff --output text --output json /nowhere/a.yaml /nowhere/b.yaml", 2, "/nowhere/b.yaml"),
        ("verify --jwks /nowhere/a --jwks /nowhere/b --aud a --aud=-b --alg RS256 --alg ES256", 2, "/nowhere/b"),
        (
            "conformance --strict --strict --insecure --insecure --token-endpoint http://127.0.0.1:1/ --client-id -x \
             --audience a --audience b --only 2.1 --only actor --subject-token-file /nowhere/a",
            2,
            "/nowhere/a",
        ),
    ] {
        let output = cambio(line);
        let (code, _, err) = said(&output);
        assert_eq!(code, status, "{line}: {err}");
        assert!(err.starts_with("cambio: ") && err.contains(named), "{line}: {err}");
    }
}

#[test]
fn completions_for_every_shell_name_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = cambio(&format!("completions {shell}"));
        let (status, script, err) = said(&output);
        assert_eq!((status, err), (0, ""), "{shell}");
        for name in COMMANDS.iter().flat_map(|(command, _)| command.split(' ')) {
            assert!(script.contains(name), "{shell}: {name}");
        }
        assert!(script.contains("min-published"), "{shell}");
    }
}

#[test]
fn manual_pages_name_every_command_and_option() {
    let folder = Folder::new();
    let pages = folder.path("man1");
    let written = cambio_in(&folder.path(""), &["man", "--dir", pages.to_str().unwrap()], &[]);
    assert_eq!(said(&written), (0, "", ""));
    let files: BTreeSet<_> =
        std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected = COMMANDS.iter().map(|(command, _)| format!("cambio-{}.1", command.replace(' ', "-")));
    assert_eq!(files, expected.chain(["cambio.1".to_owned()]).collect());

    let root = cambio("man");
    let root = said(&root).1;
    assert_eq!(root, std::fs::read_to_string(pages.join("cambio.1")).unwrap());
    for (command, options) in COMMANDS {
        let name = format!("cambio-{}", command.replace(' ', "-"));
        let page = cambio(&format!("man {command}"));
        let page = said(&page).1;
        assert_eq!(page, std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap(), "{command}");
        // In roff, a hyphen that must not become a dash is escaped.
        let text = page.replace("\\-", "-");
        assert!(text.starts_with(".ie") && text.contains(&format!(".TH {name} 1")), "{command}: {page}");
        for option in *options {
            assert!(text.contains(option), "{command}: {option}");
        }
        if !command.contains(' ') {
            assert!(root.replace("\\-", "-").contains(&format!("{name}(1)")), "{command}: {root}");
        }
    }
}
