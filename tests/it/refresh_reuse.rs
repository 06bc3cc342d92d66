//! `refreshTokens.reuse`: a client that lost an answer uses its refresh token again, and gets the next one once more.

use jiff::SignedDuration;
use serde_json::json;

use crate::refresh_tokens::{exchanged, plan, refresh, refresh_token, used_upstream};
use crate::support::client::{self, Answer};
use crate::support::files::BACK_END_API;
use crate::support::proof::Holder;
use crate::support::redis::Redis;
use crate::support::world::{Plan, TOKEN_PATH, World, login};
use crate::support::{form, token};

const MINTED: &str = "issuance: mint
permissions:
  - { clients: [front-end-app], issuers: [partner], scopes: [email], requestedTokens: [refresh_token] }
";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

async fn permitting(reuse: &str) -> Plan {
    plan().await.configure("keyFiles: [seal.key]", &format!("keyFiles: [seal.key], reuse: {reuse}"))
}

fn reason(line: &serde_json::Value) -> &str {
    line["reason"].as_str().unwrap_or_default()
}

/// A refresh token of an exchange that the identity provider made, or of one that Cambio minted for a partner's user.
async fn first(world: &World, minted: bool) -> String {
    if !minted {
        return refresh_token(&exchanged(world, &[]).await);
    }
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await;
    let answer = world.exchange(&carol.access_token(), &[("requested_token_type", REFRESH_TOKEN)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    refresh_token(&answer)
}

#[tokio::test]
async fn a_lost_answer_costs_nothing_within_the_time() {
    for minted in [false, true] {
        let plan = permitting("30s").await;
        let plan = if minted { plan.audience("back-end-api", &format!("{BACK_END_API}{MINTED}")) } else { plan };
        let world = plan.start().await;
        let used = first(&world, minted).await;
        let lost = refresh(&world, &used, &[]).await;
        assert_eq!(lost.status, 200, "{}", lost.text());
        let next = refresh_token(&lost);
        world.clock.advance(SignedDuration::from_secs(29));
        let before = world.audit_so_far();
        for round in 0..2 {
            let again = refresh(&world, &used, &[]).await;
            assert_eq!(again.status, 200, "{minted}: {}", again.text());
            assert_eq!(refresh_token(&again), next, "{minted}: the same refresh token");
            assert_ne!(again.access_token(), lost.access_token(), "{minted}: a new access token");
            let (said, then) = (again.json()["refresh_expires_in"].clone(), lost.json()["refresh_expires_in"].clone());
            assert_eq!(said.as_i64().unwrap(), then.as_i64().unwrap() - 29, "{minted}: it is no longer good for it");
            let line = world.audit_after(before + round).await;
            assert_eq!((&line["outcome"], &line["refresh_generation"]), (&json!("allowed"), &json!(0)));
            assert_eq!(line["detail"], "used again within refreshTokens.reuse");
        }
        let following = refresh(&world, &next, &[]).await;
        assert_eq!(following.status, 200, "{minted}: {}", following.text());
        // The family goes on: whoever still has the first one has not followed it.
        let before = world.audit_so_far();
        assert_eq!(refresh(&world, &used, &[]).await.status, 400);
        assert_eq!(reason(&world.audit_after(before).await), "refresh_token_reused", "{minted}");
        assert_eq!(
            refresh(&world, &refresh_token(&following), &[]).await.status,
            400,
            "{minted}: the family is revoked"
        );
    }
}

#[tokio::test]
async fn after_the_time_a_second_use_ends_the_family() {
    for (reuse, later) in [("30s", 30), ("1s", 1), ("0s", 0)] {
        let world = permitting(reuse).await.start().await;
        let used = first(&world, false).await;
        let next = refresh_token(&refresh(&world, &used, &[]).await);
        world.clock.advance(SignedDuration::from_secs(later));
        let before = world.audit_so_far();
        assert_eq!(refresh(&world, &used, &[]).await.status, 400, "{reuse}");
        assert_eq!(reason(&world.audit_after(before).await), "refresh_token_reused", "{reuse}");
        assert_eq!(refresh(&world, &next, &[]).await.status, 400, "{reuse}");
    }
}

/// Nobody else has any use for it, and nobody else ends the family.
#[tokio::test]
async fn it_is_the_same_clients_alone() {
    let world = permitting("30s").await.start().await;
    let used = first(&world, false).await;
    let next = refresh_token(&refresh(&world, &used, &[]).await);
    for (changes, status) in [
        (&[("client_id", "reporting-app"), ("client_secret", "reporting-secret")][..], 400),
        (&[("client_secret", "wrong")][..], 401),
        (&[("client_secret", "-")][..], 401),
        (&[("scope", "email profile phone")][..], 400),
    ] {
        assert_eq!(refresh(&world, &used, changes).await.status, status, "{changes:?}");
    }
    assert_eq!(refresh_token(&refresh(&world, &used, &[]).await), next);
}

async fn refresh_with(world: &World, token: &str, proof: Option<String>) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("refresh_token", token),
    ];
    let mut request = client::form_request(TOKEN_PATH, &form::changed(&fields, &[]));
    if let Some(proof) = proof {
        request.headers_mut().insert("dpop", proof.parse().unwrap());
    }
    client::send(world.address(), request).await
}

