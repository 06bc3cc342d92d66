//! What ends soon: permissions, published signing keys and certificates.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::edge::gateway::generation::Generation;
use crate::judgement::issue::ring::KeyRing;

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
    let mut all: Vec<End> = permissions(generation).chain(signing_keys(generation)).collect();
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
