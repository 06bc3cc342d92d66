//! Tokens that Cambio issues by itself: for foreign subjects and for the realm's own, without asking anybody.

use serde_json::json;

use crate::support::faults::Endpoint;
use crate::support::files::BACK_END_API;
use crate::support::world::{ACCESS_TOKEN, CERTS_PATH, ID_TOKEN, Plan, TOKEN_PATH, World, login};
use crate::support::{client, form, token};

const ROLES: &str = "roles:
  own: true
  map:
    - { to: reader, when: '\"partner_user\" in claims.resource_access[\"partner-app\"].roles', issuers: [partner] }
";

/// An audience's file with these permissions.
fn file(permissions: &str, rest: &str) -> String {
    let head = BACK_END_API.replace("roles: { own: true }\n", "");
    format!("{head}permissions:\n{permissions}{rest}")
}

const MINT: &str = "  - { clients: [front-end-app], issuers: [corp, partner], issuance: mint, scopes: [email, profile],
      subjectTokens: [access_token, id_token, jwt], requestedTokens: [access_token, id_token] }
";

async fn world(permissions: &str, rest: &str) -> World {
    Plan::new().await.audience("back-end-api", &file(permissions, rest)).start().await
}

async fn carol(world: &World) -> String {
    let path = "/realms/partner/protocol/openid-connect/token";
    login(world.idp.address(), path, "partner-app", "partner-secret", "carol").await.access_token()
}

