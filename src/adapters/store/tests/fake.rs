//! A Redis of the tests: it writes down what it hears, and answers or does not.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the server does when it has read a command.
#[derive(Clone, Debug)]
pub(super) enum Then {
    Say(String),
    /// Says something and ends the connection.
    End(&'static str),
    /// Reads on and says nothing any more on this connection.
    Hang,
    /// Says the value that the last `SET` brought, whatever was answered to it.
    Held,
}

/// What was heard: the connection's number, and a command or its end.
pub(super) type Heard = (usize, String);

pub(super) struct FakeRedis {
    pub(super) port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    task: JoinHandle<()>,
}

impl FakeRedis {
    /// Answers each command, given as its words with spaces between.
    pub(super) async fn start(answer: impl Fn(&str) -> Then + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (answer, notes) = (Arc::new(answer), Arc::clone(&heard));
        let held: Arc<Mutex<String>> = Arc::default();
        let task = tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, notes, held) = (Arc::clone(&answer), Arc::clone(&notes), Arc::clone(&held));
                tokio::spawn(async move {
                    let note = |text: &str| notes.lock().unwrap().push((number, text.to_owned()));
                    serve(stream, |text| {
                        note(text);
                        if text.starts_with("SET ") {
                            text.split(' ').nth(2).unwrap().clone_into(&mut held.lock().unwrap());
                        }
                        match answer(text) {
                            Then::Held => bulk(&held.lock().unwrap()),
                            other => other,
                        }
                    })
                    .await;
                    note("(end)");
                });
            }
        });
        Self { port, heard, task }
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The connections on which a command came that begins so.
    pub(super) fn connections(&self, command: &str) -> Vec<usize> {
        let heard = self.heard();
        heard.iter().filter(|(_, text)| text.starts_with(command)).map(|(number, _)| *number).collect()
    }

    /// Waits until a connection has ended, and returns what was heard on it.
    pub(super) async fn until_end(&self, connection: usize) -> Vec<String> {
        while !self.heard().contains(&(connection, "(end)".to_owned())) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let heard = self.heard().into_iter();
        heard.filter(|(number, _)| *number == connection).map(|(_, text)| text).collect()
    }
}

impl Drop for FakeRedis {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What every server of these tests says; `INFO` and the rest are not theirs.
pub(super) fn usual(command: &str) -> Then {
    let words = ["PING", "ROLE", "SET", "PEXPIRE", "EXISTS", "AUTH", "SELECT", "ASKING"];
    let replies = ["+PONG", "*3\r\n$6\r\nmaster\r\n:0\r\n*0", "+OK", ":0", ":0", "+OK", "+OK", "+OK"];
    if command.starts_with("GET ") {
        return Then::Held;
    }
    let known = words.iter().zip(replies).find(|(word, _)| command.starts_with(**word));
    say(known.map_or("-NOPERM this user has no permissions", |(_, reply)| reply))
}

pub(super) fn say(reply: &str) -> Then {
    Then::Say(format!("{reply}\r\n"))
}

pub(super) fn bulk(text: &str) -> Then {
    say(&format!("${}\r\n{text}", text.len()))
}

async fn serve(stream: TcpStream, answer: impl Fn(&str) -> Then) {
    let mut stream = BufStream::new(stream);
    let mut hangs = false;
    while let Some(words) = command(&mut stream).await {
        let then = answer(&words.join(" "));
        hangs |= matches!(then, Then::Hang);
        match then {
            _ if hangs => continue,
            Then::Hang | Then::Held => continue,
            Then::Say(text) => stream.write_all(text.as_bytes()).await.unwrap_or_default(),
            Then::End(text) => {
                stream.write_all(text.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
                return;
            }
        }
        stream.flush().await.unwrap_or_default();
    }
}

async fn command(stream: &mut BufStream<TcpStream>) -> Option<Vec<String>> {
    let mut words = Vec::new();
    for _ in 0..number(stream, '*').await? {
        let mut bytes = vec![0; number(stream, '$').await? + 2];
        stream.read_exact(&mut bytes).await.ok()?;
        let text = String::from_utf8(bytes).unwrap();
        words.push(text.strip_suffix("\r\n").unwrap().to_owned());
    }
    Some(words)
}

async fn number(stream: &mut BufStream<TcpStream>, sign: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    Some(line.strip_prefix(sign).unwrap().trim_end().parse().unwrap())
}
