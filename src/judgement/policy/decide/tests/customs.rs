//! What a dialect says about `may_act`, what an audience's file says, and which claims ID tokens get.

use serde_json::{Map, json};

use super::*;
use crate::judgement::dialect::{Dialect, TokenCustoms};
use crate::judgement::policy::mint::Ingredients;
use crate::judgement::policy::model::{ActorRule, Delegation};
use crate::judgement::policy::request::Actor;
use crate::judgement::policy::samples::ISSUER;

fn rule() -> Delegation {
    Delegation {
        actor: ActorRule::Optional,
        issuers: listed(&["corp"]),
        condition: None,
        without_may_act: false,
        depth: 3,
    }
}

fn forgerock() -> TokenCustoms {
    Dialect::Forgerock.rules().tokens
}

/// What is decided about a token with these claims, with or without an actor.
fn asked(target: Audience, claims: &Value, acts: bool, customs: TokenCustoms) -> Result<Contract, Refusal> {
    let (claims, audiences) = (object(claims.clone()), names(&["back-end-api"]));
    let gateway = object(json!({"sub": "one", "azp": "gateway"}));
    let actor = acts.then_some(Actor {
        held: true,
        provenance: Provenance::Realm,
        issuer: "corp",
        iss: ISSUER,
        tenant: None,
        claims: &gateway,
        client: Some("gateway"),
        subject: "one",
        expires: now() + SignedDuration::from_secs(60),
    });
    let request = ExchangeRequest { actor, customs, ..request(&audiences, &claims) };
    decide(&policy([target]), "corp", &request, now()).map(|decision| decision.contract)
}

fn minting(delegation: Option<Delegation>, may_act: Option<&str>) -> Audience {
    let mut target =
        audience("back-end-api", vec![Permission { delegation: delegation.map(Box::new), ..permission() }]);
    target.issuance = Issuance::Mint;
    target.token.may_act = may_act.map(|source| Expression::compile_about(source, &[Other::Actor]).unwrap());
    target
}

#[test]
fn a_token_without_may_act_can_not_be_exchanged_where_the_dialect_needs_it() {
    let free = Delegation { without_may_act: true, ..rule() };
    let named = json!({"may_act": {"client_id": "front-end-app", "sub": "one"}});
    for (name, delegation, claims, acts, customs, expected) in [
        ("no dialect needs it", None, &json!({}), false, TokenCustoms::default(), None),
        ("none", None, &json!({}), false, forgerock(), Some(Reason::MayActViolated)),
        ("none, with delegation", Some(rule()), &json!({}), false, forgerock(), Some(Reason::MayActViolated)),
        ("none, and an actor", Some(rule()), &json!({}), true, forgerock(), Some(Reason::MayActViolated)),
        ("the file does without", Some(free.clone()), &json!({}), true, forgerock(), None),
        ("the file does without, no actor", Some(free), &json!({}), false, forgerock(), None),
        ("named", None, &named, false, forgerock(), None),
        ("named, and an actor", Some(rule()), &named, true, forgerock(), None),
    ] {
        let found = asked(minting(delegation, None), claims, acts, customs);
        assert_eq!(found.as_ref().err().map(|refusal| refusal.reason), expected, "{name}: {found:?}");
    }
}

#[test]
fn the_file_says_who_may_act_next() {
    let before = json!({"client_id": "front-end-app", "sub": "one"});
    let next = json!({"client_id": "front-end-app", "sub": "two"});
    let after = "has(actor.sub) ? {'client_id': client, 'sub': 'two'} : claims.may_act";
    for (name, source, acts, customs, expected) in [
        ("no rule", None, true, forgerock(), Ok(Some(&before))),
        ("after an actor", Some(after), true, forgerock(), Ok(Some(&next))),
        ("without an actor", Some(after), false, forgerock(), Ok(Some(&before))),
        ("nobody", Some("{}"), true, forgerock(), Ok(Some(&json!({})))),
        ("nobody, in another dialect", Some("{}"), true, TokenCustoms::default(), Ok(Some(&json!({})))),
        ("no map", Some("'x'"), true, forgerock(), Err(Reason::ClaimTemplateFailed)),
        ("names nobody", Some("{'email': 'x'}"), true, forgerock(), Err(Reason::ClaimTemplateFailed)),
        ("fails", Some("claims.missing"), true, forgerock(), Err(Reason::ClaimTemplateFailed)),
    ] {
        let found = asked(minting(Some(rule()), source), &json!({"may_act": before}), acts, customs);
        let found = found.map(|contract| contract.may_act).map_err(|refusal| refusal.reason);
        assert_eq!(found, expected.map(Option::<&Value>::cloned), "{name}");
    }
    // The rule frees no token from its own may_act.
    let other = json!({"may_act": {"client_id": "front-end-app", "sub": "somebody else"}});
    let refused = asked(minting(Some(rule()), Some(after)), &other, true, forgerock()).unwrap_err();
    assert_eq!(refused.reason, Reason::MayActViolated);
}

