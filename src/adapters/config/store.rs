//! Where used and revoked tokens are remembered.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where used and revoked tokens are remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Store {
    /// In this process: for one replica.
    Memory,
    /// In a Redis or Valkey that replicas share.
    Redis(Redis),
}

/// A Redis or Valkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Which servers, and how the primary is found among them.
    pub servers: RedisServers,
    /// Whether every connection has TLS. The certificate must name the host that is connected to.
    pub tls: bool,
    /// Number of the database; a cluster has only 0.
    pub database: u32,
    /// Name of the ACL user; `None` is `default`.
    pub username: Option<String>,
    /// File of its password, read for each connection.
    pub password_file: Option<PathBuf>,
    /// Own CA bundle (PEM).
    pub ca: Option<PathBuf>,
    /// What every key begins with.
    pub prefix: String,
    /// Limit for one operation, connection included.
    pub timeout: Duration,
}

/// Servers of a Redis, and how the primary is found among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// One primary behind one name.
    Single(RedisAddress),
    /// Redis Sentinel names the primary.
    Sentinel {
        /// The Sentinels.
        sentinels: Vec<RedisAddress>,
        /// The name under which the Sentinels watch the primary.
        master: String,
        /// File of the Sentinels' own password, read for each connection.
        password_file: Option<PathBuf>,
    },
    /// Redis Cluster: each key has its primary. These nodes are asked first, and name the others.
    Cluster(Vec<RedisAddress>),
}

/// Host and port of a Redis server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RedisAddress {
    /// Host, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl RedisServers {
    /// The servers that the configuration names.
    pub fn named(&self) -> &[RedisAddress] {
        match self {
            Self::Single(address) => std::slice::from_ref(address),
            Self::Sentinel { sentinels, .. } => sentinels,
            Self::Cluster(nodes) => nodes,
        }
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The URL.
impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "rediss" } else { "redis" };
        let named: Vec<_> = self.servers.named().iter().map(ToString::to_string).collect();
        let (named, database) = (named.join(","), self.database);
        match &self.servers {
            RedisServers::Single(_) => write!(f, "{scheme}://{named}/{database}"),
            RedisServers::Sentinel { master, .. } => {
                write!(f, "{scheme}+sentinel://{named}/{master}/{database}")
            }
            RedisServers::Cluster(_) => write!(f, "{scheme}+cluster://{named}"),
        }
    }
}
