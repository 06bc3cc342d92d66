//! Conditions see the scope that is granted.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::judgement::expression::Variables;

const TOKENS: [&str; 4] = ["email", "openid", "payments", "profile"];

fn with(scopes: &[&str], condition: &str) -> Permission {
    let condition = (!condition.is_empty()).then(|| cel(condition));
    Permission { scopes: listed(scopes), condition, issuance: Some(Issuance::Mint), ..permission() }
}

/// The decision about a subject token with the scope `held`.
fn decided(permissions: &[Permission], held: &str, wanted: WantedScope<'_>) -> Result<Decision, Refusal> {
    let (claims, audiences) = (object(json!({"acr": "1", "scope": held})), names(&["back-end-api"]));
    let request = ExchangeRequest { scope: wanted, ..request(&audiences, &claims) };
    let mut target = audience("back-end-api", permissions.to_vec());
    target.token.set.insert("pays".to_owned(), cel("'payments' in scopes"));
    target.roles.map = vec![RoleMapping {
        from: RoleSource::When(cel("!('payments' in scopes)")),
        to: "reader".to_owned(),
        issuers: None,
    }];
    decide(&policy([target]), "corp", &request, now())
}

#[test]
fn without_a_scope_each_permission_is_judged_by_what_would_be_granted() {
    let (poor, rich) = ("!('payments' in scopes)", "'payments' in scopes");
    for (name, permissions, expected) in [
        ("no condition", vec![with(&["email", "payments"], "")], Ok("email payments")),
        ("the only permission's", vec![with(&["email", "payments"], poor)], Err(Reason::ConditionNotMet)),
        ("what the subject token lacks", vec![with(&["email", "extra"], "!('extra' in scopes)")], Ok("email")),
        ("another permission grants it", vec![with(&["email"], poor), with(&["payments"], "")], Ok("email")),
        ("the first in the file goes first", vec![with(&["payments"], ""), with(&["email"], poor)], Ok("payments")),
        ("both hold together", vec![with(&["payments"], ""), with(&["email"], rich)], Ok("email payments")),
        ("it needs what comes later", vec![with(&["email"], rich), with(&["payments"], "")], Ok("email payments")),
        (
            "each excludes the other",
            vec![with(&["email"], poor), with(&["payments"], "!('email' in scopes)")],
            Ok("email"),
        ),
        ("nothing is not enough", vec![with(&["extra"], "size(scopes) > 0")], Err(Reason::ConditionNotMet)),
        ("a condition without scopes", vec![with(&["email"], "claims.acr == '2'")], Err(Reason::ConditionNotMet)),
        ("it fails", vec![with(&["email"], "scopes[7] == 'x'")], Err(Reason::ConditionFailed)),
        (
            "with demands, if nothing else holds",
            vec![
                with(&["payments"], poor),
                Permission { demands: Demands { one_time: true, still_active: false }, ..with(&["email"], poor) },
            ],
            Ok("email"),
        ),
        (
            "upstream, if nothing can be minted",
            vec![with(&["payments"], poor), Permission { issuance: None, ..with(&["email"], "") }],
            Ok("open"),
        ),
    ] {
        let decision = decided(&permissions, "email payments", WantedScope::Any);
        let empty = scope("");
        let asked_for_nothing = decided(&permissions, "email payments", WantedScope::Exactly(&empty));
        assert_eq!(decision, asked_for_nothing, "{name}");
        match (decision, expected) {
            (Ok(decision), Ok(expected)) => {
                let granted = decision.contract.scope_requested.map_or("open".to_owned(), |scope| scope.to_string());
                assert_eq!(granted, expected, "{name}");
            }
            (Err(refusal), Err(reason)) => assert_eq!(refusal.reason, reason, "{name}: {}", refusal.detail),
            (decision, _) => panic!("{name}: {decision:?}"),
        }
    }
}

