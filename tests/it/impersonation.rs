//! Impersonation: `requested_subject`, judged by the audience's owner, about users whom the identity provider knows.

use serde_json::{Value, json};

use crate::support::files::BACK_END_API;
use crate::support::world::{Plan, World};
use crate::support::{client, token};

const BOB: &str = "0b0b7c52-8a1f-4d0e-8a55-3b7f6d2eb0b0";

/// Auditors may become whoever is no auditor's.
const IMPERSONATION: &str = "issuance: mint
permissions:
  - { clients: [front-end-app], scopes: [email, profile] }
  - clients: [front-end-app]
    scopes: [email, profile]
    impersonation:
      who: \"'auditor' in claims.realm_access.roles\"
      whom: \"requested.preferred_username != 'carol'\"
";

/// A world in which back-end-api's owner writes this.
async fn world(permissions: &str) -> World {
    let head =
        BACK_END_API.replace("roles: { own: true }", "roles: { own: true, source: directory, default: [guest] }");
    let plan = Plan::new().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    plan.configure(
        "    signingKey: corp.pem",
        "    signingKey: corp.pem\n    doors: { requestedSubject: judged }\n    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }",
    )
    .audience("back-end-api", &format!("{head}{permissions}"))
    .start()
    .await
}

/// An exchange that wants to become somebody, and its audit line.
async fn become_whom(world: &World, token: &str, wanted: &str) -> (crate::support::client::Answer, Value) {
    let before = world.audit_so_far();
    let answer = world.exchange(token, &[("requested_subject", wanted)]).await;
    (answer, world.audit_after(before).await)
}

#[tokio::test]
async fn the_new_token_is_the_other_users_and_audited_as_such() {
    let world = world(IMPERSONATION).await;
    let alice = world.alice().await;
    for wanted in [BOB, "bob", "BOB"] {
        let (answer, line) = become_whom(&world, &alice, wanted).await;
        assert_eq!(answer.status, 200, "{wanted}: {line}");
        let claims = token::claims(&answer.access_token());
        assert_eq!(claims["sub"], BOB, "{wanted}");
        assert_eq!(token::client_roles(&claims, "back-end-api"), ["guest"], "his roles, not hers");
        for session in ["sid", "session_state", "auth_time"] {
            assert!(claims[session].is_null(), "{session} is of her session");
        }
        assert_eq!(claims["azp"], "front-end-app");
        let alices = token::claims(&alice);
        assert_eq!(line["impersonation"], json!({"requested": wanted, "subject": BOB}), "{line}");
        assert_eq!((&line["subject"], &line["outcome"]), (&alices["sub"], &json!("allowed")), "{line}");
    }
    let (answer, _) = become_whom(&world, &alice, "bob").await;
    let scoped = world.exchange(&alice, &[("requested_subject", "bob"), ("scope", "profile email")]).await;
    let claims = token::claims(&scoped.access_token());
    assert_eq!((&claims["preferred_username"], &claims["name"]), (&json!("bob"), &json!("Bob Brown")), "{claims}");
    assert_eq!(answer.json()["refresh_token"], Value::Null);

    // Without requested_subject she stays who she is.
    let own = world.exchange(&alice, &[]).await;
    assert_eq!(token::claims(&own.access_token())["sub"], token::claims(&alice)["sub"]);
}

/// The token is the user's whom somebody became, and yet ends with the session of that somebody.
#[tokio::test]
async fn it_ends_with_the_session_of_who_impersonates() {
    let world = world(IMPERSONATION).await;
    let alice = world.alice().await;
    let bob = world.exchange(&alice, &[("requested_subject", "bob")]).await.access_token();
    let introspect = "/realms/corp/protocol/openid-connect/token/introspect";
    let fields = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("token", &*bob)];
    let active = async || client::post(world.address(), introspect, &fields).await.json()["active"].clone();
    assert_eq!(active().await, true);
    let sub = token::claims(&alice)["sub"].as_str().unwrap().to_owned();
    world.idp.faults().answer_at(&format!("/admin/realms/corp/users/{sub}/sessions"), 200, "[]");
    world.clock.advance(jiff::SignedDuration::from_secs(5));
    assert_eq!(active().await, false);
}

