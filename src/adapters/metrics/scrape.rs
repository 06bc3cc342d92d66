//! The text of one scrape: the families whose series follow the configuration in force. Each scrape writes them anew, so a
//! realm, an audience or a key that a reload takes away leaves no series behind.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use jiff::Timestamp;
use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{Error, TextEncoder};

use super::counter::FetchCounts;
use super::error::MetricsError;

/// Writes the families from one table: type, name, labels in alphabetical order, and help text.
macro_rules! configured {
    ($($family:ident = $kind:literal $name:literal [$($label:literal),*]: $help:literal;)*) => {
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Family {
            $($family,)*
        }

        impl Family {
            const ALL: [Self; [$(Self::$family),*].len()] = [$(Self::$family),*];

            fn kind(self) -> &'static str {
                match self { $(Self::$family => $kind,)* }
            }

            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$family => $name,)* }
            }

            fn labels(self) -> &'static [&'static str] {
                match self { $(Self::$family => &[$($label),*],)* }
            }

            pub(super) fn help(self) -> &'static str {
                match self { $(Self::$family => $help,)* }
            }
        }
    };
}

configured! {
    Exchanges = "counter" "cambio_exchanges_total" ["audience", "client", "issuance", "outcome", "realm"]:
        "Token exchanges, by realm, audience, client, issuance and outcome.";
    Refusals = "counter" "cambio_exchange_refusals_total" ["realm", "reason"]:
        "Token exchanges that gave no token, by realm and reason.";
    ExchangeSeconds = "histogram" "cambio_exchange_duration_seconds" ["outcome", "realm"]:
        "Time from an exchange's head to its answer, by realm and outcome.";
    ShadowExchanges = "counter" "cambio_shadow_exchanges_total" ["audience", "outcome", "realm"]:
        "Observed exchanges and closed grants, by realm, audience, and what Cambio would have decided.";
    ShadowRefusals = "counter" "cambio_shadow_refusals_total" ["realm", "reason"]:
        "Observed exchanges and closed grants that Cambio would not have allowed, by realm and reason.";
    ObserveEnds = "gauge" "cambio_observe_ends_timestamp_seconds" ["audience", "realm"]:
        "When observing ends and the judgement is enforced, in seconds since the Unix epoch. Without audience: of the realm; \
         without realm: of realms that are not configured.";
    PermissionLastUsed = "gauge" "cambio_permission_last_used_timestamp_seconds" ["audience", "permission", "realm"]:
        "When a permission last allowed an exchange or a refresh, in seconds since the Unix epoch; 0 if it has not since \
         Cambio started or the file changed.";
    PermissionExpires = "gauge" "cambio_permission_expires_timestamp_seconds" ["audience", "owner", "permission", "realm"]:
        "When a permission ends, in seconds since the Unix epoch.";
    Doors = "counter" "cambio_door_requests_total" ["door", "outcome", "realm"]:
        "Requests to a door, by realm, door and outcome. A closed door denies.";
    OwnTokenRequests = "counter" "cambio_own_token_requests_total" ["endpoint", "outcome", "realm"]:
        "Requests about tokens that Cambio issued, by realm, endpoint and outcome: introspection, userinfo, revocation and \
         refresh. An inactive or refused token is denied.";
    SessionChecks = "counter" "cambio_session_checks_total" ["outcome", "realm"]:
        "Questions whether the session of a token that Cambio signed goes on, by realm and outcome. An ended session is \
         denied.";
    ClientAuthentications = "counter" "cambio_client_authentications_total" ["method", "outcome", "realm"]:
        "Clients that were authenticated or refused, by realm, method and outcome.";
    LimitedRequests = "counter" "cambio_limited_requests_total" ["limit", "realm"]:
        "Requests refused because a limit was reached, by realm and limit: the key in realms.*.rateLimits or \
         realms.*.clientLockout.";
    JwksAge = "gauge" "cambio_jwks_age_seconds" ["issuer"]:
        "Age of the keys in use, by issuer; -1 when there are none.";
    JwksKeys = "gauge" "cambio_jwks_keys" ["issuer", "state"]:
        "Keys that an issuer publishes, by issuer and state: used, or left_out if Cambio can't use the key. Keys for \
         encryption are not counted.";
    JwksRefreshes = "counter" "cambio_jwks_refreshes_total" ["issuer", "outcome"]:
        "Fetches of an issuer's keys, by issuer and outcome.";
    SigningKeys = "gauge" "cambio_signing_key_info" ["alg", "kid", "realm", "state"]:
        "Always 1; Cambio's published signing keys, by realm, kid, algorithm and state.";
    SigningKeySince = "gauge" "cambio_signing_key_since_timestamp_seconds" ["kid", "realm", "state"]:
        "When a signing key came into its state, in seconds since the Unix epoch.";
    SigningKeyEnds = "gauge" "cambio_signing_key_ends_timestamp_seconds" ["kid", "realm"]:
        "When a retired signing key is not published any more, in seconds since the Unix epoch.";
    SigningKeyCollisions = "gauge" "cambio_signing_key_collisions" ["realm"]:
        "Signing keys of Cambio whose kid the identity provider publishes, by realm. Any is an alarm.";
    AudienceFilesBroken = "gauge" "cambio_audience_files_broken" ["in_force"]:
        "Audience files with a mistake, by what is in force instead: their last good version, or nothing.";
    MemoryHeld = "gauge" "cambio_memory_held_bytes" []:
        "Memory that callers make Cambio hold: open requests, and forms and answers that are read whole.";
    MemoryBudget = "gauge" "cambio_memory_budget_bytes" []:
        "Memory that callers may make Cambio hold, a third of runtime.memory.";
    LogLinesLeftOut = "counter" "cambio_log_lines_left_out_total" ["cause"]:
        "Log lines that were not written, by cause: unread, because nobody read standard error, or repeated, because many \
         like them were written.";
}