#[tokio::test]
async fn a_foreign_token_becomes_one_of_ours_with_mapped_roles() {
    let world = world(MINT, ROLES).await;
    let carol = carol(&world).await;
    let before = world.audit_so_far();
    let answer = world.exchange(&carol, &[]).await;
    let issued = answer.access_token();
    let claims = token::claims(&issued);
    assert_eq!(claims["iss"], "http://sso.example.org/realms/corp");
    assert_eq!(claims["sub"], "partner#c0ffee00-1d2e-4f30-8a40-5b6c7d8e9f00", "qualified: never a local user's");
    assert_eq!((&claims["azp"], &claims["aud"]), (&json!("front-end-app"), &json!("back-end-api")));
    assert_eq!(claims["typ"], "Bearer");
    assert_eq!(token::client_roles(&claims, "back-end-api"), ["reader"], "the foreign roles are not ours");
    assert_eq!(token::role_clients(&claims), ["back-end-api"]);
    assert_eq!(token::realm_roles(&claims), [""; 0]);
    assert_eq!(answer.json()["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(answer.header("cache-control"), "no-store");
    let certs = client::get(world.address(), CERTS_PATH).await.json();
    let kid = token::header(&issued)["kid"].clone();
    assert!(certs["keys"].as_array().unwrap().iter().any(|key| key["kid"] == kid));
    let line = world.audit_after(before).await;
    assert_eq!((&line["outcome"], &line["issuance"]), (&json!("allowed"), &json!("mint")), "{line}");
    assert_eq!(line["issued_jti"], claims["jti"]);
}

#[tokio::test]
async fn the_realms_own_token_keeps_its_subject_and_the_audiences_roles() {
    let world = world(MINT, "").await;
    let alice = world.alice().await;
    let before = token::claims(&alice);
    let answer = world.exchange(&alice, &[("scope", "email")]).await;
    let claims = token::claims(&answer.access_token());
    assert_eq!(claims["sub"], before["sub"]);
    assert_eq!(claims["sid"], before["sid"]);
    assert_eq!(token::client_roles(&claims, "back-end-api"), ["backend_user"]);
    assert_eq!(token::realm_roles(&claims), [""; 0]);
    assert_eq!(claims["scope"], "email");
    assert!(claims["exp"].as_i64() <= before["exp"].as_i64(), "never after the subject token");

    let id = world.exchange(&alice, &[("requested_token_type", ID_TOKEN)]).await;
    let claims = token::claims(&id.access_token());
    assert_eq!((&claims["typ"], &claims["aud"]), (&json!("ID"), &json!("front-end-app")));
    assert_eq!(id.json()["token_type"], "N_A");
    assert_eq!(token::role_clients(&claims), [""; 0]);
}

#[tokio::test]
async fn the_identity_provider_is_asked_for_the_client_alone_and_only_now_and_then() {
    let world = world(MINT, ROLES).await;
    let carol = carol(&world).await;
    assert_eq!(world.exchange(&carol, &[]).await.status, 200);
    world.idp.faults().forget();
    for _ in 0..3 {
        assert_eq!(world.exchange(&carol, &[]).await.status, 200);
    }
    let posts = world.idp.faults().received().iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 0, "the client's secret was right a moment ago");
    let before = world.audit_so_far();
    let answer = world.exchange(&carol, &[("client_secret", "wrong")]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(world.audit_after(before).await["reason"], "client_unauthenticated");
}

#[tokio::test]
async fn a_registered_client_is_known_without_the_identity_provider() {
    let plan = Plan::new().await;
    let hash = cambio::words::secret::Secret::new("front-end-secret").sha256();
    let registry = format!(
        "    signingKey: corp.pem\n    clients:\n      front-end-app:\n        - {{ method: client_secret, secretHash: \"sha256:{hash}\" }}\n"
    );
    let plan = plan.configure("    signingKey: corp.pem\n", &registry);
    let world = plan.audience("back-end-api", &file(MINT, ROLES)).start().await;
    let carol = carol(&world).await;
    assert_eq!(world.exchange(&carol, &[]).await.status, 200);
    world.idp.faults().forget();
    assert_eq!(world.exchange(&carol, &[]).await.status, 200);
    assert!(world.idp.faults().received().iter().all(|request| request.method != "POST"));
    for (name, changes) in [("a wrong secret", [("client_secret", "wrong")]), ("no secret", [("client_secret", "-")])] {
        let before = world.audit_so_far();
        assert_eq!(world.exchange(&carol, &changes).await.status, 401, "{name}");
        assert_eq!(world.audit_after(before).await["reason"], "client_unauthenticated", "{name}");
    }
}

#[tokio::test]
async fn roles_are_those_that_the_identity_provider_holds_now() {
    let plan = Plan::new().await;
    plan.folder.write("cambio-secret", "cambio-secret\n");
    let world = plan
        .configure(
            "    signingKey: corp.pem",
            "    signingKey: corp.pem\n    directory: { clientId: cambio, clientSecretFile: cambio-secret, cacheFor: 0s }",
        )
        .audience("back-end-api", &file(MINT, "roles: { own: true, source: directory, realm: [auditor] }\n"))
        .start()
        .await;
    let alice = world.alice().await;
    let claims = token::claims(&world.exchange(&alice, &[]).await.access_token());
    assert_eq!(token::client_roles(&claims, "back-end-api"), ["backend_user"]);
    assert_eq!(token::realm_roles(&claims), ["auditor"]);
    let asked: Vec<String> = world.idp.faults().received().iter().map(|request| request.target.clone()).collect();
    assert!(asked.iter().any(|target| target.contains("/role-mappings/realm/composite")), "{asked:?}");

    // A directory that is away stops what needs it.
    world.idp.faults().set(Endpoint::Admin, crate::support::faults::Fault::CloseAtOnce);
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&alice, &[]).await.status, 503);
    assert_eq!(world.audit_after(before).await["reason"], "directory_unavailable");
}

#[tokio::test]
async fn a_token_of_ours_is_exchanged_again_by_mint_only() {
    let again =
        "audience: other-api\nowner: other-team\npermissions:\n  - { clients: [back-end-api], issuance: ISSUANCE }\n";
    for (issuance, status, reason) in [("mint", 200, None), ("reissue", 400, Some("subject_token_ours"))] {
        let plan = Plan::new().await.audience("back-end-api", &file(MINT, ""));
        let world = plan
            .audience(
                "other-api",
                &again.replace("ISSUANCE", if issuance == "mint" { "mint, exchangedTokens: true" } else { issuance }),
            )
            .start()
            .await;
        let first = world.exchange(&world.alice().await, &[]).await.access_token();
        let before = world.audit_so_far();
        let changes = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("audience", "other-api")];
        let answer = world.exchange(&first, &changes).await;
        assert_eq!(answer.status, status, "{issuance}: {}", answer.text());
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"].as_str(), reason, "{issuance}: {line}");
        if status == 200 {
            let claims = token::claims(&answer.access_token());
            assert_eq!((&claims["aud"], &claims["azp"]), (&json!("other-api"), &json!("back-end-api")));
            assert_eq!(claims["sub"], token::claims(&first)["sub"]);
        }
    }
}

