//! Delegation (RFC 8693 sections 1.1, 4.1 and 4.4): who may act for whom, and that the new token says so.

use serde_json::{Value, json};

use crate::support::files::BACK_END_API;
use crate::support::world::{ACCESS_TOKEN, ID_TOKEN, Plan, TOKEN_PATH, World, login};
use crate::support::{client, form, token};

const ISS: &str = "http://sso.example.org/realms/corp";
const BOB: &str = "0b0b7c52-8a1f-4d0e-8a55-3b7f6d2eb0b0";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

/// An audience's file with one permission for front-end-app.
fn file(issuance: &str, delegation: &str) -> String {
    format!(
        "{BACK_END_API}permissions:
  - clients: [front-end-app]
    issuers: [{issuers}]
    issuance: {issuance}
    subjectTokens: [{tokens}]
    requestedTokens: [access_token, id_token]
    scopes: [email, profile]
{delegation}",
        issuers = if issuance == "mint" { "corp, partner" } else { "corp" },
        tokens = if issuance == "mint" { "access_token, id_token, jwt" } else { "access_token" },
    )
}

/// Whoever the subject token's `may_act` names.
const OPTIONAL: &str = "    delegation: { actor: optional }\n";
/// Bob, whether or not the subject token has `may_act`.
const BOB_MAY: &str =
    "    delegation: { actor: optional, withoutMayAct: true, condition: \"actor.preferred_username == 'bob'\" }\n";

async fn world(issuance: &str, delegation: &str) -> World {
    Plan::new().await.audience("back-end-api", &file(issuance, delegation)).start().await
}

/// Alice's token with claims changed, as the identity provider would sign it.
async fn alice(world: &World, changes: Value) -> String {
    let mut claims = token::claims(&world.alice().await);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    world.sign(&claims)
}

fn may_act() -> Value {
    json!({"may_act": {"client_id": "front-end-app", "sub": BOB}})
}

async fn bob(world: &World) -> String {
    world.login("front-end-app", "front-end-secret", "bob").await
}

fn with_actor(actor: &str) -> [(&str, &str); 2] {
    [("actor_token", actor), ("actor_token_type", ACCESS_TOKEN)]
}

fn seconds(claims: &Value, name: &str) -> i64 {
    claims[name].as_i64().unwrap()
}

#[tokio::test]
async fn the_new_token_names_the_actor() {
    for issuance in ["mint", "reissue"] {
        let world = world(issuance, OPTIONAL).await;
        let (alice, bob) = (alice(&world, may_act()).await, bob(&world).await);
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &with_actor(&bob)).await;
        assert_eq!(answer.status, 200, "{issuance}: {}", answer.text());
        let claims = token::claims(&answer.access_token());
        assert_eq!(claims["sub"], token::claims(&alice)["sub"], "{issuance}: the subject stays");
        assert_eq!(claims["act"], json!({"sub": BOB, "iss": ISS, "client_id": "front-end-app"}), "{issuance}");
        assert_eq!(claims["may_act"], may_act()["may_act"], "{issuance}: it binds the next exchange, too");
        let latest = seconds(&token::claims(&alice), "exp").min(seconds(&token::claims(&bob), "exp"));
        assert!(seconds(&claims, "exp") <= latest, "{issuance}");
        let line = world.audit_after(before).await;
        assert_eq!(line["actor"], BOB, "{line}");
        assert_eq!((&line["actor_issuer"], &line["actors"]), (&json!("corp"), &json!([BOB])), "{line}");
        assert_eq!(line["actor_token_type"], "access_token");
        assert!(line["impersonation"].is_null());

        let changes = [&with_actor(&bob)[..], &[("requested_token_type", ID_TOKEN)]].concat();
        let id = world.exchange(&alice, &changes).await;
        let claims = token::claims(&id.access_token());
        assert_eq!(claims["act"]["sub"], BOB, "{issuance}: an ID token, too");
    }
}