#[test]
#[rustfmt::skip]
fn a_request_without_a_scope_gets_the_default_scopes() {
    let with_default = |scopes: &[&str], default: &str, condition: &str| Permission {
        default_scopes: default.split_whitespace().map(str::to_owned).collect(),
        ..with(scopes, condition)
    };
    let (poor, rich) = ("!('payments' in scopes)", "'payments' in scopes");
    let demand = Demands { one_time: true, still_active: false };
    for (name, permissions, held, expected) in [
        ("the only scope", vec![with_default(&["api"], "api", "")], "", Ok("api")),
        ("the others are not given", vec![with_default(&["api", "payments"], "api", "")], "", Ok("api")),
        ("beside what the subject token has", vec![with_default(&["api", "email"], "api", "")], "email openid", Ok("api email")),
        ("the condition sees it", vec![with_default(&["payments"], "payments", rich)], "", Ok("payments")),
        ("the condition excludes it", vec![with_default(&["payments", "email"], "payments", poor)], "email", Ok("email")),
        ("no more than without", vec![with_default(&["payments"], "payments", poor)], "", Ok("")),
        ("another permission's", vec![with(&["email"], poor), with_default(&["api"], "api", "")], "email", Ok("api email")),
        ("of a permission that does not apply", vec![with(&["email"], ""), with_default(&["api"], "api", "claims.acr == '2'")], "email", Ok("email")),
        ("with demands, only if nothing else holds", vec![with(&["email"], ""), Permission { demands: demand, ..with_default(&["api"], "api", "") }], "email", Ok("email")),
        ("with demands", vec![Permission { demands: demand, ..with_default(&["api"], "api", "") }], "email", Ok("api")),
    ] {
        let decision = decided(&permissions, held, WantedScope::Any);
        let granted = decision.as_ref().map(|decision| decision.contract.scope_requested.as_ref().unwrap().to_string());
        assert_eq!(granted.map_err(|refusal| refusal.reason), expected.map(str::to_owned), "{name}");
        if let Ok(decision) = decision {
            let pays = decision.contract.scope_requested.unwrap().contains("payments");
            assert_eq!(decision.contract.set["pays"], json!(pays), "{name}");
        }
    }
    let (asked, permissions) = (scope("payments"), [with_default(&["api", "payments"], "api", "")]);
    let decision = decided(&permissions, "", WantedScope::Exactly(&asked)).unwrap();
    assert_eq!(decision.contract.scope_requested, Some(asked), "whoever asks gets what they ask for");
}

#[test]
fn default_scopes_of_several_audiences_are_granted_if_all_permit_them() {
    let (claims, audiences) = (object(json!({"acr": "1"})), names(&["a", "b"]));
    let defaults = |scopes: &[&str], default: &str| Permission {
        default_scopes: default.split_whitespace().map(str::to_owned).collect(),
        ..with(scopes, "")
    };
    let a = audience("a", vec![defaults(&["api", "email"], "api email")]);
    let b = audience("b", vec![with(&["email", "payments"], "")]);
    let decided = decide(&policy([a, b]), "corp", &request(&audiences, &claims), now()).unwrap();
    assert_eq!(decided.contract.scope_requested.unwrap().to_string(), "email");
}

#[test]
fn a_refusal_names_the_scope_for_which_the_condition_does_not_hold() {
    let permissions = [with(&["email", "payments"], "!('payments' in scopes)")];
    let refusal = decided(&permissions, "openid email payments", WantedScope::Any).unwrap_err();
    let expected = "the condition of permissions[0] does not hold if scope [email, payments] is granted: ";
    assert!(refusal.detail.contains(expected), "{}", refusal.detail);
}

#[test]
fn several_audiences_get_the_scope_for_which_all_of_their_conditions_hold() {
    let (claims, audiences) = (object(json!({"scope": "email payments profile"})), names(&["a", "b"]));
    let poor = "!('payments' in scopes)";
    for (name, a, b, expected) in [
        ("both", vec![with(&["email", "payments"], "")], vec![with(&["email", "profile"], "")], Ok("email")),
        ("b keeps it out", vec![with(&["email", "payments"], poor)], vec![with(&["email"], "")], Ok("email")),
        (
            "a second start",
            vec![with(&["payments"], poor), with(&["email"], "")],
            vec![with(&["email", "payments"], poor)],
            Ok("email"),
        ),
        ("none", vec![with(&["payments"], poor)], vec![with(&["payments"], "")], Err(Reason::ConditionNotMet)),
    ] {
        let policy = policy([audience("a", a), audience("b", b)]);
        let decided = decide(&policy, "corp", &request(&audiences, &claims), now());
        let got = decided.map(|decision| decision.contract.scope_requested.unwrap().to_string());
        assert_eq!(got.map_err(|refusal| refusal.reason), expected.map(str::to_owned), "{name}");
    }
}