/// Otherwise whoever may have a token for one audience could enter every other one as a user of the realm: the first
/// audience's owner says what `sub` is, and the second permits tokens of the realm only.
#[tokio::test]
async fn a_token_minted_for_a_foreign_subject_is_not_taken_for_the_realms_own() {
    let other = "audience: other-api\nowner: other-team\npermissions:\n  - { clients: [back-end-api], issuers: ISSUERS, issuance: mint, exchangedTokens: true }\n";
    for (subject, issuers, permitted) in [
        ("qualified", "[corp]", false),
        ("keep", "[corp]", false),
        ("qualified", "[corp, partner]", true),
        ("keep", "[corp, partner]", true),
        ("keep", "[\"*\"]", true),
    ] {
        let first = file(MINT, ROLES).replace("lifetime: 5m", &format!("lifetime: 5m, subject: {subject}"));
        let plan = Plan::new().await.audience("back-end-api", &first);
        let world = plan.audience("other-api", &other.replace("ISSUERS", issuers)).start().await;
        let minted = world.exchange(&carol(&world).await, &[]).await.access_token();
        let before = world.audit_so_far();
        let changes = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("audience", "other-api")];
        let answer = world.exchange(&minted, &changes).await;
        let line = world.audit_after(before).await;
        assert_eq!(line["subject_issuer"], "partner", "{subject} {issuers}: {line}");
        let minted = token::claims(&minted);
        if permitted {
            let claims = token::claims(&answer.access_token());
            assert_eq!(claims["sub"], minted["sub"], "{subject} {issuers}");
            assert_eq!(claims["subject_issuer"], minted["subject_issuer"], "{subject} {issuers}");
            assert_eq!(token::role_clients(&claims), [""; 0], "{subject} {issuers}");
        } else {
            assert_eq!(answer.status, 403, "{subject} {issuers}: {}", answer.text());
            assert_eq!(line["reason"], "issuer_not_permitted", "{subject} {issuers}");
        }
    }
}

/// The issuer has gone, and what was made of its tokens with it.
#[tokio::test]
async fn a_token_minted_for_a_subject_of_an_issuer_that_is_not_trusted_any_more_is_refused() {
    let other = "audience: other-api\nowner: other-team\npermissions:\n  - { clients: [back-end-api], issuers: [\"*\"], issuance: mint, exchangedTokens: true }\n";
    let anybody = MINT.replace("[corp, partner]", "[\"*\"]");
    let plan = Plan::new().await.audience("back-end-api", &file(&anybody, "")).audience("other-api", other);
    let world = plan.start().await;
    let minted = world.exchange(&carol(&world).await, &[]).await.access_token();
    let changes = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("audience", "other-api")];
    assert_eq!(world.exchange(&minted, &changes).await.status, 200);
    let without = world.folder.read("cambio.yaml").replace("[corp, partner]", "[corp]");
    world.rewrite("cambio.yaml", &without).await;
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&minted, &changes).await.status, 400);
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_issuer_untrusted");
}

#[tokio::test]
async fn a_token_that_may_be_used_once_is_used_once() {
    let world = world(&MINT.replace("issuance: mint,", "issuance: mint, oneTime: true,"), ROLES).await;
    let carol = carol(&world).await;
    assert_eq!(world.exchange(&carol, &[]).await.status, 200);
    let before = world.audit_so_far();
    assert_eq!(world.exchange(&carol, &[]).await.status, 400);
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_used");
}

