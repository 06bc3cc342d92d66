//! Chains of exchanges: each token that is minted is the next subject token, with any actor, by any permissions.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::*;
use crate::judgement::expression::{Expression, Other};
use crate::judgement::policy::claim_names::{SUBJECT_ISSUER, client_of};
use crate::judgement::policy::contract::Issued;
use crate::judgement::policy::decide::{Decision, decide};
use crate::judgement::policy::mint::Ingredients;
use crate::judgement::policy::model::{ActorRule, Delegation, Impersonation, Issuance, Permission};
use crate::judgement::policy::request::{Impersonated, WantedScope};
use crate::judgement::policy::roles::RoleNames;
use crate::judgement::policy::samples::{NOW, audience, listed, permission, policy};
use crate::judgement::policy::scopes::OFFLINE;
use crate::words::oauth::names::Names;
use crate::words::oauth::scope::Scope;
use jiff::Timestamp;

const CLIENTS: [&str; 3] = ["front-end-app", "gateway", "batch"];
const SCOPES: [&str; 4] = ["email", "payments", "x", OFFLINE];
/// Two issuers have the same `sub`.
const ACTORS: [(&str, &str); 8] = [
    ("corp", "user-1"),
    ("corp", "a"),
    ("corp", "b"),
    ("corp", "c"),
    ("corp", "d"),
    ("partner", "a"),
    ("partner", "b"),
    ("partner", "user-1"),
];

/// One exchange.
#[derive(Clone, Debug)]
struct Hop {
    client: &'static str,
    audiences: Vec<&'static str>,
    actor: Option<((&'static str, &'static str), i64)>,
    becomes: Option<&'static str>,
    asked: Option<Vec<&'static str>>,
    permissions: Vec<Permission>,
    /// Seconds since the one before.
    later: i64,
}

fn iss(issuer: &str) -> &'static str {
    if issuer == "corp" { ISSUER } else { PARTNER }
}

fn some_names(of: &'static [&'static str]) -> impl Strategy<Value = Names> {
    prop_oneof![3 => Just(Names::Any), 2 => subsequence(of, 0..=of.len()).prop_map(|names| listed(&names))]
}

fn some_delegation() -> impl Strategy<Value = Option<Delegation>> {
    let rules = select(vec![ActorRule::Optional, ActorRule::Optional, ActorRule::Required, ActorRule::Forbidden]);
    let conditions = select(vec![None, None, Some("actor.azp == 'gateway'"), Some("actor.sub != 'b'")]);
    let some = (rules, some_names(&["corp", "partner"]), conditions, proptest::bool::weighted(0.8), 1..=MAX_DEPTH)
        .prop_map(|(actor, issuers, source, without_may_act, depth)| {
            let about = |source| Expression::compile_about(source, &[Other::Actor]).unwrap();
            Delegation { actor, issuers, condition: source.map(about), without_may_act, depth }
        });
    proptest::option::weighted(0.9, some)
}

fn some_permission() -> impl Strategy<Value = Permission> {
    let whom = Impersonation {
        who: Expression::compile("claims.iss != ''").unwrap(),
        whom: Expression::compile_about("requested.sub != 'b'", &[Other::Requested]).unwrap(),
    };
    let becoming = prop_oneof![4 => Just(None), 1 => Just(Some(whom))];
    let lifetime = proptest::option::of(10..1000i64);
    (some_names(&CLIENTS), some_names(&SCOPES), some_delegation(), becoming, lifetime).prop_map(
        |(clients, scopes, delegation, impersonation, lifetime)| Permission {
            clients,
            issuers: Names::Any,
            scopes,
            issuance: Some(Issuance::Mint),
            exchanged: true,
            delegation: delegation.map(Box::new),
            impersonation: impersonation.map(Box::new),
            lifetime: lifetime.map(SignedDuration::from_secs),
            ..permission()
        },
    )
}

fn some_hop() -> impl Strategy<Value = Hop> {
    let asked = proptest::option::weighted(0.4, subsequence(SCOPES.to_vec(), 0..=2));
    (
        select(CLIENTS.to_vec()),
        subsequence(CLIENTS.to_vec(), 1..=2),
        proptest::option::of((select(ACTORS.to_vec()), 100..500i64)),
        proptest::option::weighted(0.1, select(vec!["user-2", "a", "b"])),
        asked,
        proptest::collection::vec(some_permission(), 2..6),
        0..5i64,
    )
        .prop_map(|(client, audiences, actor, becomes, asked, permissions, later)| Hop {
            client,
            audiences,
            actor,
            becomes,
            asked,
            permissions,
            later,
        })
}

