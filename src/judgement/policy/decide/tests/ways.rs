//! Which way is taken, and that permissions only ever add.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::judgement::policy::claim_names::client_of;
use crate::judgement::policy::model::{ActorRule, Delegation, Impersonation};
use crate::judgement::policy::request::{Actor, Impersonated};

const ONE_TIME: Demands = Demands { one_time: true, still_active: false };
const STILL_ACTIVE: Demands = Demands { one_time: false, still_active: true };
const NONE: Demands = Demands { one_time: false, still_active: false };

fn by(issuance: Issuance) -> Permission {
    Permission { issuance: Some(issuance), ..permission() }
}

fn demanding(demands: Demands) -> Permission {
    Permission { demands, ..permission() }
}

#[test]
fn the_issuance_that_can_do_most_is_used() {
    use Issuance::{Forward, Mint, Reissue};
    for (name, permissions, expected) in [
        ("the audience's", vec![permission()], Reissue),
        ("the permission's", vec![by(Forward)], Forward),
        ("reissue before forward", vec![by(Forward), permission()], Reissue),
        ("mint before all", vec![by(Forward), by(Mint), by(Reissue)], Mint),
        ("not one that does not apply", vec![by(Forward), Permission { clients: listed(&[]), ..by(Mint) }], Forward),
        ("not one that asks for more", vec![by(Forward), Permission { demands: ONE_TIME, ..by(Mint) }], Forward),
    ] {
        assert_eq!(judge(permissions, "email").unwrap().contract.issuance, expected, "{name}");
    }
}

#[test]
fn an_issuance_takes_the_tokens_that_it_can_exchange() {
    let (claims, audiences) = (object(json!({})), names(&["back-end-api"]));
    for (issuance, own, foreign) in [
        (Issuance::Forward, true, false),
        (Issuance::Reissue, true, false),
        (Issuance::Translate, false, true),
        (Issuance::Mint, true, true),
    ] {
        let any = Permission { issuers: Names::Any, ..by(issuance) };
        let policy = policy([audience("back-end-api", vec![any])]);
        for (issuer, provenance, expected) in
            [("corp", Provenance::Realm, own), ("partner", Provenance::Foreign, foreign)]
        {
            let request = ExchangeRequest { issuer, provenance, ..request(&audiences, &claims) };
            let decided = decide(&policy, "corp", &request, now());
            assert_eq!(decided.is_ok(), expected, "{} {issuer}", issuance.as_str());
            if let Err(refusal) = decided {
                assert_eq!(refusal.reason, Reason::IssuerNotPermitted);
                assert!(refusal.detail.contains(&format!("issuers: [{issuer}] and issuance: ")), "{}", refusal.detail);
            }
        }
    }
}

#[test]
fn demands_hold_for_what_only_a_demanding_permission_allows() {
    let free = |scopes: &[&str]| Permission { scopes: listed(scopes), ..permission() };
    let once = |scopes: &[&str]| Permission { scopes: listed(scopes), ..demanding(ONE_TIME) };
    let active = |scopes: &[&str]| Permission { scopes: listed(scopes), ..demanding(STILL_ACTIVE) };
    let both = Demands { one_time: true, still_active: true };
    for (name, permissions, asked, expected, scopes, applied) in [
        ("none", vec![free(&["email"])], "email", NONE, &["email"][..], &[1][..]),
        ("the only one's", vec![once(&["email"])], "email", ONE_TIME, &["email"], &[1]),
        ("lifted by one without", vec![once(&["email"]), free(&["email"])], "email", NONE, &["email"], &[2]),
        (
            "not lifted for what only the demanding one allows",
            vec![once(&["payments"]), free(&["email"])],
            "email payments",
            ONE_TIME,
            &["email", "payments"],
            &[1, 2],
        ),
        (
            "nothing asked: what is free of demands",
            vec![once(&["payments"]), free(&["email"])],
            "",
            NONE,
            &["email"],
            &[2],
        ),
        ("neither alone covers", vec![once(&["a"]), active(&["b"])], "a b", both, &["a", "b"], &[1, 2]),
        ("either alone covers", vec![once(&["a"]), active(&["a"])], "a", STILL_ACTIVE, &["a"], &[2]),
    ] {
        let decision = judge(permissions, asked).unwrap();
        assert_eq!(decision.demands, expected, "{name}");
        assert_eq!(decision.contract.scope_permitted, Scopes::from(listed(scopes)), "{name}");
        let positions: Vec<_> = decision.permissions.iter().map(|(_, position)| *position).collect();
        assert_eq!(positions, applied, "{name}");
    }
}

