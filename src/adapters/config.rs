//! The configuration: how it is written (`file`), read and checked (`load`), and what it means (`settings`).

pub mod circle;
pub mod file;
pub mod load;
pub mod presets;
pub mod problem;
pub mod schema;
pub mod settings;
mod store;
pub mod summary;
pub mod watch;

pub use self::file::issuer::SecretMethod;
pub use self::problem::Problem;
pub use self::settings::issuer::{Introspection, JwksLimits, KeySource, OwnClient, ServerAccess, TrustedIssuer};
pub use self::settings::proxy::{Proxies, Proxy};
pub use self::settings::realm::{Directory, Dpop, NonceSource, Realm, RefreshTokens};
pub use self::settings::{AuditOutput, CertificateHeader, ClientCertificates, Config, Listen, Log, Sources, Upstream};
pub use self::store::{Redis, RedisAddress, RedisServers, Store};
pub use self::summary::summary;
pub use crate::adapters::tls::KeyPair;
