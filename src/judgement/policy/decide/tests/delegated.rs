//! Who may act for whom, and how the scope and the life of a token are judged.

use serde_json::json;

use super::*;
use crate::judgement::policy::claim_names::client_of;
use crate::judgement::policy::model::{ActorRule, Delegation};
use crate::judgement::policy::request::Actor;
use crate::judgement::policy::samples::ISSUER;

const PARTNER: &str = "https://login.partner.example";

fn delegation() -> Delegation {
    Delegation {
        actor: ActorRule::Optional,
        issuers: listed(&["corp"]),
        condition: None,
        without_may_act: false,
        depth: 2,
    }
}

fn with(delegation: Delegation) -> Permission {
    Permission { delegation: Some(Box::new(delegation)), ..permission() }
}

/// What is said to a request of these claims, by an actor of this issuer if one came.
fn asked(permissions: Vec<Permission>, claims: &Value, actor: Option<&str>) -> Result<Decision, Refusal> {
    let (claims, audiences) = (object(claims.clone()), names(&["back-end-api"]));
    let gateway = object(json!({"sub": "sa-gateway", "azp": "gateway"}));
    let actor = actor.map(|issuer| Actor {
        held: true,
        provenance: Provenance::Realm,
        issuer,
        iss: if issuer == "corp" { ISSUER } else { PARTNER },
        claims: &gateway,
        subject: "sa-gateway",
        tenant: None,
        client: client_of(&gateway),
        expires: now() + SignedDuration::from_secs(60),
    });
    let request = ExchangeRequest { actor, ..request(&audiences, &claims) };
    decide(&policy([audience("back-end-api", permissions)]), "corp", &request, now())
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn every_reason_of_delegation_and_the_entry_that_is_missing() {
    let (plain, may) = (json!({}), json!({"may_act": {"sub": "sa-gateway"}}));
    let (acted, corp) = (json!({"act": {"sub": "a"}}), Some("corp"));
    let both = json!({"may_act": {"sub": "sa-gateway"}, "act": {"sub": "a"}});
    let foreign = json!({"may_act": {"sub": "sa-gateway", "iss": PARTNER}});
    let required = with(Delegation { actor: ActorRule::Required, ..delegation() });
    let forbidden = with(Delegation { actor: ActorRule::Forbidden, ..delegation() });
    let shallow = with(Delegation { depth: 1, ..delegation() });
    let free = with(Delegation { without_may_act: true, ..delegation() });
    let about_actors = [Other::Actor];
    let about = |source: &str| {
        let condition = Some(Expression::compile_about(source, &about_actors).unwrap());
        with(Delegation { condition, ..delegation() })
    };
    let forward = Permission { issuance: Some(Issuance::Forward), ..with(delegation()) };
    let refused = |reason: Reason, text: &'static str| Err((reason, text));
    for (name, permissions, claims, actor, expected) in [
        ("no delegation", vec![permission()], &plain, None, Ok(())),
        ("an actor", vec![with(delegation())], &may, corp, Ok(())),
        (
            "an actor without delegation",
            vec![permission()],
            &may,
            corp,
            refused(Reason::ActorNotPermitted, "add delegation to permissions[0]"),
        ),
        (
            "earlier actors without delegation",
            vec![permission()],
            &acted,
            None,
            refused(Reason::SubjectTokenDelegated, "add delegation to permissions[0]"),
        ),
        ("earlier actors go on", vec![with(delegation())], &acted, None, Ok(())),
        ("earlier actors go on, and none joins", vec![forbidden.clone()], &acted, None, Ok(())),
        (
            "an actor is forbidden",
            vec![forbidden],
            &may,
            corp,
            refused(Reason::ActorNotPermitted, "permissions[0] says delegation.actor: forbidden"),
        ),
        ("an actor is required", vec![required.clone()], &may, corp, Ok(())),
        (
            "a required actor is missing",
            vec![required],
            &acted,
            None,
            refused(Reason::ActorRequired, "permissions[0] says delegation.actor: required"),
        ),
        (
            "an actor of another issuer",
            vec![with(delegation())],
            &foreign,
            Some("partner"),
            refused(Reason::ActorNotPermitted, "add partner to delegation.issuers of permissions[0]"),
        ),
        (
            "the subject token says nothing",
            vec![with(delegation())],
            &plain,
            corp,
            refused(Reason::ActorNotPermitted, "does not say delegation.withoutMayAct"),
        ),
        ("the permission says it", vec![free], &plain, corp, Ok(())),
        ("an actor that is meant", vec![about("actor.azp == 'gateway'")], &may, corp, Ok(())),
        (
            "another is meant",
            vec![about("actor.azp == 'x'")],
            &may,
            corp,
            refused(Reason::ActorNotPermitted, "the delegation.condition of permissions[0] does not hold"),
        ),
        (
            "a condition that fails",
            vec![about("actor.missing == 'x'")],
            &may,
            corp,
            refused(Reason::ConditionFailed, "the delegation.condition of permissions[0] can't be evaluated"),
        ),
        ("a condition about an actor that did not come", vec![about("actor.azp == 'x'")], &plain, None, Ok(())),
        ("as deep as may be", vec![with(delegation())], &both, corp, Ok(())),
        (
            "too deep",
            vec![shallow],
            &both,
            corp,
            refused(Reason::DelegationTooDeep, "2 actors: raise delegation.depth of permissions[0]"),
        ),
        (
            "what the identity provider would lose",
            vec![forward],
            &may,
            corp,
            refused(Reason::SubjectTokenDelegated, "must not forward"),
        ),
        ("one that lets him act is enough", vec![permission(), with(delegation())], &may, corp, Ok(())),
    ] {
        match (asked(permissions, claims, actor), expected) {
            (Ok(decision), Ok(())) => {
                let delegated = actor.is_some() || claims.get("act").is_some();
                assert_eq!(decision.contract.act.is_some(), delegated, "{name}");
                let seconds = if actor.is_some() { 60 } else { 120 };
                let limit = delegated.then(|| now() + SignedDuration::from_secs(seconds));
                assert_eq!(decision.contract.expires_by, limit, "{name}");
            }
            (Err(refusal), Err((reason, text))) => {
                assert_eq!(refusal.reason, reason, "{name}: {}", refusal.detail);
                assert!(refusal.detail.contains(text), "{name}: {}", refusal.detail);
            }
            (judged, _) => panic!("{name}: {judged:?}"),
        }
    }
}

#[test]
fn may_act_binds_before_any_permission() {
    let wide = with(Delegation { issuers: Names::Any, without_may_act: true, ..delegation() });
    for claims in [json!({"may_act": {}}), json!({"may_act": {"sub": "other"}})] {
        for actor in [None, Some("corp")] {
            let refusal = asked(vec![wide.clone()], &claims, actor).unwrap_err();
            assert_eq!(refusal.reason, Reason::MayActViolated, "{claims}");
        }
    }
    let bound = json!({"may_act": {"client_id": "front-end-app"}});
    let decision = asked(vec![permission()], &bound, None).unwrap();
    assert_eq!(decision.contract.may_act.as_ref(), bound.get("may_act"), "no delegation needs no permission for it");
}

#[test]
fn only_the_permissions_that_let_him_act_count() {
    let wide =
        Permission { scopes: listed(&["payments"]), lifetime: Some(SignedDuration::from_hours(1)), ..permission() };
    let may = json!({"may_act": {"sub": "sa-gateway"}});
    let decision = asked(vec![wide, with(delegation())], &may, Some("corp")).unwrap();
    assert_eq!(decision.permissions, [("back-end-api".to_owned(), 2)]);
    assert_eq!(decision.contract.scope_permitted, Scopes::from(listed(&["email", "profile"])));
    assert_eq!(decision.contract.lifetime, SignedDuration::from_mins(5));
}

#[test]
fn the_longest_life_of_those_that_count() {
    let minutes = |minutes| Some(SignedDuration::from_mins(minutes));
    let living = |lifetime| Permission { lifetime, ..permission() };
    for (name, permissions, expected) in [
        ("the audience's", vec![living(None)], 5),
        ("the permission's, shorter", vec![living(minutes(1))], 1),
        ("the permission's, longer", vec![living(minutes(60))], 60),
        ("the longest", vec![living(minutes(1)), living(minutes(60))], 60),
        ("the audience's for one that does not say", vec![living(minutes(1)), living(None)], 5),
        ("not another client's", vec![living(None), Permission { clients: listed(&[]), ..living(minutes(60)) }], 5),
    ] {
        let lifetime = judge(permissions, "email").unwrap().contract.lifetime;
        assert_eq!(lifetime, SignedDuration::from_mins(expected), "{name}");
    }
}

#[test]
fn offline_access_is_named_or_refused_or_left_out() {
    let (claims, audiences) = (object(json!({"scope": "email offline_access"})), names(&["back-end-api"]));
    let decided = |scopes: Names, asked: &str, drop_offline: bool| {
        let asked = scope(asked);
        let request =
            ExchangeRequest { scope: WantedScope::Exactly(&asked), drop_offline, ..request(&audiences, &claims) };
        let permissions = vec![Permission { scopes, ..permission() }];
        decide(&policy([audience("back-end-api", permissions)]), "corp", &request, now())
            .map(|decision| decision.contract.scope_requested.map(|scope| scope.to_string()))
            .map_err(|refusal| refusal.reason)
    };
    let named = || listed(&["email", OFFLINE]);
    let said = |text: &str| Ok(Some(text.to_owned()));
    for (name, scopes, asked, drop, expected) in [
        ("named", named(), "email offline_access", false, said("email offline_access")),
        ("named, where it would be left out", named(), "offline_access", true, said("offline_access")),
        ("never meant by *", Names::Any, "email offline_access", false, Err(Reason::OfflineNotPermitted)),
        ("left out", Names::Any, "email offline_access", true, said("email")),
        ("left out, and nothing is left", Names::Any, "offline_access", true, said("")),
        ("before another scope", named(), "x", false, Err(Reason::ScopeNotPermitted)),
        ("beside another scope", Names::Any, "x offline_access", false, Err(Reason::OfflineNotPermitted)),
        ("left out, and another scope", Names::Any, "x offline_access", true, Err(Reason::ScopeNotPermitted)),
        ("nothing asked", Names::Any, "", true, Ok(None)),
    ] {
        assert_eq!(decided(scopes, asked, drop), expected, "{name}");
    }
}

#[test]
fn whose_token_the_client_may_come_with() {
    let naming = |clients: &[&str], issuance| Permission {
        subject_clients: listed(clients),
        issuance: Some(issuance),
        ..with(Delegation { without_may_act: true, ..delegation() })
    };
    let (mint, reissue) = (Issuance::Mint, Issuance::Reissue);
    let (claims, audiences) = (object(json!({"azp": "other-app"})), names(&["back-end-api"]));
    let gateway = object(json!({"sub": "sa-gateway", "azp": "gateway"}));
    for (name, permission, (held, acts), expected) in [
        ("its own", naming(&[], reissue), (true, None), Ok(())),
        ("another's", naming(&[], mint), (false, None), Err(Reason::SubjectTokenAudience)),
        ("a named one's", naming(&["other-app"], mint), (false, None), Ok(())),
        ("not upstream", naming(&["other-app"], reissue), (false, None), Err(Reason::SubjectTokenAudience)),
        ("not the named one's", naming(&["gateway"], mint), (false, None), Err(Reason::SubjectTokenAudience)),
        ("its own actor", naming(&[], mint), (true, Some(true)), Ok(())),
        ("another's actor", naming(&["other-app"], mint), (true, Some(false)), Err(Reason::ActorNotPermitted)),
        ("a named one's actor", naming(&["gateway"], mint), (true, Some(false)), Ok(())),
    ] {
        let actor = acts.map(|held| Actor {
            issuer: "corp",
            iss: ISSUER,
            claims: &gateway,
            subject: "sa-gateway",
            tenant: None,
            client: client_of(&gateway),
            held,
            provenance: Provenance::Realm,
            expires: now() + SignedDuration::from_secs(60),
        });
        let request = ExchangeRequest { held, actor, ..request(&audiences, &claims) };
        let decided = decide(&policy([audience("back-end-api", vec![permission])]), "corp", &request, now());
        assert_eq!(decided.map(|_| ()).map_err(|refusal| refusal.reason), expected, "{name}");
    }
}

#[test]
fn a_permission_that_does_not_hold_takes_nothing_away() {
    let (claims, audiences) = (object(json!({})), names(&["back-end-api"]));
    let offline = || Permission { scopes: listed(&[OFFLINE]), ..permission() };
    for (name, more) in [
        ("it fails", Permission { condition: Some(cel("claims.acr == '2'")), ..offline() }),
        ("it does not hold", Permission { condition: Some(cel("'1' == '2'")), ..offline() }),
        ("it costs more", Permission { demands: Demands { one_time: true, still_active: false }, ..offline() }),
    ] {
        let asked = scope("email offline_access");
        let request =
            ExchangeRequest { scope: WantedScope::Exactly(&asked), drop_offline: true, ..request(&audiences, &claims) };
        let policy = policy([audience("back-end-api", vec![permission(), more])]);
        let decision = decide(&policy, "corp", &request, now()).unwrap();
        assert_eq!(decision.contract.scope_requested, Some(scope("email")), "{name}");
        assert_eq!(decision.demands, Demands::default(), "{name}");
    }
}

#[test]
fn a_token_of_ours_is_taken_where_the_owner_says_so() {
    let taking = |exchanged, issuance| Permission {
        exchanged,
        issuance: Some(issuance),
        ..with(Delegation { without_may_act: true, ..delegation() })
    };
    let (mint, audiences, claims) = (Issuance::Mint, names(&["back-end-api"]), object(json!({})));
    let gateway = object(json!({"sub": "sa-gateway", "azp": "gateway"}));
    let signed = |ours| if ours { Provenance::CambioForRealm } else { Provenance::Realm };
    for (name, exchanged, subject, actor, expected) in [
        ("the realm's own", false, false, None, Ok(())),
        ("ours", false, true, None, Err(Reason::SubjectTokenOurs)),
        ("ours, permitted", true, true, None, Ok(())),
        ("the actor's is ours", false, false, Some(true), Err(Reason::ActorNotPermitted)),
        ("the actor's is ours, permitted", true, false, Some(true), Ok(())),
        ("the actor's is not", false, false, Some(false), Ok(())),
    ] {
        let actor = actor.map(|ours| Actor {
            issuer: "corp",
            iss: ISSUER,
            claims: &gateway,
            subject: "sa-gateway",
            tenant: None,
            client: client_of(&gateway),
            held: true,
            provenance: signed(ours),
            expires: now() + SignedDuration::from_secs(60),
        });
        let request = ExchangeRequest { actor, provenance: signed(subject), ..request(&audiences, &claims) };
        let policy = policy([audience("back-end-api", vec![taking(exchanged, mint)])]);
        let decided = decide(&policy, "corp", &request, now());
        assert_eq!(decided.map(|_| ()).map_err(|refusal| refusal.reason), expected, "{name}");
    }
}
