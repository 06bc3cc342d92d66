//! The store in Redis or Valkey: a few connections, one command at a time on each.
//!
//! A command whose answer does not come is never sent again: the claim may have been taken, and only the first who
//! takes it may go on. The connection is closed, so no later command ever reads an earlier one's answer.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncWriteExt, BufStream, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::{TlsConnector, TlsStream};

use super::key::Key;
use super::resp::{self, Reply};
use crate::adapters::config;
use crate::adapters::net::transport::{Transport, tune};
use crate::adapters::tls::{self, TlsError};
use crate::words::secret::Secret;

/// Connections at one time; more operations wait, within their time limit.
const CONNECTIONS: usize = 64;
/// Largest password file.
const PASSWORD: u64 = 4096;

/// What is wrong with Redis. The text repeats nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// No answer within `store.redis.timeout`.
    #[error("no answer in time")]
    Timeout,
    /// An error reply, by its first word: `READONLY` (a replica), `MOVED` (a cluster), `NOAUTH`, `OOM` …
    #[error("refused: {0}")]
    Refused(String),
    /// Not Redis' protocol, or not a reply to what was asked.
    #[error("something that is no answer")]
    Garbage,
    /// The password file can't be read.
    #[error("store.redis.passwordFile: {0}")]
    Password(String),
}

impl From<io::Error> for RedisError {
    fn from(error: io::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

/// A Redis and the connections to it.
pub(super) struct Redis {
    host: String,
    port: u16,
    database: Option<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    prefix: String,
    timeout: Duration,
    idle: Mutex<Vec<Connection>>,
    room: Semaphore,
    /// Whether it was asked if it forgets entries before their time.
    looked: AtomicBool,
}

type Connection = BufStream<Transport>;

impl Redis {
    pub(super) fn new(config: &config::Redis) -> Result<Self, TlsError> {
        let tls = match &config.tls_name {
            None => None,
            Some(name) => {
                let client = tls::client(config.ca.as_deref(), None)?;
                Some((TlsConnector::from(Arc::new(client)), name.clone()))
            }
        };
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            database: (config.database != 0).then(|| config.database.to_string()),
            username: config.username.clone(),
            password_file: config.password_file.clone(),
            tls,
            prefix: config.prefix.clone(),
            timeout: config.timeout,
            idle: Mutex::default(),
            room: Semaphore::new(CONNECTIONS),
            looked: AtomicBool::new(false),
        })
    }

    /// Whether the key was free, and is now taken.
    pub(super) async fn claim(&self, key: &Key, kept: Duration) -> Result<bool, RedisError> {
        let [reply] =
            self.ask([&["SET", &key.written(&self.prefix), "1", "NX", "PX", &millis(kept)]]).await?;
        match reply {
            Reply::Simple(word) if word == "OK" => Ok(true),
            Reply::Nil => Ok(false),
            _ => Err(RedisError::Garbage),
        }
    }

    /// Sets the key, or prolongs it.
    pub(super) async fn mark(&self, key: &Key, kept: Duration) -> Result<(), RedisError> {
        let (key, kept) = (key.written(&self.prefix), millis(kept));
        // In this order, a key whose time ends between the two is set anew.
        let prolong: &[&str] = &["PEXPIRE", &key, &kept, "GT"];
        let set: &[&str] = &["SET", &key, "1", "NX", "PX", &kept];
        match self.ask([prolong, set]).await? {
            [Reply::Integer(_), Reply::Nil] => Ok(()),
            [Reply::Integer(0), Reply::Simple(word)] if word == "OK" => Ok(()),
            _ => Err(RedisError::Garbage),
        }
    }

    pub(super) async fn is_marked(&self, key: &Key) -> Result<bool, RedisError> {
        match self.ask([&["EXISTS", &key.written(&self.prefix)]]).await? {
            [Reply::Integer(0)] => Ok(false),
            [Reply::Integer(1)] => Ok(true),
            _ => Err(RedisError::Garbage),
        }
    }

    pub(super) async fn ping(&self) -> Result<(), RedisError> {
        match self.ask([&["PING"]]).await? {
            [Reply::Simple(word)] if word == "PONG" => Ok(()),
            _ => Err(RedisError::Garbage),
        }
    }

