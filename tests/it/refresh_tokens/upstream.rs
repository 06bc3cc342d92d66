//! Refreshes at the identity provider: what is true there now, and what happens to its own refresh tokens.

use jiff::SignedDuration;
use serde_json::json;

use super::{
    LOGOUT_PATH, PERMITTED, REFRESH_TOKEN, REVOKE_PATH, error, exchanged, plan, refresh, refresh_token, world,
};
use crate::support::files::BACK_END_API;
use crate::support::tamper::Tamper;
use crate::support::world::{TOKEN_PATH, World, login};
use crate::support::{client, lenient, token};

/// Alice's token of the realm, with groups and a role that the identity provider does not state any more.
async fn of_before(world: &World) -> String {
    let mut claims = token::claims(
        &login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await.access_token(),
    );
    claims["groups"] = json!(["staff", "board"]);
    claims["realm_access"]["roles"].as_array_mut().unwrap().push(json!("director"));
    world.sign(&claims)
}

/// Roles, groups and other claims that were taken away are gone at the next refresh.
#[tokio::test]
async fn a_refresh_is_judged_by_what_is_true_now() {
    for issuance in ["reissue", "mint"] {
        for (condition, refreshes) in [
            ("'staff' in claims.groups && 'auditor' in claims.realm_access.roles", true),
            ("'board' in claims.groups", false),
            ("'director' in claims.realm_access.roles", false),
        ] {
            let file = format!("{BACK_END_API}{PERMITTED}")
                .replace("scopes: [email", &format!("condition: \"{condition}\", scopes: [email"))
                .replace(
                    "roles: { own: true }",
                    &format!(
                        "issuance: {issuance}\nroles: {{ own: true, source: {}, map: [ {{ from: 'group:board', to: chair }} ] }}",
                        if issuance == "mint" { "directory" } else { "token" }
                    ),
                );
            let plan = plan().await;
            plan.folder.write("cambio-secret", "cambio-secret\n");
            let directory = "directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }";
            let world = plan
                .configure("    signingKey: corp.pem", &format!("    signingKey: corp.pem\n    {directory}"))
                .audience("back-end-api", &file)
                .start()
                .await;
            let answer = world.exchange(&of_before(&world).await, &[("requested_token_type", REFRESH_TOKEN)]).await;
            assert_eq!(answer.status, 200, "{issuance} {condition}: {}", answer.text());
            let roles = token::claims(&answer.access_token());
            assert!(token::client_roles(&roles, "back-end-api").contains(&"chair"), "{issuance}: {roles}");
            let before = world.audit_so_far();
            let refreshed = refresh(&world, &refresh_token(&answer), &[]).await;
            let line = world.audit_after(before).await;
            assert_eq!(refreshed.status.is_success(), refreshes, "{issuance} {condition}: {line}");
            if refreshes {
                let roles = token::claims(&refreshed.access_token());
                assert_eq!(token::client_roles(&roles, "back-end-api"), ["backend_user"], "{issuance}");
            } else {
                assert_eq!(line["reason"], "condition_not_met", "{issuance} {condition}: {line}");
            }
        }
    }
}

/// The identity provider's refresh tokens that Cambio used since the test forgot the requests.
pub fn used_upstream(world: &World) -> Vec<String> {
    let received = world.idp.faults().received().into_iter();
    let fields = received.map(|one| lenient::pairs(&one.body));
    fields
        .filter_map(|fields| fields.into_iter().find(|field| field.0 == "refresh_token").map(|field| field.1))
        .collect()
}

/// The identity provider may take its old refresh token for stolen once it has given a new one.
#[tokio::test]
async fn a_refresh_that_fails_half_way_costs_nothing() {
    let world = world().await;
    let first = refresh_token(&exchanged(&world, &[]).await);
    world.idp.faults().forget();
    world.idp.faults().tamper(Tamper::Subject("somebody-else"));
    assert_eq!(refresh(&world, &first, &[]).await.status, 502);
    world.idp.faults().clear();
    let refreshed = refresh(&world, &first, &[]).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let used = used_upstream(&world);
    assert_eq!(used.len(), 2);
    assert_ne!(used[0], used[1], "the second refresh uses what the first one brought");
    assert_eq!(refresh(&world, &refresh_token(&refreshed), &[]).await.status, 200);
}

