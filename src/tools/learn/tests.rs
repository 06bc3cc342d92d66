use std::path::PathBuf;

use super::*;

/// An audit line with these changes.
fn line(changes: &serde_json::Value) -> String {
    let mut line = serde_json::json!({ "time": "2026-11-02T08:00:00Z", "event": "token_exchange", "outcome": "allowed",
        "realm": "corp", "client": "front-end-app", "audience": ["back-end-api"], "scope_requested": "email",
        "subject_issuer": "corp", "subject_token_type": "access_token", "requested_token_type": "access_token" });
    line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    line.to_string()
}

/// What comes of the text of a log: the files, and the report.
fn learned(text: &str, realm: Option<&str>) -> (draft::Files, String) {
    let mut lessons = Lessons::new(realm, "payments-team");
    text.lines().for_each(|line| lessons.learn(SeenExchange::of_line(line.as_bytes())));
    let files = lessons.files();
    let report = lessons.report(&files, Path::new("audiences"));
    (files, report)
}

#[test]
fn each_client_gets_one_permission_with_what_it_used() {
    let text = [
        line(&serde_json::json!({})),
        line(&serde_json::json!({ "time": "2026-11-05T08:00:00Z", "scope_requested": "profile" })),
        line(
            &serde_json::json!({ "client": "reporting-app", "scope_requested": null, "requested_token_type": "id_token" }),
        ),
    ];
    let (files, report) = learned(&text.join("\n"), None);
    assert_eq!(
        files["back-end-api.yaml"],
        "# Written by `cambio learn` from exchanges that took place. Take out what should not go on.
audience: \"back-end-api\"
owner: \"payments-team\"
realm: \"corp\"
permissions:
  # 2 exchanges, first 2026-11-02, last 2026-11-05
  - clients: [\"front-end-app\"]
    scopes: [\"email\", \"profile\"]
  # 1 exchange, first 2026-11-02, last 2026-11-02
  - clients: [\"reporting-app\"]
    requestedTokens: [\"id_token\"]
"
    );
    assert!(report.ends_with("3 exchanges of 3 lines: 1 audience file in audiences; compare with `cambio diff`, and check with `cambio check`\n"), "{report}");
}

#[test]
fn what_is_not_learned_is_counted() {
    let rows = [
        ("a refusal", line(&serde_json::json!({ "outcome": "denied" })), ""),
        ("another event", line(&serde_json::json!({ "event": "door_passed" })), ""),
        ("no audience", line(&serde_json::json!({ "audience": [] })), "not learned: 1 exchange named no audience"),
        (
            "an actor",
            line(&serde_json::json!({ "actor_token_type": "jwt" })),
            "not learned: 1 exchange had an actor token",
        ),
        (
            "a foreign token",
            line(&serde_json::json!({ "subject_issuer": "partner" })),
            "not learned: 1 exchange had an actor",
        ),
        (
            "an ID token",
            line(&serde_json::json!({ "subject_token_type": "id_token" })),
            "not learned: 1 exchange had an actor",
        ),
        (
            "another realm",
            line(&serde_json::json!({ "realm": "other" })),
            "not learned: 1 exchange were of other realms",
        ),
        (
            "a name that would mean all",
            line(&serde_json::json!({ "client": "*" })),
            "not learned: 1 exchange have a name",
        ),
        (
            "a scope that would mean all",
            line(&serde_json::json!({ "scope_requested": "*" })),
            "not learned: 1 exchange have",
        ),
        (
            "a client of which the line holds the beginning",
            line(&serde_json::json!({ "client": "a".repeat(256) })),
            "not learned: 1 exchange have a name",
        ),
        (
            "scopes of which the line holds the beginning",
            line(&serde_json::json!({ "scope_requested": format!("{} payments:write", "a".repeat(241)) })),
            "not learned: 1 exchange have a name",
        ),
        ("cut off", line(&serde_json::json!({}))[..40].to_owned(), "skipped: 1 line of another form"),
        ("another program's", "{\"level\":\"info\"}".to_owned(), "skipped: 1 line of another form"),
    ];
    for (name, line, said) in rows {
        let (files, report) = learned(&line, Some("corp"));
        assert!(files.is_empty(), "{name}: {files:?}");
        assert!(report.contains(said), "{name}: {report}");
        assert!(report.contains("0 exchanges of 1 line:"), "{name}: {report}");
    }
}

#[test]
fn keycloaks_events_name_no_realm() {
    let event = serde_json::json!({ "time": 1_793_606_400_000_i64, "type": "TOKEN_EXCHANGE", "realmId": "0a1b",
        "clientId": "front-end-app", "userId": "u", "details": { "audience": "back-end-api, reports", "scope": "openid email",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token" } });
    let (files, report) = learned(&event.to_string(), None);
    assert!(files.is_empty() && report.contains("say which with --realm"), "{report}");
    let (files, _) = learned(&event.to_string(), Some("corp"));
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), ["back-end-api.yaml", "reports.yaml"]);
    assert!(files["reports.yaml"].contains("scopes: [\"email\", \"openid\"]"), "{files:?}");
    let mut legacy = event.clone();
    legacy["details"]["requested_subject"] = "bob".into();
    assert!(learned(&legacy.to_string(), Some("corp")).1.contains("1 exchange had an actor token"));
    let failed =
        serde_json::json!({ "time": 1, "type": "TOKEN_EXCHANGE_ERROR", "clientId": "x", "error": "invalid_token" });
    assert!(learned(&failed.to_string(), Some("corp")).0.is_empty());
}

#[test]
fn two_realms_have_two_files() {
    let text =
        [line(&serde_json::json!({})), line(&serde_json::json!({ "realm": "other", "subject_issuer": "other" }))];
    let (files, _) = learned(&text.join("\n"), None);
    assert_eq!(
        files.keys().map(String::as_str).collect::<Vec<_>>(),
        ["corp.back-end-api.yaml", "other.back-end-api.yaml"]
    );
}

#[test]
fn nothing_is_overwritten_without_force() {
    let folder = std::env::temp_dir().join(format!("cambio-learn-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let log = folder.join("audit.jsonl");
    std::fs::write(&log, format!("{}\n", line(&serde_json::json!({})))).unwrap();
    let arguments = |force, log: &Path| LearnArguments {
        logs: vec![log.to_owned()],
        drafts: DraftArguments { out: folder.join("audiences"), owner: None, force },
        realm: None,
    };
    let run = |force| run_with(&arguments(force, &log), &mut Vec::new());
    run(false).unwrap();
    assert!(run(false).unwrap_err().to_string().contains("not overwritten without --force"));
    run(true).unwrap();
    let empty: PathBuf = folder.join("empty");
    std::fs::write(&empty, "").unwrap();
    assert!(
        run_with(&arguments(true, &empty), &mut Vec::new()).unwrap_err().to_string().starts_with("nothing was learned")
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
