//! Tokens of Keycloak's clients with unusual settings: pairwise subjects, no client scope `basic`, lightweight tokens.

use serde_json::{Map, Value, json};

use super::*;
use crate::judgement::policy::contract::Contract;
use crate::judgement::policy::roles::RoleNames;

const REISSUE: Issuance = Issuance::Reissue;
const FORWARD: Issuance = Issuance::Forward;

/// Keycloak's answer with claims changed; `null` takes a claim away.
fn answer(change: &[(&str, Value)]) -> Map<String, Value> {
    let mut claims = keycloak_claims();
    for (name, value) in change {
        match value {
            Value::Null => claims.remove(*name),
            value => claims.insert((*name).to_owned(), value.clone()),
        };
    }
    claims
}

fn of(issuance: Issuance, session: Option<&str>, accepts_pairwise: bool) -> Contract {
    let target = if issuance.signs() { audience("back-end-api", vec![permission()]) } else { forwarding() };
    Contract { session: session.map(str::to_owned), accepts_pairwise, ..contract(target) }
}

#[test]
fn a_user_is_known_by_sub_or_by_the_session_where_that_is_accepted() {
    let (pairwise, without) = (("sub", json!("pw-1")), ("sub", Value::Null));
    let (gone, other) = (("sid", Value::Null), ("sid", json!("another")));
    let known = Some("s");
    for (name, issuance, session, accepts, change, expected) in [
        ("pairwise", REISSUE, known, false, vec![pairwise.clone()], Some(Reason::AnswerPairwise)),
        ("pairwise, accepted", REISSUE, known, true, vec![pairwise.clone()], None),
        ("pairwise, forwarded", FORWARD, known, true, vec![pairwise.clone()], None),
        ("another session", REISSUE, known, true, vec![pairwise.clone(), other.clone()], Some(Reason::AnswerSubject)),
        (
            "no session in the answer",
            REISSUE,
            known,
            true,
            vec![pairwise.clone(), gone.clone()],
            Some(Reason::AnswerSubject),
        ),
        ("no session in the subject token", REISSUE, None, true, vec![pairwise.clone()], Some(Reason::AnswerSubject)),
        ("no session in both", REISSUE, None, true, vec![pairwise, gone.clone()], Some(Reason::AnswerSubject)),
        ("no sub", REISSUE, known, false, vec![without.clone()], Some(Reason::AnswerWithoutSub)),
        ("no sub, accepted", REISSUE, known, true, vec![without.clone()], None),
        ("no sub, forwarded", FORWARD, known, true, vec![without.clone()], Some(Reason::AnswerWithoutSub)),
        ("no sub, another session", REISSUE, known, true, vec![without.clone(), other], Some(Reason::AnswerWithoutSub)),
        ("no sub, no session", REISSUE, known, true, vec![without, gone], Some(Reason::AnswerWithoutSub)),
        ("sub is empty, forwarded", FORWARD, known, true, vec![("sub", json!(""))], Some(Reason::AnswerWithoutSub)),
        ("sub is empty", REISSUE, known, false, vec![("sub", json!(""))], Some(Reason::AnswerPairwise)),
        ("sub is a number", REISSUE, None, true, vec![("sub", json!(1))], Some(Reason::AnswerSubject)),
    ] {
        let (contract, claims) = (of(issuance, session, accepts), answer(&change));
        let refused = if issuance.signs() {
            let narrowed = contract.narrow(&issued(&claims), now());
            if let Ok(narrowed) = &narrowed {
                assert_eq!(narrowed.claims["sub"], "user-1", "{name}");
            }
            narrowed.map(drop)
        } else {
            contract.check(&issued(&claims))
        };
        assert_eq!(refused.map_err(|refusal| refusal.reason).err(), expected, "{name}");
    }
}

#[test]
fn a_lightweight_token_needs_the_directory() {
    let (no_aud, light) = (("aud", Value::Null), ("jti", json!("ntltte:1")));
    let no_roles = [("realm_access", Value::Null), ("resource_access", Value::Null)];
    let without_roles = |first: &(&'static str, Value)| [vec![first.clone()], no_roles.to_vec()].concat();
    let roles = RoleNames {
        clients: [("back-end-api".to_owned(), set(&["backend_user", "backend_admin"]))].into(),
        ..RoleNames::default()
    };
    for (name, change, directory, expected) in [
        ("no aud", vec![no_aud.clone()], false, Err(Reason::AnswerLightweight)),
        ("no aud and no roles", without_roles(&no_aud), false, Err(Reason::AnswerLightweight)),
        ("no roles", without_roles(&light), false, Err(Reason::AnswerLightweight)),
        ("with roles, by mappers", vec![light.clone()], false, Ok("backend_user")),
        ("an ordinary token of a user without roles", no_roles.to_vec(), false, Ok("")),
        ("no aud, with the directory", vec![no_aud], true, Ok("backend_admin backend_user")),
        ("no roles, with the directory", without_roles(&light), true, Ok("backend_admin backend_user")),
        ("the directory instead of the token", vec![], true, Ok("backend_admin backend_user")),
        ("another aud, with the directory", vec![("aud", json!("account"))], true, Err(Reason::AnswerAudience)),
    ] {
        let contract = Contract { from_directory: directory, ..of(REISSUE, None, false) };
        let claims = answer(&change);
        let issued = Issued { directory: Some(&roles).filter(|_| directory), ..issued(&claims) };
        let found = contract.narrow(&issued, now()).map_err(|refusal| refusal.reason).map(|narrowed| {
            assert_eq!(narrowed.claims["aud"], "back-end-api", "{name}");
            narrowed.roles.clients.values().flatten().cloned().collect::<Vec<_>>().join(" ")
        });
        assert_eq!(found, expected.map(str::to_owned), "{name}");
    }
    let mut target = audience("back-end-api", vec![permission()]);
    target.roles.own = false;
    let claims = answer(&without_roles(&light));
    assert!(contract(target).narrow(&issued(&claims), now()).is_ok(), "the file has no rules about roles");
    assert_eq!(
        of(FORWARD, None, false).check(&super::issued(&answer(&[("aud", Value::Null)]))).unwrap_err().reason,
        Reason::AnswerLightweight,
        "nobody adds aud to a forwarded token"
    );
}

#[test]
fn the_refusals_name_what_to_set() {
    for (change, part) in [
        (("sub", json!("pw-1")), "realms.*.pairwiseSubjects: accept"),
        (("sub", Value::Null), "client scope basic"),
        (("aud", Value::Null), "roles.source: directory"),
    ] {
        let refusal = of(REISSUE, Some("s"), false).narrow(&issued(&answer(&[change])), now()).unwrap_err();
        assert!(refusal.detail.contains(part), "{}", refusal.detail);
    }
}