#[tokio::test]
async fn an_actor_token_and_its_type_come_together() {
    let world = world("mint", OPTIONAL).await;
    let (alice, bob) = (alice(&world, may_act()).await, bob(&world).await);
    for (half, missing) in [(("actor_token", bob.as_str()), "actor_token_type"), (with_actor(&bob)[1], "actor_token")] {
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[half]).await;
        assert_eq!(answer.status, 400, "{missing}");
        assert!(answer.text().contains("actor_token and actor_token_type"), "{}", answer.text());
        let line = world.audit_after(before).await;
        assert_eq!((&line["reason"], &line["detail"]), (&json!("actor_token_incomplete"), &json!(missing)));
    }
}

#[tokio::test]
async fn an_actor_is_never_lost_and_chains_nest() {
    let everybody = "    delegation: { actor: optional, withoutMayAct: true, condition: \"true\", depth: 2 }\n";
    let world = Plan::new()
        .await
        .audience("back-end-api", &file("mint", everybody))
        .audience(
            "other-api",
            "audience: other-api\nowner: other\npermissions:\n  - { clients: [back-end-api], issuance: mint, exchangedTokens: true, scopes: [email], \
             delegation: { actor: optional, withoutMayAct: true, condition: \"true\", depth: 2 } }\n",
        )
        .start()
        .await;
    let (subject, bob) = (world.alice().await, bob(&world).await);
    let first = world.exchange(&subject, &with_actor(&bob)).await.access_token();
    let hop = |token: String, actor: Option<String>| {
        let world = &world;
        async move {
            let mut fields =
                vec![("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("audience", "other-api")];
            if let Some(actor) = &actor {
                fields.extend(with_actor(actor));
            }
            world.exchange(&token, &fields).await
        }
    };
    let kept = hop(first.clone(), None).await;
    assert_eq!(kept.status, 200, "{}", kept.text());
    assert_eq!(token::claims(&kept.access_token())["act"], token::claims(&first)["act"], "without an actor token");

    let service = service_account(&world, "other-api").await;
    let second = hop(first.clone(), Some(service.clone())).await;
    assert_eq!(second.status, 200, "{}", second.text());
    let claims = token::claims(&second.access_token());
    assert_eq!(claims["act"]["sub"], token::claims(&service)["sub"]);
    assert_eq!(claims["act"]["act"], token::claims(&first)["act"], "the earlier actor is within");
    assert_eq!(claims["aud"], "other-api");
    assert!(seconds(&claims, "exp") <= seconds(&token::claims(&first), "exp"), "monotonic");
    assert_eq!(claims["sub"], token::claims(&subject)["sub"]);

    for (name, changes, reason) in [
        ("a third actor", json!({"sub": "x", "act": {"sub": "y", "act": {"sub": "z"}}}), "delegation_too_deep"),
        ("itself again", json!({"sub": token::claims(&service)["sub"], "iss": ISS}), "delegation_cycle"),
    ] {
        let token = alice_for_back_end(&world, json!({ "act": changes })).await;
        let before = world.audit_so_far();
        let answer = hop(token, Some(service.clone())).await;
        assert_eq!(answer.status, 403, "{name}");
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
    let before = world.audit_so_far();
    let own = hop(alice_for_back_end(&world, json!({})).await, Some(alice_for_back_end(&world, json!({})).await)).await;
    assert_eq!(own.status, 403);
    assert_eq!(world.audit_after(before).await["reason"], "delegation_cycle", "nobody acts for himself");
}

/// A token of the realm for a service, to which back-end-api is an audience.
async fn service_account(world: &World, name: &str) -> String {
    let mut claims = token::claims(&world.alice().await);
    for (claim, value) in [
        ("sub", json!(format!("service-{name}"))),
        ("preferred_username", json!(format!("service-account-{name}"))),
        ("azp", json!("back-end-api")),
    ] {
        claims[claim] = value;
    }
    world.sign(&claims)
}

async fn alice_for_back_end(world: &World, changes: Value) -> String {
    let mut changes = changes;
    changes["azp"] = json!("back-end-api");
    alice(world, changes).await
}

#[tokio::test]
async fn may_act_binds_every_exchange_of_its_token() {
    let world = world("mint", BOB_MAY).await;
    let actor = bob(&world).await;
    for (name, value, alone, together) in [
        ("client and actor", json!({"client_id": "front-end-app", "sub": BOB}), true, true),
        ("client alone", json!({"client_id": "front-end-app"}), true, false),
        ("actor alone", json!({"sub": BOB}), false, true),
        ("with its issuer", json!({"client_id": "front-end-app", "sub": BOB, "iss": ISS}), true, true),
        ("of another issuer", json!({"client_id": "front-end-app", "sub": BOB, "iss": "https://evil"}), true, false),
        ("another client", json!({"client_id": "reporting-app", "sub": BOB}), false, false),
        ("another actor", json!({"client_id": "front-end-app", "sub": "somebody"}), true, false),
        ("empty", json!({}), false, false),
        ("null", Value::Null, false, false),
        ("text", json!("front-end-app"), false, false),
        ("list", json!([{"client_id": "front-end-app", "sub": BOB}]), false, false),
        ("client_id a number", json!({"client_id": 1, "sub": BOB}), false, false),
        ("client_id a list", json!({"client_id": ["front-end-app"], "sub": BOB}), false, false),
        ("client_id empty", json!({"client_id": "", "sub": BOB}), false, false),
        ("sub null", json!({"client_id": "front-end-app", "sub": null}), false, false),
        ("something else", json!({"email": "bob@example.org"}), false, false),
        ("something else besides", json!({"client_id": "front-end-app", "sub": BOB, "email": "x"}), false, false),
    ] {
        let subject = alice(&world, json!({ "may_act": value })).await;
        for (with, allowed) in [(false, alone), (true, together)] {
            let changes = if with { with_actor(&actor).to_vec() } else { Vec::new() };
            let before = world.audit_so_far();
            let answer = world.exchange(&subject, &changes).await;
            let line = world.audit_after(before).await;
            if allowed {
                assert_eq!(answer.status, 200, "{name}, actor {with}: {line}");
                assert_eq!(token::claims(&answer.access_token())["may_act"], value, "{name}");
            } else {
                assert_eq!(answer.status, 403, "{name}, actor {with}");
                assert_eq!(line["reason"], "may_act_violated", "{name}, actor {with}");
            }
        }
    }
}

#[tokio::test]
async fn the_owner_says_who_may_act() {
    let required = "    delegation: { actor: required }\n";
    let forbidden = "    delegation: { actor: forbidden }\n";
    let carol_only = "    delegation: { actor: optional, condition: \"actor.preferred_username == 'carol'\" }\n";
    for (name, delegation, changes, actor, reason) in [
        ("no delegation, with an actor", "", may_act(), true, "actor_token_unsupported"),
        (
            "no delegation, delegated before",
            "",
            json!({"act": {"sub": "x"}, "sid": null}),
            false,
            "subject_token_delegated",
        ),
        ("an impersonation session", OPTIONAL, json!({"act": {"sub": "x"}}), false, "subject_token_impersonated"),
        ("act that can't be read", OPTIONAL, json!({"act": "x"}), false, "subject_token_delegated"),
        ("act without sub", OPTIONAL, json!({"act": {"act": {"sub": "x"}}}), false, "subject_token_delegated"),
        ("required", required, may_act(), false, "actor_required"),
        ("forbidden, and nobody else takes one", forbidden, may_act(), true, "actor_token_unsupported"),
        ("another actor", carol_only, may_act(), true, "actor_not_permitted"),
        ("no may_act, and the permission does not say it", OPTIONAL, json!({}), true, "actor_not_permitted"),
    ] {
        let world = world("mint", delegation).await;
        let (subject, bob) = (alice(&world, changes).await, bob(&world).await);
        let before = world.audit_so_far();
        let changes = if actor { with_actor(&bob).to_vec() } else { Vec::new() };
        let answer = world.exchange(&subject, &changes).await;
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"], reason, "{name}: {line}");
        assert!(matches!(answer.status.as_u16(), 400 | 403), "{name}");
    }
    let world = world("mint", BOB_MAY).await;
    let (subject, actor) = (world.alice().await, bob(&world).await);
    let answer = world.exchange(&subject, &with_actor(&actor)).await;
    assert_eq!(token::claims(&answer.access_token())["act"]["sub"], BOB, "the permission says it in may_act's place");
}

#[tokio::test]
async fn an_actor_token_is_checked_like_a_subject_token() {
    let world = world("mint", BOB_MAY).await;
    let (subject, good) = (world.alice().await, bob(&world).await);
    let claims = token::claims(&good);
    let changed = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        world.sign(&claims)
    };
    let mut forged = good.clone();
    let last = if forged.ends_with('A') { "B" } else { "A" };
    forged.replace_range(forged.len() - 1.., last);
    let signature = good.rsplit_once('.').unwrap().1;
    let mut swapped = subject.rsplit_once('.').unwrap().0.to_owned();
    swapped.push('.');
    swapped.push_str(signature);
    for (name, actor) in [
        ("no JWT", "x".to_owned()),
        ("expired", changed("exp", json!(world.now() - 60))),
        ("another issuer", changed("iss", json!("https://evil.example"))),
        ("a foreign issuer's name and our key", changed("iss", json!("http://sso.example.org/realms/partner"))),
        ("refresh token", changed("typ", json!("Refresh"))),
        ("of another client", {
            let mut claims = claims.clone();
            claims["aud"] = json!("account");
            claims["azp"] = json!("reporting-app");
            world.sign(&claims)
        }),
        ("delegated itself", changed("act", json!({"sub": "x"}))),
        ("another token's signature", swapped),
        ("no subject", changed("sub", json!(""))),
    ] {
        let before = world.audit_so_far();
        let answer = world.exchange(&subject, &with_actor(&actor)).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        assert!(!answer.text().contains("access_token"), "{name}");
        assert_eq!(world.audit_after(before).await["reason"], "actor_token_invalid", "{name}");
    }
}

#[tokio::test]
async fn introspection_and_refresh_show_the_actor() {
    let plan = Plan::new().await;
    let seal = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
    plan.folder.write("seal.key", seal);
    let world = plan
        .configure(
            "    signingKey: corp.pem\n",
            "    signingKey: corp.pem\n    refreshTokens: { keyFiles: [seal.key] }\n",
        )
        .audience(
            "back-end-api",
            &file("reissue", OPTIONAL).replace("[access_token, id_token]", "[access_token, refresh_token]"),
        )
        .start()
        .await;
    let (subject, actor) = (alice(&world, may_act()).await, bob(&world).await);
    let changes = [&with_actor(&actor)[..], &[("requested_token_type", REFRESH_TOKEN)]].concat();
    let answer = world.exchange(&subject, &changes).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let issued = answer.access_token();
    let introspection = |issued: String| {
        let address = world.address();
        async move {
            let fields = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("token", &issued)];
            client::post(address, &format!("{TOKEN_PATH}/introspect"), &fields).await.json()
        }
    };
    let shown = introspection(issued).await;
    assert_eq!(shown["active"], true, "{shown}");
    assert_eq!((&shown["act"]["sub"], &shown["may_act"]), (&json!(BOB), &may_act()["may_act"]), "{shown}");
    assert_eq!(shown["client_id"], "front-end-app");

    let refresh = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
        ("refresh_token", &refresh),
    ];
    let refreshed = client::post(world.address(), TOKEN_PATH, &fields).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let claims = token::claims(&refreshed.access_token());
    assert_eq!((&claims["act"]["sub"], &claims["may_act"]), (&json!(BOB), &may_act()["may_act"]));

    // The owner takes the delegation back.
    let again = refreshed.json()["refresh_token"].as_str().unwrap().to_owned();
    let closed = file("reissue", "").replace("[access_token, id_token]", "[access_token, refresh_token]");
    world.rewrite("audiences/back-end-api.yaml", &closed).await;
    let fields = form::changed(&fields, &[("refresh_token", &again)]);
    assert_eq!(client::post(world.address(), TOKEN_PATH, &fields).await.status, 400);
}

