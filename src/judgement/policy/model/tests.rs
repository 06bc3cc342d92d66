use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::judgement::expression::Expression;
use crate::judgement::policy::samples::{self, permission};

fn permissions() -> impl Strategy<Value = Vec<(BTreeSet<String>, bool)>> {
    proptest::collection::vec((proptest::collection::btree_set("[abc]", 0..3), any::<bool>()), 0..4)
}

fn audience(name: &str, resources: BTreeSet<String>, permissions: Vec<(BTreeSet<String>, bool)>) -> Audience {
    let cel = || Expression::compile("true").unwrap();
    let permissions = permissions.into_iter().map(|(clients, impersonates)| Permission {
        clients: Names::listed(clients),
        impersonation: impersonates.then(|| Box::new(Impersonation { who: cel(), whom: cel() })),
        ..permission()
    });
    Audience { resources, ..samples::audience(name, permissions.collect()) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_indices_find_what_a_look_at_each_audience_finds(
        all in proptest::collection::btree_map("[a-f]", (proptest::collection::btree_set("[xyz]", 0..4), permissions()), 0..6),
        order in any::<u64>(),
    ) {
        let mut audiences: Vec<_> = all.into_iter().map(|(name, (list, rules))| audience(&name, list, rules)).collect();
        let by_name: BTreeMap<_, _> = audiences.iter().map(|one| (one.name.clone(), one.clone())).collect();
        if !audiences.is_empty() {
            let start = usize::try_from(order % audiences.len() as u64).unwrap();
            audiences.rotate_left(start);
        }
        let realm: RealmPolicy = audiences.into_iter().collect();
        for resource in ["x", "y", "z", "unknown"] {
            let expected: Vec<_> =
                by_name.values().filter(|one| one.resources.contains(resource)).map(|one| &one.name).collect();
            let found: Vec<_> = realm.of_resource(resource).iter().map(|one| &one.name).collect();
            prop_assert_eq!(found, expected);
        }
        for client in ["a", "b", "c", "d"] {
            let mut all = by_name.values().flat_map(|audience| &audience.permissions);
            let expected = all.any(|one| one.impersonation.is_some() && one.clients.contains(client));
            prop_assert_eq!(realm.lets_impersonate(client), expected);
        }
        prop_assert_eq!(realm.keys().collect::<Vec<_>>(), by_name.keys().collect::<Vec<_>>());
    }
}