/// A published signing key, as a scrape shows it.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SigningKeyShown<'k> {
    pub realm: &'k str,
    pub kid: &'k str,
    pub algorithm: &'k str,
    pub state: &'k str,
    /// When the key came into its state, if the configuration says so.
    pub since: Option<Timestamp>,
    /// When the key is not published any more, if that is known.
    pub ends: Option<Timestamp>,
}

/// The text of one scrape, family by family.
#[derive(Debug, Default)]
pub struct Scrape {
    samples: [String; Family::ALL.len()],
    exchange_seconds: Vec<Metric>,
    /// Whether realms that are not configured are observed.
    pub(super) observes_others: bool,
}

impl Scrape {
    /// Adds the sample of a series. The values of the labels are in the order of the family's labels.
    pub(super) fn sample<const N: usize>(&mut self, family: Family, values: [&str; N], value: impl Display) {
        let Some(text) = self.samples.get_mut(family as usize) else { return };
        debug_assert_eq!(family.labels().len(), N, "{family:?}");
        text.push_str(family.name());
        for (index, (label, value)) in family.labels().iter().zip(values).enumerate() {
            text.push(if index == 0 { '{' } else { ',' });
            text.push_str(label);
            text.push_str("=\"");
            escape(value, text);
            text.push('"');
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "{} {value}", if N == 0 { "" } else { "}" });
    }

    /// Adds the series of a histogram of [`Family::ExchangeSeconds`].
    pub(super) fn exchange_seconds(&mut self, histogram: &prometheus::Histogram) {
        self.exchange_seconds.push(prometheus::core::Metric::metric(histogram));
    }

    /// The memory that callers make Cambio hold, and the most that they may.
    pub fn memory(&mut self, held: usize, budget: usize) {
        self.sample(Family::MemoryHeld, [], held);
        self.sample(Family::MemoryBudget, [], budget);
    }

    /// When realms that are not configured are no longer observed.
    pub fn observe_ends(&mut self, at: Timestamp) {
        self.sample(Family::ObserveEnds, ["", ""], at.as_second());
        self.observes_others = true;
    }

    /// How many log lines were left out since the start.
    pub fn log_lines_left_out(&mut self, cause: &str, total: u64) {
        self.sample(Family::LogLinesLeftOut, [cause], total);
    }

