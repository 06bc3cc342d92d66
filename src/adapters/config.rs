//! The configuration: how it is written (`file`), read and checked (`load`), and what it means (`settings`).

pub mod file;
pub mod load;
pub mod problem;
pub mod schema;
pub mod settings;
mod store;
pub mod summary;
pub mod watch;

pub use self::problem::Problem;
pub use self::settings::dpop::{Dpop, NonceSource};
pub use self::settings::introspection::{Introspection, OwnClient, SecretMethod};
pub use self::settings::issuer::{JwksLimits, KeySource, TrustedIssuer};
pub use self::settings::listen::{CertificateHeader, ClientCertificates, Listen};
pub use self::settings::realm::{Directory, Realm, RefreshTokens};
pub use self::settings::upstream::Upstream;
pub use self::settings::{AuditOutput, Config, Log, Sources};
pub use self::store::{Redis, RedisAddress, RedisServers, Store};
pub use self::summary::summary;
pub use crate::adapters::tls::KeyPair;
