//! The limits of the process, on the built binary: open files, and cores.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::client;
use crate::support::echo::Echo;
use crate::support::files::Folder;
use crate::support::process::Process;
use crate::support::world::{Plan, until};

fn limited(folder: &Folder, command: &str, soft: u32, hard: u32) -> Command {
    let mut shell = Command::new("sh");
    let line = format!("ulimit -Sn {soft} && ulimit -Hn {hard} && exec \"$0\" {command} --config \"$1\"");
    shell.args(["-c", &line, env!("CARGO_BIN_EXE_cambio")]).arg(folder.path("cambio.yaml"));
    shell.stdin(Stdio::null()).stdout(Stdio::piped());
    shell
}

async fn get(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 4096];
    match tokio::time::timeout(Duration::from_secs(2), stream.read(&mut answer)).await {
        Ok(Ok(count @ 1..)) => Some(String::from_utf8_lossy(&answer[..count]).into_owned()),
        _ => None,
    }
}

async fn callers(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut callers = Vec::new();
    for _ in 0..count {
        callers.push(TcpStream::connect(address).await.unwrap());
    }
    callers
}

async fn plan(max_connections: usize) -> (Plan, Echo) {
    let echo = Echo::start().await;
    let limit = format!("listen:\n  maxConnections: {max_connections}");
    (Plan::new().await.before(echo.address).configure("listen:", &limit), echo)
}

#[tokio::test]
async fn the_soft_limit_is_raised() {
    let (plan, _echo) = plan(100).await;
    let mut cambio = Process::start(&mut limited(&plan.folder, "serve", 40, 1000));
    let mut callers = callers(cambio.address, 100).await;
    for (number, caller) in callers.iter_mut().enumerate() {
        assert!(get(caller).await.unwrap().starts_with("HTTP/1.1 200"), "{number}");
    }
    assert!(!cambio.said().contains("nofile") && !cambio.said().contains("can't accept"), "{}", cambio.said());
}

#[tokio::test]
async fn callers_wait_before_descriptors_run_out() {
    let (plan, _echo) = plan(10_000).await;
    let mut cambio = Process::start(&mut limited(&plan.folder, "serve", 64, 128));
    let warning = "listen.maxConnections is 10000, which needs 20128 file descriptors, but the process may open 128";
    assert!(cambio.said().contains(warning), "{}", cambio.said());

    let mut flood = callers(cambio.address, 200).await;
    for (number, caller) in flood.iter_mut().take(32).enumerate() {
        assert!(get(caller).await.unwrap().starts_with("HTTP/1.1 200"), "{number} has its place and a way upstream");
    }
    for path in ["/livez", "/readyz", "/readyz?include=upstream", "/metrics"] {
        assert_eq!(client::get(cambio.admin, path).await.status, 200, "{path}");
    }
    assert!(!cambio.said().contains("Too many open files"), "{}", cambio.said());

    // Those that wait come next.
    let mut last = flood.pop().unwrap();
    drop(flood);
    let answer = until("a place", async || get(&mut last).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn check_knows_the_limit_here() {
    let (plan, _echo) = plan(10_000).await;
    for (hard, short) in [(128, true), (20_128, false)] {
        let output = limited(&plan.folder, "check", 64, hard).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            // The suite may run with a lower limit than this.
            assert!(!short && String::from_utf8_lossy(&output.stderr).contains("ulimit"), "{output:?}");
            continue;
        }
        assert_eq!(said.contains("warning  listen.maxConnections is 10000"), short, "{said}");
    }
}

/// A core would have keys and tokens. What the process says about itself must not suffer.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_core_is_written() {
    let (plan, _echo) = plan(100).await;
    let cambio = Process::start(&mut limited(&plan.folder, "serve", 40, 1000));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", cambio.child.id())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
    let metrics = client::get(cambio.admin, "/metrics").await.text();
    assert!(metrics.contains("process_open_fds ") && metrics.contains("process_resident_memory_bytes "), "{metrics}");
}
