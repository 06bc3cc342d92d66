use serde_json::json;

use super::*;
use crate::judgement::expression::{Expression, StepBudget};
use crate::words::oauth::bytes::linear::cpu_time;

/// As many groups and roles as `length` says, a long text, a list in a list, and a list with one long text.
fn claims(length: usize) -> Map<String, Value> {
    let texts = |name: &str| (0..length).map(|n| json!(format!("{name}-{n:05}"))).collect::<Vec<_>>();
    let long = "ab".repeat(8 * length);
    let claims = json!({
        "groups": texts("group"), "realm_access": {"roles": texts("role")}, "long": long, "lists": [texts("a"), texts("b")],
        "uneven": [long, "a", "b", "c"], "members": texts("m").into_iter().map(|name| json!({"name": name})).collect::<Vec<_>>()
    });
    claims.as_object().unwrap().clone()
}

fn variables(claims: &Map<String, Value>) -> Variables<'_> {
    Variables { claims, client: "front-end-app", audience: "back-end-api", scopes: &[] }
}

/// The error of an evaluation, and what it costs: CPU time for each step that was expected.
fn evaluated(source: &str, claims: &Map<String, Value>) -> (Option<String>, f64) {
    let expression = match Expression::compile(source) {
        Ok(expression) => expression,
        // Refused at load already.
        Err(error) => return (Some(error.0), 0.0),
    };
    let inputs = EvaluationInputs { variables: variables(claims), others: &[] };
    let expected = steps(&expression.compiled.syntax, &expression.compiled.patterns, inputs).unwrap_or(MAX_STEPS);
    let mut error = None;
    let spent = cpu_time(|| error = expression.value_in(&variables(claims).scene()).err());
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    (error.map(|error| error.0), spent / (expected + 10_000) as f64)
}

#[test]
fn what_takes_too_long_is_refused_before_it_begins() {
    let doubled = |times: usize| format!("size(claims.groups{}) == 0", ".map(x, x + x)".repeat(times));
    let listed = |times: usize| format!("size(claims.groups{}) == 0", ".map(x, [x, x])".repeat(times));
    let sums = format!("size({}) > 0", vec!["claims.long"; 40].join(" + "));
    let words = vec!["claims.long.matches('a.*b.*c')"; 30].join(" || ");
    let (steps, size) = (Some("steps"), Some("larger than"));
    for (source, length, expected) in [
        ("claims.groups.exists(g, g == 'x')", 2_000, None),
        ("claims.groups.all(g, g.startsWith('group-') && g.endsWith('7'))", 2_000, None),
        ("size(claims.groups.filter(g, g.contains('7')).map(g, g + '!')) == 0", 2_000, None),
        ("claims.groups.exists(g, g.matches('^team-[0-9]+$'))", 2_000, None),
        (r"claims.groups.exists(g, g.matches('^team-\\w+$'))", 2_000, None),
        ("claims.groups.exists(g, g in claims.realm_access.roles)", 1_000, None),
        ("claims.groups.exists(g, g in claims.realm_access.roles)", 10_000, steps),
        ("claims.groups.exists(g, claims.realm_access.roles.exists(r, r == g))", 100, None),
        ("claims.groups.exists(g, claims.realm_access.roles.exists(r, r == g))", 2_000, steps),
        ("claims.groups.all(g, claims.realm_access.roles.all(r, !(r in claims.groups)))", 400, steps),
        ("claims.groups.exists(g, claims.realm_access.roles.exists(r, g + '/' + r == 'a/b'))", 50, None),
        ("claims.groups.exists(g, claims.realm_access.roles.exists(r, g + '/' + r == 'a/b'))", 1_000, steps),
        ("claims.groups.map(g, claims.groups) == []", 100, None),
        ("claims.groups.map(g, claims.groups) == []", 1_000, steps),
        ("claims.lists.exists(l, l.exists(x, x == 'b'))", 2_000, None),
        ("claims.members.exists(m, m.name == 'x')", 2_000, None),
        ("claims.uneven.exists(u, u == 'x')", 2_000, None),
        ("claims.groups.exists(g, claims.long.contains(g))", 3_000, steps),
        ("claims.groups.exists(g, claims.long == claims.long)", 10_000, steps),
        ("claims.long.matches('(a|b)*c')", 2_000, None),
        (r"claims.long.matches('(\\w+\\s?)*[!]\\w\\w')", 2_000, steps),
        (r"client.matches('^\\w{3,20}$')", 100, None),
        ("claims.exists(c, claims.exists(d, c == d))", 100, None),
        ("claims == claims", 2_000, None),
        ("size(claims) == 0", 10_000, size),
        ("claims.long == ''", 40_000, size),
        ("client == ''", 40_000, None),
        (&doubled(5), 100, None),
        (&doubled(5), 20_000, steps),
        (&listed(5), 20_000, steps),
        (&sums, 100, steps),
        (&sums, 2_000, steps),
        (&words, 100, None),
        (&words, 8_000, steps),
    ] {
        let (error, time) = evaluated(source, &claims(length));
        match (error.filter(|error| !error.starts_with("gives")), expected) {
            (None, None) => {}
            (Some(error), Some(text)) => assert!(error.contains(text), "{source} with {length}: {error}"),
            (error, _) => panic!("{source} with {length}: {error:?}"),
        }
        // 25 ns in an optimised build.
        assert!(time < 20_000.0, "{source} with {length}: {time} ns for a step");
    }
}

