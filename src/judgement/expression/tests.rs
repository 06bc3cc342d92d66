use proptest::prelude::*;
use serde_json::{Map, json};

use super::check::Claims;
use super::compile::MAX_SOURCE;
use super::*;

fn claims() -> Map<String, Value> {
    let Value::Object(claims) = json!({
        "acr": "1", "groups": ["staff", "ops"], "email_verified": true, "exp": 1_800_000_000, "secret": "hunter2",
        "email": "a@example.org", "nested": {"a": {"b": 7}}, "ratio": 0.5, "nothing": null, "empty": []
    }) else {
        unreachable!()
    };
    claims
}

fn holds(source: &str) -> Result<bool, String> {
    let claims = claims();
    let scopes = ["email".to_owned(), "profile".to_owned()];
    let variables = Variables { claims: &claims, client: "front-end-app", audience: "back-end-api", scopes: &scopes };
    Expression::compile(source).map_err(|error| format!("compile: {error}"))?.holds(variables).map_err(|e| e.0)
}

#[test]
fn expressions_that_hold_or_do_not() {
    for (source, expected) in [
        ("claims.acr == '1'", true),
        ("claims['acr'] == '2'", false),
        ("'staff' in claims.groups", true),
        ("claims.groups.exists(g, g.startsWith('op'))", true),
        ("claims.groups.all(g, g != 'x') && claims.groups.size() == 2", true),
        ("size(claims.groups.filter(g, g == 'ops')) == 1", true),
        ("claims.groups.map(g, g + '!')[0] == 'staff!'", true),
        ("claims.groups.exists_one(g, g == 'ops')", true),
        ("claims.email.matches('^[a-z]+@example[.]org$')", true),
        ("claims.groups.exists(g, g.matches('^op')) && !claims.groups.exists(g, g.matches('^x'))", true),
        ("matches(claims.email, 'example') && claims.email.matches('a@') && claims['acr'].matches('[0-9]')", true),
        ("claims.email.endsWith('@evil.example')", false),
        ("claims.exp + 1 > 1800000000", true),
        ("claims.nested.a.b == 7", true),
        ("claims.ratio < 1.0", true),
        ("claims.nothing == null", true),
        ("has(claims.missing)", false),
        ("has(claims.missing) ? claims.missing == 'x' : true", true),
        ("client == 'front-end-app' && audience == 'back-end-api'", true),
        ("'email' in scopes && !('payments' in scopes)", true),
        ("int('12') == 12 && string(3) == '3' && double(1) == 1.0 && uint(1) == 1u && bool('true')", true),
        ("type(claims.acr) == string && bytes('a') == b'a' && dyn(1) == 1", true),
        ("claims.groups.exists(claims, claims == 'ops')", true),
        ("-claims.exp < 0 && 7 % 2 == 1 && 7 / 2 == 3 && 2 * 3 - 1 >= 5 && 1 <= 1", true),
        ("{'a': [1, 2]}['a'][1] == 2", true),
        ("claims.missing == 1 || true", true),
    ] {
        assert_eq!(holds(source), Ok(expected), "{source}");
    }
}

#[test]
fn an_expression_tells_whether_it_looks_at_the_scope() {
    for (source, expected) in [
        ("'email' in scopes", true),
        ("claims.acr == '1' ? size(scopes) == 0 : false", true),
        ("claims.roles.exists(role, role in scopes)", true),
        ("scopes.exists(scope, scope == 'email')", true),
        ("{'a': scopes}['a'] == []", true),
        ("claims.scopes == 'x' && client == 'scopes'", false),
        ("'scopes' in claims", false),
    ] {
        assert_eq!(Expression::compile(source).unwrap().looks_at_scopes(), expected, "{source}");
    }
}

#[test]
fn only_claims_that_are_named_are_converted() {
    let named = |names: &[&str]| Claims::Named(names.iter().map(|name| (*name).to_owned()).collect());
    for (source, expected) in [
        ("claims.acr == '1' && has(claims.missing)", named(&["acr", "missing"])),
        ("claims.groups.exists(g, g == claims.acr)", named(&["acr", "groups"])),
        ("claims.nested.a.b == 7", named(&["nested"])),
        ("claims.groups.exists(claims, claims == 'ops')", named(&["groups"])),
        ("client == 'a'", named(&[])),
        ("claims['acr'] == '1' && claims.email == ''", Claims::All),
        ("claims.groups.exists(g, g in claims)", Claims::All),
        ("size(claims) == 3", Claims::All),
    ] {
        assert_eq!(Expression::compile(source).unwrap().compiled.inputs.claims, expected, "{source}");
    }
}

