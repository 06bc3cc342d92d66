//! Signals, sent to the built binary.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::client;
use crate::support::process::Process;
use crate::support::world::{Plan, TOKEN_PATH, exchange_fields, until};

fn serve(plan: &Plan) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cambio"));
    command.args(["serve", "--config"]).arg(plan.folder.path("cambio.yaml"));
    Process::start(command.stdin(Stdio::null()).stdout(Stdio::null()))
}

fn send(process: &Process, signal: Signal) {
    kill_process(Pid::from_child(&process.child), signal).unwrap();
}

#[tokio::test]
async fn some_end_the_process_in_order_and_no_other_does() {
    let plan = Plan::new().await;
    for (name, signal) in [("TERM", Signal::Term), ("INT", Signal::Int), ("QUIT", Signal::Quit)] {
        let mut process = serve(&plan);
        for harmless in [Signal::Hup, Signal::Usr1, Signal::Usr2, Signal::Pipe] {
            send(&process, harmless);
            assert_eq!(client::get(process.admin, "/readyz").await.status, 200, "{harmless:?}");
        }
        send(&process, signal);
        let status = until("an end", async || process.child.try_wait().unwrap()).await;
        let said = process.last_words();
        assert_eq!(status.code(), Some(0), "{name}: {said}");
        assert!(said.contains("stopped"), "{name}: {said}");
    }
}

#[tokio::test]
async fn usr1_opens_the_audit_file_anew() {
    let plan = Plan::new().await;
    let process = serve(&plan);
    let (file, old) = (plan.folder.path("audit.jsonl"), plan.folder.path("audit.jsonl.1"));
    std::fs::rename(&file, &old).unwrap();
    let refused = exchange_fields("no token");
    assert_ne!(client::post(process.address, TOKEN_PATH, &refused).await.status, 200);
    assert!(!file.exists(), "lines still go to the old file");
    let before = std::fs::read_to_string(&old).unwrap().lines().count();
    send(&process, Signal::Usr1);
    until("a new file", async || file.exists().then_some(())).await;
    assert_ne!(client::post(process.address, TOKEN_PATH, &refused).await.status, 200);
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&old), lines(&file)), (before, 1));
}