#[test]
fn what_takes_too_long_with_usual_claims_is_refused_at_load() {
    let nested = |times: usize| format!("{}claims.a{} == []", "[".repeat(times), "]".repeat(times));
    let doubled =
        |entry: &str, times: usize| format!("claims.groups{} == []", format!(".map(x, {entry})").repeat(times));
    let wide =
        |names: usize| format!("claims.groups.map(g, claims.groups.map(h, [{}])) == []", vec!["h"; names].join(","));
    for (source, refused) in [
        ("claims.groups.exists(a, claims.roles.exists(b, a == b && a in scopes))".to_owned(), false),
        (
            "claims.groups.all(a, claims.groups.all(b, a in claims.c || b in claims.c || a + b in claims.c))"
                .to_owned(),
            true,
        ),
        (nested(20), false),
        (doubled("x + x", 5), false),
        (doubled("x + x", 12), true),
        (doubled("[x, x]", 12), true),
        (doubled("{x: [x, x, x, x]}", 8), true),
        (doubled("x", 12), false),
        (wide(1), false),
        (wide(400), true),
        (r"claims.groups.exists(g, claims.roles.exists(r, g.matches('\\w+-\\w+') && r != g))".to_owned(), true),
    ] {
        let compiled = Expression::compile(&source);
        let error = compiled.err().map(|error| error.0);
        assert_eq!(error.is_some(), refused, "{source}: {error:?}");
        assert!(error.is_none_or(|error| error.contains("steps if each claim is a list of 100 entries")), "{source}");
    }
}

#[test]
fn evaluations_share_a_budget() {
    let (claims, budget) = (claims(1_000), StepBudget::default());
    let scene = variables(&claims).scene().within(&budget);
    let costly = Expression::compile("claims.groups.exists(g, g in claims.realm_access.roles)").unwrap();
    let outcomes: Vec<_> = (0..100).map(|_| costly.holds_in(&scene)).collect();
    let done = outcomes.iter().take_while(|outcome| **outcome == Ok(false)).count();
    assert!((10..100).contains(&done), "{done}");
    for outcome in outcomes.iter().skip(done) {
        assert!(outcome.as_ref().is_err_and(|error| error.0.contains("steps together")), "{outcome:?}");
    }
    let cheap = Expression::compile("client == 'front-end-app'").unwrap();
    assert_eq!(cheap.holds_in(&scene), Ok(true), "what is left is for cheaper ones");
    assert_eq!(cheap.holds_in(&variables(&claims).scene()), Ok(true), "the next request has a budget of its own");
}

#[test]
fn the_same_pattern_has_one_meaning_in_each_expression() {
    let claims = claims(2);
    let scene = variables(&claims).scene();
    // Both look at all claims, and therefore share the scene's values, but not their patterns.
    for (source, expected) in [
        ("claims['groups'][0].matches('^group')", true),
        ("claims['groups'][0].matches('^role')", false),
        ("claims['groups'][0].matches('^role') || claims['groups'][0].matches('^group')", true),
        ("claims['groups'][0].matches('^group') && !claims['groups'][1].matches('0$')", true),
    ] {
        assert_eq!(Expression::compile(source).unwrap().holds_in(&scene), Ok(expected), "{source}");
    }
}
