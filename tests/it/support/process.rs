//! The built binary as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use super::client::DEADLINE;

/// A Cambio that runs as a process, until this value is dropped.
pub struct Process {
    pub child: Child,
    log: Receiver<String>,
    said: Vec<String>,
    pub address: SocketAddr,
    pub admin: SocketAddr,
}

impl Process {
    /// Runs `cambio serve` and waits until it serves.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut said = Vec::new();
        let serving = loop {
            let line = log.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no start: {said:#?}"));
            said.push(line.clone());
            if line.contains("is serving") {
                break line;
            }
        };
        let address =
            |key: &str| serving.split(key).nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
        Self { address: address("address="), admin: address("admin="), child, log, said }
    }

    /// Everything that was logged so far.
    pub fn said(&mut self) -> String {
        self.said.extend(self.log.try_iter());
        self.said.join("\n")
    }

    /// Everything that was logged until the process ended.
    pub fn last_words(&mut self) -> String {
        self.said.extend(self.log.iter());
        self.said.join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
