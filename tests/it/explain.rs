//! `cambio explain` and `POST /explain`: the gate's own decision, and the smallest permission that is missing.

use cambio::edge::explain::explanation::{Explanation, Paste};
use cambio::edge::explain::question::ExplainQuestion;
use cambio::judgement::issue::key::{KeyKind, generate};
use cambio::tools::explain::Gate;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::exchange_denied::{self, REQUESTS};
use crate::support::client::{self, Answer};
use crate::support::files::Folder;
use crate::support::generated::{self, AudienceFile, cases};
use crate::support::world::{TOKEN_PATH, World, exchange_fields};
use crate::support::{form, golden};

const MAIN: &str = "\
upstream: { url: 'http://127.0.0.1:8180' }
listen: { address: '127.0.0.1:8080' }
realms:
  corp: { issuer: 'https://sso.example.org/realms/corp', subjectIssuers: [corp, partner], signingKey: corp.pem, unboundIdTokens: accept }
issuers:
  partner:
    issuer: { url: 'http://sso.example.org/realms/partner', audiences: ['https://sso.example.org'] }
    jwksURL: http://127.0.0.1:1/keys
";

fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().unwrap()
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN);
    folder.write("corp.pem", generate(KeyKind::P256).unwrap().expose());
    std::fs::set_permissions(folder.path("corp.pem"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    folder
}

fn explained(folder: &Folder, question: &Value) -> Explanation {
    let question: ExplainQuestion = serde_json::from_value(question.clone()).unwrap();
    let gate = Gate::load(&folder.path("cambio.yaml"), &()).unwrap();
    gate.explain(&question, now()).unwrap()
}

/// The lines of a paste without one of them. Without its clients, a permission would not be one.
fn without_a_line(yaml: &str) -> Vec<String> {
    let lines: Vec<&str> = yaml.lines().collect();
    let places = (0..lines.len()).filter(|at| !lines[*at].contains("- clients:"));
    let rest =
        |at: usize| lines.iter().enumerate().filter(move |(one, _)| *one != at).map(|(_, line)| format!("{line}\n"));
    places.map(|at| rest(at).collect::<Vec<_>>().concat()).collect()
}

struct Scene {
    folder: Folder,
    files: Vec<AudienceFile>,
}

impl Scene {
    /// What is decided when the owners have added what they were asked to.
    fn with(&self, pastes: &[Paste], question: &Value) -> Explanation {
        for file in &self.files {
            let further = pastes.iter().find(|paste| paste.audience == file.audience);
            file.write(&self.folder, further.map(|paste| paste.yaml.as_str()).unwrap_or_default());
        }
        let new = pastes.iter().find(|paste| paste.audience == "new");
        self.folder.write("audiences/new.yaml", new.map_or("", |paste| paste.yaml.as_str()));
        if new.is_none() {
            self.folder.remove("audiences/new.yaml");
        }
        explained(&self.folder, question)
    }
}

/// Reasons for which there is always a permission that would help, if the request is for one audience whose file is in order.
const LACKS_A_PERMISSION: [&str; 11] = [
    "requested_token_type_unsupported",
    "subject_token_audience",
    "subject_token_type_unsupported",
    "client_not_permitted",
    "issuer_not_permitted",
    "scope_not_permitted",
    "offline_not_permitted",
    "permission_expired",
    "condition_not_met",
    "subject_token_type_not_permitted",
    "requested_token_type_not_permitted",
];

fn suggestion_holds(files: Vec<AudienceFile>, question: &Value) -> Result<bool, TestCaseError> {
    let scene = Scene { folder: folder(), files };
    let first = scene.with(&[], question);
    let pastes = first.to_allow.clone();
    if first.allowed || pastes.is_empty() {
        let reason = first.reason.as_deref().unwrap_or_default();
        let is_one = question["audience"].as_array().unwrap().len() == 1;
        prop_assert!(!is_one || !LACKS_A_PERMISSION.contains(&reason), "no suggestion for {question}: {first}");
        return Ok(false);
    }
    let then = scene.with(&pastes, question);
    prop_assert!(then.allowed, "{question}\n{pastes:#?}\n{then}");
    for (at, paste) in pastes.iter().enumerate() {
        let mut others = pastes.clone();
        others.remove(at);
        prop_assert!(!scene.with(&others, question).allowed, "not needed: {question}\n{paste:#?}");
        for yaml in without_a_line(&paste.yaml) {
            let mut fewer = pastes.clone();
            yaml.clone_into(&mut fewer[at].yaml);
            // With one realm, `realm` is optional in a new file.
            let allowed = scene.with(&fewer, question).allowed;
            let is_realm = paste.owner.is_none() && !yaml.contains("realm: corp");
            prop_assert!(!allowed || is_realm, "{question}\nmore than needed: {paste:#?}\n{yaml}");
        }
    }
    Ok(true)
}

#[test]
fn the_suggested_permission_is_enough_and_each_line_of_it_is_needed() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let suggested = std::cell::Cell::new(0);
    let outcome =
        runner.run(&(generated::audience("x"), generated::audience("y"), generated::question()), |(x, y, question)| {
            suggested.set(suggested.get() + u32::from(suggestion_holds(vec![x, y], &question)?));
            Ok(())
        });
    outcome.unwrap();
    assert!(suggested.get() > 10, "only {} suggestions", suggested.get());
}