#[tokio::test]
async fn a_foreign_subject_stays_who_he_is_from_hop_to_hop() {
    let world = Plan::new()
        .await
        .audience("back-end-api", &file("mint", ""))
        .audience(
            "other-api",
            "audience: other-api\nowner: other\npermissions:\n  - { clients: [back-end-api], issuers: [partner], issuance: mint, exchangedTokens: true }\n",
        )
        .start()
        .await;
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    let first = world.exchange(&carol, &[]).await.access_token();
    let hop = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("audience", "other-api")];
    let answer = world.exchange(&first, &hop).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (first, second) = (token::claims(&first), token::claims(&answer.access_token()));
    assert_eq!(first["sub"], "partner#c0ffee00-1d2e-4f30-8a40-5b6c7d8e9f00");
    assert_eq!((&second["sub"], &second["subject_issuer"]), (&first["sub"], &first["subject_issuer"]));
    assert_eq!(token::role_clients(&second), [""; 0], "no role that no line of the owner gives");
}

/// Another issuer speaks for its own people, and not for the realm's: who stands outermost in `act` has power.
#[tokio::test]
async fn another_issuer_can_not_say_that_the_realms_own_acted() {
    let world = Plan::new()
        .await
        .audience("back-end-api", &file("mint", "    delegation: { actor: optional, issuers: [partner] }\n"))
        .start()
        .await;
    let path = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token();
    let mut claims = token::claims(&carol);
    let mut exchanged = async |act: Value| {
        claims["act"] = act;
        let token = world.idp.signing_key("partner").unwrap().sign(claims.as_object().unwrap()).unwrap();
        let before = world.audit_so_far();
        let answer = world.exchange(&token, &[]).await;
        (answer, world.audit_after(before).await)
    };
    let partner = "http://sso.example.org/realms/partner";
    let (answer, line) = exchanged(json!({"sub": "agent"})).await;
    assert_eq!(answer.status, 200, "{line}");
    assert_eq!(token::claims(&answer.access_token())["act"], json!({"sub": "agent", "iss": partner}));
    for act in [
        json!({"sub": "service-gateway", "iss": ISS}),
        json!({"sub": "agent", "act": {"sub": "service-gateway", "iss": ISS}}),
    ] {
        let (answer, line) = exchanged(act.clone()).await;
        assert_eq!((answer.status.as_u16(), &line["reason"]), (400, &json!("subject_token_delegated")), "{act}");
    }
}

