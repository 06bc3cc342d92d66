//! Why the store can't answer.

use redis::{ErrorKind, ServerError, Value};

/// Why the store can't answer. The request that needs the answer is refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room, and nothing is forgotten before its time.
    #[error("the store in memory is full")]
    Full,
    /// Redis did not answer, or its answer does not fit the command.
    #[error("redis: {0}")]
    Redis(#[from] RedisError),
}

/// What is wrong with Redis. The text repeats nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// No connection, or it broke.
    #[error("no connection: {0}")]
    Connection(String),
    /// No answer within `store.redis.timeout`.
    #[error("no answer in time")]
    Timeout,
    /// An error reply, with its first word: `READONLY` (a replica), `CLUSTERDOWN`, `NOAUTH`, `OOM` …
    #[error("refused: {0}")]
    Refused(String),
    /// Not Redis' protocol, or not a reply to the command.
    #[error("something that is no answer")]
    Garbage,
    /// The Sentinels know no primary of that name, or the server that they name is no primary.
    #[error("the sentinels name no primary")]
    NoPrimary,
    /// The password file can't be read.
    #[error("store.redis.passwordFile: {0}")]
    Password(String),
}

impl RedisError {
    /// An error reply with its code. The rest is free text, which can repeat a command's arguments.
    pub(super) fn refused(error: &ServerError) -> Self {
        let code = error.code();
        let plain = (1..=32).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_uppercase());
        Self::Refused(if plain { code } else { "ERR" }.to_owned())
    }

    /// Whether it is unknown if the server executed the command: no answer came, or no whole one.
    pub(super) fn leaves_open(&self) -> bool {
        matches!(self, Self::Connection(_) | Self::Timeout | Self::Garbage)
    }

    /// The first error among replies.
    pub(super) fn among(replies: &[Value]) -> Option<Self> {
        replies.iter().find_map(|reply| match reply {
            Value::ServerError(error) => Some(Self::refused(error)),
            _ => None,
        })
    }
}

impl From<std::io::Error> for RedisError {
    fn from(error: std::io::Error) -> Self {
        Self::Connection(error.to_string())
    }
}

/// What the client found wrong with a connection; an error reply comes as a [`Value`].
impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        if error.kind() == ErrorKind::Io { Self::Connection(error.to_string()) } else { Self::Garbage }
    }
}
