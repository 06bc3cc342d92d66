mod chains;

use serde_json::json;

use super::*;
use crate::judgement::dialect::TokenCustoms;
use crate::judgement::policy::claim_names::client_of;
use crate::judgement::policy::request::Impersonated;
use crate::judgement::policy::samples::{ISSUER, object, request};
use jiff::Timestamp;

const PARTNER: &str = "https://login.partner.example";

/// A client of the realm's own, acting by its service account.
fn gateway() -> Map<String, Value> {
    object(json!({"iss": ISSUER, "sub": "sa-gateway", "azp": "gateway", "email": "g@example.org"}))
}

fn actor<'a>(claims: &'a Map<String, Value>, issuer: &'a str) -> Actor<'a> {
    Actor {
        held: true,
        provenance: Provenance::Realm,
        issuer,
        iss: claims["iss"].as_str().unwrap(),
        claims,
        subject: claims["sub"].as_str().unwrap(),
        tenant: None,
        client: client_of(claims),
        expires: Timestamp::MAX,
    }
}

/// What is made of a token of the realm with these claims.
fn of(claims: &Value, actor: Option<Actor<'_>>) -> Result<Delegated, Refusal> {
    let claims = object(claims.clone());
    Delegated::of(&ExchangeRequest { actor, ..request(&[], &claims) })
}

#[test]
fn may_act_authorises_whom_it_names_and_nobody_else() {
    let claims = gateway();
    let gateway = Some(actor(&claims, "corp"));
    let foreign_claims = object(json!({"iss": PARTNER, "sub": "sa-gateway"}));
    let foreign = Some(actor(&foreign_claims, "partner"));
    let client = "front-end-app";
    for (name, may_act, actor, expected) in [
        ("the client, no actor", json!({"client_id": client}), None, true),
        ("the client and an actor that did not come", json!({"client_id": client, "sub": "x"}), None, true),
        ("another client", json!({"client_id": "other"}), None, false),
        ("no client, no actor", json!({"sub": "sa-gateway"}), None, false),
        ("a member for an actor that did not come", json!({"client_id": client, "email": "x"}), None, false),
        ("the actor", json!({"sub": "sa-gateway"}), gateway, true),
        ("the actor and the client", json!({"sub": "sa-gateway", "client_id": client}), gateway, true),
        ("the actor and another client", json!({"sub": "sa-gateway", "client_id": "x"}), gateway, false),
        ("the actor of this issuer", json!({"sub": "sa-gateway", "iss": ISSUER}), gateway, true),
        ("the actor of another issuer", json!({"sub": "sa-gateway", "iss": PARTNER}), gateway, false),
        ("another actor", json!({"sub": "x"}), gateway, false),
        ("the client, and an actor that nobody named", json!({"client_id": client}), gateway, false),
        ("the same sub at another issuer", json!({"sub": "sa-gateway"}), foreign, false),
        ("a foreign actor", json!({"sub": "sa-gateway", "iss": PARTNER}), foreign, true),
        ("a member", json!({"sub": "sa-gateway", "email": "g@example.org"}), gateway, true),
        ("another member", json!({"sub": "sa-gateway", "email": "x"}), gateway, false),
        ("a member that is not there", json!({"sub": "sa-gateway", "phone": null}), gateway, false),
        ("empty", json!({}), None, false),
        ("empty, with an actor", json!({}), gateway, false),
        ("null", Value::Null, None, false),
        ("a list", json!([{"client_id": client}]), None, false),
        ("a text", json!(client), gateway, false),
        ("client_id is a list", json!({"client_id": [client]}), None, false),
        ("sub is a list", json!({"client_id": client, "sub": ["x"]}), None, false),
        ("iss is a number", json!({"sub": "sa-gateway", "iss": 1}), gateway, false),
    ] {
        let found = of(&json!({"iss": ISSUER, "may_act": may_act}), actor);
        match found {
            Ok(delegated) => {
                assert!(expected, "{name}");
                assert_eq!(delegated.may_act, Some(may_act), "{name}: it binds the next exchange, too");
            }
            Err(refusal) => {
                assert!(!expected, "{name}: {}", refusal.detail);
                assert_eq!(refusal.reason, Reason::MayActViolated, "{name}");
                assert!(!refusal.detail.contains("example.org"), "{name}: {}", refusal.detail);
            }
        }
    }
}

