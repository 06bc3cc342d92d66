//! The keys of realms and issuers: which there are, whether Cambio can use one, and whether resource servers find Cambio's.

use http::header::{AGE, DATE};
use http::{HeaderMap, Uri};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

use super::gathered::{Gathered, Severity};
use super::inquiry::Inquiry;
use crate::adapters::config::problem::shortened;
use crate::adapters::config::{Realm, TrustedIssuer};
use crate::adapters::jwks::fetch::{Fetcher, SeenKeys};
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::jose::checks::TokenChecks;
use crate::judgement::jose::keys::{KeySet, PublicKey};

/// Keys that are named; a set may have many.
const NAMED: usize = 8;

/// Whose keys are looked at.
pub(super) struct KeyOwner<'a> {
    /// "realm" or "issuer".
    kind: &'static str,
    name: &'a str,
    /// The key of the configuration under which it stands.
    key: String,
    checks: &'a TokenChecks,
}

impl<'a> KeyOwner<'a> {
    /// A realm.
    pub(super) fn realm(realm: &'a Realm) -> Self {
        Self { kind: "realm", name: &realm.name, key: format!("realms.{}", realm.name), checks: &realm.tokens }
    }

    /// A foreign issuer.
    pub(super) fn issuer(issuer: &'a TrustedIssuer) -> Self {
        Self { kind: "issuer", name: &issuer.name, key: format!("issuers.{}", issuer.name), checks: &issuer.tokens }
    }
}

/// Fetches the keys.
pub(super) async fn look(asked: &Inquiry, owner: &KeyOwner<'_>, fetcher: &Fetcher, found: &mut Gathered) {
    let KeyOwner { kind, name, key, checks } = owner;
    let place = shortened(&fetcher.to_string());
    let before = asked.clock.now();
    let SeenKeys { keys, headers } = match fetcher.look().await {
        Ok(seen) => seen,
        Err(error) => {
            let message = format!("the keys of the {kind} {name} can't be had from {place}: {error}");
            return found.add(Severity::Problem, asked.at(key, message));
        }
    };
    let window = (before, asked.clock.now());
    found.see(format!("{kind} {name}: {}", listed(&keys)));
    if let Err(error) = keys.check_usable() {
        return found.add(Severity::Problem, asked.at(key, format!("the {kind} {name}, at {place}: {error}")));
    }
    let fits = |one: &PublicKey| one.algorithms().any(|algorithm| checks.algorithms.contains(&algorithm));
    if !keys.used().iter().any(fits) {
        let key = format!("{key}.algorithms");
        let message =
            format!("no key of the {kind} {name} is for {:?}: add the algorithm of its keys", checks.algorithms);
        found.add(Severity::Problem, asked.at(&key, message));
    }
    if let Some(by) = difference(&headers, window).filter(|by| by.abs() > checks.leeway) {
        let (by, way) = (by.abs().as_secs(), if by.is_negative() { "behind" } else { "ahead" });
        let leeway = checks.leeway.as_secs();
        let message = format!(
            "the clock of the {kind} {name} (header Date of {place}) is {by} s {way} of the clock here, and the leeway is \
             {leeway} s: set one of the clocks"
        );
        found.add(Severity::Warning, asked.at(key, message));
    }
}

/// Cambio's keys and a set in which resource servers look for them.
pub(super) struct PublishedKeys<'a> {
    pub(super) ring: &'a KeyRing,
    pub(super) set: &'a KeySet,
    pub(super) url: &'a Uri,
}

/// Whether Cambio's keys are in the set.
pub(super) fn compare_published(asked: &Inquiry, realm: &Realm, published: &PublishedKeys<'_>, found: &mut Gathered) {
    let PublishedKeys { ring, set, url } = published;
    let missing: Vec<_> = ring.published(asked.clock.now()).filter(|one| !set.publishes(one.kid)).collect();
    if missing.is_empty() {
        return;
    }
    let kids: Vec<_> = missing.iter().map(|one| format!("{} ({})", one.kid, one.state.as_str())).collect();
    let url = shortened(&url.to_string());
    let message = format!(
        "resource servers do not find Cambio's keys in {url} (jwks_uri), and refuse its tokens; missing: {}. Let this URL lead to \
         Cambio, and see that every Cambio there has these keys",
        kids.join(", ")
    );
    // One of the two keys is written.
    let keys = ["signingKey", "signingKeys"].map(|name| format!("realms.{}.{name}", realm.name));
    let key = keys.iter().find(|key| asked.places.has(key)).unwrap_or(&keys[0]);
    found.add(Severity::Problem, asked.at(key, message));
}

/// The keys in words.
fn listed(keys: &KeySet) -> String {
    let described = |one: &PublicKey| {
        let algorithms: Vec<_> = one.algorithms().map(|one| format!("{one:?}")).collect();
        format!("{} ({})", shortened(one.kid().unwrap_or("without kid")), algorithms.join(", "))
    };
    let count = keys.len();
    let names: Vec<_> = keys.used().iter().take(NAMED).map(described).collect();
    let more = if count > NAMED { format!(" and {} more", count - NAMED) } else { String::new() };
    let out = keys.left_out_summary();
    let out = if out.is_empty() { out } else { format!("; not used: {out}") };
    let colon = if count == 0 { "" } else { ": " };
    format!("{count} key{} for signatures{colon}{}{more}{out}", if count == 1 { "" } else { "s" }, names.join(", "))
}

/// By how much a server's clock is ahead (RFC 9110 section 6.6.1). `window` are the times here before and after the request.
fn difference(headers: &HeaderMap, window: (Timestamp, Timestamp)) -> Option<SignedDuration> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let date = DateTimeParser::new().parse_timestamp(text(DATE)?).ok()?;
    // A cache keeps the date, and says how old the answer is (RFC 9111 section 5.1).
    let age = text(AGE).and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    let date = date.checked_add(SignedDuration::from_secs(age)).ok()?;
    let (before, after) = window;
    // The date has whole seconds.
    let before = before.checked_sub(SignedDuration::from_secs(1)).ok()?;
    Some(if date < before {
        date.duration_since(before)
    } else if date > after {
        date.duration_since(after)
    } else {
        SignedDuration::ZERO
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_clocks() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let window = (at("2026-11-06T08:49:37.5Z"), at("2026-11-06T08:49:39Z"));
        for (date, age, expected) in [
            ("Fri, 06 Nov 2026 08:49:37 GMT", "", Some(0)),
            ("Fri, 06 Nov 2026 08:49:39 GMT", "", Some(0)),
            ("Fri, 06 Nov 2026 08:51:39 GMT", "", Some(120)),
            ("Fri, 06 Nov 2026 08:47:36 GMT", "", Some(-120)),
            ("Fri, 06 Nov 2026 08:47:37 GMT", "121", Some(0)),
            ("yesterday", "", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, date.parse().unwrap());
            if !age.is_empty() {
                headers.insert(AGE, age.parse().unwrap());
            }
            assert_eq!(difference(&headers, window).map(|by| by.as_secs()), expected, "{date} {age}");
        }
        assert_eq!(difference(&HeaderMap::new(), window), None);
    }
}
