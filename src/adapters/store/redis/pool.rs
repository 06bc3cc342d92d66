//! Connections that are kept between operations.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redis::{Cmd, ServerError, ServerErrorKind, Value, cmd};

use super::connection::{RedisConnection, RedisConnector};
use crate::adapters::config::RedisAddress;
use crate::adapters::store::error::RedisError;

/// Kept connections, by server. A server has an entry once it was connected to.
pub(super) struct RedisPool {
    connector: RedisConnector,
    kept: Mutex<HashMap<RedisAddress, Vec<RedisConnection>>>,
}

impl RedisPool {
    pub(super) fn new(connector: RedisConnector) -> Self {
        Self { connector, kept: Mutex::default() }
    }

    /// Asks a server, on a kept connection or a new one.
    pub(super) async fn ask(&self, server: &RedisAddress, commands: &[Cmd]) -> Result<Vec<Value>, RedisError> {
        let connection = self.connection(server).await?;
        self.ask_on(connection, server, commands).await
    }

    /// Asks on a connection, and keeps the connection if every reply came and none is a refusal: the next connection may
    /// lead to a server that does not refuse. A redirection is no refusal.
    pub(super) async fn ask_on(
        &self,
        mut connection: RedisConnection,
        server: &RedisAddress,
        commands: &[Cmd],
    ) -> Result<Vec<Value>, RedisError> {
        let replies = connection.ask(commands).await?;
        let refusal = |reply: &Value| matches!(reply, Value::ServerError(error) if !is_redirection(error));
        if !replies.iter().any(refusal) {
            self.lock().entry(server.clone()).or_default().push(connection);
        }
        Ok(replies)
    }

    /// A kept connection, or a new one.
    pub(super) async fn connection(&self, server: &RedisAddress) -> Result<RedisConnection, RedisError> {
        match self.kept(server) {
            Some(connection) => Ok(connection),
            None => self.connect(server).await,
        }
    }

    /// A kept connection that the server has not closed.
    pub(super) fn kept(&self, server: &RedisAddress) -> Option<RedisConnection> {
        let mut kept = self.lock();
        let connections = kept.get_mut(server)?;
        std::iter::from_fn(|| connections.pop()).find(RedisConnection::is_open)
    }

    /// A new connection.
    pub(super) async fn connect(&self, server: &RedisAddress) -> Result<RedisConnection, RedisError> {
        let mut connection = self.connector.connect(server).await?;
        let is_new = !self.lock().contains_key(server);
        if is_new {
            warn_of_eviction(&mut connection).await?;
            self.lock().entry(server.clone()).or_default();
        }
        Ok(connection)
    }

    /// Closes what is kept to a server.
    pub(super) fn forget(&self, server: &RedisAddress) {
        if let Some(connections) = self.lock().get_mut(server) {
            connections.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RedisAddress, Vec<RedisConnection>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a node of a cluster says that it did not execute the command, and who would.
pub(super) fn is_redirection(error: &ServerError) -> bool {
    matches!(error.kind(), Some(ServerErrorKind::Moved | ServerErrorKind::Ask))
}

/// A Redis that drops keys when memory is short forgets used tokens. If Cambio may not send `INFO`, it does not warn.
async fn warn_of_eviction(connection: &mut RedisConnection) -> Result<(), RedisError> {
    let mut info = cmd("INFO");
    info.arg("memory");
    let info = match connection.ask_one(info).await {
        Ok(Value::BulkString(info)) => info,
        Ok(_) => return Err(RedisError::Garbage),
        Err(RedisError::Refused(_)) => return Ok(()),
        Err(error) => return Err(error),
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
    Ok(())
}