#[test]
fn several_audiences_agree_on_a_way_or_are_refused() {
    use Issuance::{Forward, Mint, Reissue};
    let (claims, audiences) = (object(json!({})), names(&["a", "b"]));
    let once = |issuance: Issuance| Permission { demands: ONE_TIME, ..by(issuance) };
    for (name, a, b, expected) in [
        ("both mint", vec![by(Mint)], vec![by(Mint)], Ok((Mint, NONE))),
        ("one can't mint", vec![by(Mint), by(Forward)], vec![by(Reissue)], Ok((Reissue, NONE))),
        ("one demands", vec![once(Mint)], vec![by(Mint)], Ok((Mint, ONE_TIME))),
        ("less is demanded upstream", vec![once(Mint), by(Forward)], vec![by(Mint), by(Forward)], Ok((Forward, NONE))),
        ("no common way", vec![by(Mint)], vec![by(Reissue)], Err("a by mint, b by reissue")),
    ] {
        let policy = policy([audience("a", a), audience("b", b)]);
        let decided = decide(&policy, "corp", &request(&audiences, &claims), now());
        match (decided, expected) {
            (Ok(decision), Ok((issuance, demands))) => {
                assert_eq!((decision.contract.issuance, decision.demands), (issuance, demands), "{name}");
            }
            (Err(refusal), Err(text)) => {
                assert_eq!(refusal.reason, Reason::IssuanceConflict, "{name}");
                assert!(refusal.detail.contains(text), "{name}: {}", refusal.detail);
            }
            (decided, _) => panic!("{name}: {decided:?}"),
        }
    }
}

#[test]
fn a_refresh_token_comes_with_an_access_token_or_not_at_all() {
    let (claims, audiences) = (object(json!({})), names(&["back-end-api"]));
    for (issuance, own, expected) in [
        (Issuance::Forward, true, None),
        (Issuance::Reissue, true, Some(true)),
        (Issuance::Translate, false, None),
        (Issuance::Mint, true, None),
        (Issuance::Mint, false, Some(true)),
    ] {
        let requested_tokens = BTreeSet::from([TokenType::AccessToken, TokenType::RefreshToken]);
        let permission = Permission { issuers: Names::Any, requested_tokens, ..by(issuance) };
        let policy = policy([audience("back-end-api", vec![permission])]);
        let provenance = if own { Provenance::Realm } else { Provenance::Foreign };
        let request =
            ExchangeRequest { provenance, requested_token: TokenType::RefreshToken, ..request(&audiences, &claims) };
        let decided = decide(&policy, "corp", &request, now());
        assert_eq!(decided.as_ref().ok().map(|one| one.refresh), expected, "{} {own}", issuance.as_str());
        match decided {
            Ok(decision) => assert_eq!(decision.contract.requested, TokenType::AccessToken),
            Err(refusal) => assert_eq!(refusal.reason, Reason::RequestedTokenTypeNotPermitted),
        }
    }
}

/// Most often what lets a request pass, or hardly any would be allowed by chance.
fn mostly<T: Clone + std::fmt::Debug + 'static>(
    good: T,
    other: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = T> {
    prop_oneof![4 => Just(good), 1 => other]
}

fn some_names(of: &'static [&'static str]) -> impl Strategy<Value = Names> {
    let some = subsequence(of, 0..=of.len()).prop_map(|names| listed(&names));
    mostly(listed(of), prop_oneof![Just(Names::Any), some])
}

fn some_delegation() -> impl Strategy<Value = Option<Delegation>> {
    let rules = select(vec![ActorRule::Required, ActorRule::Optional, ActorRule::Forbidden]);
    let conditions = select(vec!["actor.azp == 'gateway'", "actor.azp == 'x'", "actor.x"]);
    let about = |source| Expression::compile_about(source, &[Other::Actor]).unwrap();
    let some = (
        mostly(ActorRule::Optional, rules),
        some_names(&["corp", "partner"]),
        mostly(None, conditions.prop_map(move |source| Some(about(source)))),
        any::<bool>(),
        1..3usize,
    )
        .prop_map(|(actor, issuers, condition, without_may_act, depth)| Delegation {
            actor,
            issuers,
            condition,
            without_may_act,
            depth,
        });
    proptest::option::weighted(0.7, some)
}

fn some_impersonation() -> impl Strategy<Value = Option<Impersonation>> {
    let who = select(vec!["claims.acr == '1'", "claims.acr == '1'", "claims.acr == '2'", "claims.x"]);
    let whom = select(vec!["requested.sub == 'user-2'", "requested.sub == 'user-2'", "requested.x"]);
    let some = (who, whom).prop_map(|(who, whom)| Impersonation {
        who: cel(who),
        whom: Expression::compile_about(whom, &[Other::Requested]).unwrap(),
    });
    proptest::option::weighted(0.4, some)
}

