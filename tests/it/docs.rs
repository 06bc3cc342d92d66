//! What docs/ says of the audit log and the metrics is what the code does.

use std::collections::BTreeSet;

use cambio::adapters::audit::{Event, ImpersonationRecord, Line};
use cambio::judgement::client::credentials::CredentialsMethod;
use cambio::judgement::exchange::classify::GovernedGrant;
use cambio::words::refusal::Reason;
use serde_json::json;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/audit-log.md");
const BEGIN: &str = "<!-- reasons: begin (generated; a test compares it with the code) -->\n";
const END: &str = "<!-- reasons: end -->\n";

/// `UPDATE_GOLDEN=1 cargo test` writes the table anew.
#[test]
fn every_reason_is_documented_as_it_is() {
    let rows = Reason::ALL.iter().map(|reason| {
        let answer = reason.public();
        let answer = match reason {
            Reason::UpstreamRefused => "the identity provider's own".to_owned(),
            Reason::CallerGone => "none: nobody is there".to_owned(),
            _ => format!("{} `{}`", answer.status.as_u16(), answer.code.as_str()),
        };
        format!("| `{reason}` | {answer} | {} |\n", reason.meaning())
    });
    let expected = format!("| reason | answer | meaning |\n|---|---|---|\n{}", rows.collect::<String>());
    holds("audit-log.md", [BEGIN, END], &expected);
}

#[test]
fn every_preset_is_documented_as_it_is() {
    let begin = "<!-- presets: begin (`cambio schema presets`; a test compares them) -->\n";
    holds("issuers.md", [begin, "<!-- presets: end -->\n"], &cambio::adapters::config::presets::markdown::markdown());
}

/// The page has this text between the marks.
fn holds(page: &str, marks: [&str; 2], expected: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = std::fs::read_to_string(&file).unwrap();
    let [begin, end] = marks;
    let (before, rest) = text.split_once(begin).expect("the mark before the table");
    let (table, after) = rest.split_once(end).expect("the mark after the table");
    if std::env::vars().any(|(name, value)| name == "UPDATE_GOLDEN" && value == "1") {
        std::fs::write(file, format!("{before}{begin}{expected}{end}{after}")).unwrap();
        return;
    }
    assert!(table == expected, "UPDATE_GOLDEN=1 writes docs/{page} anew; expected\n{expected}");
}

/// The tests that a page names exist.
#[test]
fn every_test_that_a_page_names_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut sources, mut files) = (String::new(), Vec::new());
    let mut folders = vec![root.join("src"), root.join("tests/it")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(&path).unwrap();
                files.push(path);
            }
        }
    }
    for page in ["compatibility.md", "threat-model.md"] {
        let text = std::fs::read_to_string(root.join("docs").join(page)).unwrap();
        for name in text.split('`').skip(1).step_by(2).filter(|name| name.contains("::") && !name.ends_with("::")) {
            let (before, last) = name.rsplit_once("::").unwrap();
            let parent = before.rsplit("::").next().unwrap();
            let found = match last {
                // The tests of a module stand in its file or beside it.
                "tests" => {
                    let places = [format!("{parent}/tests.rs"), format!("{parent}.rs")];
                    places.iter().any(|place| files.iter().any(|file| file.ends_with(place)))
                }
                _ => sources.contains(&format!("fn {last}(")) || sources.contains(&format!("mod {last}")),
            };
            assert!(found, "{page} names {name}");
        }
    }
}