#[test]
fn a_new_actor_stands_above_the_earlier_ones() {
    let claims = gateway();
    let act = |name: &str| json!({"sub": name, "iss": ISSUER});
    let gateway_act = json!({"sub": "sa-gateway", "iss": ISSUER, "client_id": "gateway"});
    for (name, token, acts, expected, depth) in [
        ("nothing", json!({}), false, None, 0),
        ("an actor", json!({}), true, Some(gateway_act.clone()), 1),
        (
            "an actor and an earlier one",
            json!({"act": {"sub": "a", "extra": [1]}}),
            true,
            Some(
                json!({"sub": "sa-gateway", "iss": ISSUER, "client_id": "gateway", "act": {"sub": "a", "extra": [1]}}),
            ),
            2,
        ),
        (
            "earlier ones alone",
            json!({"act": {"sub": "a", "act": act("b")}}),
            false,
            Some(json!({"sub": "a", "act": act("b")})),
            2,
        ),
    ] {
        let found = of(&token, acts.then(|| actor(&claims, "corp"))).unwrap();
        assert_eq!((found.act, found.depth), (expected, depth), "{name}");
    }
    let other = object(json!({"iss": ISSUER, "sub": "x", "client_id": "y"}));
    let found = of(&json!({}), Some(actor(&other, "corp"))).unwrap();
    assert_eq!(found.act, Some(json!({"sub": "x", "iss": ISSUER, "client_id": "y"})), "RFC 9068 has client_id");
}

#[test]
fn who_is_no_longer_of_the_tokens_issuer_keeps_his() {
    let subject = object(json!({
        "iss": PARTNER, "may_act": {"client_id": "front-end-app", "sub": "b"},
        "act": {"sub": "a", "act": {"sub": "c", "iss": "https://third.example"}}
    }));
    let foreign = ExchangeRequest { provenance: Provenance::Foreign, issuer: "partner", ..request(&[], &subject) };
    let found = Delegated::of(&foreign).unwrap();
    assert_eq!(
        found.act,
        Some(json!({"sub": "a", "iss": PARTNER, "act": {"sub": "c", "iss": "https://third.example"}}))
    );
    assert_eq!(found.may_act, Some(json!({"client_id": "front-end-app", "sub": "b", "iss": PARTNER})));

    let minted = object(json!({"iss": ISSUER, "act": found.act, "may_act": found.may_act}));
    let settled =
        Delegated::of(&ExchangeRequest { provenance: Provenance::CambioForForeign, claims: &minted, ..foreign })
            .unwrap();
    assert_eq!(settled.act.as_ref(), minted.get("act"), "and what we wrote stays");
    assert_eq!(settled.may_act.as_ref(), minted.get("may_act"));
}

#[test]
fn what_can_not_be_read_goes_no_further() {
    let long = (0..9).fold(json!({"sub": "0"}), |act, number| json!({"sub": format!("a{number}"), "act": act}));
    for (name, act, reason) in [
        ("null", Value::Null, Reason::SubjectTokenDelegated),
        ("a text", json!("a"), Reason::SubjectTokenDelegated),
        ("a list", json!([{"sub": "a"}]), Reason::SubjectTokenDelegated),
        ("no sub", json!({"iss": ISSUER}), Reason::SubjectTokenDelegated),
        ("an empty sub", json!({"sub": ""}), Reason::SubjectTokenDelegated),
        ("sub is a number", json!({"sub": 1}), Reason::SubjectTokenDelegated),
        ("iss is a number", json!({"sub": "a", "iss": 1}), Reason::SubjectTokenDelegated),
        ("an earlier one is nothing", json!({"sub": "a", "act": null}), Reason::SubjectTokenDelegated),
        ("an earlier one has no sub", json!({"sub": "a", "act": {}}), Reason::SubjectTokenDelegated),
        ("too long", long, Reason::DelegationTooDeep),
        ("one twice", json!({"sub": "a", "act": {"sub": "b", "act": {"sub": "a"}}}), Reason::DelegationCycle),
        ("one twice, once with iss", json!({"sub": "a", "act": {"sub": "a", "iss": ISSUER}}), Reason::DelegationCycle),
        ("the subject", json!({"sub": "a", "act": {"sub": "user-1"}}), Reason::DelegationCycle),
    ] {
        assert_eq!(of(&json!({"act": act}), None).unwrap_err().reason, reason, "{name}");
    }
    let same_name = json!({"sub": "a", "act": {"sub": "a", "iss": PARTNER, "act": {"sub": "user-1", "iss": PARTNER}}});
    assert_eq!(of(&json!({"act": same_name}), None).map(|found| found.depth), Ok(3), "other issuers' are others");
}

