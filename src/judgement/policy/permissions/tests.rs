use proptest::prelude::*;

use super::*;
use crate::judgement::policy::samples::{listed, permission};

/// Few clients, so that permissions share some; none is `*`.
fn clients() -> impl Strategy<Value = Names> {
    let names = proptest::collection::btree_set("[abc]", 0..3);
    prop_oneof![1 => Just(Names::Any), 8 => names.prop_map(Names::listed)]
}

fn positions<'p>(found: impl Iterator<Item = (usize, &'p Permission)>) -> Vec<usize> {
    found.map(|(position, _)| position).collect()
}

proptest! {
    #[test]
    fn the_index_finds_what_a_look_at_each_permission_finds(all in proptest::collection::vec(clients(), 0..60), client in "[abcd]") {
        let list: Vec<_> = all.into_iter().map(|clients| Permission { clients, ..permission() }).collect();
        let expected: Vec<_> =
            list.iter().zip(1..).filter(|(one, _)| one.clients.contains(&client)).map(|(_, position)| position).collect();
        let indexed = Permissions { by_client: Some(ClientIndex::new(&list)), list: list.clone() };
        let plain = Permissions { by_client: None, list: list.clone() };
        prop_assert_eq!(positions(indexed.of_client(&client)), expected.clone());
        prop_assert_eq!(positions(plain.of_client(&client)), expected.clone());
        prop_assert_eq!(positions(Permissions::from(list).of_client(&client)), expected);
    }
}

#[test]
fn a_change_is_found_in_a_long_list_too() {
    let mut many: Permissions = std::iter::repeat_with(permission).take(FEW + 1).collect();
    assert!(many.by_client.is_some());
    many[FEW].clients = listed(&["late-comer"]);
    assert_eq!(positions(many.of_client("late-comer")), [FEW + 1]);
    assert_eq!(many.of_client("front-end-app").count(), FEW);
}
