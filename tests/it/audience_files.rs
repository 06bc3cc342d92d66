//! One team's mistake in its audience file is that team's: nobody else notices.

use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client;
use crate::support::files::{BACK_END_API, NOBODY, PERMITTED};
use crate::support::world::{Plan, World, until};

/// The file of another team.
fn other_api(permissions: &str) -> String {
    format!("audience: other-api\nowner: other-team\nissuance: mint\n{permissions}")
}

/// What another team can do wrong: name, what makes it, the audience and the owner that can be read.
type Kind = (&'static str, fn(&Path), Option<&'static str>, Option<&'static str>);

/// A kind whose file is text.
macro_rules! text {
    ($name:literal, $text:expr, $audience:expr, $owner:expr) => {
        ($name, |path| std::fs::write(path, $text).unwrap(), $audience, $owner)
    };
}

const KINDS: &[Kind] = &[
    text!("unknown key", "audience: z\nowner: t\nfoo: 1\n", Some("z"), Some("t")),
    text!("no YAML", "a: [\n", None, None),
    text!("no YAML below its name", "audience: z\nowner: t\na: [\n", Some("z"), Some("t")),
    text!(
        "bad CEL",
        "audience: z\nowner: t\npermissions: [{ clients: [x], condition: 'claims.' }]\n",
        Some("z"),
        Some("t")
    ),
    text!("no owner", "audience: z\npermissions: []\n", Some("z"), None),
    text!("a key twice", "audience: z\naudience: z\nowner: t\n", Some("z"), Some("t")),
    text!("empty", "", None, None),
    text!("the audience of another file", "audience: back-end-api\nowner: t\n", Some("back-end-api"), Some("t")),
    text!(
        "a resource of another file",
        "audience: z\nowner: t\nresources: ['https://api.example.org']\n",
        Some("z"),
        Some("t")
    ),
    text!("an unknown realm", "audience: z\nowner: t\nrealm: nope\n", Some("z"), Some("t")),
    text!(
        "an unknown issuer",
        "audience: z\nowner: t\npermissions: [{ clients: [x], issuers: [nope] }]\n",
        Some("z"),
        Some("t")
    ),
    text!(
        "an issuance beyond the realm",
        "audience: z\nowner: t\nissuance: mint\nroles: { source: directory }\n",
        Some("z"),
        Some("t")
    ),
    text!("no UTF-8", b"\xff\xfe\0\0", None, None),
    text!("too large", vec![b'#'; (1 << 20) + 1], None, None),
    text!("an alias bomb", bomb(), Some("z"), None),
    ("a link to /dev/zero", |path| symlink("/dev/zero", path).unwrap(), None, None),
    ("a link to cambio.yaml", |path| symlink("../cambio.yaml", path).unwrap(), None, None),
    ("a link that leads nowhere", |path| symlink("nowhere", path).unwrap(), None, None),
    ("a link to itself", |path| symlink(path, path).unwrap(), None, None),
    ("a folder", |path| std::fs::create_dir(path).unwrap(), None, None),
    ("a pipe", |path| assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success()), None, None),
];

fn bomb() -> String {
    let level = |level: u32| format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "));
    "audience: z\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned() + &(1..9).map(level).collect::<String>()
}

fn remove(path: &Path) {
    let removed = if path.is_dir() { std::fs::remove_dir(path) } else { std::fs::remove_file(path) };
    removed.unwrap();
}

/// Loads the files as they are now.
async fn reload(world: &World) {
    let before = world.reloads().await;
    world.cambio.reload();
    until("a reload", async || (world.reloads().await != before).then_some(())).await;
}

async fn config(world: &World) -> Value {
    client::get_by_address(world.cambio.admin, "/config").await.json()
}

async fn broken_metric(world: &World, in_force: &str) -> f64 {
    world.metric(&format!("cambio_audience_files_broken{{in_force=\"{in_force}\"}}")).await
}

/// Log rotation sends the signal at any moment: a file that somebody still writes to does not count yet.
#[tokio::test]
async fn a_signal_puts_no_half_written_file_in_force() {
    let world = Plan::new().await.at_the_pace_of_serve().start().await;
    let alice = world.alice().await;
    let path = world.folder.path("audiences/back-end-api.yaml");
    let mut file = std::fs::File::create(&path).unwrap();
    file.write_all(format!("{BACK_END_API}{NOBODY}").as_bytes()).unwrap();
    let (stop, stopped) = mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
            file.write_all(b"#").unwrap();
        }
    });
    for time in 0..3 {
        reload(&world).await;
        assert_eq!(world.exchange(&alice, &[]).await.status, 200, "{time}");
    }
    drop(stop);
    writer.join().unwrap();
    until("the whole file", async || (world.exchange(&alice, &[]).await.status == 403).then_some(())).await;
}