/// A revocation ends the newest refresh token of the identity provider, too.
#[tokio::test]
async fn a_revocation_after_a_refresh_that_failed_half_way_ends_what_it_brought() {
    let world = world().await;
    let first = refresh_token(&exchanged(&world, &[]).await);
    world.idp.faults().tamper(Tamper::Subject("somebody-else"));
    world.idp.faults().forget();
    assert_eq!(refresh(&world, &first, &[]).await.status, 502);
    let used = used_upstream(&world);
    world.idp.faults().clear();
    world.idp.faults().forget();
    let fields = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", &*first)];
    assert_eq!(client::post(world.address(), REVOKE_PATH, &fields).await.status, 200);
    let received = world.idp.faults().received().into_iter();
    let revoked = received.filter_map(|one| lenient::pairs(&one.body).into_iter().find(|field| field.0 == "token"));
    let revoked: Vec<String> = revoked.map(|field| field.1).collect();
    assert_ne!(revoked, used, "not the refresh token that the identity provider replaced");
    assert_eq!(revoked.len(), 1);
    assert_eq!(refresh(&world, &first, &[]).await.status, 400);
}

/// Not even at once: the identity provider would end the session.
#[tokio::test]
async fn the_identity_provider_never_sees_its_refresh_token_twice() {
    let world = world().await;
    let first = refresh_token(&exchanged(&world, &[]).await);
    world.idp.faults().forget();
    let uses: Vec<_> = (0..8).map(|_| refresh(&world, &first, &[])).collect();
    let answers = futures_util::future::join_all(uses).await;
    let won: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!((won.len(), used_upstream(&world).len()), (1, 1));
    assert_eq!(refresh(&world, &refresh_token(won[0]), &[]).await.status, 200);
}

/// Nobody but the directory knows the session of a token that was minted for one of the realm's own users.
#[tokio::test]
async fn a_minted_one_lasts_as_long_as_the_session() {
    let file = format!("{BACK_END_API}{PERMITTED}")
        .replace("roles: { own: true }", "issuance: mint\nroles: { own: true, source: directory }");
    let plan = plan().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let world = plan
        .configure(
            "    signingKey: corp.pem",
            "    signingKey: corp.pem\n    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }",
        )
        .audience("back-end-api", &file)
        .start()
        .await;
    let logged_in = login(world.address(), TOKEN_PATH, "front-end-app", "front-end-secret", "alice").await;
    let alice = logged_in.access_token();
    let changes = [("requested_token_type", REFRESH_TOKEN)];
    let answer = world.exchange(&alice, &changes).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    world.clock.advance(SignedDuration::from_mins(10));
    let refreshed = refresh(&world, &refresh_token(&answer), &[]).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    assert_eq!(token::claims(&refreshed.access_token())["sub"], token::claims(&alice)["sub"]);

    let upstream = logged_in.json()["refresh_token"].as_str().unwrap().to_owned();
    let logout = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("refresh_token", &*upstream)];
    assert_eq!(client::post(world.address(), LOGOUT_PATH, &logout).await.status, 204);
    let before = world.audit_so_far();
    let refused = refresh(&world, &refresh_token(&refreshed), &[]).await;
    assert_eq!(error(&refused), (400, "invalid_grant".into()), "{}", refused.text());
    let line = world.audit_after(before).await;
    assert_eq!(
        (&line["reason"], &line["detail"]),
        (&json!("refresh_token_invalid"), &json!("the user's session has ended"))
    );

    // A token without a session is of no use for this.
    let mut claims = token::claims(&world.alice().await);
    claims.as_object_mut().unwrap().remove("sid");
    assert_eq!(world.exchange(&world.sign(&claims), &changes).await.status, 400);
}

/// The identity provider's refresh token ends half an hour after its last use; the family, when the owner says so.
#[tokio::test]
async fn each_use_prolongs_it_as_it_prolongs_the_session() {
    let file = format!("{BACK_END_API}{PERMITTED}").replace("lifetime: 5m", "lifetime: 5m, refreshLifetime: 2h");
    let world = plan().await.audience("back-end-api", &file).start().await;
    let later = |minutes| world.clock.advance(SignedDuration::from_mins(minutes));
    let mut answer = exchanged(&world, &[]).await;
    for expected in [1800, 1800, 1800, 1200] {
        later(25);
        answer = refresh(&world, &refresh_token(&answer), &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            (&answer.json()["refresh_expires_in"], &answer.json()["expires_in"]),
            (&json!(expected), &json!(300))
        );
    }
    later(20);
    assert_eq!(refresh(&world, &refresh_token(&answer), &[]).await.status, 400, "two hours are over");

    let first = refresh_token(&exchanged(&world, &[]).await);
    later(30);
    assert_eq!(refresh(&world, &first, &[]).await.status, 400, "nobody used it for half an hour");

    // A family that was revoked stays so, however late its last refresh token ends.
    let first = refresh_token(&exchanged(&world, &[]).await);
    later(25);
    let second = refresh_token(&refresh(&world, &first, &[]).await);
    assert_eq!(refresh(&world, &first, &[]).await.status, 400, "used again");
    for _ in 0..2 {
        later(14);
        assert_eq!(refresh(&world, &second, &[]).await.status, 400);
    }
}
