//! The comparison against the decision itself: what is reported for a request is what `decide` does with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::{SignedDuration, ToSpan};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::asked::{Asked, CLAIMS, CLIENTS, ISSUERS, KINDS, PARTIES, SCOPES, close_to, some_request, today};
use crate::judgement::expression::{Expression, Other};
use crate::judgement::policy::decide::Decision;
use crate::judgement::policy::model::{ActorRule, Audience, Delegation, Demands, Impersonation, Issuance, Permission};
use crate::judgement::policy::samples::{audience, listed, permission};
use crate::judgement::policy::scopes::OFFLINE;
use crate::tools::diff::changes::{Changes, changes};
use crate::tools::diff::right::{AudienceGround, Gift, ScopeToken};
use crate::tools::diff::versions::Versions;
use crate::words::oauth::names::Names;
use crate::words::oauth::urn::TokenType;

const ISSUANCES: [Issuance; 4] = [Issuance::Forward, Issuance::Reissue, Issuance::Translate, Issuance::Mint];

fn compile(claim: &str) -> Expression {
    Expression::compile_about(&format!("claims.{claim}"), &[Other::Actor, Other::Requested]).unwrap()
}

/// A condition of [`CLAIMS`].
fn condition(claim: &str) -> Expression {
    static COMPILED: LazyLock<[Expression; 2]> = LazyLock::new(|| CLAIMS.map(compile));
    COMPILED.iter().find(|one| one.source().ends_with(claim)).unwrap().clone()
}

fn some_names(names: &'static [&'static str], any: u32) -> impl Strategy<Value = Names> {
    let listed_names = subsequence(&names[..2], 1..=2).prop_map(|names| listed(&names));
    prop_oneof![4 => listed_names, any => Just(Names::Any)]
}

fn some_types() -> impl Strategy<Value = BTreeSet<TokenType>> {
    subsequence(&KINDS[..3], 1..=2).prop_map(|kinds| kinds.into_iter().collect())
}

fn some_condition() -> impl Strategy<Value = Option<Expression>> {
    prop_oneof![2 => Just(None), 1 => select(&CLAIMS[..]).prop_map(|claim| Some(condition(claim)))]
}

fn some_delegation() -> impl Strategy<Value = Option<Box<Delegation>>> {
    let actor = select(vec![ActorRule::Required, ActorRule::Optional, ActorRule::Forbidden]);
    let rule = (actor, some_names(&ISSUERS, 1), some_condition(), any::<bool>(), 0..4_usize);
    let rule = rule.prop_map(|(actor, issuers, condition, without_may_act, depth)| {
        Some(Box::new(Delegation { actor, issuers, condition, without_may_act, depth }))
    });
    prop_oneof![2 => Just(None), 1 => rule]
}

prop_compose! {
    fn some_permission()(
        (clients, issuers, subject_clients) in
            (some_names(&CLIENTS, 1), some_names(&ISSUERS, 1), prop_oneof![2 => Just(Names::default()), 1 => some_names(&PARTIES, 1)]),
        scopes in prop_oneof![3 => subsequence(vec!["s", "t", OFFLINE], 0..=2).prop_map(|names| listed(&names)), 1 => Just(Names::Any)],
        (subject_tokens, requested_tokens) in (some_types(), some_types()),
        (exchanged, impersonation_sessions, impersonates) in (any::<bool>(), any::<bool>(), prop::bool::weighted(0.2)),
        issuance in select(&ISSUANCES[..]),
        demands in select(&Demands::ALL[..]),
        condition in some_condition(),
        delegation in some_delegation(),
        (who, whom) in (select(&CLAIMS[..]), select(&CLAIMS[..])),
        lifetime in select(vec![None, Some(2), Some(9)]),
        expires in prop_oneof![2 => Just(None), 1 => (-1..=1_i64).prop_map(Some)],
    ) -> Permission {
        Permission {
            clients, issuers, subject_tokens, subject_clients, exchanged, requested_tokens, scopes, demands, condition,
            delegation, impersonation_sessions,
            default_scopes: BTreeSet::new(),
            issuance: Some(issuance),
            impersonation: impersonates.then(|| Box::new(Impersonation { who: self::condition(who), whom: self::condition(whom) })),
            lifetime: lifetime.map(SignedDuration::from_mins),
            expires: expires.map(|days| today().checked_add(days.days()).unwrap()),
        }
    }
}

fn api(permissions: &[Permission]) -> Audience {
    let mut audience = audience("api", permissions.to_vec());
    audience.roles.directory = true;
    audience
}