#[tokio::test]
async fn a_removed_permission_goes_at_once_whatever_is_wrong_elsewhere() {
    let world = World::start().await;
    let alice = world.alice().await;
    let z = world.folder.path("audiences/z.yaml");
    for (name, make, audience, owner) in KINDS {
        make(&z);
        world.folder.write("audiences/back-end-api.yaml", &format!("{BACK_END_API}{NOBODY}"));
        let (answer, before) = removed(&world, &alice).await;
        assert_eq!(answer, 403, "{name}");
        assert_eq!(world.audit_after(before).await["reason"], "client_not_permitted", "{name}");
        let shown = config(&world).await;
        let [broken] = &shown["brokenAudienceFiles"].as_array().unwrap()[..] else { panic!("{name}: {shown}") };
        assert_eq!((&broken["audience"], &broken["owner"]), (&json!(audience), &json!(owner)), "{name}");
        assert_eq!(
            (&broken["file"], &broken["inForce"]),
            (&json!(z.display().to_string()), &json!("nothing")),
            "{name}"
        );
        assert!(shown["last_reload_error"].as_str().is_some_and(|text| text.contains("z.yaml")), "{name}: {shown}");
        assert!(
            broken_metric(&world, "nothing").await > 0.0 && broken_metric(&world, "last_good").await < 1.0,
            "{name}"
        );
        assert!(world.metric("cambio_config_last_reload_successful").await < 1.0, "{name}");
        assert_eq!(client::get(world.cambio.admin, "/readyz").await.status, 200, "{name}");
        // Mended, the file brings what it says, without a signal.
        remove(&z);
        std::fs::write(&z, "audience: z\nowner: t\npermissions: []\n").unwrap();
        until("the mended file", async || {
            let is_successful = world.metric("cambio_config_last_reload_successful").await > 0.0;
            (is_successful && config(&world).await["last_reload_error"] == Value::Null).then_some(())
        })
        .await;
        assert_eq!(config(&world).await["brokenAudienceFiles"], json!([]), "{name}");
        remove(&z);
        world.folder.write("audiences/back-end-api.yaml", &format!("{BACK_END_API}{PERMITTED}"));
        reload(&world).await;
        until("the permission", async || (world.exchange(&alice, &[]).await.status == 200).then_some(())).await;
    }
}

/// The first refusal after a reload, and the number of audit lines before it.
async fn removed(world: &World, alice: &str) -> (u16, usize) {
    until("the removal", async || {
        reload(world).await;
        let before = world.audit_so_far();
        let status = world.exchange(alice, &[]).await.status.as_u16();
        (status != 200).then_some((status, before))
    })
    .await
}

#[tokio::test]
async fn cambio_starts_whatever_is_wrong_with_one_file() {
    for (name, make, audience, owner) in KINDS {
        let plan = Plan::new().await.audience("other-api", &other_api("permissions: [{ clients: [front-end-app] }]\n"));
        make(&plan.folder.path("audiences/z.yaml"));
        let world = plan.start().await;
        let alice = world.alice().await;
        assert_eq!(client::get(world.cambio.admin, "/readyz").await.status, 200, "{name}");
        let shown = config(&world).await;
        assert!(shown["last_reload_error"].as_str().is_some_and(|text| text.contains("z.yaml")), "{name}: {shown}");
        assert_eq!(world.exchange(&alice, &[("audience", "other-api")]).await.status, 200, "{name}");
        // Two files that have one audience, or one resource, stop each other: nobody can say which is right.
        let conflict = name.ends_with("of another file");
        let before = world.audit_so_far();
        assert_eq!(world.exchange(&alice, &[]).await.status, if conflict { 403 } else { 200 }, "{name}");
        if conflict {
            let line = world.audit_after(before).await;
            assert_eq!(line["reason"], "audience_misconfigured", "{name}");
            assert!(line["detail"].as_str().unwrap().contains("(owner payments-team)"), "{name}: {line}");
        }
        assert!(broken_metric(&world, "nothing").await >= 1.0, "{name}");
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[("audience", "z")]).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (403, Some("access_denied")), "{name}");
        assert!(!answer.text().contains("z.yaml"), "{name}: {}", answer.text());
        let line = world.audit_after(before).await;
        let detail = line["detail"].as_str().unwrap();
        let reason = if *audience == Some("z") { "audience_misconfigured" } else { "audience_unknown" };
        assert_eq!(line["reason"], reason, "{name}: {line}");
        if *audience != Some("back-end-api") {
            assert!(detail.contains("audiences/z.yaml"), "{name}: {detail}");
        }
        if let (Some("z"), Some(owner)) = (audience, owner) {
            assert!(detail.contains(&format!("(owner {owner})")), "{name}: {detail}");
        }
    }
}