fn some_permission() -> impl Strategy<Value = Permission> {
    let conditions = select(vec!["claims.acr == '1'", "claims.acr == '2'", "claims.x == 1", "'x' in scopes"]);
    let expires = select(vec!["2020-01-01", "2099-01-01"]);
    let good = vec![TokenType::AccessToken];
    let types = mostly(good, subsequence(vec![TokenType::AccessToken, TokenType::IdToken], 0..=2)).boxed();
    let issuances = select(vec![
        None,
        Some(Issuance::Forward),
        Some(Issuance::Reissue),
        Some(Issuance::Translate),
        Some(Issuance::Mint),
        Some(Issuance::Mint),
        Some(Issuance::Mint),
    ]);
    let scopes = subsequence(vec!["email", "profile", "x", OFFLINE], 0..=4);
    (
        some_names(&["front-end-app", "other"]),
        some_names(&["corp", "partner"]),
        types.clone(),
        types,
        prop_oneof![1 => Just(Names::Any), 4 => scopes.prop_map(|names| listed(&names))],
        mostly(None, conditions.prop_map(Some)),
        mostly(None, expires.prop_map(Some)),
        (issuances, select(Demands::ALL.to_vec())),
        (some_delegation(), some_impersonation(), proptest::option::of(10..1000i64)),
        (select(vec![&[][..], &["other-app"]]), any::<bool>()),
    )
        .prop_map(
            |(
                clients,
                issuers,
                subject,
                requested,
                scopes,
                source,
                expires,
                (issuance, demands),
                (delegation, impersonation, lifetime),
                (subject_clients, exchanged),
            )| {
                Permission {
                    subject_clients: listed(subject_clients),
                    exchanged,
                    clients,
                    issuers,
                    subject_tokens: subject.into_iter().collect(),
                    requested_tokens: requested.into_iter().collect(),
                    default_scopes: std::collections::BTreeSet::new(),
                    scopes,
                    issuance,
                    demands,
                    condition: source.map(cel),
                    delegation: delegation.map(Box::new),
                    impersonation_sessions: false,
                    impersonation: impersonation.map(Box::new),
                    lifetime: lifetime.map(SignedDuration::from_secs),
                    expires: expires.map(|day| day.parse().unwrap()),
                }
            },
        )
}

/// Permissions of audiences a and b, and one more at one of them.
fn some_growth() -> impl Strategy<Value = (Vec<Permission>, Vec<Permission>, Permission, bool, usize)> {
    let some = || proptest::collection::vec(some_permission(), 1..6);
    (some(), some(), some_permission(), any::<bool>(), 0..4usize)
}

/// What a request is like besides its scopes.
#[expect(clippy::struct_excessive_bools, reason = "each is there or is not")]
#[derive(Clone, Copy, Debug)]
struct Way {
    own: bool,
    both: bool,
    drop_offline: bool,
    held: bool,
    acts: bool,
    acted: bool,
    may_act: bool,
    becomes: bool,
    ours: bool,
}

impl Way {
    fn provenance(self) -> Provenance {
        match (self.own, self.ours) {
            (true, false) => Provenance::Realm,
            (true, true) => Provenance::CambioForRealm,
            (false, false) => Provenance::Foreign,
            (false, true) => Provenance::CambioForForeign,
        }
    }

    fn issuer(self) -> &'static str {
        if self.own { "corp" } else { "partner" }
    }
}

prop_compose! {
    fn some_way()(
        own in proptest::bool::weighted(0.7),
        drop_offline: bool,
        both in proptest::bool::weighted(0.3),
        held in proptest::bool::weighted(0.8),
        acts in proptest::bool::weighted(0.3),
        acted in proptest::bool::weighted(0.3),
        may_act in proptest::bool::weighted(0.3),
        becomes in proptest::bool::weighted(0.3),
        ours in proptest::bool::weighted(0.3),
    ) -> Way {
        Way { own, both, drop_offline, held, acts, acted, may_act, becomes, ours }
    }
}

