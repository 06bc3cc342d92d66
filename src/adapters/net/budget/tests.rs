use std::net::Ipv6Addr;

use proptest::prelude::*;

use super::*;

const KIB: usize = 1024;

/// A peer whose counter is no other peer's among those of the test.
fn peers(budget: &Arc<MemoryBudget>, count: usize) -> Vec<MemoryShare> {
    let mut counters = std::collections::BTreeSet::new();
    let addresses = (0_u32..).map(|number| IpAddr::V4(number.into()));
    let own = addresses.filter(|address| counters.insert(budget.counter(*address)));
    own.take(count).map(|address| budget.share(address)).collect()
}

/// Takes pieces until the share is used up.
fn fill(share: &MemoryShare, piece: usize) -> Vec<HeldMemory> {
    std::iter::from_fn(|| share.take(piece).ok()).collect()
}

#[test]
fn a_peer_gets_what_the_others_leave() {
    let budget = MemoryBudget::of(1024 * KIB);
    let peers = peers(&budget, 4);
    let mut held = Vec::new();
    for (name, peer, expected) in [
        ("alone, half", 0, 512 * KIB),
        ("nothing more", 0, 0),
        ("the second, half of the rest", 1, 256 * KIB),
        ("the third, half of that", 2, 128 * KIB),
        ("who holds most is still refused", 0, 0),
    ] {
        let taken = fill(&peers[peer], KIB);
        assert_eq!(taken.len() * KIB, expected, "{name}");
        held.push(taken);
    }
    assert_eq!(budget.held(), 896 * KIB);
    held.remove(0).clear();
    assert!(peers[3].take(128 * KIB).is_ok(), "what is released is free");
}

#[test]
fn the_last_eighth_is_for_small_bodies() {
    let budget = MemoryBudget::of(1024 * KIB);
    let peer = peers(&budget, 1).remove(0);
    let large = fill(&peer, SMALL + KIB);
    assert_eq!(large.len(), 448 / 17, "half of seven eighths");
    let mut body = peer.take(SMALL).unwrap();
    assert_eq!(body.grow_to(SMALL + KIB), Err(BudgetExhausted), "a body that is no longer small");
    assert_eq!(body.bytes(), SMALL, "what it had stays counted");
    assert_eq!(fill(&peer, KIB).len(), 512 - 26 * 17 - 16);
}

#[test]
fn data_counts_until_its_last_copy_is_gone() {
    let budget = MemoryBudget::of(64 * KIB);
    let share = budget.share(IpAddr::V4(1.into()));
    let data = share.take(3).unwrap().with(Bytes::from_static(b"abc"));
    let part = data.slice(1..2);
    drop(data);
    assert_eq!((&part[..], budget.held()), (&b"b"[..], 3));
    drop(part);
    assert_eq!(budget.held(), 0);
}

#[test]
fn a_network_of_64_bits_is_one_peer() {
    let budget = MemoryBudget::of(64 * KIB);
    let counter = |text: &str| budget.counter(IpAddr::V6(text.parse::<Ipv6Addr>().unwrap()));
    assert_eq!(counter("2001:db8::1"), counter("2001:db8::ffff:1"));
    assert_eq!(counter("::ffff:192.0.2.1"), budget.counter("192.0.2.1".parse().unwrap()));
    let others = (0..64).map(|network| counter(&format!("2001:db8:{network}::1")));
    assert!(others.collect::<std::collections::BTreeSet<_>>().len() > 32, "networks are told apart");
}

proptest! {
    #[test]
    fn whatever_was_taken_is_given_back(steps in proptest::collection::vec((0_usize..6, 0_usize..40_000), 0..200)) {
        let budget = MemoryBudget::of(256 * KIB);
        let shares: Vec<_> = (0_u32..6).map(|peer| budget.share(IpAddr::V4(peer.into()))).collect();
        let mut held: Vec<HeldMemory> = shares.iter().map(MemoryShare::open).collect();
        for (peer, bytes) in steps {
            if bytes < 8_000 {
                held[peer] = shares[peer].open();
            } else {
                let before = held[peer].bytes();
                let grown = held[peer].grow_to(bytes);
                prop_assert_eq!(held[peer].bytes(), if grown.is_ok() { bytes.max(before) } else { before });
            }
            prop_assert_eq!(budget.held(), held.iter().map(HeldMemory::bytes).sum::<usize>());
            prop_assert!(budget.held() <= budget.total());
        }
        drop(held);
        prop_assert_eq!(budget.held(), 0);
        prop_assert!(budget.peers.iter().all(|peer| peer.load(Ordering::Relaxed) == 0));
    }
}

#[test]
fn threads_never_hold_more_than_the_budget() {
    let budget = MemoryBudget::of(256 * KIB);
    std::thread::scope(|scope| {
        for peer in 0_u32..4 {
            let budget = &budget;
            scope.spawn(move || {
                let share = budget.share(IpAddr::V4(peer.into()));
                let mut held = Vec::new();
                for step in 0..20_000_usize {
                    if step % 7 == 0 {
                        held.clear();
                    }
                    held.extend(share.take(step % 30_000));
                    let own: usize = held.iter().map(HeldMemory::bytes).sum();
                    assert!(own <= budget.total() / 2, "{own}");
                }
            });
        }
    });
    assert_eq!(budget.held(), 0);
}