#[test]
fn where_the_identity_provider_grants_the_scope_it_is_open_until_its_answer() {
    let (poor, audiences) = ("!('payments' in scopes)", names(&["back-end-api"]));
    let claims = object(json!({"acr": "1"}));
    let permission = Permission { issuance: Some(Issuance::Reissue), ..with(&["email", "payments"], poor) };
    let decide_for = |wanted: WantedScope<'_>| {
        let request = ExchangeRequest { scope: wanted, ..request(&audiences, &claims) };
        let decided = decide(&policy([audience("back-end-api", vec![permission.clone()])]), "corp", &request, now());
        decided.map(|decision| decision.contract.scope_requested.map(|scope| scope.to_string()))
    };
    assert_eq!(decide_for(WantedScope::Any).unwrap(), None);
    for (granted, expected) in [
        ("email", Some("email")),
        ("", Some("")),
        ("email profile", Some("email")),
        ("email payments", None),
        ("payments", None),
    ] {
        let granted_scope = scope(granted);
        let got = decide_for(WantedScope::AtMost(&granted_scope));
        assert_eq!(got.ok().flatten().as_deref(), expected, "{granted}");
    }
}

fn some_condition() -> impl Strategy<Value = &'static str> {
    select(vec![
        "",
        "",
        "'payments' in scopes",
        "!('payments' in scopes)",
        "'email' in scopes && !('openid' in scopes)",
        "!('email' in scopes)",
        "size(scopes) > 0",
        "size(scopes) < 2",
        "scopes[0] == 'email'",
        "scopes.all(scope, scope != 'profile')",
        "claims.acr == '1'",
        "claims.acr == '2'",
        "false && 'email' in scopes",
    ])
}

/// Default scopes are within the scopes, and minted: the file is refused otherwise.
fn some_permission() -> impl Strategy<Value = Permission> {
    let defaults = prop_oneof![3 => Just(Vec::new()), 1 => subsequence(TOKENS.to_vec(), 1..=3)];
    (some_scopes(), defaults).prop_map(|(permission, defaults)| {
        let mints = permission.issuance == Some(Issuance::Mint);
        let named = |token: &&str| matches!(&permission.scopes, Names::Listed(names) if names.contains(*token));
        let default_scopes = defaults.into_iter().filter(|token| mints && named(token)).map(str::to_owned).collect();
        Permission { default_scopes, ..permission }
    })
}

fn some_scopes() -> impl Strategy<Value = Permission> {
    let names = prop_oneof![
        1 => Just(Names::Any),
        6 => subsequence(TOKENS.to_vec(), 0..=3).prop_map(|names| listed(&names)),
    ];
    let issuance = select(vec![Issuance::Mint, Issuance::Mint, Issuance::Reissue, Issuance::Forward]);
    (names, some_condition(), issuance, select(Demands::ALL.to_vec())).prop_map(
        |(scopes, condition, issuance, demands)| Permission {
            scopes,
            issuance: Some(issuance),
            demands,
            ..with(&[], condition)
        },
    )
}

fn wanted(asked: Option<&Scope>, at_most: bool) -> WantedScope<'_> {
    match asked {
        None => WantedScope::Any,
        Some(asked) if at_most => WantedScope::AtMost(asked),
        Some(asked) => WantedScope::Exactly(asked),
    }
}

