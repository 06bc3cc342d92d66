//! Connections to Redis servers.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value, cmd};
use rustls_pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsConnector, TlsStream};

use crate::adapters::config::{Redis, RedisAddress};
use crate::adapters::net::dial::{Purpose, dial};
use crate::adapters::net::transport::Transport;
use crate::adapters::store::error::RedisError;
use crate::adapters::tls::{self, TlsError};
use crate::words::secret::Secret;

/// Largest password file.
const PASSWORD: u64 = 4096;

/// How servers are connected to.
pub(super) struct RedisConnector {
    tls: Option<TlsConnector>,
    database: u32,
    username: Option<String>,
    password_file: Option<PathBuf>,
}

impl RedisConnector {
    pub(super) fn new(config: &Redis) -> Result<Self, TlsError> {
        let client = || tls::client(config.ca.as_deref(), None);
        let tls = config.tls.then(client).transpose()?;
        Ok(Self {
            tls: tls.map(|client| TlsConnector::from(Arc::new(client))),
            database: config.database,
            username: config.username.clone(),
            password_file: config.password_file.clone(),
        })
    }

    /// To the Sentinels, which have no databases, and a password of their own.
    pub(super) fn to_sentinels(&self, password_file: Option<&Path>) -> Self {
        let (tls, password_file) = (self.tls.clone(), password_file.map(Path::to_owned));
        Self { tls, database: 0, username: None, password_file }
    }

    pub(super) async fn connect(&self, server: &RedisAddress) -> Result<RedisConnection, RedisError> {
        let password = self.password().await?;
        let stream = dial(&server.host, server.port, Purpose::Store).await?;
        let transport = match &self.tls {
            None => Transport::Plain(stream),
            Some(connector) => {
                let name = ServerName::try_from(server.host.clone()).map_err(io::Error::other)?;
                let stream = connector.connect(name, stream).await?;
                Transport::Tls(Box::new(TlsStream::from(stream)))
            }
        };
        let mut connection = RedisConnection::over(transport).await?;
        if let Some(password) = password {
            let mut auth = cmd("AUTH");
            auth.arg(self.username.as_deref().unwrap_or("default")).arg(password.expose());
            connection.ask_one(auth).await?;
        }
        if self.database != 0 {
            let mut select = cmd("SELECT");
            select.arg(self.database);
            connection.ask_one(select).await?;
        }
        Ok(connection)
    }

    /// Read for each connection, so that a new password needs no restart.
    async fn password(&self) -> Result<Option<Secret>, RedisError> {
        let Some(path) = &self.password_file else { return Ok(None) };
        let failed = |error: io::Error| RedisError::Password(error.to_string());
        let mut text = zeroize::Zeroizing::new(String::new());
        let file = tokio::fs::File::open(path).await.map_err(failed)?;
        file.take(PASSWORD).read_to_string(&mut text).await.map_err(failed)?;
        Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']))))
    }
}

/// A connection, for one caller at a time. After an error, or if the caller goes away before the replies have come, it is
/// dropped with its socket.
pub(super) struct RedisConnection {
    client: MultiplexedConnection,
    /// Reads and writes. The client would let it wait for an answer that is overdue.
    driver: JoinHandle<()>,
}

impl RedisConnection {
    /// Sends nothing: neither a greeting nor the client's name. The caller limits the time.
    pub(super) async fn over(stream: Transport) -> Result<Self, RedisError> {
        let silent = RedisConnectionInfo::default().set_skip_set_lib_name();
        let untimed = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
        let (client, driver) = MultiplexedConnection::new_with_config(&silent, stream, untimed).await?;
        Ok(Self { client, driver: tokio::spawn(driver) })
    }

    /// Whether the server has not closed it.
    pub(super) fn is_open(&self) -> bool {
        !self.driver.is_finished()
    }

    /// Sends commands at once and returns their replies, error replies among them.
    pub(super) async fn ask(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, RedisError> {
        // A pipeline's errors do not tell garbage from a closed connection, so one command is sent without a pipeline.
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

impl Drop for RedisConnection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