/// Puts a question to the admin listener.
pub(crate) async fn ask(world: &World, question: &Value) -> Answer {
    let request =
        http::Request::post("/explain").header("host", "localhost").header("content-type", "application/json");
    client::send(world.cambio.admin, request.body(question.to_string().into()).unwrap()).await
}

#[tokio::test]
async fn explain_says_what_serve_does() {
    let world = exchange_denied::start().await;
    let alice = world.alice().await;
    for (name, changes, reason) in REQUESTS {
        let before = world.audit_so_far();
        let fields = form::changed(&exchange_fields(&alice), changes);
        let answer = client::post(world.address(), TOKEN_PATH, &fields).await;
        let line = world.audit_after(before).await;
        let explained = ask(&world, &json!({ "form": form::encode(&fields) })).await;
        if *reason == "upstream_refused" {
            // Only the identity provider knows.
            assert_eq!(explained.json()["allowed"], true, "{name}: {}", explained.text());
            continue;
        }
        assert_eq!(explained.status, 200, "{name}: {}", explained.text());
        let explained = explained.json();
        assert_eq!(explained["reason"], **reason, "{name}: {explained}");
        assert_eq!((&explained["reason"], &explained["detail"]), (&line["reason"], &line["detail"]), "{name}");
        assert_eq!(explained["answer"]["status"], answer.status.as_u16(), "{name}");
        assert_eq!(explained["answer"]["body"], answer.json(), "{name}");
        assert_eq!(explained["allowed"], false, "{name}");
    }
}

#[tokio::test]
async fn explain_says_which_permission_applies() {
    let world = World::start().await;
    let alice = world.alice().await;
    let fields = form::changed(&exchange_fields(&alice), &[("scope", "email")]);
    let explained = ask(&world, &json!({ "form": form::encode(&fields) })).await.json();
    assert_eq!(explained["allowed"], true, "{explained}");
    assert_eq!(explained["applied"], json!(["back-end-api permissions[0]"]));
    let permission = &explained["permissions"][0];
    assert_eq!((&permission["permission"], &permission["line"]), (&json!("permissions[0]"), &json!(7)), "{permission}");
    assert!(!explained.to_string().contains(&alice), "the token is repeated");
}

