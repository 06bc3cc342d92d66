//! Marks in Redis or Valkey: one server, a primary that Sentinel names, or a cluster.
//!
//! The connection of a command without an answer is closed, so that no later command reads the answer to an earlier
//! command. A claim has a random id of its own, and asks whose id the key has. So a claim whose answer was lost can be
//! sent once more: it learns whether the key is its own or another caller's.

mod cluster;
mod connection;
mod pool;
mod sentinel;
mod turns;

use std::time::Duration;

use redis::{Cmd, Value, cmd};
use tokio::sync::Semaphore;

use self::cluster::Cluster;
use self::connection::RedisConnector;
use self::pool::RedisPool;
use self::sentinel::Sentinel;
use super::error::RedisError;
use super::key::MarkKey;
use crate::adapters::config::{Redis, RedisAddress, RedisServers};
use crate::adapters::tls::TlsError;

/// Connections at one time; more operations wait, within their time limit.
const CONNECTIONS: usize = 64;

/// The value of a mark, which nobody owns.
const MARK: &str = "1";

/// A Redis and the connections to it.
pub(super) struct RedisMarks {
    servers: Servers,
    pool: RedisPool,
    prefix: String,
    timeout: Duration,
    room: Semaphore,
}

/// How the server of a key is found.
enum Servers {
    Single(RedisAddress),
    Sentinel(Sentinel),
    Cluster(Cluster),
}

impl RedisMarks {
    pub(super) fn new(config: &Redis) -> Result<Self, TlsError> {
        let connector = RedisConnector::new(config)?;
        let servers = match &config.servers {
            RedisServers::Single(address) => Servers::Single(address.clone()),
            RedisServers::Sentinel { sentinels, master, password_file } => {
                let connector = connector.to_sentinels(password_file.as_deref());
                Servers::Sentinel(Sentinel::new(sentinels, master, connector, config.timeout))
            }
            RedisServers::Cluster(nodes) => Servers::Cluster(Cluster::new(nodes, config.timeout)),
        };
        Ok(Self {
            servers,
            pool: RedisPool::new(connector),
            prefix: config.prefix.clone(),
            timeout: config.timeout,
            room: Semaphore::new(CONNECTIONS),
        })
    }

    /// Whether the key was free, and is now taken. If the answer is lost, the claim is sent once more, within a time
    /// limit of its own: the id tells a claim from all others.
    pub(super) async fn claim(&self, key: &MarkKey, kept: Duration) -> Result<bool, RedisError> {
        let (key, id) = (key.written(&self.prefix), uuid::Uuid::new_v4().simple().to_string());
        match self.claim_as(&key, &id, kept).await {
            Err(error) if error.leaves_open() => self.claim_as(&key, &id, kept).await,
            answered => answered,
        }
    }

    /// Takes the key for `id`, unless it is taken, and asks whose it is.
    async fn claim_as(&self, key: &str, id: &str, kept: Duration) -> Result<bool, RedisError> {
        let mut owner = cmd("GET");
        owner.arg(key);
        match self.ask(key, [set(key, id, kept), owner]).await? {
            [Value::Okay | Value::Nil, Value::BulkString(owner)] => Ok(owner == id.as_bytes()),
            _ => Err(RedisError::Garbage),
        }
    }

    /// Sets the key, or prolongs it.
    pub(super) async fn mark(&self, key: &MarkKey, kept: Duration) -> Result<(), RedisError> {
        let key = key.written(&self.prefix);
        let mut prolong = cmd("PEXPIRE");
        prolong.arg(&key).arg(millis(kept)).arg("GT");
        // In this order, a key whose time ends between the two is set anew.
        match self.ask(&key, [prolong, set(&key, MARK, kept)]).await? {
            [Value::Int(_), Value::Nil] | [Value::Int(0), Value::Okay] => Ok(()),
            _ => Err(RedisError::Garbage),
        }
    }

