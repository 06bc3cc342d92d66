//! ForgeRock's dialect: what its page says about delegation, about the new tokens and about the realm above all realms.

use serde_json::{Value, json};

use crate::support::client::{self, Answer};
use crate::support::world::{ACCESS_TOKEN, ID_TOKEN, Plan, World, exchange_fields, login};
use crate::support::{form, token};

const PATH: &str = "/oauth2/realms/root/realms/corp/access_token";
const FILE: &str = "audience: front-end-app
owner: front-end-team
issuance: mint
permissions:
  - clients: [front-end-app]
    scopes: [email, profile]
    subjectTokens: [access_token, id_token]
    requestedTokens: [access_token, id_token]
    exchangedTokens: true
";

async fn world(realm: &str, file: &str) -> World {
    let section = format!("    signingKey: corp.pem\n    dialect: forgerock\n    unboundIdTokens: accept\n{realm}");
    let plan = Plan::new().await.configure("    signingKey: corp.pem\n", &section);
    plan.audience("front-end-app", &format!("{FILE}{file}")).start().await
}

/// Alice's token with claims changed, as the identity provider would sign it.
async fn alice(world: &World, changes: Value) -> String {
    let mut claims = token::claims(&world.alice().await);
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    world.sign(&claims)
}

/// The token of a user with this `sub`.
async fn actor(world: &World, sub: &str) -> String {
    let mut claims = token::claims(&world.login("front-end-app", "front-end-secret", "bob").await);
    claims["sub"] = json!(sub);
    world.sign(&claims)
}

fn may_act(sub: &str) -> Value {
    json!({"may_act": {"client_id": "front-end-app", "sub": sub}})
}

fn acting(actor: &str) -> [(&str, &str); 2] {
    [("actor_token", actor), ("actor_token_type", ACCESS_TOKEN)]
}

/// front-end-app exchanges a token for itself.
async fn exchange(world: &World, path: &str, token: &str, changes: &[(&str, &str)]) -> Answer {
    let fields = form::changed(&exchange_fields(token), &[&[("audience", "-")], changes].concat());
    client::post(world.address(), path, &fields).await
}

fn issued(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    token::claims(&answer.access_token())
}

async fn refused(world: &World, token: &str, changes: &[(&str, &str)], name: &str) -> Value {
    let before = world.audit_so_far();
    let answer = exchange(world, PATH, token, changes).await;
    assert_eq!(answer.status, 400, "{name}: {}", answer.text());
    let told = json!({"error": "invalid_request", "error_description": "Invalid token exchange."});
    assert_eq!(answer.json(), told, "{name}");
    world.audit_after(before).await["reason"].clone()
}