fn compared<'a>(old: &'a Audience, new: &'a Audience, needs_may_act: bool) -> Changes<'a> {
    let ground = |audience| Some(AudienceGround { audience, realm: "corp", needs_may_act });
    changes(Versions { old: ground(old), new: ground(new) }, today())
}

fn scopes_of(audiences: [&Audience; 2]) -> BTreeSet<&str> {
    let permissions = audiences.into_iter().flat_map(|audience| audience.permissions.iter());
    permissions.flat_map(|permission| permission.scopes.written()).chain([OFFLINE]).collect()
}

/// Everything that a caller or the identity provider notices of a decision.
fn outcome(decision: &Decision) -> Value {
    let contract = &decision.contract;
    let permitted: Vec<_> = SCOPES.iter().filter(|token| contract.scope_permitted.contains(token)).collect();
    json!([
        decision.demands.one_time,
        decision.demands.still_active,
        contract.issuance.as_str(),
        contract.lifetime.as_secs(),
        contract.id_token_beside,
        permitted,
        decision.refresh,
    ])
}

/// Holds what is reported for one request against what is decided.
fn check(
    changes: &Changes<'_>,
    versions: Versions<&Audience>,
    needs_may_act: bool,
    asked: &Asked,
) -> Result<(), TestCaseError> {
    let decided = versions.map(|audience| asked.decided(audience, needs_may_act));
    let found: Vec<_> = changes.list.iter().filter(|change| asked.is_of(change)).collect();
    prop_assert!(found.len() <= 1, "a request belongs to one class: {found:?}");
    let empty = BTreeMap::new();
    let delta = found.first().map_or(&empty, |change| &change.delta);
    let needs = asked.needs(&scopes_of([versions.old, versions.new]));
    let given: Vec<_> = needs
        .iter()
        .filter_map(|gift| delta.get(gift))
        .map(|pair| Versions { old: asked.is_given(&pair.old), new: asked.is_given(&pair.new) })
        .collect();
    let gained = given.iter().any(|pair| !pair.old && pair.new);
    let lost = given.iter().any(|pair| pair.old && !pair.new);
    match (&decided.old, &decided.new) {
        (None, Some(_)) => prop_assert!(gained && given.iter().all(|pair| pair.new), "a gain is missing: {delta:?}"),
        (Some(_), None) => prop_assert!(lost && given.iter().all(|pair| pair.old), "a loss is missing: {delta:?}"),
        (Some(old), Some(new)) => {
            prop_assert!(given.iter().all(|pair| pair.old && pair.new), "allowed in both: {delta:?}");
            prop_assert!(!delta.is_empty() || outcome(old) == outcome(new), "another outcome, and no change");
        }
        (None, None) => {}
    }
    // A request without scope needs the exchange alone; one with a single token needs both, and the token implies the exchange.
    if let (0..=1, Some(last)) = (asked.scope.len(), needs.last().and_then(|gift| delta.get(gift))) {
        prop_assert_eq!(asked.is_given(&last.old), decided.old.is_some(), "before: {:?}", delta);
        prop_assert_eq!(asked.is_given(&last.new), decided.new.is_some(), "after: {:?}", delta);
    }
    Ok(())
}

fn some_policy() -> impl Strategy<Value = Vec<Permission>> {
    prop::collection::vec(some_permission(), 0..4)
}