/// Whether a condition holds for exactly this scope.
fn holds(permission: &Permission, held: &str, tokens: &[String]) -> bool {
    let claims = object(json!({"acr": "1", "scope": held}));
    let variables = Variables { claims: &claims, client: "front-end-app", audience: "back-end-api", scopes: tokens };
    permission.condition.as_ref().is_none_or(|condition| condition.holds(variables) == Ok(true))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// However the request is written, what is granted satisfies every expression that guards it.
    #[test]
    fn what_is_granted_satisfies_the_conditions_of_the_permissions_that_grant_it(
        permissions in proptest::collection::vec(some_permission(), 1..6),
        held in subsequence(TOKENS.to_vec(), 0..=4),
        asked in proptest::option::of(subsequence(TOKENS.to_vec(), 0..=3)),
        at_most: bool,
    ) {
        let held = held.join(" ");
        let asked = asked.map(|asked| scope(&asked.join(" ")));
        let wanted = wanted(asked.as_ref(), at_most);
        let Ok(decision) = decided(&permissions, &held, wanted) else { return Ok(()) };
        let Some(granted) = decision.contract.scope_requested else {
            prop_assert!(decision.contract.issuance != Issuance::Mint, "minted for an open scope");
            return Ok(());
        };
        let tokens: Vec<String> = granted.iter().map(str::to_owned).collect();
        let named: Vec<_> = decision.permissions.iter().map(|(_, position)| &permissions[position - 1]).collect();
        prop_assert!(!named.is_empty());
        for permission in &named {
            prop_assert!(holds(permission, &held, &tokens), "{permission:?} does not hold for {granted}");
        }
        for token in &tokens {
            prop_assert!(named.iter().any(|permission| permission.scopes.contains(token)));
            prop_assert!(decision.contract.scope_permitted.contains(token));
        }
        if asked.as_ref().is_none_or(Scope::is_empty) && !at_most {
            let default = |token: &str| permissions.iter().any(|one| one.default_scopes.contains(token));
            let held = scope(&held);
            prop_assert!(tokens.iter().all(|token| held.contains(token) || default(token)), "from nowhere: {granted}");
        }
        if let Some(asked) = asked.filter(|asked| !asked.is_empty()) {
            prop_assert!(granted.is_subset(&asked));
            prop_assert!(at_most || granted == asked);
        }
        let pays = tokens.iter().any(|token| token == "payments");
        if decision.contract.issuance.signs() {
            prop_assert_eq!(&decision.contract.set["pays"], &json!(pays));
            prop_assert_eq!(decision.contract.roles[0].given.contains("reader"), !pays);
        }
    }

    /// A condition that holds for no scope permits nothing.
    #[test]
    fn a_condition_that_never_holds_grants_nothing(
        scopes in subsequence(TOKENS.to_vec(), 0..=4),
        held in subsequence(TOKENS.to_vec(), 0..=4),
        condition in select(vec!["false && 'email' in scopes", "'email' in scopes && !('email' in scopes)", "size(scopes) < 0"]),
        asked in proptest::option::of(subsequence(TOKENS.to_vec(), 0..=3)),
        issuance in select(vec![Issuance::Mint, Issuance::Reissue]),
    ) {
        let permissions = [Permission { issuance: Some(issuance), ..with(&scopes, condition) }];
        let held = held.join(" ");
        let asked = asked.map(|asked| scope(&asked.join(" ")));
        let wanted = asked.as_ref().map_or(WantedScope::Any, WantedScope::Exactly);
        let decision = decided(&permissions, &held, wanted);
        let open = decision.is_ok_and(|decision| {
            let answer = scope("email openid payments profile");
            let settled = decided(&permissions, &held, WantedScope::AtMost(&answer));
            decision.contract.scope_requested.is_some() || settled.is_ok()
        });
        prop_assert!(!open);
    }

    /// Read backwards: a permission less never allows.
    #[test]
    fn a_permission_more_never_denies_whatever_the_conditions_say_about_scopes(
        permissions in proptest::collection::vec(some_permission(), 1..6),
        more in some_permission(),
        at in 0..6usize,
        held in subsequence(TOKENS.to_vec(), 0..=4),
        asked in proptest::option::of(subsequence(TOKENS.to_vec(), 0..=3)),
        at_most: bool,
    ) {
        let held = held.join(" ");
        let asked = asked.map(|asked| scope(&asked.join(" ")));
        let wanted = wanted(asked.as_ref(), at_most);
        if decided(&permissions, &held, wanted).is_ok() {
            let mut grown = permissions;
            grown.insert(at.min(grown.len()), more);
            let after = decided(&grown, &held, wanted);
            prop_assert!(after.is_ok(), "one permission more denies: {after:?}");
        }
    }
}
