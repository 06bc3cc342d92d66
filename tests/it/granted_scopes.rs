//! Expressions see the scope that is granted, however the request is written.

use serde_json::json;

use crate::support::files::BACK_END_API;
use crate::support::token;
use crate::support::world::{ID_TOKEN, Plan, World};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// A permission for both of alice's scopes that holds unless `profile` is granted.
fn file(issuance: &str, rest: &str) -> String {
    let head = BACK_END_API.replace("roles: { own: true }\n", "");
    format!(
        "{head}permissions:\n  - {{ clients: [front-end-app], issuance: {issuance}, scopes: [email, profile], \
         requestedTokens: [access_token, id_token, jwt], condition: \"!('profile' in scopes)\" }}\n{rest}"
    )
}

async fn world(issuance: &str) -> World {
    let realm = "roles: { own: true, realm: [offline_access, uma_authorization, default-roles-corp] }\n";
    Plan::new().await.audience("back-end-api", &file(issuance, realm)).start().await
}

#[tokio::test]
async fn a_request_without_a_scope_gets_no_more_than_a_request_with_one() {
    for issuance in ["mint", "reissue", "forward"] {
        let world = world(issuance).await;
        let alice = world.alice().await;
        assert_eq!(token::claims(&alice)["scope"], "email profile");
        for changes in [
            &[("scope", "profile")][..],
            &[("scope", "email profile")],
            &[],
            &[("scope", "")],
            &[("requested_token_type", JWT)],
            &[("requested_token_type", ID_TOKEN)],
        ] {
            if issuance == "forward" && changes.iter().any(|one| one.0 == "requested_token_type") {
                continue;
            }
            let before = world.audit_so_far();
            let answer = world.exchange(&alice, changes).await;
            let line = world.audit_after(before).await;
            let reason = &line["reason"];
            assert!(!answer.status.is_success(), "{issuance} {changes:?}: {}", answer.text());
            assert!(
                ["condition_not_met", "answer_scope"].contains(&reason.as_str().unwrap()),
                "{issuance} {changes:?}: {line}"
            );
        }
    }
}

#[tokio::test]
async fn what_the_condition_allows_is_granted() {
    for issuance in ["mint", "reissue"] {
        let world = world(issuance).await;
        let alice = world.alice().await;
        let answer = world.exchange(&alice, &[("scope", "email")]).await;
        assert_eq!(token::claims(&answer.access_token())["scope"], "email", "{issuance}");
    }
}

#[tokio::test]
async fn role_mappings_and_added_claims_see_the_granted_scope() {
    let rest = "roles: { map: [ { to: reader, when: \"!('profile' in scopes)\" } ] }\n";
    let token = "token: { set: { reads: \"!('profile' in scopes)\" } }";
    for issuance in ["mint", "reissue"] {
        let file = file(issuance, rest).replace(", condition: \"!('profile' in scopes)\"", "");
        let file = file.lines().map(|line| if line.starts_with("token:") { token } else { line });
        let file = file.collect::<Vec<_>>().join("\n");
        let world = Plan::new().await.audience("back-end-api", &file).start().await;
        let alice = world.alice().await;
        for (changes, scope) in [(&[][..], "email profile"), (&[("scope", "email")], "email")] {
            let answer = world.exchange(&alice, changes).await;
            let claims = token::claims(&answer.access_token());
            assert_eq!(claims["scope"], scope, "{issuance}");
            let reads = scope == "email";
            assert_eq!(claims["reads"], json!(reads), "{issuance} {scope}");
            let has_role = token::client_roles(&claims, "back-end-api").contains(&"reader");
            assert_eq!(has_role, reads, "{issuance} {scope}: {claims}");
        }
    }
}

#[tokio::test]
async fn the_condition_of_a_delegation_sees_the_granted_scope() {
    let head = BACK_END_API;
    let rule = "delegation: { withoutMayAct: true, condition: \"!('profile' in scopes)\" }";
    let file = format!(
        "{head}permissions:\n  - {{ clients: [front-end-app], issuance: mint, scopes: [email, profile], {rule} }}\n"
    );
    let world = Plan::new().await.audience("back-end-api", &file).start().await;
    let (alice, bob) = (world.alice().await, world.login("front-end-app", "front-end-secret", "bob").await);
    let actor = [("actor_token", bob.as_str()), ("actor_token_type", crate::support::world::ACCESS_TOKEN)];
    for (more, allowed) in [(&[("scope", "email")][..], true), (&[("scope", "profile")], false), (&[], false)] {
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[&actor[..], more].concat()).await;
        let line = world.audit_after(before).await;
        assert_eq!(answer.status.is_success(), allowed, "{more:?}: {line}");
        assert!(allowed || line["reason"] == "actor_not_permitted", "{line}");
    }
}