#[tokio::test]
async fn the_jwt_authorization_grant_mints_too() {
    let plan = Plan::new().await;
    let plan = plan.configure("    signingKey: corp.pem", "    signingKey: corp.pem\n    doors: { jwtBearer: judged }");
    let world = plan.audience("back-end-api", &file(MINT, ROLES)).start().await;
    let carol = carol(&world).await;
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", carol.as_str()),
        ("resource", "https://api.example.org"),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
    ];
    let answer = client::post(world.address(), TOKEN_PATH, &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.json().get("issued_token_type").is_none());
    assert_eq!(token::claims(&answer.access_token())["aud"], "back-end-api");
    let wrong = form::changed(&fields, &[("resource", "https://unknown.example.org")]);
    let answer = client::post(world.address(), TOKEN_PATH, &wrong).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_target")));
}

#[tokio::test]
async fn expressions_that_fail_refuse() {
    let rows = [
        ("claims", "token: { set: { tenant: 'claims.organisation' } }\n", "claim_template_failed"),
        ("subject", "token: { subject: mapped }\n", "subject_mapping_failed"),
    ];
    for (name, rest, reason) in rows {
        let head = BACK_END_API.replace("token: { lifetime: 5m }\n", "");
        let plan = Plan::new().await.configure(
            "    issuer: { url: \"http://sso.example.org/realms/partner\"",
            "    claimMappings: { username: { expression: claims.nickname } }\n    issuer: { url: \"http://sso.example.org/realms/partner\"",
        );
        let text = format!("{head}permissions:\n{MINT}{rest}");
        let world = plan.audience("back-end-api", &text).start().await;
        let before = world.audit_so_far();
        let answer = world.exchange(&carol(&world).await, &[]).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
}

#[tokio::test]
async fn one_token_can_not_be_made_in_two_ways() {
    let other = "audience: other-api\nowner: other-team\npermissions:\n  - { clients: [front-end-app], issuers: [partner], issuance: translate }\n";
    let plan = Plan::new().await.audience("back-end-api", &file(MINT, ""));
    let world = plan.audience("other-api", other).start().await;
    let before = world.audit_so_far();
    let carol = carol(&world).await;
    let answer = world.exchange(&carol, &[("audience", "back-end-api"), ("audience", "other-api")]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(world.audit_after(before).await["reason"], "issuance_conflict");
}

#[tokio::test]
async fn an_issuer_that_is_named_is_the_tokens() {
    let world = world(MINT, ROLES).await;
    let carol = carol(&world).await;
    for (named, told) in [
        ("partner", None),
        ("http://sso.example.org/realms/partner", None),
        ("corp", Some("subject_token_claims")),
        ("https://other.example", Some("subject_token_claims")),
    ] {
        let before = world.audit_so_far();
        let answer = world.exchange(&carol, &[("subject_issuer", named)]).await;
        assert_eq!(answer.status, if told.is_none() { 200 } else { 400 }, "{named}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"].as_str(), told, "{named}");
    }
}

/// The leeway lets it be taken, and what is made of it would be over at birth.
#[tokio::test]
async fn a_token_that_has_expired_within_the_leeway_is_told_as_expired() {
    let world = world(MINT, "").await;
    let mut claims = token::claims(&world.alice().await);
    claims["exp"] = json!(world.now() - 2);
    let before = world.audit_so_far();
    let answer = world.exchange(&world.sign(&claims), &[]).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(world.audit_after(before).await["reason"], "subject_token_expired");
}

/// RFC 9068's profile names the client in `client_id`.
#[tokio::test]
async fn the_client_exchanges_again_what_it_was_issued_whatever_the_profile() {
    let other = "audience: other-api\nowner: other-team\npermissions:\n  - { clients: [front-end-app], issuance: mint, exchangedTokens: true }\n";
    for profile in ["keycloak", "rfc9068"] {
        let first = file(MINT, "").replace("lifetime: 5m", &format!("lifetime: 5m, profile: {profile}"));
        let world = Plan::new().await.audience("back-end-api", &first).audience("other-api", other).start().await;
        let minted = world.exchange(&world.alice().await, &[]).await.access_token();
        let answer = world.exchange(&minted, &[("audience", "other-api")]).await;
        assert_eq!(answer.status, 200, "{profile}: {}", answer.text());
    }
}

/// Terradue's page: a client exchanges a token that another client of the realm was given.
#[tokio::test]
async fn a_token_of_another_client_is_exchanged_where_the_owner_names_that_client() {
    for (name, clients, reason) in [
        ("nobody's", "", Some("subject_token_audience")),
        ("another client's", "subjectClients: [reporting-app], ", Some("subject_token_audience")),
        ("this client's", "subjectClients: [other-api], ", None),
        ("every client's", "subjectClients: [\"*\"], ", None),
    ] {
        let permissions = MINT.replace("issuance: mint,", &format!("issuance: mint, {clients}"));
        let world = world(&permissions, "").await;
        let mut claims = token::claims(&world.login("other-api", "other-secret", "alice").await);
        claims["aud"] = json!("account");
        let token = world.sign(&claims);
        let before = world.audit_so_far();
        let answer = world.exchange(&token, &[]).await;
        let line = world.audit_after(before).await;
        assert_eq!(line["reason"].as_str(), reason, "{name}: {line}");
        assert_eq!(answer.status, if reason.is_none() { 200 } else { 403 }, "{name}");
    }
}

/// What one audience's owner writes into a token proves nothing to another's.
#[tokio::test]
async fn an_owners_claim_is_no_evidence_for_another_owner() {
    let set = "token: { lifetime: 5m, set: { department: \"'board'\" } }";
    let first = file(MINT, "roles: { own: true }\n").replace("token: { lifetime: 5m }", set);
    let other = |condition: &str| {
        format!(
            "audience: other-api\nowner: other-team\npermissions:\n  - {{ clients: [back-end-api], issuance: mint, \
             exchangedTokens: true, condition: \"{condition}\" }}\ntoken: {{ claims: [department] }}\n"
        )
    };
    for (condition, allowed) in [("claims.department == 'board'", false), ("!has(claims.department)", true)] {
        let plan = Plan::new().await.audience("back-end-api", &first).audience("other-api", &other(condition));
        let world = plan.start().await;
        let minted = world.exchange(&world.alice().await, &[]).await.access_token();
        let claims = token::claims(&minted);
        assert_eq!((&claims["department"], &claims["owner_claims"]), (&json!("board"), &json!(["department"])));
        let credentials = [("client_id", "back-end-api"), ("client_secret", "back-end-secret")];
        let again = world.exchange(&minted, &[&credentials[..], &[("audience", "other-api")]].concat()).await;
        assert_eq!(again.status == 200, allowed, "{condition}: {}", again.text());
        if allowed {
            let claims = token::claims(&again.access_token());
            assert_eq!((claims.get("department"), claims.get("owner_claims")), (None, None));
        }
    }
}

/// The lifetime is the permission's where the owner says so, for the realm's own tokens only.
#[tokio::test]
async fn a_life_beyond_the_subject_tokens_is_the_owners_word() {
    let permissions = "  - { clients: [front-end-app], issuers: [corp, partner], issuance: mint, lifetime: 10m, exchangedTokens: true }\n";
    for (setting, expected) in [("", 300), ("  withinSubject: true\n", 300), ("  withinSubject: false\n", 600)] {
        let file =
            file(permissions, "").replace("token: { lifetime: 5m }", &format!("token:\n  lifetime: 5m\n{setting}"));
        let world = Plan::new().await.audience("back-end-api", &file).start().await;
        let lifetime = async |subject: &str| {
            let answer = world.exchange(subject, &[]).await;
            let claims = token::claims(&answer.access_token());
            let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
            assert_eq!(answer.json()["expires_in"], lifetime, "{setting}");
            (lifetime, answer.access_token())
        };
        let (own, minted) = lifetime(&world.alice().await).await;
        assert_eq!(own, expected, "{setting}");
        assert_eq!(lifetime(&carol(&world).await).await.0, 300, "{setting}: of another issuer nothing else is known");
        world.clock.advance(jiff::SignedDuration::from_secs(200));
        assert_eq!(lifetime(&minted).await.0, expected - 200, "{setting}: nobody goes on for ever");
    }
}
