use std::collections::BTreeSet;

use super::*;

#[test]
fn every_case_says_what_it_is() {
    let mut ids = BTreeSet::new();
    for case in all() {
        let id = case.id;
        assert!(ids.insert(id), "{id} stands twice");
        assert!(id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'), "{id}");
        assert!(case.section.starts_with("RFC ") && case.section.matches(' ').count() == 2, "{id}");
        for text in [case.title, case.sent, case.expected] {
            assert!(!text.is_empty() && !text.ends_with('.'), "{id}: {text}");
        }
    }
    assert!(ids.len() >= 60, "{}", ids.len());
}

#[test]
fn cases_are_chosen_by_id_and_by_section() {
    for (only, id, expected) in [
        (vec![], "actor", true),
        (vec!["actor"], "actor", true),
        (vec!["actor"], "actor-garbage", false),
        (vec!["1.1"], "actor", true),
        (vec!["RFC 8693 1.1"], "actor", true),
        (vec!["RFC 8693"], "actor", true),
        (vec!["RFC 6749"], "actor", false),
        (vec!["2.2"], "issued-token-type", true),
        (vec!["2"], "issued-token-type", true),
        (vec!["2.3"], "issued-token-type", false),
        (vec!["5.2"], "error-status", false),
        (vec!["RFC 6749 5.2"], "error-status", true),
        (vec!["x", "RFC 6749 5"], "error-status", true),
    ] {
        let case = all().find(|case| case.id == id).unwrap();
        let only: Vec<_> = only.into_iter().map(str::to_owned).collect();
        assert_eq!(chosen(case, &only), expected, "{only:?} {id}");
    }
}
