//! Tokens as Keycloak 26.8 documents them: `act` in every token of a session in which an administrator impersonates the
//! user, with the administrator's user id, and `may_act` of the scopes `delegation:user:…` and `delegation:client:…`.

use serde_json::json;

use super::*;
use crate::judgement::policy::claim_names::client_of;
use crate::judgement::policy::model::{ActorRule, Delegation};
use crate::judgement::policy::request::Actor;
use crate::judgement::policy::samples::ISSUER;

const ADMIN: &str = "7d2f3e18-8b6a-4432-a3fa-9e6bdce9dd5d";

fn taking_sessions() -> Permission {
    Permission { impersonation_sessions: true, ..permission() }
}

fn delegating() -> Permission {
    let delegation = Delegation {
        actor: ActorRule::Optional,
        issuers: listed(&["corp"]),
        condition: None,
        without_may_act: false,
        depth: 2,
    };
    Permission { delegation: Some(Box::new(delegation)), ..permission() }
}

fn decided(permission: Permission, claims: &Value, issuance: Issuance) -> Result<Decision, Refusal> {
    let (claims, audiences) = (object(claims.clone()), names(&["back-end-api"]));
    let permission = Permission { issuance: Some(issuance), ..permission };
    decide(&policy([audience("back-end-api", vec![permission])]), "corp", &request(&audiences, &claims), now())
}

#[test]
fn tokens_of_an_impersonation_session_need_a_permission_that_takes_them() {
    let session = json!({"sid": "s", "act": {"sub": ADMIN}});
    let with_iss = json!({"sid": "s", "act": {"sub": ADMIN, "iss": ISSUER}});
    let delegated = json!({"act": {"sub": ADMIN}});
    let chain = json!({"sid": "s", "act": {"sub": "agent", "act": {"sub": ADMIN}}});
    let itself = json!({"sid": "s", "act": {"sub": "user-1"}});
    let unreadable = json!({"sid": "s", "act": {"name": "admin"}});
    let both = Permission { impersonation_sessions: true, ..delegating() };
    let impersonated = Err(Reason::SubjectTokenImpersonated);
    for (name, permission, claims, expected) in [
        ("an ordinary permission", permission(), &session, impersonated),
        ("with iss", permission(), &with_iss, impersonated),
        ("a permission that takes such sessions", taking_sessions(), &session, Ok(&session["act"])),
        ("a permission with delegation", delegating(), &session, impersonated),
        ("a permission with both", both, &session, Ok(&session["act"])),
        ("Keycloak's own delegation", taking_sessions(), &delegated, Err(Reason::SubjectTokenDelegated)),
        ("Keycloak's own delegation, permitted", delegating(), &delegated, Ok(&delegated["act"])),
        ("a chain of actors", taking_sessions(), &chain, Err(Reason::SubjectTokenDelegated)),
        ("the subject as actor", taking_sessions(), &itself, Err(Reason::DelegationCycle)),
        ("an actor without sub", taking_sessions(), &unreadable, Err(Reason::SubjectTokenDelegated)),
    ] {
        for issuance in [Issuance::Reissue, Issuance::Mint] {
            let found = decided(permission.clone(), claims, issuance).map_err(|refusal| refusal.reason);
            let act = found.as_ref().map(|decision| decision.contract.act.as_ref()).map_err(|reason| *reason);
            assert_eq!(act, expected.map(Some), "{name} by {}", issuance.as_str());
        }
    }
    let forwarded = decided(taking_sessions(), &session, Issuance::Forward).unwrap();
    assert_eq!(forwarded.contract.act.as_ref(), Some(&session["act"]), "Keycloak writes act itself");
    let refusal = decided(permission(), &session, Issuance::Reissue).unwrap_err();
    assert!(refusal.detail.contains("add impersonationSessions: true to permissions[0]"), "{}", refusal.detail);
}

#[test]
fn a_delegation_scope_names_a_user_or_a_client() {
    let actor = object(json!({"sub": "sa-agent", "azp": "front-end-app"}));
    let by = |claims: &Value, with_actor: bool| {
        let (claims, audiences) = (object(claims.clone()), names(&["back-end-api"]));
        let actor = Actor {
            held: true,
            provenance: Provenance::Realm,
            issuer: "corp",
            iss: ISSUER,
            claims: &actor,
            subject: "sa-agent",
            tenant: None,
            client: client_of(&actor),
            expires: now() + SignedDuration::from_secs(60),
        };
        let request = ExchangeRequest { actor: Some(actor).filter(|_| with_actor), ..request(&audiences, &claims) };
        let permission = Permission { issuance: Some(Issuance::Mint), ..delegating() };
        decide(&policy([audience("back-end-api", vec![permission])]), "corp", &request, now())
    };
    let violated = Some(Reason::MayActViolated);
    for (name, may_act, with_actor, expected) in [
        ("a user", json!({"sub": "sa-agent"}), true, None),
        ("a user, without an actor token", json!({"sub": "sa-agent"}), false, violated),
        ("another user", json!({"sub": ADMIN}), true, violated),
        ("a client", json!({"sub": "sa-agent", "client_id": "front-end-app"}), true, None),
        ("a client, without an actor token", json!({"sub": "sa-agent", "client_id": "front-end-app"}), false, None),
        ("another client", json!({"sub": "sa-agent", "client_id": "agent-app"}), true, violated),
        ("a client of another user", json!({"sub": ADMIN, "client_id": "front-end-app"}), true, violated),
    ] {
        let found = by(&json!({"sid": "s", "may_act": may_act}), with_actor);
        assert_eq!(found.as_ref().err().map(|refusal| refusal.reason), expected, "{name}: {found:?}");
        if let (Ok(decision), true) = (found, with_actor) {
            let act = json!({"sub": "sa-agent", "iss": ISSUER, "client_id": "front-end-app"});
            assert_eq!(decision.contract.act, Some(act), "{name}");
        }
    }
}

#[test]
fn a_delegation_scope_is_a_scope_like_any_other() {
    let asked = Scope::parse("delegation:client:agent-app delegation:user:dave.assistant").unwrap();
    let (claims, audiences) = (object(json!({})), names(&["back-end-api"]));
    let request = ExchangeRequest { scope: WantedScope::Exactly(&asked), ..request(&audiences, &claims) };
    for (scopes, expected) in [
        (listed(&["email"]), Some(Reason::ScopeNotPermitted)),
        (listed(&["delegation:user:dave.assistant", "delegation:client:agent-app"]), None),
        // "*" gives what the subject token has, and the subject token has none.
        (Names::Any, Some(Reason::ScopeNotPermitted)),
    ] {
        let target = audience("back-end-api", vec![Permission { scopes, ..permission() }]);
        let found = decide(&policy([target]), "corp", &request, now());
        assert_eq!(found.err().map(|refusal| refusal.reason), expected);
    }
}