#[test]
fn nobody_acts_for_himself() {
    let claims = gateway();
    let acting = |request: ExchangeRequest<'_>| {
        Delegated::of(&ExchangeRequest { actor: Some(actor(&claims, "corp")), ..request })
            .map(drop)
            .map_err(|no| no.reason)
    };
    let (plain, acted) = (object(json!({})), object(json!({"act": {"sub": "sa-gateway"}})));
    let cycle = Err(Reason::DelegationCycle);
    assert_eq!(acting(request(&[], &plain)), Ok(()));
    assert_eq!(acting(request(&[], &acted)), cycle, "again");
    assert_eq!(acting(ExchangeRequest { subject: "sa-gateway", ..request(&[], &plain) }), cycle, "the subject");
    let known = object(json!({"sub": "sa-gateway"}));
    let becomes = Impersonated { subject: "sa-gateway", claims: &known, protected: false };
    assert_eq!(
        acting(ExchangeRequest { impersonate: Some(becomes), ..request(&[], &plain) }),
        cycle,
        "whom it becomes"
    );
    for subject in ["corp#sa-gateway", "sa-gateway"] {
        assert_eq!(
            acting(ExchangeRequest { provenance: Provenance::CambioForForeign, subject, ..request(&[], &plain) }),
            cycle,
            "{subject}"
        );
    }
}

#[test]
fn an_actor_of_the_realm_can_be_a_sub_alone() {
    let customs = TokenCustoms { plain_actors: true, ..TokenCustoms::default() };
    let (own, foreign) = (gateway(), object(json!({"iss": PARTNER, "sub": "p", "azp": "x"})));
    let earlier = json!({"sub": "a", "act": {"sub": "b"}});
    let long = json!({"sub": "p", "iss": PARTNER, "client_id": "x"});
    for (name, token, actor, expected) in [
        ("of the realm", json!({}), actor(&own, "corp"), json!({"sub": "sa-gateway"})),
        ("above others", json!({"act": earlier}), actor(&own, "corp"), json!({"sub": "sa-gateway", "act": earlier})),
        ("of another issuer", json!({}), actor(&foreign, "partner"), long),
    ] {
        let claims = object(token);
        let made = Delegated::of(&ExchangeRequest { actor: Some(actor), customs, ..request(&[], &claims) }).unwrap();
        assert_eq!(made.act, Some(expected), "{name}");
        // The next exchange knows the actor again, with or without `iss`.
        let again = object(json!({"iss": ISSUER, "act": made.act}));
        let refused = Delegated::of(&ExchangeRequest { actor: Some(actor), customs, ..request(&[], &again) });
        assert_eq!(refused.unwrap_err().reason, Reason::DelegationCycle, "{name}");
    }
}

#[test]
fn a_dialect_can_need_the_client_in_may_act() {
    let customs = TokenCustoms { needs_may_act: true, ..TokenCustoms::default() };
    let own = gateway();
    let gateway = Some(actor(&own, "corp"));
    for (name, may_act, actor, expected) in [
        ("the client and the actor", json!({"client_id": "front-end-app", "sub": "sa-gateway"}), gateway, true),
        ("the actor alone", json!({"sub": "sa-gateway"}), gateway, false),
        ("the client alone", json!({"client_id": "front-end-app"}), gateway, false),
        ("the client, no actor", json!({"client_id": "front-end-app"}), None, true),
        ("no client, no actor", json!({"sub": "sa-gateway"}), None, false),
    ] {
        let claims = object(json!({"may_act": may_act}));
        let found = Delegated::of(&ExchangeRequest { actor, customs, ..request(&[], &claims) });
        assert_eq!(
            found.map_err(|refusal| refusal.reason).err(),
            (!expected).then_some(Reason::MayActViolated),
            "{name}"
        );
    }
}

#[test]
fn what_a_file_may_give_as_may_act() {
    for (value, expected) in [
        (json!({}), true),
        (json!({"client_id": "a"}), true),
        (json!({"sub": "a", "iss": PARTNER}), true),
        (json!({"client_id": "a", "sub": "b", "email": "c"}), true),
        (json!({"email": "c"}), false),
        (json!({"iss": PARTNER}), false),
        (json!({"client_id": ""}), false),
        (json!({"client_id": ["a"]}), false),
        (json!({"client_id": "a", "sub": 7}), false),
        (json!(["a"]), false),
        (json!("a"), false),
        (json!(true), false),
    ] {
        assert_eq!(check_may_act(&value).is_ok(), expected, "{value}");
    }
}
