//! Clients of Keycloak with unusual settings: what their tokens look like, and what becomes of an exchange.

use serde_json::{Value, json};

use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::tamper::Tamper;
use crate::support::token;
use crate::support::world::{Plan, World};

const ALL_REALM_ROLES: &str = "{ own: true, realm: [default-roles-corp, offline_access, uma_authorization, auditor] }";
const OPENID: &str = "permissions:
  - { clients: [front-end-app], scopes: [email, profile, openid], requestedTokens: [access_token, id_token] }
";

async fn world(issuance: &str, permissions: &str, realm: &str) -> World {
    let file = format!("{BACK_END_API}{permissions}issuance: {issuance}\n");
    let file = match issuance {
        "forward" => {
            file.replace("{ own: true }", ALL_REALM_ROLES).replace("lifetime: 5m", "claims: [department, groups]")
        }
        _ => file,
    };
    let plan = Plan::new().await.audience("back-end-api", &file);
    plan.folder.write("cambio-secret", "cambio-secret\n");
    plan.configure("    signingKey: corp.pem", &format!("    signingKey: corp.pem\n{realm}")).start().await
}

/// Alice's exchange, whose answer is changed.
async fn exchanged(world: &World, tampers: &[Tamper]) -> (u16, Value, Value) {
    let alice = world.alice().await;
    for tamper in tampers {
        world.idp.faults().tamper(tamper.clone());
    }
    let before = world.audit_so_far();
    let answer = world.exchange(&alice, &[]).await;
    world.idp.faults().clear();
    (answer.status.as_u16(), answer.json(), world.audit_after(before).await)
}

#[tokio::test]
async fn each_shape_works_or_is_refused_in_words() {
    let (pairwise, no_sub) = (Tamper::Pairwise("pairwise-sub"), Tamper::Remove("sub"));
    let accept = "    pairwiseSubjects: accept\n";
    let light = vec![Tamper::Remove("aud"), Tamper::Remove("realm_access"), Tamper::Remove("resource_access")];
    let directory = "    directory: { clientId: cambio, clientSecretFile: cambio-secret }\n";
    for (name, issuance, realm, tampers, expected) in [
        ("pairwise", "reissue", "", vec![pairwise.clone()], Err("answer_pairwise")),
        ("pairwise", "forward", "", vec![pairwise.clone()], Err("answer_pairwise")),
        ("pairwise, accepted", "reissue", accept, vec![pairwise.clone()], Ok("alice")),
        ("pairwise, accepted", "forward", accept, vec![pairwise.clone()], Ok("pairwise-sub")),
        ("another session", "reissue", accept, vec![pairwise, Tamper::Remove("sid")], Err("answer_subject")),
        ("another user", "reissue", accept, vec![Tamper::Subject("pairwise-sub")], Err("answer_subject")),
        ("no sub", "reissue", "", vec![no_sub.clone()], Err("answer_without_sub")),
        ("no sub, accepted", "reissue", accept, vec![no_sub.clone()], Ok("alice")),
        ("no sub, accepted", "forward", accept, vec![no_sub], Err("answer_without_sub")),
        ("signed with a secret", "reissue", "", vec![Tamper::HeaderAlg("HS256")], Err("answer_algorithm")),
        ("lightweight", "reissue", "", light.clone(), Err("answer_lightweight")),
        ("lightweight", "forward", "", light.clone(), Err("answer_lightweight")),
        ("lightweight, and only a directory", "reissue", directory, light, Err("answer_lightweight")),
    ] {
        let world = world(issuance, PERMITTED, realm).await;
        let subject = token::claims(&world.alice().await)["sub"].clone();
        let (status, body, line) = exchanged(&world, &tampers).await;
        match expected {
            Ok(expected) => {
                assert_eq!(status, 200, "{name} by {issuance}: {line}");
                let claims = token::claims(body["access_token"].as_str().unwrap());
                let expected = if expected == "alice" { subject } else { json!(expected) };
                assert_eq!(claims["sub"], expected, "{name} by {issuance}");
            }
            Err(reason) => {
                assert_eq!(line["reason"], reason, "{name} by {issuance}: {line}");
                assert_eq!(body.get("access_token"), None);
                let expected = if reason == "answer_subject" { 502 } else { 403 };
                assert_eq!(status, expected, "{name} by {issuance}");
            }
        }
    }
}

