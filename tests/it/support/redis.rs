//! A Redis of the tests that keeps what it is told, and loses answers to claims when it is asked to.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The running server; dropping it ends it.
pub struct Redis {
    pub port: u16,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    kept: Mutex<HashMap<String, String>>,
    to_lose: AtomicUsize,
    lost: AtomicUsize,
}

impl Redis {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        let for_all = Arc::clone(&shared);
        let server = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(BufStream::new(stream), Arc::clone(&for_all)));
            }
        });
        Self { port, shared, server }
    }

    /// The next so many claims are executed, and their connection ends without an answer.
    pub fn lose(&self, answers: usize) {
        self.shared.to_lose.store(answers, Ordering::SeqCst);
    }

    /// How many answers were lost so far.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(mut stream: BufStream<TcpStream>, shared: Arc<Shared>) {
    while let Some(words) = command(&mut stream).await {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (reply, is_claim) = {
            let mut kept = shared.kept.lock().unwrap();
            match words[..] {
                ["SET", key, value, "NX", ..] if kept.contains_key(key) => {
                    let _ = value;
                    ("$-1\r\n".to_owned(), true)
                }
                ["SET", key, value, "NX", ..] => {
                    kept.insert(key.to_owned(), value.to_owned());
                    ("+OK\r\n".to_owned(), true)
                }
                ["SET", key, value, "PX", _] => {
                    kept.insert(key.to_owned(), value.to_owned());
                    ("+OK\r\n".to_owned(), false)
                }
                ["DEL", key] => (format!(":{}\r\n", u8::from(kept.remove(key).is_some())), false),
                ["GET", key] => (
                    kept.get(key).map_or("$-1\r\n".to_owned(), |value| format!("${}\r\n{value}\r\n", value.len())),
                    false,
                ),
                ["EXISTS", key] => (format!(":{}\r\n", u8::from(kept.contains_key(key))), false),
                ["PEXPIRE", ..] => (":0\r\n".to_owned(), false),
                ["PING"] => ("+PONG\r\n".to_owned(), false),
                _ => ("-NOPERM this user has no permissions\r\n".to_owned(), false),
            }
        };
        let take = |left: usize| left.checked_sub(1);
        if is_claim && shared.to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            shared.lost.fetch_add(1, Ordering::SeqCst);
            return;
        }
        stream.write_all(reply.as_bytes()).await.unwrap_or_default();
        stream.flush().await.unwrap_or_default();
    }
}

async fn command(stream: &mut BufStream<TcpStream>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(stream, '*').await? {
        let mut bytes = vec![0; number(stream, '$').await? + 2];
        stream.read_exact(&mut bytes).await.ok()?;
        words.push(String::from_utf8(bytes).unwrap().strip_suffix("\r\n").unwrap().to_owned());
    }
    Some(words)
}

async fn number(stream: &mut BufStream<TcpStream>, sign: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    line.strip_prefix(sign)?.trim_end().parse().ok()
}