/// Every link of a page leads to a file that is there, and to a heading that is there.
#[test]
fn every_link_of_a_page_leads_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut pages, mut folders) = (Vec::new(), vec![root.join("docs"), root.join("deploy")]);
    pages.extend(["README.md", "CHANGELOG.md"].map(|name| root.join(name)));
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let mut wrong = Vec::new();
    for page in &pages {
        let text = prose(&std::fs::read_to_string(page).unwrap());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if link.contains("://") || file.contains(char::is_whitespace) {
                continue;
            }
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let is_page = target.extension().is_some_and(|extension| extension == "md");
            let has_heading = |text: String| prose(&text).lines().filter_map(anchor).any(|one| one == heading);
            let ok = target.exists()
                && (heading.is_empty() || !is_page || std::fs::read_to_string(&target).is_ok_and(has_heading));
            if !ok {
                wrong.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(pages.len() > 20 && wrong.is_empty(), "{wrong:#?}");
}

/// A page without its blocks of code.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The anchor that a heading has.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = heading.chars().filter(|one| one.is_alphanumeric() || matches!(one, ' ' | '-' | '_'));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}

#[test]
fn every_field_is_documented_and_no_other() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let fields = text.split("| field | type | meaning |").nth(1).unwrap().split("## Reasons").next().unwrap();
    let documented: BTreeSet<&str> = fields
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
        .flat_map(|names| names.split(", ").map(|name| name.trim_matches('`')))
        .collect();
    let line = serde_json::to_value(full_line()).unwrap();
    let written: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(documented, written);
}

#[test]
fn every_event_is_documented() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let events = text.lines().find(|line| line.starts_with("| `event` |")).unwrap();
    for event in [
        Event::TokenExchange,
        Event::RequestRefused,
        Event::DoorPassed,
        Event::AnswerWithheld,
        Event::TokenRefresh,
        Event::TokenRevocation,
    ] {
        let name = serde_json::to_value(event).unwrap();
        assert!(events.contains(&format!("`{}`", name.as_str().unwrap())), "{name}");
    }
}

#[test]
fn every_door_is_documented() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let doors = text.lines().find(|line| line.starts_with("| `door` |")).unwrap();
    for door in GovernedGrant::ALL {
        assert!(doors.contains(&format!("`{}`", door.name())), "{door:?}");
    }
}

#[test]
fn every_client_authentication_is_documented() {
    let text = std::fs::read_to_string(FILE).unwrap();
    let methods = text.lines().find(|line| line.starts_with("| `client_authentication` |")).unwrap();
    for method in
        [CredentialsMethod::None, CredentialsMethod::Basic, CredentialsMethod::Post, CredentialsMethod::Assertion]
    {
        assert!(methods.contains(&format!("`{}`", method.name())), "{method:?}");
    }
}

/// A line in which nothing is absent. A field that is added must be added here.
fn full_line() -> Line {
    let text = || Some(String::from("x"));
    Line {
        time: jiff::Timestamp::UNIX_EPOCH,
        event: Event::TokenExchange,
        id: String::from("x"),
        outcome: "denied",
        reason: Some("x"),
        shadow_outcome: Some("denied"),
        shadow_reason: Some("x"),
        detail: String::from("x"),
        status: 400,
        duration_ms: 1.0,
        peer: String::from("x"),
        method: String::from("POST"),
        path: String::from("/"),
        trace_id: text(),
        realm: text(),
        door: Some("ciba"),
        client: text(),
        client_authentication: Some("x"),
        subject: text(),
        subject_issuer: text(),
        subject_token_type: Some("x"),
        subject_token_sha256: text(),
        actor: text(),
        actor_issuer: text(),
        actor_client: text(),
        actor_token_type: Some("x"),
        actor_token_sha256: text(),
        actors: vec![String::from("x")],
        impersonation: Some(ImpersonationRecord { requested: String::from("x"), subject: text() }),
        audience: vec![String::from("x")],
        resource: vec![String::from("x")],
        scope_requested: text(),
        requested_token_type: Some("x"),
        permissions: vec![String::from("x")],
        issuance: Some("x"),
        upstream_status: Some(200),
        roles_before: Some(json!({})),
        roles_granted: Some(json!({})),
        scope_granted: text(),
        claims_dropped: vec![String::from("x")],
        members_dropped: vec![String::from("x")],
        lifetime_seconds: Some(1),
        issued_jti: text(),
        issued_kid: text(),
        refresh_family: text(),
        refresh_generation: Some(1),
        policy_hash: String::from("x"),
    }
}
