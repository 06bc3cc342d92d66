//! What ends soon: permissions, published signing keys and certificates.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::edge::gateway::generation::Generation;
use crate::judgement::issue::ring::KeyRing;
use crate::judgement::policy::observed_until::ObservedUntil;

/// Most ends that are shown.
const MOST: usize = 50;

/// How long an end is still shown when it is past.
const PAST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One end.
struct End {
    at: Timestamp,
    what: Value,
}

/// What ends, the earliest first. What ended long ago is left out. `certificates`: their keys in the configuration, and
/// when they expire.
pub(super) fn ends(generation: &Generation, certificates: Vec<(String, Timestamp)>, now: Timestamp) -> Value {
    let mut all: Vec<End> =
        permissions(generation).chain(signing_keys(generation)).chain(observing(generation)).collect();
    all.extend(certificates.into_iter().map(|(key, at)| {
        let what = json!({ "kind": "certificate", "name": key, "owner": "platform" });
        End { at, what }
    }));
    all.retain(|end| now.duration_since(end.at) <= PAST);
    all.sort_by_key(|end| end.at);
    let more = all.len().saturating_sub(MOST);
    all.truncate(MOST);
    let shown = all.into_iter().map(|End { at, mut what }| {
        what["at"] = json!(at);
        what
    });
    json!({ "list": shown.collect::<Vec<_>>(), "more": more })
}

fn permissions(generation: &Generation) -> impl Iterator<Item = End> {
    generation.config.audience_files.in_force.iter().flat_map(|(file, version)| {
        let audience = &version.audience;
        audience.permissions.iter().enumerate().filter_map(move |(index, permission)| {
            let what = || {
                json!({
                    "kind": "permission",
                    "name": format!("{}: permissions[{index}]", audience.name),
                    "owner": audience.owner,
                    "file": file.display().to_string(),
                })
            };
            permission.ends().map(|at| End { at, what: what() })
        })
    })
}

/// The days on which observing ends.
fn observing(generation: &Generation) -> impl Iterator<Item = End> {
    let end = |name: &str, owner: &str, until: ObservedUntil| End {
        at: until.end(),
        what: json!({ "kind": "observing", "name": name, "owner": owner }),
    };
    let config = &generation.config;
    let others = config.observed_until.map(|until| end("realms that are not configured", "platform", until));
    let realms =
        config.realms.values().filter_map(move |realm| Some(end(&realm.name, "platform", realm.observed_until?)));
    let audiences = config.policy.realms.values().flat_map(|realm| realm.values());
    let audiences = audiences.filter_map(move |one| Some(end(&one.name, &one.owner, one.observed_until?)));
    others.into_iter().chain(realms).chain(audiences)
}

/// Retired keys, which are published until their last token has expired.
fn signing_keys(generation: &Generation) -> impl Iterator<Item = End> {
    generation.realms.iter().flat_map(|realm| {
        let keys = realm.signing.iter().flat_map(KeyRing::all);
        keys.filter_map(|key| {
            let what = json!({
                "kind": "retired signing key",
                "name": realm.config.name,
                "kid": key.kid,
                "owner": "platform",
            });
            key.until.map(|at| End { at, what })
        })
    })
}