#[tokio::test]
async fn who_is_not_permitted_becomes_nobody() {
    let nobody = "issuance: mint\npermissions:\n  - { clients: [front-end-app] }\n";
    let not_bob = IMPERSONATION.replace("!= 'carol'", "!= 'bob'");
    let broken = IMPERSONATION.replace("requested.preferred_username", "requested.missing");
    for (name, permissions, user, wanted, reason) in [
        ("no permission is about it", nobody, "alice", "bob", "impersonation_not_permitted"),
        ("not by him", IMPERSONATION, "bob", "alice", "impersonation_not_permitted"),
        ("not him", &not_bob, "alice", "bob", "impersonation_not_permitted"),
        ("an expression fails", &broken, "alice", "bob", "condition_failed"),
        ("an administrator", IMPERSONATION, "alice", "ada", "impersonation_protected"),
        ("a disabled user", IMPERSONATION, "alice", "dora", "impersonation_subject_unknown"),
        ("a service account", IMPERSONATION, "alice", "service-account-front-end-app", "impersonation_subject_unknown"),
        (
            "a service account by its id",
            IMPERSONATION,
            "alice",
            "7a3e5c11-22aa-4f7e-b8c9-5e2ac0e0f001",
            "impersonation_subject_unknown",
        ),
        ("nobody", IMPERSONATION, "alice", "mallory", "impersonation_subject_unknown"),
        (
            "an id of nobody",
            IMPERSONATION,
            "alice",
            "00000000-0000-4000-8000-000000000000",
            "impersonation_subject_unknown",
        ),
        ("a path", IMPERSONATION, "alice", "../users/x", "impersonation_subject_unknown"),
    ] {
        let world = world(permissions).await;
        let token = world.login("front-end-app", "front-end-secret", user).await;
        let (answer, line) = become_whom(&world, &token, wanted).await;
        assert_eq!(answer.status, 403, "{name}: {line}");
        assert_eq!(line["reason"], reason, "{name}: {line}");
        assert_eq!(line["impersonation"]["requested"], wanted, "{name}: every try is on record");
    }
}

#[tokio::test]
async fn nobody_learns_who_is_a_user_but_a_client_that_is_known() {
    let world = world(IMPERSONATION).await;
    let alice = world.alice().await;
    world.idp.faults().forget();
    for wanted in ["bob", "mallory"] {
        let answer = world.exchange(&alice, &[("requested_subject", wanted), ("client_secret", "wrong")]).await;
        assert_eq!(answer.status, 401, "{wanted}");
    }
    let asked = world.idp.faults().received();
    assert!(asked.iter().all(|request| !request.target.contains("/users")), "the directory was not asked");
}

#[tokio::test]
async fn nobody_learns_it_by_a_client_that_may_become_nobody() {
    let world = world("issuance: mint\npermissions:\n  - { clients: [front-end-app] }\n").await;
    let alice = world.alice().await;
    world.idp.faults().forget();
    for wanted in ["bob", "mallory"] {
        let (answer, line) = become_whom(&world, &alice, wanted).await;
        assert_eq!(answer.status, 403, "{wanted}");
        assert_eq!(line["reason"], "impersonation_not_permitted", "{wanted}");
    }
    let asked = world.idp.faults().received();
    assert!(asked.iter().all(|request| !request.target.contains("/users")), "the directory was not asked");
}

#[tokio::test]
async fn a_may_act_and_earlier_actors_go_along() {
    let delegation =
        IMPERSONATION.replace("    impersonation:", "    delegation: { actor: forbidden }\n    impersonation:");
    let world = world(&delegation).await;
    let mut claims = token::claims(&world.alice().await);
    // With `sid`, the token would be of an impersonation session.
    claims.as_object_mut().unwrap().remove("sid");
    claims["act"] = json!({"sub": "gateway", "iss": "http://sso.example.org/realms/corp"});
    claims["may_act"] = json!({"client_id": "front-end-app"});
    let (answer, line) = become_whom(&world, &world.sign(&claims), "bob").await;
    assert_eq!(answer.status, 200, "{line}");
    let issued = token::claims(&answer.access_token());
    assert_eq!((&issued["act"], &issued["may_act"]), (&claims["act"], &claims["may_act"]));

    claims["act"]["sub"] = json!(BOB);
    let (answer, line) = become_whom(&world, &world.sign(&claims), "bob").await;
    assert_eq!((answer.status.as_u16(), &line["reason"]), (403, &json!("delegation_cycle")), "nobody acts for himself");
}