/// What the first subject token says about who may act.
fn some_may_act() -> impl Strategy<Value = Option<Value>> {
    let one =
        (proptest::option::of(select(CLIENTS.to_vec())), proptest::option::of(select(ACTORS.to_vec())), any::<bool>())
            .prop_map(|(client, actor, named)| {
                let mut may_act = Map::new();
                may_act.extend(client.map(|client| ("client_id".to_owned(), json!(client))));
                if let Some((issuer, sub)) = actor {
                    may_act.insert("sub".to_owned(), json!(sub));
                    if named {
                        may_act.insert("iss".to_owned(), json!(iss(issuer)));
                    }
                }
                Value::Object(may_act)
            });
    proptest::option::weighted(0.3, one)
}

prop_compose! {
    fn some_token()(own: bool, may_act in some_may_act(), acted in proptest::option::weighted(0.2, select(vec!["a", "c"])))
    -> Map<String, Value> {
        let mut claims = object(json!({
            "iss": iss(if own { "corp" } else { "partner" }), "sub": "user-1", "iat": NOW, "exp": NOW + 600,
            "azp": "front-end-app", "aud": "front-end-app", "typ": "Bearer", "scope": "email x offline_access"
        }));
        claims.extend(may_act.map(|may_act| ("may_act".to_owned(), may_act)));
        claims.extend(acted.map(|sub| ("act".to_owned(), json!({"sub": sub}))));
        claims
    }
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str)
}

fn scope(claims: &Map<String, Value>) -> BTreeSet<&str> {
    text(claims, "scope").unwrap_or_default().split(' ').filter(|token| !token.is_empty()).collect()
}

/// Exchanges a token, and says with what it was judged.
fn exchange(subject: &Map<String, Value>, hop: &Hop, now: i64) -> Result<(Decision, Map<String, Value>), Refusal> {
    let audiences: Vec<String> = hop.audiences.iter().map(|&name| name.to_owned()).collect();
    let settled = subject.contains_key(SUBJECT_ISSUER);
    let own = subject["iss"] == ISSUER && !settled;
    let provenance = match (own, settled) {
        (true, _) => Provenance::Realm,
        (false, true) => Provenance::CambioForForeign,
        (false, false) => Provenance::Foreign,
    };
    let actor = hop.actor.map(|((issuer, sub), life)| (issuer, sub, now + life));
    let acting = object(json!({"sub": actor.map(|actor| actor.1), "azp": "gateway"}));
    let person = object(json!({"sub": hop.becomes, "preferred_username": "customer"}));
    let asked: Option<Scope> = hop.asked.as_ref().map(|asked| asked.iter().map(|&one| one.to_owned()).collect());
    let request = ExchangeRequest {
        client: hop.client,
        issuer: if own { "corp" } else { "partner" },
        provenance,
        scope: asked.as_ref().map_or(WantedScope::Any, WantedScope::Exactly),
        subject: text(subject, "sub").unwrap(),
        subject_expires: Timestamp::from_second(subject["exp"].as_i64().unwrap()).unwrap(),
        actor: actor.map(|(issuer, subject, expires)| Actor {
            held: true,
            provenance: Provenance::Realm,
            issuer,
            iss: iss(issuer),
            claims: &acting,
            subject,
            tenant: None,
            client: client_of(&acting),
            expires: Timestamp::from_second(expires).unwrap(),
        }),
        impersonate: hop.becomes.map(|subject| Impersonated { subject, claims: &person, protected: false }),
        ..request(&audiences, subject)
    };
    let target = |name: &&str| {
        let mut target = audience(name, hop.permissions.clone());
        target.token.within_subject = true;
        target.roles.directory = true;
        target
    };
    let now = Timestamp::from_second(now).unwrap();
    let decision = decide(&policy(hop.audiences.iter().map(target)), "corp", &request, now)?;
    let contract = &decision.contract;
    let (roles, jti) = (RoleNames::default(), "cambio:1");
    let minted = contract.mint(subject, &Ingredients { directory: Some(&roles), issuer: ISSUER, now, jti })?;
    let (scope, token_type) = (minted.scope.to_string(), Some(contract.token_type()));
    let issued_token_type = Some(contract.requested.urn());
    let issued = Issued {
        claims: &minted.claims,
        issuer: ISSUER,
        issued_token_type,
        token_type,
        scope: Some(&scope),
        directory: None,
    };
    contract.check(&issued).unwrap();
    Ok((decision, minted.claims))
}

/// The chain of actors, by issuer and `sub`, the latest first.
fn actors(claims: &Map<String, Value>) -> Vec<(String, String)> {
    let home = text(claims, "iss").unwrap();
    let mut chain = Vec::new();
    let mut next = claims.get("act");
    while let Some(act) = next {
        let member = |name: &str| act.get(name).and_then(Value::as_str);
        chain.push((member("iss").unwrap_or(home).to_owned(), member("sub").unwrap().to_owned()));
        next = act.get("act");
    }
    chain
}

