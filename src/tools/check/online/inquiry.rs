//! What every question needs: the configuration with its places, and the ways to ask.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::adapters::config::load::review::Places;
use crate::adapters::config::problem::Problem;
use crate::adapters::config::{Config, Upstream};
use crate::adapters::net::outgoing::{AnswerLimits, OutgoingClient};
use crate::adapters::net::proxied::Dialer;
use crate::adapters::tls;
use crate::adapters::upstream::client::UpstreamClient;
use crate::tools::failure::CommandFailure;
use crate::words::clock::Clock;

/// Limits of one answer. A key set is the largest.
pub(super) const LIMITS: AnswerLimits = AnswerLimits { time: Duration::from_secs(5), bytes: 1 << 20 };

/// What every question needs.
pub(super) struct Inquiry {
    pub(super) config: Arc<Config>,
    file: PathBuf,
    pub(super) places: Places,
    pub(super) clock: Clock,
    /// Asks the identity provider as Cambio does.
    pub(super) upstream: UpstreamClient,
    /// Asks as callers do.
    pub(super) public: OutgoingClient,
}

impl Inquiry {
    /// For a configuration that was loaded from `file`.
    ///
    /// # Errors
    /// The file, or a certificate that the configuration names, can't be read.
    pub(super) fn new(config: &Arc<Config>, file: &Path, clock: &Clock) -> Result<Self, CommandFailure> {
        let bytes = std::fs::read(file).map_err(|error| CommandFailure(format!("{}: {error}", file.display())))?;
        let upstream = &config.upstream;
        let limited = Upstream {
            connect_timeout: upstream.connect_timeout.min(LIMITS.time),
            response_timeout: upstream.response_timeout.min(LIMITS.time),
            idle_timeout: upstream.idle_timeout.min(LIMITS.time),
            ..upstream.clone()
        };
        let dialer = Dialer::new(&config.proxies).map_err(CommandFailure::of)?;
        // Without the system's authorities, only plain http can be asked, which is a finding about each https origin.
        let trust = tls::client(None, None).or_else(|_| tls::nobody()).map_err(CommandFailure::of)?;
        Ok(Self {
            config: Arc::clone(config),
            file: file.to_owned(),
            places: Places::of(&bytes),
            clock: clock.clone(),
            upstream: UpstreamClient::new(&limited).map_err(CommandFailure::of)?,
            public: OutgoingClient::new(trust, 0, LIMITS, dialer),
        })
    }

    /// A finding about a key of `cambio.yaml`.
    pub(super) fn at(&self, key: &str, message: impl Into<String>) -> Problem {
        self.places.problem(&self.file, key, message.into())
    }
}
