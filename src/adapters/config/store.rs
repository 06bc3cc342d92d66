//! Where used and revoked tokens are remembered.

use std::path::PathBuf;
use std::time::Duration;

use rustls_pki_types::ServerName;

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
    /// Host, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whom its certificate must name; `None` without TLS.
    pub tls_name: Option<ServerName<'static>>,
    /// Number of the database.
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
