//! Families of refresh tokens: what a theft, a race and a lost answer do to them.

use bytes::Bytes;
use cambio::judgement::client::secret::SecretHash;
use cambio::words::secret::Secret;
use http::Request;

use crate::refresh_tokens::{exchanged, plan, refresh, refresh_token};
use crate::support::files::BACK_END_API;
use crate::support::redis::Redis;
use crate::support::world::{Plan, World};
use crate::support::{client, token};

const INTROSPECT: &str = "/realms/corp/protocol/openid-connect/token/introspect";
const REVOKE: &str = "/realms/corp/protocol/openid-connect/revoke";
const USERINFO: &str = "/realms/corp/protocol/openid-connect/userinfo";
const PERMITTED: &str = "permissions:
  - { clients: [front-end-app], scopes: [openid, email], requestedTokens: [access_token, refresh_token] }
";
const OTHER_API: &str = "audience: other-api
owner: other-team
permissions:
  - { clients: [back-end-api], issuance: mint, exchangedTokens: true }
";

async fn families() -> Plan {
    let plan = plan().await.audience("back-end-api", &format!("{BACK_END_API}{PERMITTED}"));
    plan.audience("other-api", OTHER_API)
}

async fn is_active(world: &World, client: (&str, &str), token: &str) -> bool {
    let fields = [("client_id", client.0), ("client_secret", client.1), ("token", token)];
    client::post(world.address(), INTROSPECT, &fields).await.json()["active"].as_bool().unwrap()
}

/// Where the access token is of use: introspection, userinfo, an exchange for another audience.
async fn uses(world: &World, token: &str) -> [bool; 3] {
    let request = Request::get(USERINFO).header("authorization", format!("Bearer {token}"));
    let userinfo = client::send(world.address(), request.body(Bytes::new()).unwrap()).await.status == 200;
    let exchanged = exchanged_again(world, token).await.is_some();
    [is_active(world, ("back-end-api", "back-end-secret"), token).await, userinfo, exchanged]
}

/// A token for other-api that back-end-api gets for the token.
async fn exchanged_again(world: &World, token: &str) -> Option<String> {
    let changes = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("audience", "other-api")];
    let answer = world.exchange(token, &changes).await;
    (answer.status == 200).then(|| answer.access_token())
}

/// Every way to a revoked family, and how many refreshes came before.
#[tokio::test]
async fn nothing_of_a_revoked_family_is_of_use() {
    for generations in 1..=3 {
        for theft in [true, false] {
            let world = families().await.start().await;
            let answer = exchanged(&world, &[("scope", "openid email")]).await;
            let first = refresh_token(&answer);
            let (mut access, mut last) = (vec![answer.access_token()], first.clone());
            for _ in 0..generations {
                let answer = refresh(&world, &last, &[]).await;
                access.push(answer.access_token());
                last = refresh_token(&answer);
            }
            let other = exchanged_again(&world, &access[generations]).await.unwrap();
            for token in &access {
                assert_eq!(uses(&world, token).await, [true; 3]);
            }
            if theft {
                assert_eq!(refresh(&world, &first, &[]).await.status, 400, "used again");
                assert_eq!(world.audit(1).await.pop().unwrap()["reason"], "refresh_token_reused");
            } else {
                let fields = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", &*last)];
                assert_eq!(client::post(world.address(), REVOKE, &fields).await.status, 200);
            }
            for (generation, token) in access.iter().enumerate() {
                assert_eq!(uses(&world, token).await, [false; 3], "{generation} of {generations}, theft {theft}");
            }
            let audience = ("other-api", "other-secret");
            assert!(!is_active(&world, audience, &other).await, "it was made from a token of the family");
            assert_eq!(refresh(&world, &last, &[]).await.status, 400);
            let fresh = exchanged(&world, &[("scope", "openid email")]).await.access_token();
            assert_eq!(uses(&world, &fresh).await, [true; 3], "another family");
        }
    }
}

#[tokio::test]
async fn the_family_is_named_in_its_access_tokens_alone() {
    let world = families().await.start().await;
    let before = world.audit_so_far();
    let answer = exchanged(&world, &[]).await;
    let family = world.audit_after(before).await["refresh_family"].clone();
    assert!(family.is_string());
    assert_eq!(token::claims(&answer.access_token())["refresh_family"], family);
    let next = refresh(&world, &refresh_token(&answer), &[]).await;
    assert_eq!(token::claims(&next.access_token())["refresh_family"], family);
    let alone = world.exchange(&world.alice().await, &[]).await.access_token();
    assert_eq!(token::claims(&alone).get("refresh_family"), None);
}