    /// Keeps a text in the place of an earlier one.
    pub(super) async fn keep(&self, key: &MarkKey, text: &str, kept: Duration) -> Result<(), RedisError> {
        let key = key.written(&self.prefix);
        let mut set = cmd("SET");
        set.arg(&key).arg(text).arg("PX").arg(millis(kept));
        match self.ask(&key, [set]).await? {
            [Value::Okay] => Ok(()),
            _ => Err(RedisError::Garbage),
        }
    }

    pub(super) async fn kept(&self, key: &MarkKey) -> Result<Option<String>, RedisError> {
        let key = key.written(&self.prefix);
        let mut get = cmd("GET");
        get.arg(&key);
        match self.ask(&key, [get]).await? {
            [Value::Nil] => Ok(None),
            [Value::BulkString(text)] => String::from_utf8(text).map(Some).map_err(|_| RedisError::Garbage),
            _ => Err(RedisError::Garbage),
        }
    }

    pub(super) async fn forget(&self, key: &MarkKey) -> Result<(), RedisError> {
        let key = key.written(&self.prefix);
        let mut delete = cmd("DEL");
        delete.arg(&key);
        match self.ask(&key, [delete]).await? {
            [Value::Int(_)] => Ok(()),
            _ => Err(RedisError::Garbage),
        }
    }

    pub(super) async fn is_marked(&self, key: &MarkKey) -> Result<bool, RedisError> {
        self.exists(&key.written(&self.prefix)).await
    }

    /// Whether Redis answers. A cluster that is down answers `PING`, so Cambio looks for a key there.
    pub(super) async fn ping(&self) -> Result<(), RedisError> {
        if let Servers::Cluster(_) = self.servers {
            return self.exists(&format!("{}ping", self.prefix)).await.map(|_| ());
        }
        match self.ask("", [cmd("PING")]).await? {
            [Value::SimpleString(word)] if word == "PONG" => Ok(()),
            _ => Err(RedisError::Garbage),
        }
    }

    async fn exists(&self, key: &str) -> Result<bool, RedisError> {
        let mut exists = cmd("EXISTS");
        exists.arg(key);
        match self.ask(key, [exists]).await? {
            [Value::Int(0)] => Ok(false),
            [Value::Int(1)] => Ok(true),
            _ => Err(RedisError::Garbage),
        }
    }

    /// Sends commands about one key and reads their replies, within the time limit. A caller that goes away early drops
    /// the connection with the answer that was not read.
    async fn ask<const N: usize>(&self, key: &str, commands: [Cmd; N]) -> Result<[Value; N], RedisError> {
        let asked = async {
            let _room = self.room.acquire().await.map_err(|_| RedisError::Garbage)?;
            match &self.servers {
                Servers::Single(server) => self.pool.ask(server, &commands).await,
                Servers::Sentinel(sentinel) => sentinel.ask(&self.pool, &commands).await,
                Servers::Cluster(cluster) => cluster.ask(&self.pool, key, &commands).await,
            }
        };
        let replies = match tokio::time::timeout(self.timeout, asked).await.unwrap_or(Err(RedisError::Timeout)) {
            Ok(replies) => RedisError::among(&replies).map_or(Ok(replies), Err),
            Err(error) => Err(error),
        };
        if replies.is_err() {
            // The next operation finds its server anew.
            match &self.servers {
                Servers::Single(_) => {}
                Servers::Sentinel(sentinel) => sentinel.doubt(&self.pool),
                Servers::Cluster(cluster) => cluster.doubt(&self.pool, key),
            }
        }
        replies?.try_into().map_err(|_| RedisError::Garbage)
    }
}

fn set(key: &str, value: &str, kept: Duration) -> Cmd {
    let mut set = cmd("SET");
    set.arg(key).arg(value).arg("NX").arg("PX").arg(millis(kept));
    set
}

fn millis(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}
