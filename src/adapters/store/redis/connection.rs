//! One connection to a Redis server.

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::task::JoinHandle;

use crate::adapters::net::transport::Transport;
use crate::adapters::store::error::RedisError;

/// A connection. Whoever asks has it alone; after an error, and when a caller goes away before the replies have come,
/// it is dropped, and with it the socket.
pub(super) struct Connection {
    client: MultiplexedConnection,
    /// Reads and writes. The client would let it wait for an answer that is overdue.
    driver: JoinHandle<()>,
}

impl Connection {
    /// Nothing is sent: neither a greeting nor the client's name. Whoever asks keeps the time.
    pub(super) async fn over(stream: Transport) -> Result<Self, RedisError> {
        let silent = RedisConnectionInfo::default().set_skip_set_lib_name();
        let untimed = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let (client, driver) = MultiplexedConnection::new_with_config(&silent, stream, untimed).await?;
        Ok(Self { client, driver: tokio::spawn(driver) })
    }

    /// Whether the server has not ended it.
    pub(super) fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    /// Sends commands at once and returns their replies, error replies among them.
    pub(super) async fn ask(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, RedisError> {
        // One command is not sent as a pipeline, whose errors do not tell garbage from an end.
        if let [command] = commands {
            return Ok(vec![self.client.send_packed_command(command).await?]);
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            pipeline.add_command(command.clone());
        }
        Ok(self.client.send_packed_commands(&pipeline, 0, commands.len()).await?)
    }

    /// Sends one command; an error reply is an error.
    pub(super) async fn ask_one(&mut self, command: Cmd) -> Result<Value, RedisError> {
        match self.client.send_packed_command(&command).await? {
            Value::ServerError(error) => Err(RedisError::refused(&error)),
            reply => Ok(reply),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
