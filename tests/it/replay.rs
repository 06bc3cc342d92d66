//! `cambio replay`: which decisions of an audit log a changed configuration would decide otherwise.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::files::Folder;
use crate::support::golden;
use crate::support::world::World;

/// The secrets are not there.
const MAIN: &str = "\
upstream: { url: 'https://sso.internal' }
listen: { address: '127.0.0.1:8080' }
realms:
  corp: { issuer: 'https://sso.example.org/realms/corp', subjectIssuers: [corp, partner, hub], signingKeys: keys }
issuers:
  partner:
    issuer: { url: https://login.partner.example, audiences: [cambio] }
    claimValidationRules: [{ expression: claims.email_verified == true }]
  hub: { issuer: { url: https://hub.example, audiences: [cambio] } }
";

const ORDERS: &str = "\
audience: orders
owner: orders-team
permissions:
  - { clients: [shop], scopes: [email] }
  - { clients: [reporting] }
  - { clients: [gold], condition: \"claims.level == 'gold' && claims.tier > 1\" }
  - { clients: [gateway], issuers: [partner, hub], issuance: mint }
  - { clients: [mint], issuance: mint }
token: { set: { tier: claims.level } }
";

/// A line of the audit log with these members beside the usual ones.
fn line(time: u32, members: &str) -> String {
    format!(
        "{{\"time\":\"2026-11-28T12:00:{time:02}Z\",\"event\":\"token_exchange\",\"id\":\"x\",\"realm\":\"corp\",\"subject\":\"alice\",\
         \"subject_token_type\":\"access_token\",\"requested_token_type\":\"access_token\",{members}}}\n"
    )
}

fn allowed(client: &str, issuer: &str, more: &str) -> String {
    format!(
        "\"client\":\"{client}\",\"subject_issuer\":\"{issuer}\",\"audience\":[\"orders\"],\"outcome\":\"allowed\",\
         \"permissions\":[\"orders permissions[0]\"],\"issuance\":\"reissue\"{more}"
    )
}

fn denied(client: &str, reason: &str) -> String {
    format!(
        "\"client\":\"{client}\",\"subject_issuer\":\"corp\",\"audience\":[\"orders\"],\"outcome\":\"denied\",\"reason\":\"{reason}\""
    )
}

/// Runs `cambio replay`: exit status, standard output, standard error.
fn replay(folder: &Folder, line: &str, input: &[u8]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cambio"));
    command.arg("replay").args(line.split_whitespace()).current_dir(folder.path("")).env_clear();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Cambio may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.write("cambio.yaml", MAIN);
    folder.write("audiences/orders.yaml", ORDERS);
    folder
}

#[test]
fn decisions_change_stay_or_can_not_be_told() {
    let folder = folder();
    let log = [
        line(1, &allowed("shop", "corp", ",\"scope_granted\":\"email profile\"")),
        line(2, &allowed("shop", "corp", ",\"scope_requested\":\"email\",\"scope_granted\":\"email\"")),
        line(3, &allowed("shop", "corp", ",\"scope_requested\":\"email profile\",\"scope_granted\":\"email profile\"")),
        line(5, &denied("reporting", "client_not_permitted")),
        line(4, &denied("reporting", "client_not_permitted")),
        line(6, &allowed("gone", "corp", "")),
        line(7, &denied("nobody", "client_not_permitted")),
        line(8, &allowed("gold", "corp", "")),
        line(9, &denied("gold", "condition_not_met")),
        line(10, &allowed("gateway", "partner", "")),
        line(11, &allowed("gateway", "hub", ",\"scope_granted\":\"\"").replace("reissue", "mint")),
        line(12, &allowed("mint", "corp", "")),
        line(13, &allowed("shop", "former", "")),
        line(14, &allowed("shop", "corp", ",\"actor\":\"agent\",\"actors\":[\"agent\"]")),
        line(15, &denied("shop", "subject_token_expired")),
        line(16, &allowed("shop", "corp", "")).replace("\"corp\",\"subject\"", "\"other\",\"subject\""),
        line(17, &allowed("shop", "corp", "")).replace("allowed", "failed\",\"reason\":\"upstream_timeout"),
        "{\"event\":\"door_passed\"}\n".to_owned(),
        "no JSON\n\n".to_owned(),
        "{\"event\":\"token_exchange\",\"ti".to_owned(),
    ]
    .concat();
    folder.write("audit.json", &log);
    let (status, text, err) = replay(&folder, "audit.json --config cambio.yaml", b"");
    assert_eq!((status, err.as_str()), (1, ""), "{text}");
    golden::check("replay/changes.txt", &text);
    let (status, json, _) = replay(&folder, "- --output json", log.as_bytes());
    assert_eq!(status, 1);
    golden::check("replay/changes.json", &json);
    assert!(!text.contains("alice") && !json.contains("alice"), "no subject is named");
}

/// What the gate wrote to its own log is what it decides again, and a change of the files shows.
#[tokio::test]
async fn a_log_of_the_gate_is_replayed() {
    let world = World::start().await;
    let alice = world.alice().await;
    let rows: [&[(&str, &str)]; 4] = [&[], &[("scope", "email")], &[("audience", "unknown")], &[("scope", "phone")]];
    for changes in rows {
        world.exchange(&alice, changes).await;
    }
    let lines: Vec<_> = world.audit(4).await.iter().map(|line| format!("{line}\n")).collect();
    let folder = Folder::new();
    folder.write("cambio.yaml", &MAIN.replace("https://sso.example.org", "http://sso.example.org"));
    let file = "audience: back-end-api\nowner: payments-team\nroles: { own: true }\npermissions:\n  - { clients: [front-end-app], scopes: \
                [email, profile] }\n";
    folder.write("audiences/back-end-api.yaml", file);
    let (status, text, err) = replay(&folder, "-", lines.concat().as_bytes());
    assert_eq!(status, 0, "{text}{err}");
    assert_eq!(text, "4 decisions: 0 changed, 4 the same, 0 can't be told\n");
    folder.write("audiences/back-end-api.yaml", &file.replace("front-end-app", "other"));
    let (status, text, _) = replay(&folder, "-", lines.concat().as_bytes());
    assert!(status == 1 && text.matches("allowed → denied (client_not_permitted): once").count() == 2, "{text}");
    folder.write("audiences/back-end-api.yaml", &file.replace("profile", "phone"));
    let (_, text, _) = replay(&folder, "-", lines.concat().as_bytes());
    assert!(text.contains("scope [phone]: denied (scope_not_permitted) → allowed: once"), "{text}");
}

#[test]
fn trouble_is_no_verdict() {
    let folder = folder();
    for (name, line, input, expected) in [
        ("a compressed log", "-", &b"\x1f\x8b\x08\x00"[..], "is compressed: zcat"),
        ("no log", "none.json", b"", "none.json: No such file"),
        ("no configuration", "- --config none.yaml", b"", "none.yaml: can't be read"),
    ] {
        let (status, out, err) = replay(&folder, line, input);
        assert!(status == 2 && out.is_empty() && err.contains(expected), "{name}: {err}");
    }
    folder.write("audiences/orders.yaml", &ORDERS.replace("owner", "ownr"));
    let (status, _, err) = replay(&folder, "-", b"");
    assert!(status == 2 && err.contains("orders.yaml:2:1: ownr: unknown key"), "{err}");
    folder.write("audiences/orders.yaml", ORDERS);
    let (status, text, _) = replay(&folder, "-", b"");
    assert_eq!((status, text.as_str()), (0, "0 decisions: 0 changed, 0 the same, 0 can't be told\n"));
}

/// A long log is read line by line, and equal questions are decided once.
#[test]
fn a_long_log_is_streamed() {
    let folder = folder();
    let lines: Vec<_> = (0..100_000).map(|_| line(1, &denied("reporting", "client_not_permitted"))).collect();
    let started = Instant::now();
    let (_, text, _) = replay(&folder, "-", lines.concat().as_bytes());
    assert!(text.contains("denied (client_not_permitted) → allowed: 100000 times"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}