#[test]
fn a_party_of_another_issuer_stays_one_of_that_issuer() {
    let (partner, audiences) = ("https://login.partner.example", names(&["back-end-api"]));
    let claims = object(json!({"iss": partner, "may_act": {"client_id": "front-end-app", "sub": "one"}}));
    let mut target = minting(None, Some("claims.may_act"));
    target.permissions[0].issuers = Names::Any;
    let request =
        ExchangeRequest { provenance: Provenance::Foreign, issuer: "partner", ..request(&audiences, &claims) };
    let contract = decide(&policy([target]), "corp", &request, now()).unwrap().contract;
    assert_eq!(contract.may_act.unwrap()["iss"], partner, "whoever has that sub in the realm is another");
}

#[test]
fn two_audiences_must_agree_on_who_may_act() {
    let decided = |one: Option<&str>, other: Option<&str>| {
        let mut second = minting(None, other);
        second.name = "other-api".to_owned();
        let (claims, audiences) = (object(json!({})), names(&["back-end-api", "other-api"]));
        decide(&policy([minting(None, one), second]), "corp", &request(&audiences, &claims), now())
            .map(|decision| decision.contract.may_act)
            .map_err(|refusal| refusal.reason)
    };
    let (x, y) = ("{'client_id': 'x'}", "{'client_id': 'y'}");
    assert_eq!(decided(Some(x), Some(x)), Ok(Some(json!({"client_id": "x"}))));
    for (one, other) in [(Some(x), Some(y)), (Some(x), None), (None, Some("{}"))] {
        assert_eq!(decided(one, other), Err(Reason::IssuanceConflict), "{one:?} {other:?}");
    }
}

/// The claims of the token that is minted for this request from claims that the dialect copies.
fn minted(kind: TokenType, claims: Names) -> Map<String, Value> {
    let told = json!({
        "may_act": {"client_id": "front-end-app"}, "iat": 1, "auth_level": 0, "realm": "/", "subname": "u", "user_id": "u",
    });
    let (claims_of_subject, audiences) = (object(told), names(&["back-end-api"]));
    let mut target = minting(None, None);
    target.token.claims = claims;
    target.permissions[0].requested_tokens.insert(TokenType::IdToken);
    let rules = Dialect::Forgerock.rules();
    let request = ExchangeRequest {
        requested_token: kind,
        carried: rules.carried,
        customs: rules.tokens,
        ..request(&audiences, &claims_of_subject)
    };
    let contract = decide(&policy([target]), "corp", &request, now()).unwrap().contract;
    let from = Ingredients { directory: None, issuer: ISSUER, now: now(), jti: "j" };
    contract.mint(&claims_of_subject, &from).unwrap().claims
}

#[test]
fn claims_of_access_tokens_stay_out_of_id_tokens_unless_the_file_names_them() {
    let nothing = || listed(&[]);
    for (name, kind, claims, expected) in [
        ("an access token", TokenType::AccessToken, nothing(), &["auth_level", "realm", "subname", "user_id"][..]),
        ("an ID token", TokenType::IdToken, nothing(), &["realm"]),
        ("an ID token, and a star", TokenType::IdToken, Names::Any, &["realm"]),
        ("an ID token, and a name", TokenType::IdToken, listed(&["subname"]), &["realm", "subname"]),
    ] {
        let claims = minted(kind, claims);
        let of_dialect = ["auth_level", "realm", "subname", "user_id"].into_iter();
        let found: Vec<_> = of_dialect.filter(|name| claims.contains_key(*name)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_minted_token_outlives_only_a_token_that_the_realm_issued() {
    let limit = |provenance: Provenance, within: bool| {
        let (claims, audiences) = (object(json!({})), names(&["back-end-api"]));
        let mut target = minting(None, None);
        target.token.within_subject = within;
        target.permissions[0].exchanged = true;
        target.permissions[0].issuers = Names::Any;
        let request = ExchangeRequest { provenance, ..request(&audiences, &claims) };
        decide(&policy([target]), "corp", &request, now()).unwrap().contract.expires_by.is_some()
    };
    for (provenance, within, expected) in [
        (Provenance::Realm, true, true),
        (Provenance::Realm, false, false),
        (Provenance::CambioForRealm, false, true),
        (Provenance::CambioForForeign, false, true),
        (Provenance::Foreign, false, true),
    ] {
        assert_eq!(limit(provenance, within), expected, "{provenance:?} {within}");
    }
}