/// A request for both audiences, or for `a` alone.
fn asked(a: &[Permission], b: &[Permission], way: Way, scopes: &str) -> Result<Decision, Refusal> {
    let mut claims = object(json!({"acr": "1", "scope": "email x", "azp": "other-app"}));
    if way.acted {
        claims.insert("act".to_owned(), json!({"sub": "earlier", "iss": "https://a.example"}));
    }
    if way.may_act {
        let may_act = json!({"sub": "sa-gateway", "iss": "https://a.example", "client_id": "front-end-app"});
        claims.insert("may_act".to_owned(), may_act);
    }
    let (gateway, person) = (object(json!({"azp": "gateway"})), object(json!({"sub": "user-2"})));
    let actor = way.acts.then_some(Actor {
        held: true,
        provenance: Provenance::Realm,
        issuer: "corp",
        iss: "https://a.example",
        claims: &gateway,
        subject: "sa-gateway",
        tenant: None,
        client: client_of(&gateway),
        expires: now() + SignedDuration::from_secs(60),
    });
    let requested = Impersonated { subject: "user-2", claims: &person, protected: false };
    let (asked, audiences) = (scope(scopes), names(if way.both { &["a", "b"] } else { &["a"] }));
    let request = ExchangeRequest {
        scope: WantedScope::Exactly(&asked),
        provenance: way.provenance(),
        held: way.held,
        issuer: way.issuer(),
        actor,
        impersonate: way.becomes.then_some(requested),
        drop_offline: way.drop_offline,
        ..request(&audiences, &claims)
    };
    let audience = |name, permissions: &[Permission]| {
        let mut audience = audience(name, permissions.to_vec());
        audience.roles.directory = true;
        audience
    };
    decide(&policy([audience("a", a), audience("b", b)]), "corp", &request, now())
}

fn rank(demands: Demands) -> usize {
    Demands::ALL.iter().position(|one| *one == demands).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Read backwards, the same pair is a removal: allowed before it, or not allowed after it.
    #[test]
    fn a_permission_more_never_denies_and_one_less_never_allows(
        (a, b, more, at_a, at) in some_growth(),
        way in some_way(),
        scopes in subsequence(vec!["email", "profile", "x", OFFLINE], 0..=2),
    ) {
        let scopes = scopes.join(" ");
        if let Ok(before) = asked(&a, &b, way, &scopes) {
            let (mut a, mut b) = (a, b);
            let grown = if at_a { &mut a } else { &mut b };
            grown.insert(at.min(grown.len()), more);
            let after = asked(&a, &b, way, &scopes).expect("one permission more denies");
            prop_assert!(rank(after.demands) <= rank(before.demands), "it demands more");
            // What was asked for is granted before and after; what nobody asked for may go with the demands.
            if after.demands == before.demands && after.contract.scope_requested == before.contract.scope_requested {
                prop_assert!(before.contract.lifetime <= after.contract.lifetime, "it lives less long");
                for token in ["email", "profile", "x", OFFLINE] {
                    let (before, after) = (&before.contract.scope_permitted, &after.contract.scope_permitted);
                    prop_assert!(!before.contains(token) || after.contains(token));
                }
            }
        }
    }

    /// What is allowed is allowed by the permissions that are named: each holds, together they cover what is asked for,
    /// the way is one that they offer, and none of them demands more than is demanded.
    #[test]
    fn what_is_allowed_is_covered_by_permissions_that_hold(
        (a, b, _, _, _) in some_growth(),
        way in some_way(),
        scopes in subsequence(vec!["email", "profile", "x", OFFLINE], 0..=2),
    ) {
        if let Ok(decision) = asked(&a, &b, way, &scopes.join(" ")) {
            for name in &decision.audiences {
                let all = if name == "a" { &a } else { &b };
                let held: Vec<_> = decision
                    .permissions
                    .iter()
                    .filter(|(audience, _)| audience == name)
                    .map(|(_, position)| &all[position - 1])
                    .collect();
                prop_assert!(!held.is_empty());
                for permission in &held {
                    prop_assert!(permission.clients.contains("front-end-app"));
                    prop_assert!(permission.issuers.contains(way.issuer()));
                    prop_assert!(permission.issuance.unwrap_or(Issuance::Reissue).takes(way.own));
                    prop_assert_eq!(permission.impersonation.is_some(), way.becomes);
                    let named = permission.subject_clients.contains("other-app");
                    prop_assert!(way.held || named && permission.issuance == Some(Issuance::Mint));
                    prop_assert!(permission.delegation.is_some() || !way.acts && !way.acted);
                    prop_assert!(permission.demands.within(decision.demands));
                }
                let permitted = &decision.contract.scope_permitted;
                let requested = decision.contract.scope_requested.clone().unwrap_or_default();
                for token in requested.iter() {
                    prop_assert!(held.iter().any(|permission| permission.scopes.contains(token)));
                    prop_assert!(permitted.contains(token));
                }
                let issuance = decision.contract.issuance;
                let upstream = |one: Issuance| one <= Issuance::Reissue;
                let offers = |one: Issuance| one == issuance || upstream(one) && upstream(issuance);
                let offered = held.iter().any(|one| offers(one.issuance.unwrap_or(Issuance::Reissue)));
                prop_assert!(offered);
            }
        }
    }
}
