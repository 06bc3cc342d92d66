use serde_json::json;

use super::*;
use crate::judgement::expression::{Expression, Variables};
use crate::judgement::policy::samples::{audience, listed, object, set};
use crate::words::oauth::names::Names;

fn to(role: &str) -> BTreeSet<String> {
    set(&[role])
}

#[test]
fn rules_look_at_the_issued_roles_only() {
    let terms = RoleTerms {
        audience: "api".to_owned(),
        own: true,
        renamed: BTreeMap::from([("a".to_owned(), to("b")), ("b".to_owned(), to("c"))]),
        from_realm: BTreeMap::from([("auditor".to_owned(), to("reader"))]),
        from_client: BTreeMap::from([(("other".to_owned(), "admin".to_owned()), to("boss"))]),
        given: to("given"),
        fixed: to("user"),
        default: to("guest"),
    };
    let issued = |own: &[&str], realm: &[&str], other: &[&str]| RoleNames {
        realm: set(realm),
        clients: BTreeMap::from([("api".to_owned(), set(own)), ("other".to_owned(), set(other))]),
    };
    for (name, own, realm, other, expected) in [
        ("a rename is not renamed again", &["a"][..], &[][..], &[][..], &["b", "given", "user"][..]),
        ("an own role stays", &["d"], &[], &[], &["d", "given", "user"]),
        ("a realm role brings one", &[], &["auditor", "admin"], &[], &["given", "reader", "user"]),
        ("another client's brings one", &[], &[], &["admin", "x"], &["boss", "given", "user"]),
    ] {
        assert_eq!(terms.apply(&issued(own, realm, other)), set(expected), "{name}");
    }
    let terms = RoleTerms { own: false, ..terms };
    assert_eq!(terms.apply(&issued(&["a", "d"], &[], &[])), set(&["b", "given", "user"]), "own roles do not stay");
    for role in ["b", "reader", "boss", "given", "user", "guest"] {
        assert!(terms.allows(role), "{role}");
    }
    assert!(!terms.allows("d") && !terms.allows("a"));
    let none = RoleTerms { given: set(&[]), fixed: set(&[]), ..terms };
    assert_eq!(none.apply(&issued(&["d"], &[], &[])), set(&["guest"]), "nothing else gave one");
    assert_eq!(none.apply(&issued(&["a"], &[], &[])), set(&["b"]), "something else gave one");
}

/// Every source, said about the realm itself, about partner and about both.
fn lines(issuers: Option<&[&str]>) -> Vec<RoleMapping> {
    let when = Expression::compile("'approver' in claims.groups").unwrap();
    [
        (RoleSource::Own("clerk".to_owned()), "from-own"),
        (RoleSource::Realm("auditor".to_owned()), "from-realm"),
        (RoleSource::Client { client: "other-app".to_owned(), role: "approver".to_owned() }, "from-client"),
        (RoleSource::Group("/staff/payments".to_owned()), "from-group"),
        (RoleSource::Scope("payments".to_owned()), "from-scope"),
        (RoleSource::When(when), "from-when"),
    ]
    .into_iter()
    .map(|(from, to)| RoleMapping { from, to: to.to_owned(), issuers: issuers.map(listed) })
    .collect()
}

/// The roles of a token that says all that the lines look for, by the lines and the issuance.
fn roles(issuers: Option<&[&str]>, own: bool, issuance: Issuance, directory: bool) -> BTreeSet<String> {
    let claims = object(json!({
        "realm_access": {"roles": ["auditor"]}, "scope": "email payments",
        "resource_access": {"back-end-api": {"roles": ["clerk", "boss"]}, "other-app": {"roles": ["approver"]}},
        "groups": ["/staff/payments", "approver"]
    }));
    let mut target = audience("back-end-api", vec![]);
    target.roles.map = lines(issuers);
    target.roles.directory = directory;
    let variables = Variables { claims: &claims, client: "", audience: "", scopes: &[] };
    let scene = variables.scene();
    let issuer = if own { "corp" } else { "partner" };
    let subject = RoleSubject { realm: "corp", issuer, own, claims: &claims };
    let terms = RoleTerms::resolve(&target, issuance, subject, |_| Some(&scene)).unwrap();
    let sees = own && !directory || issuance != Issuance::Mint;
    let before = if sees { RoleNames::read(&claims).unwrap() } else { RoleNames::default() };
    let roles = terms.apply(&before);
    assert!(roles.iter().all(|role| terms.allows(role)));
    roles
}