    /// Sends commands at once and reads their replies, within the time limit. A caller that goes away early drops the
    /// connection with the answer that it did not read.
    async fn ask<const N: usize>(&self, commands: [&[&str]; N]) -> Result<[Reply; N], RedisError> {
        let asked = async {
            let _room = self.room.acquire().await.map_err(|_| RedisError::Garbage)?;
            let mut connection = match self.kept().await {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let replies = exchange(&mut connection, commands).await?;
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            Ok(replies)
        };
        tokio::time::timeout(self.timeout, asked).await.unwrap_or(Err(RedisError::Timeout))
    }

    /// A kept connection on which there is nothing to read: neither its end nor an answer to nobody.
    async fn kept(&self) -> Option<Connection> {
        loop {
            let connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if is_silent(connection.get_ref()).await {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, RedisError> {
        let password = self.password().await?;
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tune(&stream)?;
        let transport = match &self.tls {
            None => Transport::Plain(stream),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                Transport::Tls(Box::new(TlsStream::from(stream)))
            }
        };
        let mut connection = BufStream::new(transport);
        if let Some(password) = password {
            let username = self.username.as_deref().unwrap_or("default");
            exchange(&mut connection, [&["AUTH", username, password.expose()]]).await?;
        }
        if let Some(database) = &self.database {
            exchange(&mut connection, [&["SELECT", database]]).await?;
        }
        if !self.looked.swap(true, Ordering::Relaxed) {
            connection = self.look_for_eviction(connection).await?;
        }
        Ok(connection)
    }

    /// Read for each connection, so that a new password needs no restart.
    async fn password(&self) -> Result<Option<Secret>, RedisError> {
        use tokio::io::AsyncReadExt;
        let Some(path) = &self.password_file else { return Ok(None) };
        let failed = |error: io::Error| RedisError::Password(error.to_string());
        let mut text = zeroize::Zeroizing::new(String::new());
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        file.take(PASSWORD).read_to_string(&mut text).await.map_err(failed)?;
        Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']))))
    }

    /// A Redis that drops keys when memory is short forgets what was used. Who may not ask is not told.
    async fn look_for_eviction(&self, mut connection: Connection) -> Result<Connection, RedisError> {
        let info = match exchange(&mut connection, [&["INFO", "memory"]]).await {
            Ok([Reply::Bulk(info)]) => info,
            Ok(_) => return Err(RedisError::Garbage),
            Err(RedisError::Refused(_)) => return Ok(connection),
            Err(error) => {
                self.looked.store(false, Ordering::Relaxed);
                return Err(error);
            }
        };
        let info = String::from_utf8_lossy(&info);
        let value = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let bounded = value("maxmemory").is_some_and(|bytes| bytes != "0");
        if let Some(policy) = value("maxmemory_policy").filter(|policy| bounded && *policy != "noeviction") {
            let policy: String = policy.chars().take(32).collect();
            tracing::warn!(
                policy,
                "this redis drops keys when its memory is full, and a dropped key lets a token be used twice: set maxmemory-policy noeviction"
            );
        }
        Ok(connection)
    }
}

async fn exchange<const N: usize>(
    connection: &mut Connection,
    commands: [&[&str]; N],
) -> Result<[Reply; N], RedisError> {
    let mut out = zeroize::Zeroizing::new(Vec::with_capacity(256));
    for words in commands {
        resp::command(&mut out, words);
    }
    connection.write_all(&out).await?;
    connection.flush().await?;
    let mut replies = [const { Reply::Nil }; N];
    for reply in &mut replies {
        *reply = resp::reply(connection).await?;
    }
    Ok(replies)
}

/// Whether nothing has come on the socket, not even its end.
async fn is_silent(transport: &Transport) -> bool {
    let stream = match transport {
        Transport::Plain(stream) => stream,
        Transport::Tls(stream) => stream.get_ref().0,
    };
    let mut byte = [0];
    poll_fn(|cx| Poll::Ready(stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)).is_pending())).await
}

fn millis(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}
