//! `realms.*.rateLimits` and `realms.*.clientLockout` of `cambio.yaml` as written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::value::{Period, RateText, period};

/// How often callers may come with requests that Cambio judges, with requests through an open door, and with requests about
/// tokens that Cambio issued. Logins, pages and everything else that only passes are not limited. Cambio answers a request
/// beyond a limit with 429 and `Retry-After`. Each replica counts for itself. All requests of a rate may come at once; after
/// that, one more is due each time its share of the period has passed. A limit that is left out does not hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimits {
    /// The limit of each client. Only requests count whose client has proven who it is.
    pub per_client: Option<RateText>,
    /// The limit of each peer: an IPv4 address, or the /64 network of an IPv6 address. Behind `listen.trustedProxies`, the
    /// peer is the caller that the proxy names.
    pub per_peer: Option<RateText>,
    /// The limit of all callers together. Requests beyond `perPeer` do not count.
    pub per_realm: Option<RateText>,
}

/// When a client is locked out at a peer that sends wrong secrets for it. While the client is locked out there, Cambio answers
/// with 429 and `Retry-After`, and does not say whether the secret is right. At other peers, the client is not locked out. Each replica counts
/// for itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientLockout {
    /// So many wrong secrets for one client from one peer lock the client out there: for a second, and twice as long after
    /// each further one. A right secret forgets them. `0`: Cambio counts no wrong secrets at all.
    #[schemars(range(max = 1000))]
    pub wrong_secrets: u64,
    /// How many wrong secrets a peer may send for all clients together. Beyond that, no secret from this peer is checked.
    pub wrong_secrets_per_peer: RateText,
    /// The longest lock-out. So long after the last one, the wrong secrets are forgotten.
    #[schemars(extend("formatMinimum" = "1s", "formatMaximum" = "1h"))]
    pub longest: Period,
}

impl Default for ClientLockout {
    fn default() -> Self {
        Self { wrong_secrets: 30, wrong_secrets_per_peer: RateText("1000/h".to_owned()), longest: period::<300>() }
    }
}