#[tokio::test]
async fn it_is_the_same_keys_alone() {
    let plan = permitting("30s").await.audience("back-end-api", &format!("{BACK_END_API}{MINTED}"));
    let world = plan.start().await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let used = first(&world, true).await;
    // The first use binds what follows to the holder's key.
    let answer = refresh_with(&world, &used, Some(holder.proof(world.now(), &[]))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(token::claims(&answer.access_token())["cnf"]["jkt"], holder.jkt);
    for (name, proof) in [("none", None), ("another key's", Some(thief.proof(world.now(), &[])))] {
        assert_eq!(refresh_with(&world, &used, proof).await.status, 400, "{name}");
    }
    let again = refresh_with(&world, &used, Some(holder.proof(world.now(), &[]))).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(refresh_token(&again), refresh_token(&answer));
}

/// A Keycloak that revokes used refresh tokens would end the session.
#[tokio::test]
async fn the_identity_provider_sees_each_of_its_refresh_tokens_once() {
    let world = permitting("30s").await.start().await;
    let used = first(&world, false).await;
    world.idp.faults().forget();
    let next = refresh_token(&refresh(&world, &used, &[]).await);
    for _ in 0..2 {
        assert_eq!(refresh_token(&refresh(&world, &used, &[]).await), next);
    }
    assert_eq!(refresh(&world, &next, &[]).await.status, 200);
    let upstream = used_upstream(&world);
    let distinct: std::collections::BTreeSet<_> = upstream.iter().collect();
    assert_eq!((upstream.len(), distinct.len()), (4, 4));
}

#[tokio::test]
async fn all_that_come_at_once_get_the_same() {
    let world = permitting("30s").await.start().await;
    let used = first(&world, false).await;
    let answers = futures_util::future::join_all((0..8).map(|_| refresh(&world, &used, &[]))).await;
    let next: std::collections::BTreeSet<_> = answers.iter().map(refresh_token).collect();
    assert_eq!(next.len(), 1);
    let next = next.into_iter().next().unwrap();
    assert_eq!(refresh(&world, &next, &[]).await.status, 200);
}

/// What ends a family, and what the owner takes away, counts at once.
#[tokio::test]
async fn a_second_use_is_judged_like_the_first() {
    let world = permitting("30s").await.start().await;
    let used = first(&world, false).await;
    assert_eq!(refresh(&world, &used, &[]).await.status, 200);
    world.permit(false).await;
    let before = world.audit_so_far();
    assert_eq!(refresh(&world, &used, &[]).await.status, 400);
    assert_eq!(reason(&world.audit_after(before).await), "client_not_permitted");

    let world = permitting("30s").await.start().await;
    let used = first(&world, false).await;
    let next = refresh_token(&refresh(&world, &used, &[]).await);
    let revoke = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", &*next)];
    let path = "/realms/corp/protocol/openid-connect/revoke";
    assert_eq!(client::post(world.address(), path, &revoke).await.status, 200);
    assert_eq!(refresh(&world, &used, &[]).await.status, 400);
}

/// Replicas share the store, so that each knows what the others handed out.
#[tokio::test]
async fn replicas_agree() {
    let redis = Redis::start().await;
    let store = format!("store: {{ redis: {{ url: 'redis://127.0.0.1:{}', timeout: 2s }} }}\nupstream:\n", redis.port);
    let plan = permitting("30s").await.configure("upstream:\n", &store);
    let other = plan.try_start().await.unwrap();
    let world = plan.start().await;
    let used = first(&world, false).await;
    let next = refresh_token(&refresh(&world, &used, &[]).await);
    let fields = |token: &str| {
        [
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", "front-end-app".to_owned()),
            ("client_secret", "front-end-secret".to_owned()),
            ("refresh_token", token.to_owned()),
        ]
    };
    let elsewhere = async |token: &str| {
        let fields = fields(token);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client::post(other.address, TOKEN_PATH, &fields).await
    };
    let again = elsewhere(&used).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_eq!(refresh_token(&again), next);
    assert_eq!(elsewhere(&next).await.status, 200);
    assert_eq!(refresh(&world, &used, &[]).await.status, 400, "the other replica's client has followed the family");
}
