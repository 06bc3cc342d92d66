use std::collections::BTreeMap;

use serde_json::json;

use crate::adapters::config::load::review::{Setting, SettingPath};
use crate::judgement::expression::Expression;
use crate::judgement::policy::model::{RoleMapping, RoleSource};
use crate::judgement::policy::samples::{audience, listed, set};
use crate::tools::diff::facts::{Fact, of_audiences};
use crate::tools::diff::settings;
use crate::tools::diff::versions::Versions;
use crate::tools::diff::words;

fn shown(facts: &[Fact]) -> Vec<String> {
    facts.iter().map(|fact| format!("{} {}", words::sign(fact.direction), words::fact(fact))).collect()
}

#[test]
fn roles_are_compared_by_what_they_give() {
    let line = |from: RoleSource, to: &str, issuers: Option<&[&str]>| RoleMapping {
        from,
        to: to.to_owned(),
        issuers: issuers.map(listed),
    };
    let when = |source: &str| RoleSource::When(Expression::compile(source).unwrap());
    let old = audience("api", Vec::new());
    let mut new = old.clone();
    new.roles.map = vec![line(RoleSource::Realm("auditor".to_owned()), "reader", Some(&["corp", "partner"]))];
    let mut cut = new.clone();
    cut.roles.map = vec![
        line(RoleSource::Realm("auditor".to_owned()), "reader", Some(&["partner"])),
        line(RoleSource::Realm("auditor".to_owned()), "reader", None),
    ];
    let compared = |old, new| shown(&of_audiences(Versions { old: Some(old), new: Some(new) }, "corp"));
    assert_eq!(compared(&new, &cut), [""; 0]);
    assert_eq!(
        compared(&old, &new),
        [
            "+ the role reader from the realm role auditor, for tokens of corp",
            "+ the role reader from the realm role auditor, for tokens of partner"
        ]
    );
    let mut renamed = old.clone();
    renamed.roles.map = vec![line(RoleSource::Own("clerk".to_owned()), "reader", None)];
    assert_eq!(
        compared(&old, &renamed),
        ["+ from the own role clerk, the role reader", "- from the own role clerk, the role clerk"]
    );
    let (mut one, mut two) = (old.clone(), old.clone());
    one.roles.map = vec![line(when("claims.a"), "reader", None)];
    two.roles.map = vec![line(when("claims.b"), "reader", None)];
    assert_eq!(
        compared(&one, &two),
        ["? the role reader, for tokens of corp: when claims.a → when claims.b: can't be compared"]
    );
    let mut others = old.clone();
    others.roles.own = false;
    others.roles.realm = set(&["auditor"]);
    others.roles.default = set(&["guest"]);
    others.token.within_subject = true;
    others.token.claims = listed(&["department", "team"]);
    others.token.set = BTreeMap::from([("tenant".to_owned(), Expression::compile("claims.org").unwrap())]);
    assert_eq!(
        compared(&old, &others),
        [
            "+ the realm role auditor",
            "- the user's own roles of the audience no longer stay",
            "+ for tokens without other roles, the role guest",
            "- no token outlives its subject token any more",
            "+ the claim team",
            "? the value of the claim tenant: claims.org: can't be compared",
        ]
    );
}

#[test]
fn settings_have_a_direction_where_one_is_known() {
    let settings = |values: &[(&str, serde_json::Value)]| -> BTreeMap<SettingPath, Setting> {
        let setting = |(path, value): &(&str, serde_json::Value)| {
            let path: SettingPath = path.split('.').map(str::to_owned).collect();
            (path, Setting { meaning: value.clone(), shown: value.clone(), line: 1 })
        };
        values.iter().map(setting).collect()
    };
    for (path, old, new, expected) in [
        ("realms.corp.doors.ciba", json!("closed"), json!("open"), vec!["+ realms.corp.doors.ciba: closed → open"]),
        (
            "realms.corp.doors.jwtBearer",
            json!("open"),
            json!("judged"),
            vec!["- realms.corp.doors.jwtBearer: open → judged"],
        ),
        (
            "realms.corp.algorithms",
            json!(["RS256", "ES256"]),
            json!(["ES256"]),
            vec!["- realms.corp.algorithms: RS256"],
        ),
        ("realms.corp.leeway", json!(10.0), json!(20.0), vec!["+ realms.corp.leeway: 10.0 → 20.0"]),
        (
            "issuers.partner.claimValidationRules",
            json!([{ "expression": "claims.a", "message": "no" }]),
            json!([{ "expression": "claims.a" }, { "expression": "claims.b" }]),
            vec!["- issuers.partner.claimValidationRules: claims.b"],
        ),
        (
            "issuers.partner.claimValidationRules",
            json!([{ "expression": "claims.a" }]),
            json!([{ "expression": "claims.b" }]),
            vec!["? issuers.partner.claimValidationRules: [\"claims.a\"] → [\"claims.b\"]: can't be compared"],
        ),
        ("issuers.partner.issuer.audiences", json!(["a", "b"]), json!(["b", "a"]), vec![]),
        (
            "upstream.url",
            json!("https://a"),
            json!("https://b"),
            vec!["? upstream.url: https://a → https://b: can't be compared"],
        ),
    ] {
        let (old, new) = (settings(&[(path, old)]), settings(&[(path, new)]));
        let facts: Vec<_> =
            settings::facts(Versions { old: &old, new: &new }).into_iter().map(|one| one.fact).collect();
        assert_eq!(shown(&facts), expected, "{path}");
    }
    let (none, one) = (settings(&[]), settings(&[("issuers.partner.issuer.url", json!("https://partner.example"))]));
    let facts =
        |old, new| -> Vec<_> { settings::facts(Versions { old, new }).into_iter().map(|one| one.fact).collect() };
    assert_eq!(shown(&facts(&none, &one)), ["+ the issuer partner: https://partner.example"]);
    assert_eq!(shown(&facts(&one, &none)), ["- the issuer partner: https://partner.example"]);
}
