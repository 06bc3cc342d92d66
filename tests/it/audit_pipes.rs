//! An audit output that takes nothing: exchanges are refused, and nobody else notices.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::OFlags;
use serde_json::Value;

use crate::support::client;
use crate::support::world::{CERTS_PATH, Plan, World, until};

/// A world whose audit lines go to a named pipe.
async fn world() -> World {
    let plan = Plan::new().await.configure("output: audit.jsonl", "output: pipe");
    make_pipe(&plan.folder.path("pipe"));
    plan.start().await
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn nonblocking(options: &mut OpenOptions, path: &Path) -> File {
    options.custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap()).open(path).unwrap()
}

fn reader(world: &World) -> File {
    nonblocking(OpenOptions::new().read(true), &world.folder.path("pipe"))
}

/// Puts into the pipe what it takes.
fn fill(world: &World) {
    let mut pipe = nonblocking(OpenOptions::new().write(true), &world.folder.path("pipe"));
    for size in [4096, 1] {
        while pipe.write(&vec![b'\n'; size]).is_ok() {}
    }
}

/// The lines that are in the pipe, once `enough` says so.
async fn lines(pipe: &mut File, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let mut text = Vec::new();
    until("lines in the pipe", async || {
        let mut piece = [0; 4096];
        loop {
            match pipe.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => text.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        let whole = text.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n") && line.len() > 1);
        let lines: Vec<Value> = whole.map(|line| serde_json::from_slice(line).unwrap()).collect();
        enough(&lines).then_some(lines)
    })
    .await
}

/// What must not notice: pages, keys, logins and health.
async fn nobody_else_notices(world: &World) -> String {
    for path in ["/admin/master/console/", CERTS_PATH] {
        assert_eq!(client::get(world.address(), path).await.status, 200, "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(client::get(world.cambio.admin, path).await.status, 200, "{path}");
    }
    world.alice().await
}

#[tokio::test]
async fn a_pipe_that_nobody_opens_refuses_exchanges_until_somebody_does() {
    let world = world().await;
    let alice = nobody_else_notices(&world).await;
    let answer = world.exchange(&alice, &[]).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["error"], "server_error");
    assert_eq!(world.exchange(&alice, &[("audience", "other-api")]).await.status, 403, "a refusal stands");
    assert!(world.metric("cambio_audit_failures_total").await >= 2.0);
    let mut pipe = reader(&world);
    assert_eq!(world.exchange(&alice, &[]).await.status, 200);
    let lines = lines(&mut pipe, |lines| !lines.is_empty()).await;
    assert_eq!((lines.len(), lines[0]["outcome"].as_str()), (1, Some("allowed")));
}

#[tokio::test]
async fn a_full_pipe_refuses_exchanges_and_holds_up_nothing_else() {
    let world = world().await;
    let alice = world.alice().await;
    let mut pipe = reader(&world);
    fill(&world);
    assert_eq!(world.exchange(&alice, &[]).await.status, 500, "it waited in vain");
    let exchanged = world.idp.faults().exchanged();
    for changes in [&[] as &[(&str, &str)], &[("scope", "email")]] {
        assert_eq!(world.exchange(&alice, changes).await.status, 500, "it does not wait");
    }
    assert_eq!(world.idp.faults().exchanged(), exchanged, "nothing is asked for that could not be handed out");
    assert_eq!(world.exchange(&alice, &[("audience", "other-api")]).await.status, 403, "a refusal stands");
    nobody_else_notices(&world).await;
    assert!(world.metric("cambio_audit_failures_total").await >= 3.0);

    // The line that was begun comes late, and another one says what became of it.
    let late = lines(&mut pipe, |lines| lines.iter().any(|line| line["reason"] == "audience_unknown")).await;
    let of = |id: &Value| late.iter().filter(|line| line["id"] == *id).map(|line| line["outcome"].clone()).collect();
    for line in late.iter().filter(|line| line["outcome"] == "allowed") {
        let outcomes: Vec<Value> = of(&line["id"]);
        assert_eq!(outcomes, ["allowed", "failed"], "{line}");
    }
    assert_eq!(late.iter().filter(|line| line["reason"] == "internal").count(), 3, "{late:#?}");
    assert_eq!(world.exchange(&alice, &[]).await.status, 200, "somebody reads again");
    let lines = lines(&mut pipe, |lines| !lines.is_empty()).await;
    assert_eq!(lines[0]["outcome"], "allowed");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_full_pipe() {
    let world = world().await;
    let alice = world.alice().await;
    let _pipe = reader(&world);
    fill(&world);
    assert_eq!(world.exchange(&alice, &[]).await.status, 500);
    let stopped = tokio::time::timeout(client::DEADLINE, world.cambio.stop()).await;
    assert!(stopped.is_ok());
}

/// Without a signal: a log rotation that renames the file, or somebody who removes it.
#[tokio::test]
async fn a_file_that_is_gone_is_there_again_for_later_lines() {
    let world = World::start().await;
    let alice = world.alice().await;
    assert_eq!(world.exchange(&alice, &[]).await.status, 200);
    std::fs::rename(world.folder.path("audit.jsonl"), world.folder.path("audit.1")).unwrap();
    until("a new file", async || {
        assert_eq!(world.exchange(&alice, &[]).await.status, 200);
        world.folder.path("audit.jsonl").exists().then_some(())
    })
    .await;
    assert_eq!(world.audit(1).await[0]["outcome"], "allowed");
}

#[tokio::test]
async fn lines_can_be_synchronised_with_the_disk() {
    let plan = Plan::new().await.configure("output: audit.jsonl", "output: audit.jsonl, fsync: true");
    let world = plan.start().await;
    let alice = world.alice().await;
    let (one, other) = tokio::join!(world.exchange(&alice, &[]), world.exchange(&alice, &[("scope", "email")]));
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200));
    assert_eq!(world.audit_so_far(), 2);
    let plan = Plan::new().await.configure("output: audit.jsonl", "output: stdout, fsync: true");
    let error = plan.try_start().await.expect_err("no start");
    assert!(error.contains("audit.fsync: needs audit.output to be a file"), "{error}");
}

/// Whoever reads the lines starts again with a new pipe. The exchange that meets the old one is refused, and no other.
#[tokio::test]
async fn a_pipe_that_was_made_anew_takes_later_lines() {
    let world = world().await;
    let alice = world.alice().await;
    let mut old = reader(&world);
    assert_eq!(world.exchange(&alice, &[]).await.status, 200);
    lines(&mut old, |lines| !lines.is_empty()).await;
    drop(old);
    std::fs::remove_file(world.folder.path("pipe")).unwrap();
    make_pipe(&world.folder.path("pipe"));
    let mut new = reader(&world);
    assert_eq!(world.exchange(&alice, &[]).await.status, 500, "nobody reads the old pipe");
    assert!(world.metric("cambio_audit_failures_total").await >= 1.0);
    assert_eq!(world.exchange(&alice, &[]).await.status, 200);
    let lines = lines(&mut new, |lines| !lines.is_empty()).await;
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["allowed"], "{lines:#?}");
}
