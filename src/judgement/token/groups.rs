//! Groups that a token leaves out because they are too many for it (Microsoft Entra's groups overage).

use serde_json::{Map, Value};

/// What says that the token leaves out its user's groups. `_claim_names` says where claims are found that are not in the
/// token (OpenID Connect Core 1.0 section 5.6.2). Tokens that come in the fragment of a URL have `hasgroups` instead.
pub(super) fn left_out(claims: &Map<String, Value>) -> Option<&'static str> {
    let is_true = |value: &Value| value == true || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"));
    // A value that can't be read may name the groups.
    let names_groups = |names: &Value| names.as_object().is_none_or(|names| names.contains_key("groups"));
    if claims.get("_claim_names").is_some_and(names_groups) {
        Some("_claim_names")
    } else if claims.get("hasgroups").is_some_and(is_true) {
        Some("hasgroups")
    } else if claims.keys().any(|name| name.starts_with("groups:src")) {
        Some("groups:src1")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_says_that_groups_are_left_out() {
        for (name, claims, expected) in [
            ("nothing", json!({"groups": ["a"]}), None),
            (
                "version 2",
                json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g"}}}),
                Some("_claim_names"),
            ),
            ("beside groups", json!({"_claim_names": {"groups": "src1"}, "groups": ["a"]}), Some("_claim_names")),
            ("other claims", json!({"_claim_names": {"address": "src1"}, "_claim_sources": {"src1": {}}}), None),
            ("no object", json!({"_claim_names": "groups"}), Some("_claim_names")),
            ("implicit flow", json!({"hasgroups": true}), Some("hasgroups")),
            ("implicit flow, as text", json!({"hasgroups": "true"}), Some("hasgroups")),
            ("none left out", json!({"hasgroups": false}), None),
            ("version 1", json!({"groups:src1": "https://graph.windows.net/x"}), Some("groups:src1")),
            ("a group named so", json!({"groups": ["groups:src1"]}), None),
        ] {
            assert_eq!(left_out(claims.as_object().unwrap()), expected, "{name}");
        }
    }
}
