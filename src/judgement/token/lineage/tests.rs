use proptest::prelude::*;
use serde_json::json;

use super::*;

const UP: Standing = Standing { enabled: true, not_before: 0 };

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn facts() -> LineageFacts {
    LineageFacts {
        realm_not_before: 0,
        client: Some(UP),
        users: vec![UserFacts { standing: Some(UP), in_session: true }],
    }
}

#[test]
fn the_claims_say_what_a_token_depends_on() {
    let user = |subject, session| LineageUser { subject, session };
    let rows = [
        ("reissued", json!({"sub": "u", "sid": "s", "azp": "c", "iat": 9}), Some((vec![user("u", Some("s"))], "c", 9))),
        ("RFC 9068", json!({"sub": "u", "client_id": "c", "iat": 9}), Some((vec![user("u", None)], "c", 9))),
        (
            "minted",
            json!({"sub": "u", "sid": "s", "azp": "c", "iat": 9, "derived_from": {"iat": 5}}),
            Some((vec![user("u", Some("s"))], "c", 5)),
        ),
        (
            "impersonated",
            json!({"sub": "u", "azp": "c", "iat": 9, "derived_from": {"iat": 5, "sub": "desk", "sid": "d"}}),
            Some((vec![user("u", None), user("desk", Some("d"))], "c", 5)),
        ),
        (
            "about another issuer's subject",
            json!({"sub": "p#u", "subject_issuer": "p", "azp": "c", "iat": 9}),
            Some((vec![], "c", 9)),
        ),
        ("without sub", json!({"azp": "c", "iat": 9}), None),
        ("without a client", json!({"sub": "u", "iat": 9}), None),
        ("without iat", json!({"sub": "u", "azp": "c"}), None),
    ];
    for (name, claims, expected) in rows {
        let claims = map(&claims);
        let lineage = TokenLineage::of(&claims).map(|one| (one.users, one.client, one.issued));
        assert_eq!(lineage, expected, "{name}");
    }
}

/// A name, a change of what is known, and whether the token ends with it.
type Row = (&'static str, fn(&mut LineageFacts), bool);

#[test]
fn each_end_ends_the_token() {
    let claims = map(&json!({"sub": "u", "sid": "s", "azp": "c", "iat": 100}));
    let lineage = TokenLineage::of(&claims).unwrap();
    let with = |change: fn(&mut LineageFacts)| {
        let mut changed = facts();
        change(&mut changed);
        changed
    };
    let rows: [Row; 13] = [
        ("nothing", |_| {}, false),
        ("realm not-before", |facts| facts.realm_not_before = 101, true),
        ("realm not-before of the same second", |facts| facts.realm_not_before = 100, false),
        ("client gone", |facts| facts.client = None, true),
        ("client disabled", |facts| facts.client = Some(Standing { enabled: false, ..UP }), true),
        ("client not-before", |facts| facts.client = Some(Standing { not_before: 101, ..UP }), true),
        ("client not-before before", |facts| facts.client = Some(Standing { not_before: 99, ..UP }), false),
        ("user gone", |facts| facts.users[0].standing = None, true),
        ("user disabled", |facts| facts.users[0].standing = Some(Standing { enabled: false, ..UP }), true),
        ("user not-before", |facts| facts.users[0].standing = Some(Standing { not_before: 101, ..UP }), true),
        ("user not-before before", |facts| facts.users[0].standing = Some(Standing { not_before: 100, ..UP }), false),
        ("session ended", |facts| facts.users[0].in_session = false, true),
        ("nobody looked", |facts| facts.users.clear(), true),
    ];
    for (name, change, ends) in rows {
        assert_eq!(lineage.ended(&with(change), false).is_some(), ends, "{name}");
    }
    let gone = with(|facts| facts.client = None);
    assert_eq!(lineage.ended(&gone, true), None, "a client that only Cambio knows");
    let disabled = with(|facts| facts.client = Some(Standing { enabled: false, ..UP }));
    assert!(lineage.ended(&disabled, true).is_some(), "the identity provider's word counts if it knows the client");
}

proptest! {
    /// Nothing that descends from what has ended is active, however many users it depends on.
    #[test]
    fn whatever_ends_ends_what_descends_from_it(
        issued in 0..200_i64,
        realm in 0..200_i64,
        client in proptest::option::of((any::<bool>(), 0..200_i64)),
        users in proptest::collection::vec((proptest::option::of((any::<bool>(), 0..200_i64)), any::<bool>()), 0..3),
    ) {
        let standing = |(enabled, not_before)| Standing { enabled, not_before };
        let lineage = TokenLineage {
            users: users.iter().map(|_| LineageUser { subject: "u", session: Some("s") }).collect(),
            client: "c",
            issued,
        };
        let facts = LineageFacts {
            realm_not_before: realm,
            client: client.map(standing),
            users: users.iter().map(|(one, on)| UserFacts { standing: one.map(standing), in_session: *on }).collect(),
        };
        let up = |one: Option<(bool, i64)>| one.is_some_and(|(enabled, not_before)| enabled && issued >= not_before);
        let alive = issued >= realm && up(client) && users.iter().all(|(one, on)| up(*one) && *on);
        prop_assert_eq!(lineage.ended(&facts, false).is_none(), alive);
    }
}