/// A role that one owner has written into a flat claim is no group of the identity provider's to the next.
#[tokio::test]
async fn a_flat_claim_of_roles_is_no_word_of_the_identity_provider_in_the_next_exchange() {
    let writer = "audience: back-end-api\nowner: a\nissuance: mint\npermissions:\n  - { clients: [front-end-app] }\n\
                  roles: { own: true, static: [admins], output: both, claim: groups }\n";
    let reader = "audience: other-api\nowner: b\nissuance: mint\npermissions:\n  - clients: [front-end-app]\n    exchangedTokens: true\n    \
                  delegation: { withoutMayAct: true, condition: \"'admins' in actor.groups\" }\n\
                  roles: { own: true, map: [{ from: \"group:admins\", to: admin }] }\n";
    let plan = Plan::new().await;
    let world = plan.audience("back-end-api", writer).audience("other-api", reader).start().await;
    let alice = world.alice().await;
    let written = world.exchange(&alice, &[]).await.access_token();
    assert_eq!(token::claims(&written)["groups"], json!(["admins", "backend_user"]));
    let other = [("audience", "other-api")];
    let answer = world.exchange(&written, &other).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let claims = token::claims(&answer.access_token());
    assert_eq!(token::client_roles(&claims, "other-api"), [""; 0], "{claims}");

    let actor = world.exchange(&bob(&world).await, &[]).await.access_token();
    let before = world.audit_so_far();
    world.exchange(&alice, &[&with_actor(&actor)[..], &other].concat()).await;
    assert_eq!(world.audit_after(before).await["reason"], "condition_failed", "nor of an actor");
}