#[test]
fn a_line_is_about_the_tokens_of_its_issuers() {
    let all = set(&["boss", "from-client", "from-group", "from-own", "from-realm", "from-scope", "from-when"]);
    let foreign = set(&["from-client", "from-group", "from-realm", "from-scope", "from-when"]);
    let upstream = set(&["boss", "from-own", "from-realm"]);
    let subject = set(&["from-group", "from-scope", "from-when"]);
    let boss = set(&["boss", "clerk"]);
    let with = |roles: &BTreeSet<String>, more: &BTreeSet<String>| roles | more;
    for (name, issuers, own, issuance, expected) in [
        ("own token", None, true, Issuance::Mint, all.clone()),
        ("own token, by name", Some(&["corp"][..]), true, Issuance::Reissue, all.clone()),
        ("own token, line about partner", Some(&["partner"]), true, Issuance::Mint, boss.clone()),
        ("foreign token, no line", None, false, Issuance::Mint, set(&[])),
        ("foreign token, line about another", Some(&["lab"]), false, Issuance::Mint, set(&[])),
        ("foreign token, its line", Some(&["partner"]), false, Issuance::Mint, foreign.clone()),
        ("foreign token, a line about both", Some(&["corp", "partner"]), false, Issuance::Mint, foreign.clone()),
        ("translated, no line: as the local user", None, false, Issuance::Translate, upstream.clone()),
        ("translated, its line", Some(&["partner"]), false, Issuance::Translate, with(&foreign, &boss)),
        (
            "translated, a line about both",
            Some(&["corp", "partner"]),
            false,
            Issuance::Translate,
            with(&with(&upstream, &foreign), &subject),
        ),
        ("forwarded: as it is", None, true, Issuance::Forward, boss.clone()),
    ] {
        assert_eq!(roles(issuers, own, issuance, false), expected, "{name}");
    }
    assert_eq!(roles(None, true, Issuance::Mint, true), subject, "roles stand in the directory alone");
}

#[test]
fn groups_are_compared_letter_for_letter_and_odd_claims_give_nothing() {
    let given = |source: RoleSource, claims: serde_json::Value| {
        let claims = object(claims);
        let mut target = audience("back-end-api", vec![]);
        target.roles.map = vec![RoleMapping { from: source, to: "x".to_owned(), issuers: Some(Names::Any) }];
        let scene = Variables { claims: &claims, client: "", audience: "", scopes: &[] }.scene();
        let subject = RoleSubject { realm: "corp", issuer: "partner", own: false, claims: &claims };
        !RoleTerms::resolve(&target, Issuance::Mint, subject, |_| Some(&scene)).unwrap().given.is_empty()
    };
    let group = |text: &str| RoleSource::Group(text.to_owned());
    for (name, source, claims, expected) in [
        ("group", group("/payments"), json!({"groups": ["/payments"]}), true),
        ("group without its slash", group("/payments"), json!({"groups": ["payments"]}), false),
        ("group with a slash more", group("payments"), json!({"groups": ["/payments"]}), false),
        ("a deeper group", group("/staff"), json!({"groups": ["/staff/payments"]}), false),
        ("groups as text", group("payments"), json!({"groups": "payments"}), false),
        ("scope as list", RoleSource::Scope("a".to_owned()), json!({"scope": ["a"]}), true),
        ("scp as text", RoleSource::Scope("a".to_owned()), json!({"scp": "a b"}), true),
        ("a scope within a scope", RoleSource::Scope("a".to_owned()), json!({"scope": "ab"}), false),
        ("realm_access as list", RoleSource::Realm("a".to_owned()), json!({"realm_access": ["a"]}), false),
        ("realm role", RoleSource::Realm("a".to_owned()), json!({"realm_access": {"roles": ["a"]}}), true),
    ] {
        assert_eq!(given(source, claims), expected, "{name}");
    }
}

/// Another issuer's scope is read in every usual shape. What can't be read is no scope without a word.
#[test]
fn where_the_scope_is_read() {
    let resolved = |own: bool, about: &str, claims: serde_json::Value| {
        let claims = object(claims);
        let mut target = audience("back-end-api", vec![]);
        let from = RoleSource::Scope("a".to_owned());
        target.roles.map = vec![RoleMapping { from, to: "x".to_owned(), issuers: Some(listed(&[about])) }];
        let subject = RoleSubject { realm: "corp", issuer: if own { "corp" } else { "partner" }, own, claims: &claims };
        let terms = RoleTerms::resolve(&target, Issuance::Mint, subject, |_| None);
        terms.map(|terms| !terms.given.is_empty()).map_err(|refusal| refusal.reason)
    };
    let differ = json!({"scope": "a", "scp": ["a", "b"]});
    for (name, own, about, claims, expected) in [
        ("own", true, "corp", json!({"scope": "b a"}), Ok(true)),
        ("own, scp is a claim as any", true, "corp", json!({"scp": ["a"]}), Ok(false)),
        ("own, scope as list", true, "corp", json!({"scope": ["a"]}), Ok(false)),
        ("own, both", true, "corp", differ.clone(), Ok(true)),
        ("foreign", false, "partner", json!({"scp": ["b", "a"]}), Ok(true)),
        ("foreign, both differ", false, "partner", differ.clone(), Err(Reason::RoleMappingFailed)),
        ("foreign, unreadable", false, "partner", json!({"scope": 1}), Err(Reason::RoleMappingFailed)),
        ("foreign, a line about others", false, "corp", differ, Ok(false)),
    ] {
        assert_eq!(resolved(own, about, claims), expected, "{name}");
    }
}
