//! The work of expressions, and what expressions of several audiences share.

use super::*;
use crate::judgement::policy::model::Audience;

fn with_condition(name: &str, condition: &str) -> Audience {
    audience(name, vec![Permission { condition: Some(cel(condition)), ..permission() }])
}

/// The decision about one request for these audiences of one policy.
fn for_audiences(audiences: &[Audience], claims: serde_json::Value) -> Result<Decision, Refusal> {
    let (claims, named) = (object(claims), audiences.iter().map(|one| one.name.clone()).collect::<Vec<_>>());
    let asked = scope("email");
    let request = ExchangeRequest { scope: WantedScope::Exactly(&asked), ..request(&named, &claims) };
    decide(&policy(audiences.iter().cloned()), "corp", &request, now())
}

#[test]
fn one_text_has_the_meaning_of_its_own_audience() {
    // The same text, in one request: what one audience's expression gave is never the result of the other's.
    for text in ["audience == 'a'", "claims['acr'] == '1' && audience == 'a'", "audience.matches('^a$')"] {
        let (a, b) = (with_condition("a", text), with_condition("b", text));
        let claims = json!({"acr": "1", "scope": "email"});
        assert!(for_audiences(std::slice::from_ref(&a), claims.clone()).is_ok(), "{text}");
        for order in [[a.clone(), b.clone()], [b.clone(), a.clone()]] {
            let refusal = for_audiences(&order, claims.clone()).unwrap_err();
            assert_eq!(refusal.reason, Reason::ConditionNotMet, "{text}");
            assert!(refusal.detail.starts_with("audiences file of b "), "{text}: {}", refusal.detail);
        }
    }
}

#[test]
fn one_text_has_the_meaning_of_its_own_claims() {
    // One policy, one text, two requests one after the other.
    let target = with_condition("a", "claims['acr'] == '1' && claims.groups.exists(g, g.matches('^ops$'))");
    for (groups, acr, expected) in [("ops", "1", true), ("staff", "1", false), ("ops", "2", false), ("ops", "1", true)]
    {
        let claims = json!({"acr": acr, "groups": [groups], "scope": "email"});
        assert_eq!(for_audiences(std::slice::from_ref(&target), claims).is_ok(), expected, "{groups} {acr}");
    }
}

#[test]
fn the_expressions_of_a_request_are_bounded_together() {
    let groups: Vec<String> = (0..1_000).map(|n| format!("group-{n}")).collect();
    let claims = json!({"groups": groups, "scope": "email"});
    // Equal texts would be evaluated once.
    let costly = |many: usize| {
        let text = |n| format!("claims.groups.exists(g, g in claims.groups && g == 'x{n}')");
        (0..many).map(|n| Permission { condition: Some(cel(&text(n))), ..permission() }).collect::<Vec<_>>()
    };
    let judge = |permissions| for_audiences(&[audience("a", permissions)], claims.clone());
    assert!(judge([costly(5), vec![permission()]].concat()).is_ok());
    // A permission without an expression applies, whatever the others cost.
    assert!(judge([costly(200), vec![permission()]].concat()).is_ok());
    let late = Permission { condition: Some(cel("claims.groups[0] == 'group-0'")), ..permission() };
    assert!(judge([costly(200), vec![late]].concat()).is_ok(), "what is left is for cheaper ones");
}