#[tokio::test]
async fn the_realm_above_all_realms_has_paths_of_its_own() {
    let world = world("    pathParameters: { realm: root }\n", "").await;
    let alice = alice(&world, may_act("one")).await;
    for base in ["/oauth2", "/openam/oauth2", "/am/oauth2", "/oauth2/realms/root", "/openam/oauth2/realms/root"] {
        let answer = exchange(&world, &format!("{base}/access_token"), &alice, &[]).await;
        assert_eq!(issued(&answer)["aud"], "front-end-app", "{base}");
        let token = answer.access_token();
        let ask = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", &*token)];
        let told = client::post(world.address(), &format!("{base}/introspect"), &ask).await.json();
        assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!("front-end-app")), "{base}");
        // What is no exchange goes to the identity provider's own path.
        let path = format!("{base}/access_token");
        let bob = login(world.address(), &path, "front-end-app", "front-end-secret", "bob").await;
        assert_eq!(token::claims(&bob.access_token())["iss"], "http://sso.example.org/realms/corp", "{base}");
    }
    for path in [
        "/oauth2/access_token/",
        "/oauth2//access_token",
        "/oauth2/%61ccess_token",
        "/oauth2/realms/root/realms/root/access_token",
        "/oauth2/realms/root/realms/corp/access_token",
        "/oauth2/access_token?realm=/corp",
        "/openam/oauth2/ACCESS_TOKEN",
    ] {
        let answer = exchange(&world, path, &alice, &[]).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_token_that_names_no_client_in_may_act_can_not_be_exchanged() {
    let world = world("", "    delegation: { actor: optional }\n").await;
    let one = actor(&world, "one").await;
    for (name, claims, acts) in [
        ("none", json!({}), false),
        ("none, and an actor", json!({}), true),
        ("no client", json!({"may_act": {"sub": "one"}}), false),
        ("no client, and the actor", json!({"may_act": {"sub": "one"}}), true),
        ("no subject, and an actor", json!({"may_act": {"client_id": "front-end-app"}}), true),
        ("another client", json!({"may_act": {"client_id": "other-app", "sub": "one"}}), false),
        ("another actor", may_act("two"), true),
    ] {
        let alice = alice(&world, claims).await;
        let changes = if acts { &acting(&one)[..] } else { &[] };
        assert_eq!(refused(&world, &alice, changes, name).await, "may_act_violated", "{name}");
    }
    let alice = alice(&world, may_act("one")).await;
    issued(&exchange(&world, PATH, &alice, &[]).await);
    issued(&exchange(&world, PATH, &alice, &acting(&one)).await);
}

#[tokio::test]
async fn a_file_can_do_without_may_act() {
    let file = "    delegation: { withoutMayAct: true, condition: \"actor.sub == 'one'\" }\n";
    let world = world("", file).await;
    let (alice, one, two) = (world.alice().await, actor(&world, "one").await, actor(&world, "two").await);
    issued(&exchange(&world, PATH, &alice, &[]).await);
    issued(&exchange(&world, PATH, &alice, &acting(&one)).await);
    assert_eq!(refused(&world, &alice, &acting(&two), "another").await, "actor_not_permitted");
}

/// After each actor, the next one may act.
const NEXT: &str = "    delegation: { depth: 3 }
token:
  mayAct: \"{'client_id': client, 'sub': {'one': 'two', 'two': 'three'}[actor.sub]}\"
";

#[tokio::test]
async fn a_delegated_token_is_delegated_on_to_whom_the_file_names() {
    let world = world("", &NEXT.replace("}[actor.sub]", ", 'three': 'four'}[actor.sub]")).await;
    let [one, two, three, four] = [
        actor(&world, "one").await,
        actor(&world, "two").await,
        actor(&world, "three").await,
        actor(&world, "four").await,
    ];
    let alice = alice(&world, may_act("one")).await;
    let before = world.audit_so_far();
    let first = exchange(&world, PATH, &alice, &acting(&one)).await;
    assert_eq!(issued(&first)["act"], json!({"sub": "one"}));
    assert_eq!(issued(&first)["may_act"], may_act("two")["may_act"]);
    let line = world.audit_after(before).await;
    assert_eq!((&line["actor"], &line["actor_issuer"]), (&json!("one"), &json!("corp")), "{line}");
    assert_eq!(line["actor_client"], "front-end-app", "what act does not say");

    let first = first.access_token();
    assert_eq!(refused(&world, &first, &acting(&three), "not yet").await, "may_act_violated");
    assert_eq!(refused(&world, &first, &acting(&one), "again").await, "may_act_violated");
    let second = exchange(&world, PATH, &first, &acting(&two)).await.access_token();
    let third = exchange(&world, PATH, &second, &acting(&three)).await;
    assert_eq!(issued(&third)["act"], json!({"sub": "three", "act": {"sub": "two", "act": {"sub": "one"}}}));
    assert_eq!(issued(&third)["may_act"], may_act("four")["may_act"]);
    assert_eq!(issued(&third)["sub"], token::claims(&alice)["sub"]);
    // The file's rule widens neither the depth nor who is permitted.
    let third = third.access_token();
    assert_eq!(refused(&world, &third, &acting(&four), "too deep").await, "delegation_too_deep");
}

#[tokio::test]
async fn without_a_rule_the_second_actor_is_not_named() {
    let world = world("", "    delegation: { depth: 3 }\n").await;
    let (one, two) = (actor(&world, "one").await, actor(&world, "two").await);
    let alice = alice(&world, may_act("one")).await;
    let first = exchange(&world, PATH, &alice, &acting(&one)).await;
    assert_eq!(issued(&first)["may_act"], may_act("one")["may_act"]);
    assert_eq!(refused(&world, &first.access_token(), &acting(&two), "two").await, "may_act_violated");
    // Nobody acts any more, but the actor stays named.
    let again = exchange(&world, PATH, &first.access_token(), &[]).await;
    assert_eq!(issued(&again)["act"], json!({"sub": "one"}));
}

#[tokio::test]
async fn a_rule_that_names_nobody_ends_the_exchanges() {
    let world = world("", "token: { mayAct: \"{}\" }\n").await;
    let alice = alice(&world, may_act("one")).await;
    let first = exchange(&world, PATH, &alice, &[]).await;
    assert_eq!(issued(&first)["may_act"], json!({}));
    assert_eq!(refused(&world, &first.access_token(), &[], "again").await, "may_act_violated");
}

#[tokio::test]
async fn an_id_token_has_no_claims_of_access_tokens() {
    let about = json!({"auth_level": 3, "realm": "/corp", "subname": "alice", "user_id": "alice"});
    let mut claims = may_act("one");
    claims.as_object_mut().unwrap().extend(about.as_object().unwrap().clone());
    for (file, expected) in [
        ("", json!({"realm": "/corp"})),
        ("token: { claims: [\"*\"] }\n", json!({"realm": "/corp"})),
        ("token: { claims: [subname] }\n", json!({"realm": "/corp", "subname": "alice"})),
    ] {
        let world = world("", file).await;
        let alice = alice(&world, claims.clone()).await;
        let access = issued(&exchange(&world, PATH, &alice, &[]).await);
        let identity = issued(&exchange(&world, PATH, &alice, &[("requested_token_type", ID_TOKEN)]).await);
        for (name, value) in about.as_object().unwrap() {
            assert_eq!(&access[name], value, "{name}");
            assert_eq!(identity[name], expected[name], "{name} {file}");
        }
        assert_eq!(identity["scope"], Value::Null);
    }
}

#[tokio::test]
async fn the_scope_can_be_narrowed_by_both_of_its_names() {
    let world = world("", "").await;
    let alice = alice(&world, may_act("one")).await;
    for changes in
        [&[("scope", "email")][..], &[("scope", "-"), ("scopes", "email")], &[("scope", "email"), ("scopes", "email")]]
    {
        let answer = exchange(&world, PATH, &alice, changes).await;
        assert_eq!(issued(&answer)["scope"], "email", "{changes:?}");
        assert_eq!(answer.json()["scope"], "email", "{changes:?}");
    }
    let both = exchange(&world, PATH, &alice, &[("scope", "email profile"), ("scopes", "email")]).await;
    assert_eq!((both.status.as_u16(), &both.json()["error"]), (400, &json!("invalid_request")));
    let more = exchange(&world, PATH, &alice, &[("scope", "-"), ("scopes", "email admin")]).await;
    assert_eq!(more.status, 400, "{}", more.text());
}

/// The page is about exchanges; another issuer's assertion has no `may_act`. The realm's own token is no such assertion.
#[tokio::test]
async fn the_realms_own_token_needs_may_act_as_an_assertion_too() {
    let file = FILE.replace("subjectTokens: [access_token, id_token]", "subjectTokens: [access_token, id_token, jwt]");
    let section = "    signingKey: corp.pem\n    dialect: forgerock\n    doors: { jwtBearer: judged }\n";
    let plan = Plan::new().await.configure("    signingKey: corp.pem\n", section);
    let world = plan.audience("front-end-app", &format!("{file}    delegation: {{}}\n")).start().await;
    for (claims, expected) in [(json!({}), 400), (may_act("one"), 200)] {
        let token = alice(&world, claims).await;
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", token.as_str()),
            ("client_id", "front-end-app"),
            ("client_secret", "front-end-secret"),
            ("audience", "front-end-app"),
        ];
        let before = world.audit_so_far();
        let answer = client::post(world.address(), PATH, &fields).await;
        let line = world.audit_after(before).await;
        assert_eq!(answer.status, expected, "{} {line}", answer.text());
        assert!(expected == 200 || line["reason"] == "may_act_violated", "{line}");
    }
}
