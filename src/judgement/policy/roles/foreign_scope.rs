//! The scope of another issuer's token: `scope` or `scp`, as text or as list.
//!
//! RFC 9068 has `scope` as text. Okta writes `scp` as list, Microsoft Entra `scp` as text, and Cloud Foundry, Spring and
//! ForgeRock write `scope` as list.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::words::oauth::scope::Scope;

/// Why the scope can't be read. The text never repeats a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ScopeFault {
    #[error("the claim {0} is neither text nor a list of scope tokens")]
    Shape(&'static str),
    #[error("the claims scope and scp differ")]
    Differ,
}

/// The scope tokens of the claims. A token with both claims must say the same in both.
pub(super) fn read(claims: &Map<String, Value>) -> Result<BTreeSet<&str>, ScopeFault> {
    match (tokens(claims, "scope")?, tokens(claims, "scp")?) {
        (Some(scope), Some(scp)) if scope != scp => Err(ScopeFault::Differ),
        (scope, scp) => Ok(scope.or(scp).unwrap_or_default()),
    }
}

fn tokens<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<Option<BTreeSet<&'c str>>, ScopeFault> {
    let wrong = || ScopeFault::Shape(name);
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Scope::parse(text)
            .map(|_| Some(text.split(' ').filter(|token| !token.is_empty()).collect()))
            .map_err(|_| wrong()),
        Some(Value::Array(many)) => {
            let token = |one: &'c Value| {
                let text = one.as_str().filter(|text| !text.is_empty() && !text.contains(' '))?;
                Scope::parse(text).ok().map(|_| text)
            };
            many.iter().map(token).collect::<Option<_>>().map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_shape_of_a_scope() {
        let (scope, scp) = (Err(ScopeFault::Shape("scope")), Err(ScopeFault::Shape("scp")));
        for (name, claims, expected) in [
            ("none", json!({}), Ok(vec![])),
            ("scope as text", json!({"scope": "read write"}), Ok(vec!["read", "write"])),
            ("two spaces", json!({"scope": " read  write "}), Ok(vec!["read", "write"])),
            (
                "scope as list (Cloud Foundry)",
                json!({"scope": ["app!t1.read", "openid"]}),
                Ok(vec!["app!t1.read", "openid"]),
            ),
            ("scp as text (Entra)", json!({"scp": "Files.Read User.Read"}), Ok(vec!["Files.Read", "User.Read"])),
            ("scp as list (Okta)", json!({"scp": ["openid", "read"]}), Ok(vec!["openid", "read"])),
            ("both, equal (Hydra)", json!({"scope": "b a", "scp": ["a", "b"]}), Ok(vec!["a", "b"])),
            ("both, one empty", json!({"scope": "", "scp": ["a"]}), Err(ScopeFault::Differ)),
            ("both, one with more", json!({"scope": "a b", "scp": ["a"]}), Err(ScopeFault::Differ)),
            ("empty text", json!({"scope": ""}), Ok(vec![])),
            ("empty list", json!({"scp": []}), Ok(vec![])),
            ("a number", json!({"scope": 1}), scope.clone()),
            ("null", json!({"scope": null}), scope.clone()),
            ("an object", json!({"scp": {"a": true}}), scp.clone()),
            ("a list with a number", json!({"scp": ["a", 1]}), scp.clone()),
            ("a list with several in one text", json!({"scp": ["a b"]}), scp.clone()),
            ("a list with an empty text", json!({"scp": [""]}), scp.clone()),
            ("no scope tokens", json!({"scope": "a\"b"}), scope.clone()),
            ("the other is unreadable", json!({"scope": "a", "scp": 1}), scp),
        ] {
            let expected = expected.map(BTreeSet::from_iter);
            assert_eq!(read(claims.as_object().unwrap()), expected, "{name}");
        }
    }
}