    /// How many audience files are broken: with a last good version in force (`kept`), or with nothing.
    pub fn audience_files_broken(&mut self, kept: bool, count: usize) {
        self.sample(Family::AudienceFilesBroken, [if kept { "last_good" } else { "nothing" }], count);
    }

    /// The age of an issuer's keys, and how many of them are used and left out.
    pub fn jwks(&mut self, issuer: &str, age: Option<Duration>, used: usize, left_out: usize) {
        self.sample(Family::JwksAge, [issuer], age.map_or(-1.0, |age| age.as_secs_f64()));
        for (state, count) in [("used", used), ("left_out", left_out)] {
            self.sample(Family::JwksKeys, [issuer, state], count);
        }
    }

    /// How often an issuer's keys were fetched.
    pub fn jwks_refreshes(&mut self, issuer: &str, counts: &FetchCounts) {
        for (outcome, count) in counts.each() {
            self.sample(Family::JwksRefreshes, [issuer, outcome], count);
        }
    }

    /// A published signing key.
    pub fn signing_key(&mut self, key: SigningKeyShown<'_>) {
        let SigningKeyShown { realm, kid, algorithm, state, since, ends } = key;
        self.sample(Family::SigningKeys, [algorithm, kid, realm, state], 1);
        if let Some(since) = since {
            self.sample(Family::SigningKeySince, [kid, realm, state], since.as_second());
        }
        if let Some(ends) = ends {
            self.sample(Family::SigningKeyEnds, [kid, realm], ends.as_second());
        }
    }

    /// How many of a realm's signing keys have a kid that the identity provider publishes.
    pub fn signing_key_collisions(&mut self, realm: &str, count: usize) {
        self.sample(Family::SigningKeyCollisions, [realm], count);
    }

    /// Writes the families in the text format, those without series left out.
    ///
    /// # Errors
    /// A histogram can't be encoded.
    pub fn write(self, text: &mut String) -> Result<(), MetricsError> {
        // Each text is dropped when it is written: with many audiences, it is long.
        for (family, samples) in Family::ALL.into_iter().zip(self.samples).filter(|(_, samples)| !samples.is_empty()) {
            let (name, help, kind) = (family.name(), family.help(), family.kind());
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{samples}");
        }
        Ok(histogram(Family::ExchangeSeconds, self.exchange_seconds, text)?)
    }
}

fn histogram(family: Family, series: Vec<Metric>, text: &mut String) -> Result<(), Error> {
    if series.is_empty() {
        return Ok(());
    }
    let mut all = MetricFamily::default();
    all.set_name(family.name().to_owned());
    all.set_help(family.help().to_owned());
    all.set_field_type(MetricType::HISTOGRAM);
    all.set_metric(series);
    TextEncoder::new().encode_utf8(&[all], text)
}

/// Writes a label's value with the escapes of the text format.
fn escape(value: &str, text: &mut String) {
    let mut rest = value;
    while let Some(at) = rest.find(['\\', '"', '\n']) {
        let (plain, special) = rest.split_at(at);
        text.push_str(plain);
        let mut special = special.chars();
        text.push_str(match special.next() {
            Some('\n') => "\\n",
            Some('"') => "\\\"",
            _ => "\\\\",
        });
        rest = special.as_str();
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_a_family_are_in_alphabetical_order() {
        for family in Family::ALL {
            assert!(family.labels().is_sorted(), "{family:?}");
        }
    }

    #[test]
    fn samples_are_grouped_and_values_are_escaped() {
        let mut scrape = Scrape::default();
        for (realm, shown) in
            [("corp", "corp"), ("a\"b", r#"a\"b"#), ("a\\b\n", r"a\\b\n"), ("", ""), ("münchen", "münchen")]
        {
            scrape.signing_key_collisions(realm, 2);
            scrape.memory(1, 3);
            let mut text = String::new();
            std::mem::take(&mut scrape).write(&mut text).unwrap();
            let expected = format!("cambio_signing_key_collisions{{realm=\"{shown}\"}} 2\n");
            assert!(text.contains(&expected), "{text}");
            assert!(text.contains("# TYPE cambio_memory_held_bytes gauge\ncambio_memory_held_bytes 1\n"), "{text}");
            assert!(!text.contains("jwks"), "a family without series: {text}");
        }
    }
}