#[test]
fn a_runtime_error_is_an_error_and_shows_no_claim() {
    for (source, expected) in [
        ("claims.missing == 'x'", "there is no missing"),
        ("claims.acr", "gives a string, not a boolean"),
        ("claims[claims.secret] == 1", "there is no such key"),
        ("claims.secret + 1 == 2", "types of the claims"),
        ("claims.secret < 1", ""),
        ("claims.groups[7] == ''", ""),
        ("1 / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 == 0", "overflow"),
        ("claims.exp.matches('a')", "types of the claims"),
        ("int(claims.secret) == 1", ""),
        ("claims.email_verified.size() == 1", ""),
        ("claims.secret", "not a boolean"),
    ] {
        let error = holds(source).expect_err(source);
        assert!(error.contains(expected), "{source}: {error}");
        assert!(!error.starts_with("compile"), "{source}: {error}");
        assert!(!error.contains("hunter2"), "{source}: {error}");
    }
}

#[test]
fn what_is_refused_at_load() {
    let deep = "claims.groups.exists(a, claims.groups.exists(b, claims.groups.exists(c, true)))";
    let calls = format!("{}true{}", "size(".repeat(60), ")".repeat(60));
    let sum = vec!["1"; 60].join("+");
    for (source, expected) in [
        ("", "is no CEL"),
        ("claims.", "is no CEL"),
        ("claim.acr == '1'", "there is no variable claim"),
        ("now > 1", "there is no variable now"),
        ("claims.groups.exists(g, h == 'x')", "there is no variable h"),
        ("g == 'x' && claims.groups.exists(g, g == 'x')", "there is no variable g"),
        ("claims.groups.exists(g, true) && g == 'x'", "there is no variable g"),
        ("hasRole('x')", "there is no function hasRole"),
        ("claims.acr.lower() == 'x'", "there is no function lower"),
        ("timestamp('2026-01-01T00:00:00Z') == claims.t", "there is no function timestamp"),
        ("optional.of(1).hasValue()", "there is no"),
        ("claims.?acr.orValue('') == ''", "there is no"),
        ("Thing{a: 1} == 1", "structs are not supported"),
        (deep, "comprehensions are nested"),
        ("claims.secret.matches('(')", "is no regular expression"),
        ("claims.secret.matches(claims.email)", "must be written out"),
        ("claims.secret.matches('a' + 'b')", "must be written out"),
        ("matches(claims.secret, claims.email)", "must be written out"),
        ("claims.groups.exists(g, claims.secret.matches(g))", "must be written out"),
        ("['a'].exists(p, claims.secret.matches(p))", "must be written out"),
        ("claims.secret.matches()", "must be written out"),
        (r"claims.secret.matches('(\\w{100}){100}')", "a pattern of matches is too large"),
        ("claims.secret.matches('((a{100}){100}){100}')", "a pattern of matches is too large"),
        (&calls, "deep"),
        (&sum, "deep"),
    ] {
        let error = Expression::compile(source).expect_err(source);
        assert!(error.0.contains(expected), "{source}: {error}");
    }
}

/// This runs on a thread with 2 MiB of stack, as Tokio's threads do.
#[test]
fn the_deepest_expression_that_passes_also_runs() {
    assert_eq!(holds(&format!("{}true{}", "dyn(".repeat(49), ")".repeat(49))), Ok(true));
}

#[test]
fn the_longest_chains_neither_pass_nor_overflow_the_stack() {
    for link in ["1+", "!", "-", "a.", "[", "(", "{1:", "true?1:", "a[", "f(", "1<", "x&&", "''+", "1 in "] {
        let source = link.repeat(MAX_SOURCE / link.len());
        assert!(Expression::compile(&source).is_err(), "{link}");
        let closed = format!("{}1", link.repeat((MAX_SOURCE - 1) / link.len()));
        let _ = Expression::compile(&closed).map(drop);
    }
    assert!(Expression::compile(&"1".repeat(MAX_SOURCE + 1)).is_err());
}

#[test]
fn text_is_a_string_or_an_error() {
    let claims = claims();
    let variables = Variables { claims: &claims, client: "", audience: "", scopes: &[] };
    let text = |source: &str| Expression::compile(source).unwrap().text(variables);
    assert_eq!(text("'partner#' + claims.acr"), Ok("partner#1".to_owned()));
    assert!(text("1").is_err());
    assert!(text("claims.missing").is_err());
}

#[test]
fn a_value_is_what_a_claim_can_hold_or_an_error() {
    let claims = claims();
    let scene = Variables { claims: &claims, client: "c", audience: "", scopes: &[] }.scene();
    let value = |source: &str| Expression::compile(source).unwrap().value_in(&scene);
    for (source, expected) in [
        ("'p-' + claims.acr", json!("p-1")),
        ("claims.email_verified", json!(true)),
        ("claims.exp", json!(1_800_000_000)),
        ("1u", json!(1)),
        ("claims.ratio", json!(0.5)),
        ("claims.groups.map(g, g + '!')", json!(["staff!", "ops!"])),
        ("{'client': client, 'list': [1, {'a': true}]}", json!({"client": "c", "list": [1, {"a": true}]})),
    ] {
        assert_eq!(value(source), Ok(expected), "{source}");
    }
    let wide = format!("[{}]", vec!["claims.groups"; 100].join(","));
    for (source, text) in [
        ("claims.nothing", "which no claim can hold"),
        ("[claims.nothing]", "which no claim can hold"),
        ("b'x'", "which no claim can hold"),
        ("{1: 2}", "keys are no strings"),
        ("1.0 / 0.0", "no finite number"),
        ("[[[[[[[[[[1]]]]]]]]]]", "more than a claim may hold"),
        (&wide, "more than a claim may hold"),
        ("claims.missing", "there is no missing"),
    ] {
        let error = value(source).expect_err(source);
        assert!(error.0.contains(text), "{source}: {error}");
        assert!(!error.0.contains("staff"), "{source}: {error}");
    }
}