/// The team's own permissions stay as they were, until the file goes, or says something else.
#[tokio::test]
async fn a_last_good_version_lasts_as_long_as_its_file() {
    let plan = Plan::new().await.audience("other-api", &other_api("permissions: [{ clients: [front-end-app] }]\n"));
    let world = plan.start().await;
    let alice = world.alice().await;
    let status = async |world: &World| world.exchange(&alice, &[("audience", "other-api")]).await.status.as_u16();
    let hash = config(&world).await["policyHash"].clone();
    world.rewrite("audiences/other-api.yaml", &other_api("permissions: []\nfoo: 1\n")).await;
    assert_eq!(status(&world).await, 200);
    assert!(broken_metric(&world, "last_good").await > 0.0 && broken_metric(&world, "nothing").await < 1.0);
    let shown = config(&world).await;
    assert_eq!(shown["policyHash"], hash, "what is in force has not changed");
    assert_eq!(shown["brokenAudienceFiles"][0]["inForce"], "its last good version");

    // The platform takes away what the version needs: it goes at once, and does not come back.
    let platform = world.folder.read("cambio.yaml");
    let without = platform.replace("    signingKey: corp.pem\n", "");
    world.folder.write("audiences/back-end-api.yaml", &format!("{BACK_END_API}issuance: forward\n{PERMITTED}"));
    world.rewrite("cambio.yaml", &without).await;
    until("the reload of both", async || (status(&world).await == 403).then_some(())).await;
    let before = world.audit_so_far();
    assert_eq!(status(&world).await, 403);
    let line = world.audit_after(before).await;
    assert_eq!(line["reason"], "audience_misconfigured");
    assert!(line["detail"].as_str().unwrap().contains("owner other-team"), "{line}");
    world.rewrite("cambio.yaml", &platform).await;
    assert_eq!(status(&world).await, 403);

    world.rewrite("audiences/other-api.yaml", &other_api("permissions: [{ clients: [front-end-app] }]\n")).await;
    assert_eq!(status(&world).await, 200);
    world.rewrite("audiences/other-api.yaml", "a: [\n").await;
    assert_eq!(status(&world).await, 200);
    let before = world.reloads().await;
    world.folder.remove("audiences/other-api.yaml");
    until("a reload", async || (world.reloads().await != before).then_some(())).await;
    assert_eq!(status(&world).await, 403, "a removed file takes its permissions with it");
}

/// A permission of a last good version ends with its last day.
#[tokio::test]
async fn a_last_good_version_expires() {
    let permissions = "permissions: [{ clients: [front-end-app], expires: 2026-11-02 }]\n";
    let world = Plan::new().await.audience("other-api", &other_api(permissions)).start().await;
    world.rewrite("audiences/other-api.yaml", "a: [\n").await;
    let alice = world.alice().await;
    assert_eq!(world.exchange(&alice, &[("audience", "other-api")]).await.status, 200);
    world.clock.advance(jiff::SignedDuration::from_hours(24));
    let alice = world.alice().await;
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&alice, &[("audience", "other-api")]).await.status, 403);
    assert_eq!(world.audit_after(before).await["reason"], "permission_expired");
}

/// Whoever writes a file for another team's audience gets nothing, whatever the state of the other team's file.
#[tokio::test]
async fn a_file_takes_no_audience_from_another() {
    let world = World::start().await;
    let alice = world.alice().await;
    let mine = "audience: back-end-api\nowner: t\nissuance: mint\npermissions: [{ clients: [reporting-app] }]\n";
    let asks = async |world: &World, client: &str, secret: &str| {
        let changes = [("client_id", client), ("client_secret", secret)];
        let token = world.login(client, secret, "alice").await;
        world.exchange(&token, &changes).await.status.as_u16()
    };
    for (name, text, kept) in [
        ("good", format!("{BACK_END_API}{PERMITTED}"), true),
        ("broken", format!("{BACK_END_API}{PERMITTED}foo: 1\n"), true),
        ("no YAML", "a: [\n".to_owned(), true),
    ] {
        world.folder.write("audiences/a.yaml", mine);
        world.rewrite("audiences/back-end-api.yaml", &format!("{text}# {name}\n")).await;
        reload(&world).await;
        assert_eq!(world.exchange(&alice, &[]).await.status == 200, kept, "{name}");
        assert_eq!(asks(&world, "reporting-app", "reporting-secret").await, 403, "{name}");
    }
    // At a start as well, although the owner's file is broken.
    let plan = Plan::new().await.audience("a", mine).audience("back-end-api", &format!("{BACK_END_API}foo: 1\n"));
    let world = plan.start().await;
    assert_eq!(asks(&world, "reporting-app", "reporting-secret").await, 403);
    assert_eq!(world.exchange(&world.alice().await, &[]).await.status, 403);
    assert!(broken_metric(&world, "nothing").await > 1.0);
}
