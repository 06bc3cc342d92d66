//! Key sets of issuers.

use cambio::judgement::jose::keys::{KeySet, MAX_KEYS};
use serde_json::json;

/// A set that was read is within the limits, and read again it is the same set. What Cambio publishes of it has the same
/// usable keys, and Cambio's own.
pub fn check(input: &[u8]) {
    let Ok(set) = KeySet::parse(input) else { return };
    assert!(set.len() <= MAX_KEYS, "more keys than the limit");
    assert!(set.is_of(input), "the set does not know its own text");
    let Ok(published) = KeySet::parse(set.published_with(std::iter::empty()).as_bytes()) else {
        // A set of nothing but secrets is published as an empty set, which is no set.
        assert!(set.is_empty(), "Cambio publishes what it does not read");
        return;
    };
    // A key whose private half was in the set is not used; its public half is published.
    assert!(published.len() >= set.len(), "the published set lacks keys");
    let own =
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "fuzz-own", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let with_own = KeySet::parse(set.published_with([&own].into_iter()).as_bytes());
    let with_own = with_own.expect("Cambio publishes what it does not read");
    assert!(with_own.publishes("fuzz-own"), "Cambio's own key is missing");
}