#[test]
fn somebody_else_is_there_where_he_may_be_and_is() {
    let (claims, other) = (claims(), claims().into_iter().take(1).collect::<Map<_, _>>());
    let plain = || Variables { claims: &claims, client: "c", audience: "a", scopes: &[] }.scene();
    let actor = Expression::compile_about("actor.acr == claims.acr", &[Other::Actor]).unwrap();
    assert_eq!(actor.holds_in(&plain().with(Other::Actor, Some(&other))), Ok(true));
    assert!(actor.holds_in(&plain()).is_err(), "nobody acts");
    assert!(actor.holds_in(&plain().with(Other::Requested, Some(&other))).is_err(), "somebody else does");
    let whole = Expression::compile_about("size(claims) > size(requested)", &[Other::Requested]).unwrap();
    assert_eq!(whole.holds_in(&plain().with(Other::Requested, Some(&other))), Ok(true));
    for (source, others) in [("actor.x", &[][..]), ("requested.x", &[Other::Actor]), ("actor.x", &[Other::Requested])] {
        let error = Expression::compile_about(source, others).unwrap_err();
        assert!(error.0.contains("there is no variable"), "{source}: {error}");
    }
}

#[test]
fn a_condition_may_name_the_actor_of_either_profile() {
    // The condition that docs/delegation.md gives to a permission that accepts exchanged actor tokens.
    let source = "has(actor.azp) && actor.azp == 'gateway' || has(actor.client_id) && actor.client_id == 'gateway'";
    let condition = Expression::compile_about(source, &[Other::Actor]).unwrap();
    let claims = claims();
    let variables = || Variables { claims: &claims, client: "c", audience: "a", scopes: &[] }.scene();
    for (actor, expected) in [
        (json!({"azp": "gateway"}), true),
        (json!({"client_id": "gateway"}), true),
        (json!({"azp": "other"}), false),
        (json!({"client_id": "other"}), false),
        (json!({"sub": "gateway"}), false),
    ] {
        let scene = variables().with(Other::Actor, actor.as_object());
        assert_eq!(condition.holds_in(&scene), Ok(expected), "{actor}");
    }
}

/// Expressions over claims of every type, most of them ill-typed.
fn some_expression() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "claims",
        "claims.acr",
        "claims.groups",
        "claims.exp",
        "claims.nested",
        "claims.ratio",
        "claims.nothing",
        "claims.empty",
        "claims.missing",
        "scopes",
        "0",
        "-9223372036854775808",
        "1u",
        "1e308",
        "''",
        "'('",
        "b'x'",
        "true",
        "[]",
        "{}",
        "string",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        let operators = proptest::sample::select(vec!["+", "-", "*", "/", "%", "==", "<", ">=", "in", "&&", "||"]);
        let calls = proptest::sample::select(vec![
            "size", "int", "uint", "double", "string", "bytes", "bool", "type", "dyn", "-", "!",
        ]);
        let methods = proptest::sample::select(vec!["contains", "startsWith", "matches", "size"]);
        let macros = proptest::sample::select(vec!["all", "exists", "exists_one", "map", "filter"]);
        prop_oneof![
            (inner.clone(), operators, inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
            (calls, inner.clone()).prop_map(|(call, a)| format!("{call}({a})")),
            (inner.clone(), methods, inner.clone()).prop_map(|(a, call, b)| format!("{a}.{call}({b})")),
            (inner.clone(), macros, inner.clone()).prop_map(|(a, call, b)| format!("{a}.{call}(x, x == {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{{{a}: [{b}]}}")),
        ]
    })
}

proptest! {
    #[test]
    fn running_never_panics_and_shows_no_claim(source in some_expression()) {
        if let Ok(expression) = Expression::compile(&source) {
            let claims = claims();
            let variables = Variables { claims: &claims, client: "c", audience: "a", scopes: &[] };
            for error in [expression.holds(variables).err(), expression.text(variables).err()].into_iter().flatten() {
                prop_assert!(!error.0.contains("staff") && !error.0.contains("1800000000"), "{}", error);
            }
        }
    }

    #[test]
    fn compiling_never_panics(source in r#"([a-z0-9 .,:?!&|+<>=(){}\[\]'"\\\n`-]|claims|true|in|has|\PC){0,60}"#) {
        let _ = Expression::compile(&source);
    }
}