#[tokio::test]
async fn the_directory_gives_the_roles_of_a_lightweight_token() {
    let permissions = format!("{PERMITTED}roles: {{ own: true, source: directory }}\n");
    let file = format!("{BACK_END_API}{permissions}").replacen("roles: { own: true }\n", "", 1);
    let plan = Plan::new().await.audience("back-end-api", &file);
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let world = plan
        .configure(
            "    signingKey: corp.pem",
            "    signingKey: corp.pem\n    directory: { clientId: cambio, clientSecretFile: cambio-secret }",
        )
        .start()
        .await;
    let (status, body, line) = exchanged(&world, &[]).await;
    assert_eq!(status, 200, "{line}");
    let claims = token::claims(body["access_token"].as_str().unwrap());
    let ordinary = token::client_roles(&claims, "back-end-api");
    let tampers = [Tamper::Remove("aud"), Tamper::Remove("realm_access"), Tamper::Remove("resource_access")];
    let (status, body, line) = exchanged(&world, &tampers).await;
    assert_eq!(status, 200, "{line}");
    let light = token::claims(body["access_token"].as_str().unwrap());
    assert_eq!(light["aud"], "back-end-api");
    assert_eq!(token::client_roles(&light, "back-end-api"), ordinary);
    assert!(!ordinary.is_empty());
}

#[tokio::test]
async fn an_rfc_9068_header_is_kept_and_an_empty_scope_is_left_out() {
    for issuance in ["reissue", "forward"] {
        let world = world(issuance, PERMITTED, "").await;
        let names = ["email", "email_verified", "name", "preferred_username", "given_name", "family_name"];
        let mut tampers = vec![Tamper::HeaderTyp("at+jwt"), Tamper::NoScope];
        tampers.extend(names.map(Tamper::Remove));
        let (status, body, line) = exchanged(&world, &tampers).await;
        assert_eq!(status, 200, "{issuance}: {line}");
        assert_eq!(token::header(body["access_token"].as_str().unwrap())["typ"], "at+jwt", "{issuance}");
        assert_eq!(body.get("scope"), None, "{issuance}: {body}");
    }
}

#[tokio::test]
async fn the_id_token_beside_the_access_token() {
    let beside = [Tamper::Scope("openid"), Tamper::IdToken("front-end-app")];
    for issuance in ["reissue", "forward"] {
        let refusing = world(issuance, &OPENID.replace(", id_token", ""), "").await;
        let (status, body, line) = exchanged(&refusing, &beside).await;
        assert_eq!((status, body.get("id_token")), (200, None), "{issuance}: {line}");
        assert_eq!(line["members_dropped"], json!(["id_token"]), "{line}");

        let world = world(issuance, OPENID, "").await;
        let (status, body, line) = exchanged(&world, &beside).await;
        assert_eq!(status, 200, "{issuance}: {line}");
        let id = token::claims(body["id_token"].as_str().unwrap());
        let access = token::claims(body["access_token"].as_str().unwrap());
        assert_eq!((&id["aud"], &id["sub"]), (&json!("front-end-app"), &access["sub"]), "{issuance}");
        assert_eq!(id.get("at_hash").is_some(), issuance == "forward", "{issuance}: it is the hash of another token");

        let (status, body, line) = exchanged(&world, &[Tamper::Scope("openid"), Tamper::IdToken("other-app")]).await;
        assert_eq!(line["reason"], "answer_audience", "{issuance}: {line}");
        assert!(status >= 400 && body.get("access_token").is_none(), "{issuance}");
    }
}