#[tokio::test]
async fn only_a_question_in_json_is_answered() {
    let world = World::start().await;
    let post = |body: &'static str, media_type: &str| {
        let request = http::Request::post("/explain").header("host", "localhost").header("content-type", media_type);
        client::send(world.cambio.admin, request.body(body.into()).unwrap())
    };
    let json = "application/json";
    for (name, answer, status, text) in [
        ("no JSON", post("{", json).await, 400, "the question can't be read"),
        ("an unknown member", post(r#"{"clients": "a"}"#, json).await, 400, "unknown field `clients`"),
        ("a form of a page", post("{}", "text/plain").await, 415, "must be application/json"),
        (
            "no realm of this name",
            post(r#"{"realm": "x"}"#, json).await,
            400,
            "there is no realm \"x\": there are corp",
        ),
        ("a login", post(r#"{"form": "grant_type=password&username=a"}"#, json).await, 400, "exchanges no token"),
        ("nothing", post("{}", json).await, 200, "\"reason\": "),
        ("GET", client::get_by_address(world.cambio.admin, "/explain").await, 405, "only POST"),
    ] {
        assert_eq!(answer.status, status, "{name}: {}", answer.text());
        assert!(answer.text().contains(text), "{name}: {}", answer.text());
    }
}

/// The question `text`, put to the command.
fn command(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cambio"))
        .args(["explain", "--config", "cambio.yaml", "--at", "2026-11-28T12:00:00Z"])
        .args(arguments)
        .current_dir(folder.path(""))
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_command_answers_in_words() {
    let folder = folder();
    folder.write(
        "audiences/back-end-api.yaml",
        "audience: back-end-api\nowner: payments-team\npermissions:\n- clients: [front-end-app]\n  scopes: [email]\n\
         - clients: [gold]\n  condition: claims.level == 'gold'\nroles: { own: true, realm: [auditor] }\n",
    );
    folder.write(
        "claims.json",
        r#"{"sub": "alice", "level": "silver", "realm_access": {"roles": ["auditor", "admin"]},
            "resource_access": {"back-end-api": {"roles": ["user"]}, "other": {"roles": ["x"]}}}"#,
    );
    let token = [
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJpc3MiOiJodHRwczovL3Nzby5leGFtcGxlLm9yZy9yZWFsbXMvY29ycCIsInN1YiI6ImEiLCJleHAiOjE5MDAwMDAwMDAsImF6cCI6ImZyb250LWVuZC1hcHAiLCJ0eXAiOiJCZWFyZXIifQ",
        "AA",
    ];
    let curl = format!(
        "curl -s -X POST https://sso.example.org/realms/corp/protocol/openid-connect/token \\\n  -u reporting:secret \\\n  \
         --data-urlencode 'grant_type=urn:ietf:params:oauth:grant-type:token-exchange' \\\n  -d audience=back-end-api \
         -d subject_token={} -d subject_token_type=urn:ietf:params:oauth:token-type:access_token\n",
        token.join(".")
    );
    folder.write("curl.txt", &curl);
    let denied = r#"{"time":"2026-11-28T11:59:00Z","id":"01a2","outcome":"denied","reason":"client_not_permitted","detail":"add a permission","realm":"corp","client":"reporting","subject":"alice","subject_issuer":"corp","audience":["back-end-api"],"scope_requested":"email","policy_hash":"fe7a"}"#;
    folder.write("audit.jsonl", &format!("{}\n{denied}\n", denied.replace("01a2", "01a1")));
    for (name, status, arguments) in [
        (
            "allowed",
            0,
            &["--client", "front-end-app", "--audience", "back-end-api", "--scope", "email", "--claims", "claims.json"]
                [..],
        ),
        ("condition", 1, &["--client", "gold", "--audience", "back-end-api", "--claims", "claims.json"]),
        ("new-audience", 1, &["--client", "gold", "--audience", "back-end-apis", "--claims", "claims.json"]),
        ("curl", 1, &["--request", "curl.txt"]),
        ("audit-line", 1, &["--id", "01a2", "--audit-log", "audit.jsonl", "--claims", "claims.json"]),
        ("json", 1, &["--client", "gold", "--audience", "back-end-api", "--claims", "claims.json", "--output", "json"]),
        ("no-token", 2, &["--client", "gold", "--audience", "back-end-api"]),
        ("no-line", 2, &["--id", "nothing", "--audit-log", "audit.jsonl"]),
    ] {
        let (code, text) = command(&folder, arguments);
        assert_eq!(code, Some(status), "{name}: {text}");
        assert!(!text.contains(token[1]), "{name}: the token is repeated");
        golden::check(&format!("explain/{name}.txt"), &text);
    }
}
