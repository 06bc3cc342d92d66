//! A primary that Redis Sentinel names.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, Value, cmd};

use super::connection::{RedisConnection, RedisConnector};
use super::pool::RedisPool;
use super::turns::Turns;
use crate::adapters::config::RedisAddress;
use crate::adapters::store::error::RedisError;

/// The Sentinels, and the primary that they named last. They are asked for each new connection.
pub(super) struct Sentinel {
    sentinels: Turns,
    master: String,
    connector: RedisConnector,
    primary: Mutex<Option<RedisAddress>>,
}

impl Sentinel {
    pub(super) fn new(sentinels: &[RedisAddress], master: &str, connector: RedisConnector, timeout: Duration) -> Self {
        let (sentinels, master) = (Turns::new(sentinels, timeout), master.to_owned());
        Self { sentinels, master, connector, primary: Mutex::default() }
    }

    pub(super) async fn ask(&self, pool: &RedisPool, commands: &[Cmd]) -> Result<Vec<Value>, RedisError> {
        let known = self.lock().clone();
        if let Some(primary) = known
            && let Some(connection) = pool.kept(&primary)
        {
            return pool.ask_on(connection, &primary, commands).await;
        }
        let primary = self.find().await?;
        let mut connection = pool.connect(&primary).await?;
        check_role(&mut connection).await?;
        let before = self.lock().replace(primary.clone());
        if let Some(before) = before.filter(|before| *before != primary) {
            pool.forget(&before);
        }
        pool.ask_on(connection, &primary, commands).await
    }

    /// An operation failed: the primary may have changed.
    pub(super) fn doubt(&self, pool: &RedisPool) {
        let primary = self.lock().take();
        if let Some(primary) = primary {
            pool.forget(&primary);
        }
    }

    async fn find(&self) -> Result<RedisAddress, RedisError> {
        let mut last = RedisError::NoPrimary;
        for sentinel in self.sentinels.order() {
            match self.sentinels.within_turn(self.primary_by(sentinel)).await {
                Ok(primary) => return Ok(primary),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn primary_by(&self, sentinel: &RedisAddress) -> Result<RedisAddress, RedisError> {
        let mut connection = self.connector.connect(sentinel).await?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let reply = connection.ask_one(question).await?;
        if reply == Value::Nil {
            return Err(RedisError::NoPrimary);
        }
        let (host, port) = redis::from_redis_value(reply).map_err(|_| RedisError::Garbage)?;
        Ok(RedisAddress { host, port })
    }

    fn lock(&self) -> MutexGuard<'_, Option<RedisAddress>> {
        self.primary.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A Sentinel that is late still names the old primary, which may be a replica by now.
async fn check_role(connection: &mut RedisConnection) -> Result<(), RedisError> {
    match connection.ask_one(cmd("ROLE")).await? {
        Value::Array(facts) if facts.first() == Some(&Value::BulkString(b"master".to_vec())) => Ok(()),
        _ => Err(RedisError::NoPrimary),
    }
}