/// Who has a used refresh token and no secret can end nothing: the identity provider's client, and Cambio's own.
#[tokio::test]
async fn a_wrong_secret_ends_no_family() {
    let registered =
        "    signingKey: corp.pem\n    clients: { front-end-app: [ { method: client_secret, secretHash: \"HASH\" } ] }";
    let hash = SecretHash::sha256(&Secret::new("front-end-secret"));
    for registered in [None, Some(registered.replace("HASH", &hash))] {
        let mut plan = families().await;
        if let Some(text) = &registered {
            plan = plan.configure("    signingKey: corp.pem", text);
        }
        let world = plan.start().await;
        let answer = exchanged(&world, &[("scope", "openid email")]).await;
        let first = refresh_token(&answer);
        let second = refresh(&world, &first, &[]).await;
        for secret in ["wrong", "-"] {
            let refused = refresh(&world, &first, &[("client_secret", secret)]).await;
            assert_eq!(refused.status, 401, "{secret}, {registered:?}: {}", refused.text());
        }
        let access = second.access_token();
        assert_eq!(uses(&world, &access).await, [true; 3], "{registered:?}");
        assert_eq!(refresh(&world, &refresh_token(&second), &[]).await.status, 200, "{registered:?}");
    }
}

#[tokio::test]
async fn eight_at_once_are_one_family_that_goes_on() {
    for audience in ["reissue", "mint"] {
        let foreign = format!(
            "{BACK_END_API}permissions:\n  - {{ clients: [front-end-app], issuers: [partner], issuance: mint, scopes: [email], requestedTokens: [refresh_token] }}\n"
        );
        let plan = families().await;
        let plan = if audience == "mint" { plan.audience("back-end-api", &foreign) } else { plan };
        let world = plan.start().await;
        let subject = if audience == "mint" {
            let path = "/realms/partner/protocol/openid-connect/token";
            let answer =
                crate::support::world::login(world.idp.address(), path, "partner-app", "partner-secret", "carol");
            answer.await.access_token()
        } else {
            world.alice().await
        };
        let kind = [("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")];
        let token = refresh_token(&world.exchange(&subject, &kind).await);
        let before = world.audit_so_far();
        let all = (0..8).map(|_| refresh(&world, &token, &[]));
        let answers = futures_util::future::join_all(all).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 7), "{audience}");
        let lines = world.audit(before + 8).await;
        let reasons: Vec<_> = lines[before..].iter().filter_map(|line| line["reason"].as_str()).collect();
        assert_eq!(reasons, ["refresh_token_raced"; 7], "{audience}");
        assert!(lost.iter().all(|answer| answer.json()["error"] == "invalid_grant"), "{audience}");
        let winner = won[0].access_token();
        assert!(is_active(&world, ("back-end-api", "back-end-secret"), &winner).await, "{audience}");
        let next = refresh(&world, &refresh_token(won[0]), &[]).await;
        assert_eq!(next.status, 200, "{audience}: {}", next.text());
        // Afterwards it is reuse.
        assert_eq!(refresh(&world, &token, &[]).await.status, 400);
        assert!(!is_active(&world, ("back-end-api", "back-end-secret"), &next.access_token()).await, "{audience}");
    }
}

/// The answer to a claim is lost on the way: that is nobody's second use.
#[tokio::test]
async fn a_lost_answer_of_the_store_is_no_reuse() {
    let redis = Redis::start().await;
    let store = format!("store: {{ redis: {{ url: 'redis://127.0.0.1:{}', timeout: 2s }} }}\nupstream:\n", redis.port);
    let world = families().await.configure("upstream:\n", &store).start().await;
    let mut token = refresh_token(&exchanged(&world, &[("scope", "openid email")]).await);
    for _ in 0..3 {
        redis.lose(1);
        let answer = refresh(&world, &token, &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(uses(&world, &answer.access_token()).await, [true; 3]);
        token = refresh_token(&answer);
    }
    assert_eq!(redis.lost(), 3);
}

/// Of two uses at once one wins, whichever loses an answer of the store.
#[tokio::test]
async fn of_two_at_once_one_wins_though_an_answer_is_lost() {
    let redis = Redis::start().await;
    let store = format!("store: {{ redis: {{ url: 'redis://127.0.0.1:{}', timeout: 2s }} }}\nupstream:\n", redis.port);
    let world = families().await.configure("upstream:\n", &store).start().await;
    let token = refresh_token(&exchanged(&world, &[]).await);
    redis.lose(1);
    let (one, other) = tokio::join!(refresh(&world, &token, &[]), refresh(&world, &token, &[]));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}