/// Whether what an earlier token said about who may act holds of an exchange.
fn allows(claims: &Map<String, Value>, hop: &Hop) -> bool {
    let Some(may_act) = claims.get("may_act") else { return true };
    let member = |name: &str| may_act.get(name).and_then(Value::as_str);
    let home = text(claims, "iss").unwrap();
    match (member("client_id"), hop.actor) {
        (Some(client), _) if client != hop.client => false,
        (client, None) => client.is_some(),
        (_, Some(((issuer, sub), _))) => member("sub") == Some(sub) && member("iss").unwrap_or(home) == iss(issuer),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_is_lost_and_nothing_grows_from_hop_to_hop(
        first in some_token(),
        hops in proptest::collection::vec(some_hop(), 4..16),
    ) {
        let (mut history, mut now) = (vec![first], NOW);
        for hop in &hops {
            now += hop.later;
            let before = history.last().unwrap().clone();
            let Ok((decision, after)) = exchange(&before, hop, now) else { continue };
            let counted: Vec<&Permission> =
                decision.permissions.iter().map(|(_, position)| &hop.permissions[position - 1]).collect();

            // Whoever acted is there, in the same order, and nobody but the new actor has joined.
            let mut expected = actors(&before);
            if let Some(((issuer, sub), _)) = hop.actor {
                expected.insert(0, (iss(issuer).to_owned(), sub.to_owned()));
            }
            let chain = actors(&after);
            prop_assert_eq!(&chain, &expected);
            prop_assert_eq!(chain.iter().collect::<BTreeSet<_>>().len(), chain.len(), "somebody acts twice");
            let deepest = counted.iter().filter_map(|one| Some(one.delegation.as_ref()?.depth)).max();
            prop_assert!(chain.len() <= deepest.unwrap_or_default(), "deeper than any of the permissions allows");

            // The subject is who it was, by the name that it has with us.
            let named = match (hop.becomes, text(&before, "iss") == Some(ISSUER)) {
                (Some(other), _) => other.to_owned(),
                (None, true) => text(&before, "sub").unwrap().to_owned(),
                (None, false) => "partner#user-1".to_owned(),
            };
            prop_assert_eq!(text(&after, "sub"), Some(named.as_str()));
            prop_assert!(counted.iter().all(|one| one.impersonation.is_some() == hop.becomes.is_some()));
            prop_assert!(!chain.iter().any(|(issuer, sub)| issuer == ISSUER && *sub == named), "it acts for itself");
            let foreign = history[0]["iss"] != ISSUER;
            prop_assert_eq!(after.get(SUBJECT_ISSUER), history[0].get("iss").filter(|_| foreign));

            // Every earlier word on who may act holds.
            prop_assert!(history.iter().all(|earlier| allows(earlier, hop)));
            prop_assert_eq!(after.contains_key("may_act"), before.contains_key("may_act"));

            // Scope, audience and expiry are what a permission says, or less than before.
            for token in scope(&after) {
                let said = counted.iter().any(|one| matches!(&one.scopes, Names::Listed(names) if names.contains(token)));
                let star = counted.iter().any(|one| one.scopes == Names::Any);
                // A foreign token's scope is not the realm's word, and says nothing of ours.
                let had = scope(&before).contains(token) || text(&before, "iss") != Some(ISSUER);
                prop_assert!(said || star && had && token != OFFLINE, "{} came from nowhere", token);
                prop_assert!(hop.asked.as_ref().is_none_or(|asked| asked.is_empty() || asked.contains(&token)));
            }
            let targets: BTreeSet<&str> = decision.permissions.iter().map(|(name, _)| name.as_str()).collect();
            prop_assert_eq!(targets, hop.audiences.iter().copied().collect::<BTreeSet<_>>());
            let audience: BTreeSet<&str> = match &after["aud"] {
                Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
                one => one.as_str().into_iter().collect(),
            };
            prop_assert_eq!(audience, hop.audiences.iter().copied().collect::<BTreeSet<_>>());
            let expires = after["exp"].as_i64().unwrap();
            prop_assert!(expires <= before["exp"].as_i64().unwrap(), "it outlives the subject token");
            prop_assert!(hop.actor.is_none_or(|(_, life)| expires <= now + life), "it outlives the actor token");
            let longest = counted.iter().map(|one| one.lifetime.map_or(300, |life| life.as_secs())).max();
            prop_assert!(expires - now <= longest.unwrap());
            history.push(after);
        }
    }
}