#[tokio::test]
async fn the_door_must_be_judged_for_a_permission_to_be_about_it() {
    let plan = Plan::new().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let head = BACK_END_API.replace("roles: { own: true }", "roles: { own: true, source: directory }");
    let plan = plan
        .configure(
            "    signingKey: corp.pem",
            "    signingKey: corp.pem\n    directory: { clientId: cambio, clientSecretFile: cambio-secret }",
        )
        .audience("back-end-api", &format!("{head}{IMPERSONATION}"));
    let world = plan.start().await;
    let shown = client::get_by_address(world.cambio.admin, "/config").await.json();
    let broken = shown["brokenAudienceFiles"].to_string();
    assert!(broken.contains("doors.requestedSubject: judged"), "{broken}");
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&world.alice().await, &[]).await.status, 403);
    assert_eq!(world.audit_after(before).await["reason"], "audience_misconfigured");
}

/// An audience whose owner says nothing about impersonation must not meet somebody who became another user elsewhere.
#[tokio::test]
async fn whom_somebody_became_goes_no_further() {
    let head =
        BACK_END_API.replace("roles: { own: true }", "roles: { own: true, source: directory, default: [guest] }");
    let plan = Plan::new().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let world = plan
        .configure(
            "    signingKey: corp.pem",
            "    signingKey: corp.pem\n    doors: { requestedSubject: judged }\n    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }",
        )
        .audience("back-end-api", &format!("{head}{IMPERSONATION}"))
        .audience(
            "other-api",
            "audience: other-api\nowner: other\nissuance: mint\npermissions:\n  - clients: [front-end-app, back-end-api]\n    exchangedTokens: true\n    \
             delegation: { actor: optional, withoutMayAct: true, condition: \"true\" }\n",
        )
        .start()
        .await;
    let alice = world.alice().await;
    let bob = world.exchange(&alice, &[("requested_subject", "bob")]).await.access_token();
    for client in [("front-end-app", "front-end-secret"), ("back-end-api", "back-end-secret")] {
        let before = world.audit_so_far();
        let changes = [("client_id", client.0), ("client_secret", client.1), ("audience", "other-api")];
        let answer = world.exchange(&bob, &changes).await;
        let line = world.audit_after(before).await;
        assert_eq!((answer.status.as_u16(), &line["reason"]), (403, &json!("impersonation_not_permitted")), "{line}");
    }

    let actor = [
        ("audience", "other-api"),
        ("actor_token", bob.as_str()),
        ("actor_token_type", "urn:ietf:params:oauth:token-type:access_token"),
    ];
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&alice, &actor).await.status, 400);
    assert_eq!(world.audit_after(before).await["reason"], "actor_token_invalid", "nor does he act");
    assert_eq!(token::claims(&bob)["impersonated"], true);
}

/// Two doors in one request: that one of them is open opens no way past the judge of the other.
#[tokio::test]
async fn another_open_door_is_no_way_to_become_somebody() {
    let head = BACK_END_API.replace("roles: { own: true }", "roles: { own: true, source: directory }");
    let plan = Plan::new().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let world = plan
        .configure(
            "    signingKey: corp.pem",
            "    signingKey: corp.pem\n    doors: { requestedSubject: judged, requestedIssuer: open }\n    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }",
        )
        .audience("back-end-api", &format!("{head}{IMPERSONATION}"))
        .start()
        .await;
    let alice = world.alice().await;
    world.idp.faults().forget();
    let before = world.audit_so_far();
    let changes = [("requested_subject", "ada"), ("requested_issuer", "github")];
    world.exchange(&alice, &changes).await;
    let line = world.audit_after(before).await;
    assert_eq!(line["reason"], "door_closed", "{line}");
    assert!(world.idp.faults().received().is_empty(), "nothing reached the identity provider");
}
