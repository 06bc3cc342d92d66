//! The story that Cambio exists for: an exchange that the audience's owner permits, narrowed to what the owner says.

use serde_json::{Value, json};

use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::world::{ACCESS_TOKEN, CERTS_PATH, ID_TOKEN, Plan, World, exchange_fields};
use crate::support::{client, form, token};

#[tokio::test]
async fn a_reissued_token_has_the_audiences_own_roles_and_nothing_else() {
    let world = World::start().await;
    let alice = world.alice().await;
    let before = token::claims(&alice);
    assert_eq!(token::client_roles(&before, "front-end-app"), ["frontend_user", "administrator"]);

    let answer = world.exchange(&alice, &[]).await;
    let issued = answer.access_token();
    let after = token::claims(&issued);
    assert_eq!(token::role_clients(&after), ["back-end-api"]);
    assert_eq!(token::client_roles(&after, "back-end-api"), ["backend_user"]);
    assert_eq!(token::realm_roles(&after), [""; 0], "no realm role is listed by the owner");
    assert_eq!(after["aud"], "back-end-api");
    assert_eq!(after["sub"], before["sub"]);
    assert_eq!(after["iss"], before["iss"]);
    assert_eq!(after["azp"], "front-end-app");
    assert_eq!(answer.json()["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert!(answer.json().get("refresh_token").is_none());
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(after["exp"].as_i64().unwrap() - world.now() <= 300);

    // Its key is found where resource servers look.
    let kid = token::header(&issued)["kid"].clone();
    let certs = client::get(world.address(), CERTS_PATH).await.json();
    let published = certs["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid);
    assert_eq!(published.unwrap()["use"], "sig");
    assert_ne!(kid, token::header(&alice)["kid"], "signed by Cambio");
}

#[tokio::test]
async fn what_goes_upstream_is_what_was_judged() {
    let world = World::start().await;
    let alice = world.alice().await;
    world.idp.faults().forget();
    let changes = [("audience", "-"), ("resource", "https://api.example.org"), ("scope", "email")];
    let after = token::claims(&world.exchange(&alice, &changes).await.access_token());
    assert_eq!(after["aud"], "back-end-api");
    assert_eq!(after["scope"], "email", "default scopes that were not asked for are taken away");
    let received = world.idp.faults().received();
    let exchange = received.iter().find(|request| request.method == "POST").unwrap();
    let body = String::from_utf8(exchange.body.to_vec()).unwrap();
    assert!(body.contains("audience=back-end-api"), "the resource became its audience");
    assert!(!body.contains("resource="));
}

#[tokio::test]
async fn ordinary_ways_to_write_an_exchange() {
    let world = World::start().await;
    let alice = world.alice().await;
    let basic = "Basic ZnJvbnQtZW5kLWFwcDpmcm9udC1lbmQtc2VjcmV0";
    let without = [("client_id", "-"), ("client_secret", "-")];
    let rows: [(&str, &[(&str, &str)], Option<&str>); 7] = [
        ("client_secret_post", &[], None),
        ("client_secret_basic", &without, Some(basic)),
        ("client_secret_basic and client_id", &[("client_secret", "-")], Some(basic)),
        ("requested_token_type", &[("requested_token_type", ACCESS_TOKEN)], None),
        ("scope", &[("scope", "email profile")], None),
        ("empty parameters count as missing", &[("resource", ""), ("scope", "")], None),
        ("the audience twice", &[("audience", "back-end-api"), ("audience", "back-end-api")], None),
    ];
    for (name, changes, authorization) in rows {
        let mut request =
            client::form_request(crate::support::world::TOKEN_PATH, &form::changed(&exchange_fields(&alice), changes));
        if let Some(value) = authorization {
            request.headers_mut().insert("authorization", value.parse().unwrap());
        }
        let answer = client::send(world.address(), request).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
}

/// What an audience's file says about roles, and what comes of it.
#[tokio::test]
async fn roles_are_mapped_as_the_audiences_file_says() {
    let head = "audience: back-end-api\nowner: payments-team\nissuance: reissue\n";
    let rows: [(&str, &str, &[&str], &[&str]); 6] = [
        ("own", "{ own: true }", &["backend_user"], &[]),
        ("nothing", "{ own: false }", &[], &[]),
        ("a realm role", "{ own: true, realm: [auditor] }", &["backend_user"], &["auditor"]),
        ("renamed", "{ own: false, map: [{ from: backend_user, to: user }] }", &["user"], &[]),
        ("from a realm role", "{ own: false, map: [{ from: \"realm:auditor\", to: reader }] }", &["reader"], &[]),
        ("by CEL", "{ own: false, map: [{ to: staff, when: '\"staff\" in claims.groups' }] }", &["staff"], &[]),
    ];
    for (name, roles, own, realm) in rows {
        let file = format!("{head}{PERMITTED}roles: {roles}\n");
        let world = Plan::new().await.audience("back-end-api", &file).start().await;
        let claims = token::claims(&world.exchange(&world.alice().await, &[]).await.access_token());
        assert_eq!(token::client_roles(&claims, "back-end-api"), own, "{name}");
        assert_eq!(token::realm_roles(&claims), realm, "{name}");
    }
}

#[tokio::test]
async fn an_id_token_is_issued_where_the_owner_permits_it() {
    let permissions =
        "permissions:\n  - { clients: [front-end-app], scopes: [\"*\"], requestedTokens: [access_token, id_token] }\n";
    let plan = Plan::new().await;
    let world = plan.audience("back-end-api", &format!("{BACK_END_API}{permissions}")).start().await;
    let answer = world.exchange(&world.alice().await, &[("requested_token_type", ID_TOKEN)]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["issued_token_type"], ID_TOKEN);
    assert_eq!(answer.json()["token_type"], "N_A");
}

#[tokio::test]
async fn lifetime_and_claims_follow_the_audiences_file() {
    let token_rules = [
        ("{ lifetime: 2m }", 120, Value::Null),
        ("{ lifetime: 1h }", 300, Value::Null),
        ("{ lifetime: 2m, claims: [department] }", 120, json!("payments")),
    ];
    for (rules, lifetime, department) in token_rules {
        let file = BACK_END_API.replace("{ lifetime: 5m }", rules) + PERMITTED;
        let world = Plan::new().await.audience("back-end-api", &file).start().await;
        let answer = world.exchange(&world.alice().await, &[]).await;
        let claims = token::claims(&answer.access_token());
        assert_eq!(claims["exp"].as_i64().unwrap() - world.now(), lifetime, "{rules}");
        assert_eq!(answer.json()["expires_in"], lifetime, "{rules}");
        assert_eq!(claims["department"], department, "{rules}");
    }
}

/// `forward` passes the identity provider's token on only if it is within the contract.
#[tokio::test]
async fn forward_refuses_what_the_owner_did_not_list_and_passes_what_he_did() {
    let file = format!("{BACK_END_API}{PERMITTED}issuance: forward\n");
    let world = Plan::new().await.audience("back-end-api", &file).start().await;
    let alice = world.alice().await;
    let refused = world.exchange(&alice, &[]).await;
    assert_ne!(refused.status, 200, "the realm roles are not listed");
    let line = world.audit(1).await.remove(0);
    assert_eq!(line["reason"], "answer_roles");
    assert!(line.to_string().contains("default-roles-corp"), "names the role: {line}");

    let roles = "{ own: true, realm: [default-roles-corp, offline_access, uma_authorization, auditor] }";
    let file = file.replace("{ own: true }", roles);
    world.rewrite("audiences/back-end-api.yaml", &file).await;
    assert_ne!(world.exchange(&alice, &[]).await.status, 200, "a claim is not listed");
    let line = world.audit(2).await.remove(1);
    assert_eq!(line["reason"], "answer_claims");
    let detail = line["detail"].as_str().unwrap();
    assert!(detail.contains("\"department\"") && detail.contains("token.claims"), "names the claim: {line}");

    world.rewrite("audiences/back-end-api.yaml", &file.replace("lifetime: 5m", "claims: [department, groups]")).await;
    let issued = world.exchange(&alice, &[]).await.access_token();
    assert_eq!(token::header(&issued)["kid"], token::header(&alice)["kid"], "signed by the identity provider");
}

#[tokio::test]
async fn a_permission_is_in_force_as_soon_as_its_file_is_and_no_longer() {
    let world = World::start().await;
    let alice = world.alice().await;
    for permitted in [false, true, false, true] {
        world.permit(permitted).await;
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!(answer.status == 200, permitted, "{}", answer.text());
    }
}

/// The identity provider refuses `offline_access`, and would open a session that does not end where it did not.
#[tokio::test]
async fn a_scope_that_is_left_out_is_not_asked_of_the_identity_provider() {
    let dialect = "    signingKey: corp.pem\n    dialect: terradue\n";
    let world = Plan::new().await.configure("    signingKey: corp.pem\n", dialect).start().await;
    let alice = world.alice().await;
    let answer = world.exchange(&alice, &[("scope", "email offline_access")]).await;
    assert_eq!(token::claims(&answer.access_token())["scope"], "email");
    let directly = world.exchange_directly(&alice, &[("scope", "email offline_access")]).await;
    assert_eq!(directly.status, 400, "{}", directly.text());
}
