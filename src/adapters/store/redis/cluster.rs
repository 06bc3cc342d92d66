//! Redis Cluster: each key belongs to a slot, and each slot to a node.
//!
//! A node without the slot answers `MOVED` or `ASK`, and does not execute the command. Cambio sends the command to the
//! node that the answer names, and learns the nodes of slots from these answers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, ServerErrorKind, Value, cmd};

use super::connection::RedisConnection;
use super::pool::{RedisPool, is_redirection};
use super::turns::Turns;
use crate::adapters::config::RedisAddress;
use crate::adapters::store::error::RedisError;

/// Nodes that one operation asks at most.
const HOPS: usize = 5;
/// Slots of every cluster.
const SLOTS: u16 = 16_384;

/// A cluster.
pub(super) struct Cluster {
    nodes: Turns,
    owners: Mutex<HashMap<u16, RedisAddress>>,
}

/// Where to send a command that was not executed.
#[derive(Debug, PartialEq, Eq)]
struct Redirection {
    /// Only this time (`ASK`): the slot is being moved.
    once: bool,
    to: RedisAddress,
}

impl Cluster {
    pub(super) fn new(nodes: &[RedisAddress], timeout: Duration) -> Self {
        Self { nodes: Turns::new(nodes, timeout), owners: Mutex::default() }
    }

    pub(super) async fn ask(&self, pool: &RedisPool, key: &str, commands: &[Cmd]) -> Result<Vec<Value>, RedisError> {
        let slot = slot(key);
        let owner = self.lock().get(&slot).cloned();
        let (mut node, mut connection) = match owner {
            Some(owner) => (owner.clone(), pool.connection(&owner).await?),
            None => self.any(pool).await?,
        };
        let mut once = false;
        for _ in 0..HOPS {
            let replies = if once {
                asking(pool, connection, &node, commands).await?
            } else {
                pool.ask_on(connection, &node, commands).await?
            };
            let Some(redirection) = redirection(&replies, &node) else {
                return Ok(replies);
            };
            Redirection { once, to: node } = redirection;
            if !once {
                self.lock().insert(slot, node.clone());
            }
            connection = pool.connection(&node).await?;
        }
        Err(RedisError::Refused("MOVED".to_owned()))
    }

    /// An operation failed: the slot's node may be gone, and with it the node of other slots.
    pub(super) fn doubt(&self, pool: &RedisPool, key: &str) {
        let mut owners = self.lock();
        match owners.remove(&slot(key)) {
            Some(node) => {
                owners.retain(|_, owner| *owner != node);
                pool.forget(&node);
            }
            None => self.nodes.skip(),
        }
    }

    /// A connection to any node that can be reached.
    async fn any(&self, pool: &RedisPool) -> Result<(RedisAddress, RedisConnection), RedisError> {
        let mut last = RedisError::Timeout;
        for node in self.nodes.order() {
            match self.nodes.within_turn(pool.connection(node)).await {
                Ok(connection) => return Ok((node.clone(), connection)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u16, RedisAddress>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a node that is about to get the slot: each command needs its own `ASKING`.
async fn asking(
    pool: &RedisPool,
    connection: RedisConnection,
    node: &RedisAddress,
    commands: &[Cmd],
) -> Result<Vec<Value>, RedisError> {
    let commands: Vec<_> = commands.iter().flat_map(|command| [cmd("ASKING"), command.clone()]).collect();
    let replies = pool.ask_on(connection, node, &commands).await?;
    Ok(replies.into_iter().skip(1).step_by(2).collect())
}

/// The first redirection among replies. The commands of an operation may all be sent again: one that was executed
/// before the slot went away only prolonged a mark.
fn redirection(replies: &[Value], from: &RedisAddress) -> Option<Redirection> {
    let error = replies.iter().find_map(|reply| match reply {
        Value::ServerError(error) => Some(error).filter(|error| is_redirection(error)),
        _ => None,
    })?;
    // `3999 127.0.0.1:6381`; without a host, that of the node which answers.
    let (_, address) = error.details()?.split_once(' ')?;
    let (host, port) = address.rsplit_once(':')?;
    let host = if host.is_empty() { &from.host } else { host };
    let port = port.parse().ok().filter(|_| host != "?")?;
    let once = error.kind() == Some(ServerErrorKind::Ask);
    Some(Redirection { once, to: RedisAddress { host: host.to_owned(), port } })
}

/// The slot of a key: CRC-16 (XMODEM). No key has a hash tag: braces are in neither the prefix nor the rest.
fn slot(key: &str) -> u16 {
    let crc = key.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31c3 % SLOTS);
        // As `CLUSTER KEYSLOT` answers.
        assert_eq!((slot("foo"), slot("")), (12_182, 0));
    }
}