/// Two versions that have something in common.
fn some_change() -> impl Strategy<Value = Versions<Vec<Permission>>> {
    (some_policy(), some_policy(), some_policy()).prop_map(|(common, old, new)| Versions {
        old: old.into_iter().chain(common.clone()).collect(),
        new: common.into_iter().chain(new).collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_is_reported_for_a_request_is_what_is_decided(
        pair in some_change(),
        needs_may_act in prop::bool::weighted(0.3),
        requests in prop::collection::vec((some_request(), any::<u16>(), any::<prop::sample::Index>()), 8),
    ) {
        let (old, new) = (api(&pair.old), api(&pair.new));
        let changes = compared(&old, &new, needs_may_act);
        let versions = Versions { old: &old, new: &new };
        let all: Vec<_> = pair.old.iter().chain(&pair.new).cloned().collect();
        for (asked, keep, index) in requests {
            check(&changes, versions, needs_may_act, &asked)?;
            if !all.is_empty() {
                check(&changes, versions, needs_may_act, &close_to(&asked, index.get(&all), keep))?;
            }
        }
    }

    #[test]
    fn the_reverse_of_a_comparison_is_the_comparison_of_the_reverse(pair in some_change()) {
        let (old, new) = (api(&pair.old), api(&pair.new));
        let there = compared(&old, &new, false);
        let back = compared(&new, &old, false);
        let turned: Vec<_> = there.list.iter().map(|change| {
            let delta: BTreeMap<_, _> = change.delta.iter()
                .map(|(gift, pair)| (*gift, Versions { old: pair.new.clone(), new: pair.old.clone() })).collect();
            (change.requests.clone(), delta)
        }).collect();
        let back: Vec<_> = back.list.iter().map(|change| (change.requests.clone(), change.delta.clone())).collect();
        prop_assert_eq!(turned, back);
    }

    #[test]
    fn how_permissions_are_cut_and_ordered_is_no_difference(
        permissions in some_policy(),
        more in some_permission(),
        cut in 0..5_u8,
        weaker in 0..5_u8,
    ) {
        let same = api(&permissions);
        prop_assert!(compared(&same, &same, false).list.is_empty());
        let whole: Vec<_> = permissions.iter().cloned().chain([more.clone()]).collect();
        let cuts = halves(&more, cut).into_iter().chain([weakened(&more, weaker)]);
        let cut: Vec<_> = cuts.chain(permissions.iter().rev().cloned()).collect();
        let (whole, cut) = (api(&whole), api(&cut));
        let changes = compared(&whole, &cut, false);
        prop_assert!(changes.list.is_empty(), "{:?}", changes.list);
    }
}

/// Two permissions that give together what one gives.
fn halves(whole: &Permission, cut: u8) -> [Permission; 2] {
    let mut halves = [whole.clone(), whole.clone()];
    let split = |names: &Names| match names {
        Names::Any => [Names::Any, listed(&["s"])],
        Names::Listed(all) => {
            let mut all: Vec<_> = all.iter().cloned().collect();
            let rest = all.split_off(all.len() / 2);
            [Names::listed(all), Names::listed(rest)]
        }
    };
    match cut {
        0 => [halves[0].clients, halves[1].clients] = split(&whole.clients),
        1 => [halves[0].issuers, halves[1].issuers] = split(&whole.issuers),
        2 if whole.scopes != Names::Any => [halves[0].scopes, halves[1].scopes] = split(&whole.scopes),
        // Subject and actor token can be of two of the clients.
        3 if whole.delegation.is_none() => {
            [halves[0].subject_clients, halves[1].subject_clients] = {
                let [one, other] = split(&whole.subject_clients);
                if whole.subject_clients == Names::Any { [Names::Any, Names::default()] } else { [one, other] }
            }
        }
        _ => halves[1].lifetime = Some(SignedDuration::from_mins(1)),
    }
    halves
}

/// A permission that gives nothing that `whole` does not give.
fn weakened(whole: &Permission, how: u8) -> Permission {
    let mut weaker = whole.clone();
    match how {
        0 => weaker.demands = Demands { one_time: true, still_active: true },
        1 => weaker.scopes = Names::default(),
        2 => weaker.expires = Some(whole.expires.unwrap_or(today()).min(today())),
        3 if whole.condition.is_none() => weaker.condition = Some(condition("p")),
        _ => weaker.exchanged = false,
    }
    weaker
}

/// Big policies are compared by class, not by request: fifty clients with fifty conditions each.
#[test]
fn many_conditions_of_many_clients_take_no_time() {
    let of_client = |client: usize, claim: usize, scope: &str| Permission {
        clients: Names::listed([format!("client-{client}")]),
        scopes: listed(&[scope]),
        condition: Some(compile(&format!("claim_{claim}"))),
        ..permission()
    };
    let all: Vec<_> = (0..50).flat_map(|client| (0..50).map(move |claim| of_client(client, claim, "s"))).collect();
    let mut more = all.clone();
    more.extend((0..50).map(|client| Permission { condition: None, ..of_client(client, 0, "s") }));
    let (old, new) = (api(&all), api(&more));
    let changes = compared(&old, &new, false);
    let [change] = changes.list.as_slice() else { panic!("{}", changes.list.len()) };
    assert_eq!(change.from.iter().filter(|(_, index)| *index >= 2500).count(), 50);
    let scope = &change.delta[&Gift::Scope(ScopeToken::Name("s"))];
    assert_eq!((scope.old.len(), scope.new.len()), (50, 1));
}
