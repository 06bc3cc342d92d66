//! Web pages (CORS): an answer that Cambio makes can be read by the pages of its client, and by no others.

use std::fmt::Write as _;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::refresh_tokens::{plan, refresh_token};
use crate::support::client::{self, Answer};
use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::world::{Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{form, golden, token};

const SPA: &str = "https://spa.example";
const EVIL: &str = "https://evil.example";
/// A page that the demo's identity provider knows as one of front-end-app.
const KNOWN: &str = "https://front-end-app.example.org";
const REFRESH_TOKEN: &str = "urn:ietf:params:oauth:token-type:refresh_token";

const MINTED: &str = "permissions:
  - clients: [front-end-app]
    issuers: [corp, partner]
    issuance: mint
    scopes: [openid, email, profile]
    subjectTokens: [access_token, id_token, jwt]
    requestedTokens: [access_token, id_token]
  - { clients: [front-end-app], issuance: reissue, scopes: [email, profile], requestedTokens: [refresh_token] }
";

/// A world that mints, with more settings of the realm.
async fn world(more: &str) -> World {
    with(plan().await, more, MINTED).start().await
}

fn with(plan: Plan, more: &str, permissions: &str) -> Plan {
    plan.folder.write("cambio-secret", "cambio-secret\n");
    plan.configure("    signingKey: corp.pem\n", &format!("    signingKey: corp.pem\n{more}"))
        .audience("back-end-api", &format!("{BACK_END_API}{permissions}"))
}

/// Sends a form to `path` from a page of this origin.
async fn from(world: &World, origin: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = client::form_request(path, fields);
    if !origin.is_empty() {
        request.headers_mut().insert("origin", origin.parse().unwrap());
    }
    client::send(world.address(), request).await
}

fn path(endpoint: &str) -> String {
    format!("/realms/corp/protocol/openid-connect/{endpoint}")
}

/// What a browser looks at.
fn shared(answer: &Answer) -> String {
    let names = [
        ("", "access-control-allow-origin"),
        (" credentials ", "access-control-allow-credentials"),
        (" exposes ", "access-control-expose-headers"),
        (" vary ", "vary"),
    ];
    let told: String = names
        .iter()
        .filter(|(_, name)| !answer.header(name).is_empty())
        .fold(String::new(), |told, (before, name)| told + before + answer.header(name));
    if told.is_empty() { "nobody".to_owned() } else { told }
}

/// Alice's token, as Keycloak writes it for a client with these pages.
async fn alice(world: &World, azp: &str, origins: &Value) -> String {
    let mut claims = token::claims(&world.alice().await);
    claims["azp"] = json!(azp);
    claims["allowed-origins"] = origins.clone();
    world.sign(&claims)
}

const LISTED: &str = "    webOrigins: { front-end-app: [\"https://spa.example\"] }\n";

#[tokio::test]
async fn every_answer_can_be_read_by_the_clients_page_alone() {
    let world = world(LISTED).await;
    let id = [("client_id", "front-end-app"), ("client_secret", "front-end-secret")];
    let mut lines = String::new();
    for origin in [SPA, EVIL, "null", ""] {
        // The logout at the end ends the session.
        let alice = world.alice().await;
        let own = world.exchange(&alice, &[("scope", "openid")]).await.access_token();
        let kept = world.exchange(&alice, &[("scope", "openid")]).await.access_token();
        let refreshable = async || {
            let answer = world.exchange(&alice, &[("requested_token_type", REFRESH_TOKEN)]).await;
            refresh_token(&answer)
        };
        let (first, second, third) = (refreshable().await, refreshable().await, refreshable().await);
        let usual = exchange_fields(&alice);
        let exchange = |name: &'static str, value: &'static str| form::changed(&usual, &[(name, value)]);
        let rows = [
            ("minted", "token", usual.to_vec()),
            ("an audience that nobody has", "token", exchange("audience", "nobody-api")),
            ("a token that is none", "token", exchange("subject_token", "x.y.z")),
            ("an unknown parameter", "token", exchange("x_custom", "1")),
            ("a scope that is none", "token", exchange("scope", "a\"b")),
            ("a wrong secret", "token", exchange("client_secret", "wrong")),
            ("a client that nobody knows", "token", exchange("client_id", "nobody")),
            ("no grant type", "token", exchange("grant_type", "-")),
            (
                "a closed door",
                "token",
                form::changed(&id, &[("grant_type", "urn:ietf:params:oauth:grant-type:uma-ticket")]),
            ),
            ("a refresh", "token", form::changed(&id, &[("grant_type", "refresh_token"), ("refresh_token", &first)])),
            ("introspection", "token/introspect", form::changed(&id, &[("token", &own)])),
            (
                "introspection with a wrong secret",
                "token/introspect",
                form::changed(&id, &[("token", &own), ("client_secret", "wrong")]),
            ),
            ("revocation", "revoke", form::changed(&id, &[("token", &own)])),
            ("revocation of a refresh token", "revoke", form::changed(&id, &[("token", &second)])),
            ("logout", "logout", form::changed(&id, &[("refresh_token", &third)])),
        ];
        for (name, endpoint, fields) in rows {
            let answer = from(&world, origin, &path(endpoint), &fields).await;
            writeln!(lines, "{origin} {name}: {} {}", answer.status.as_u16(), shared(&answer)).unwrap();
        }
        for (name, token) in [("userinfo", kept.clone()), ("userinfo with a wrong signature", format!("{kept}x"))] {
            let request = Request::get(path("userinfo")).header("authorization", format!("Bearer {token}"));
            let mut request = request.body(Bytes::new()).unwrap();
            if !origin.is_empty() {
                request.headers_mut().insert("origin", origin.parse().unwrap());
            }
            let answer = client::send(world.address(), request).await;
            writeln!(lines, "{origin} {name}: {} {}", answer.status.as_u16(), shared(&answer)).unwrap();
        }
    }
    golden::check("browsers.txt", &lines);
}

/// Who may read a minted answer, by what is known about the client.
#[tokio::test]
async fn the_clients_pages_are_those_that_somebody_names_for_it() {
    let directory = "    directory: { clientId: cambio, clientSecretFile: cambio-secret }\n";
    for (name, more, azp, origins, origin, expected) in [
        ("nobody says anything", "", "front-end-app", json!(null), SPA, false),
        ("its own token", "", "front-end-app", json!([SPA]), SPA, true),
        ("its own token, about another page", "", "front-end-app", json!([SPA]), EVIL, false),
        ("its own token, every page", "", "front-end-app", json!(["*"]), EVIL, true),
        ("another client's token", "", "reporting-app", json!([SPA]), SPA, false),
        ("the directory", directory, "front-end-app", json!(null), KNOWN, true),
        ("the directory, about another page", directory, "front-end-app", json!(null), EVIL, false),
        ("the configuration", LISTED, "front-end-app", json!(null), SPA, true),
        ("the configuration alone", LISTED, "front-end-app", json!([EVIL]), EVIL, false),
        ("every page", "    webOrigins: { front-end-app: [\"*\"] }\n", "front-end-app", json!(null), EVIL, true),
        (
            "of another client",
            "    webOrigins: { reporting-app: [\"*\"] }\n",
            "front-end-app",
            json!(null),
            EVIL,
            false,
        ),
    ] {
        let world = world(more).await;
        let alice = alice(&world, azp, &origins).await;
        let answer = from(&world, origin, TOKEN_PATH, &exchange_fields(&alice)).await;
        assert!(answer.status == 200 || !expected, "{name}: {}", answer.text());
        let told = if expected { origin } else { "" };
        assert_eq!(answer.header("access-control-allow-origin"), told, "{name}");
        assert_eq!(answer.header("access-control-allow-credentials") == "true", expected, "{name}");
    }
}

/// A caller who has not shown who he is learns nothing about a client from the directory, nor from a token.
#[tokio::test]
async fn nobody_is_asked_for_the_pages_of_a_client_that_is_not_proven() {
    let world = world("    directory: { clientId: cambio, clientSecretFile: cambio-secret }\n").await;
    let alice = alice(&world, "front-end-app", &json!([KNOWN])).await;
    world.idp.faults().forget();
    for changes in [&[("client_secret", "wrong")][..], &[("client_secret", "wrong"), ("audience", "other-api")]] {
        let fields = form::changed(&exchange_fields(&alice), changes);
        let answer = from(&world, EVIL, TOKEN_PATH, &fields).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let asked = world.idp.faults().received();
    assert!(asked.iter().all(|request| !request.target.starts_with("/admin/")), "{asked:?}");
}

#[tokio::test]
async fn the_identity_providers_word_stays_and_serves_for_refusals() {
    for issuance in ["forward", "reissue"] {
        let all = "{ own: true, realm: [default-roles-corp, offline_access, uma_authorization, auditor] }";
        let file = BACK_END_API.replace("{ own: true }", all).replace("lifetime: 5m", "claims: [department, groups]");
        let text = format!("{file}{PERMITTED}issuance: {issuance}\n");
        let world = Plan::new().await.audience("back-end-api", &text).start().await;
        let alice = world.alice().await;
        let answer = from(&world, KNOWN, TOKEN_PATH, &exchange_fields(&alice)).await;
        assert_eq!(answer.status, 200, "{issuance}: {}", answer.text());
        assert_eq!(
            shared(&answer),
            format!("{KNOWN} credentials true exposes Access-Control-Allow-Methods"),
            "{issuance}"
        );
        let answer = from(&world, EVIL, TOKEN_PATH, &exchange_fields(&alice)).await;
        assert_eq!(shared(&answer), "nobody", "{issuance}");
        // The identity provider judges the client of a request that Cambio refuses, and whose page asks.
        let fields = form::changed(&exchange_fields(&alice), &[("audience", "other-api")]);
        let answer = from(&world, KNOWN, TOKEN_PATH, &fields).await;
        assert_eq!(answer.status, 403, "{issuance}: {}", answer.text());
        let told =
            format!("{KNOWN} credentials true exposes Access-Control-Allow-Methods, x-correlation-id vary Origin");
        assert_eq!(shared(&answer), told, "{issuance}");
        assert_eq!(shared(&from(&world, EVIL, TOKEN_PATH, &fields).await), "nobody", "{issuance}");
    }
}

#[tokio::test]
async fn dialects_answer_pages_at_their_own_paths() {
    for (dialect, more, paths) in [
        ("pace", "", &["/protocol/openid-connect/token"][..]),
        ("key-bridge", "", &["/token/oauth2"]),
        (
            "forgerock",
            "    pathParameters: { realm: mySubRealm }\n",
            &[
                "/oauth2/realms/root/realms/mySubRealm/access_token",
                "/oauth2/realms/root/realms/mySubRealm/introspect",
                "/openam/oauth2/realms/root/realms/mySubRealm/access_token",
            ],
        ),
        ("cern", "", &["/auth/realms/corp/protocol/openid-connect/token", "/auth/realms/corp/api-access/token"]),
    ] {
        let world = with(Plan::new().await, &format!("    dialect: {dialect}\n{more}{LISTED}"), MINTED_FOR_ACCESS)
            .start()
            .await;
        world.idp.faults().forget();
        for path in paths {
            let request = Request::options(*path)
                .header("origin", EVIL)
                .header("access-control-request-method", "POST")
                .header("access-control-request-headers", "content-type, dpop");
            let answer = client::send(world.address(), request.body(Bytes::new()).unwrap()).await;
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(shared(&answer), format!("{EVIL} credentials true vary Origin"), "{path}");
            assert_eq!(answer.header("access-control-allow-methods"), "POST, OPTIONS", "{path}");
            for name in ["Content-Type", "Authorization", "DPoP"] {
                assert!(answer.header("access-control-allow-headers").contains(name), "{path}: {name}");
            }
            assert_eq!(answer.header("access-control-max-age"), "3600", "{path}");
            // Refused by the dialect, in its words.
            let fields = [
                ("grant_type", crate::support::world::EXCHANGE_GRANT),
                ("client_id", "front-end-app"),
                ("client_secret", "front-end-secret"),
                ("x_custom", "1"),
            ];
            for (origin, told) in [(SPA, SPA), (EVIL, "")] {
                let answer = from(&world, origin, path, &fields).await;
                if !path.ends_with("introspect") {
                    assert!(answer.status.is_client_error(), "{path}: {}", answer.text());
                    assert_eq!(answer.header("access-control-allow-origin"), told, "{path} from {origin}");
                }
            }
        }
        assert!(world.idp.faults().received().iter().all(|request| request.method != "OPTIONS"), "{dialect}");
    }
    // Keycloak's own paths are Keycloak's to answer.
    let world = world("").await;
    let request = Request::options(TOKEN_PATH).header("origin", EVIL).header("access-control-request-method", "POST");
    client::send(world.address(), request.body(Bytes::new()).unwrap()).await;
    assert_eq!(world.idp.faults().received().iter().filter(|request| request.method == "OPTIONS").count(), 1);
}

const MINTED_FOR_ACCESS: &str = "permissions:
  - { clients: [front-end-app], issuance: mint, scopes: [email, profile] }
";

#[tokio::test]
async fn web_origins_are_written_as_browsers_send_them() {
    for (text, expected) in [
        ("https://spa.example", None),
        ("http://localhost:3000", None),
        ("capacitor://localhost", None),
        ("*", None),
        ("https://spa.example/", Some("must be")),
        ("https://Spa.example", Some("must be")),
        ("https://spa.example:443", Some("must be")),
        ("https://*.example", Some("must be")),
        ("spa.example", Some("must be")),
        ("+", Some("redirect URIs")),
    ] {
        let more = format!("    webOrigins: {{ front-end-app: [\"{text}\"] }}\n");
        let started = with(Plan::new().await, &more, MINTED_FOR_ACCESS).try_start().await;
        match expected {
            None => assert!(started.is_ok(), "{text}"),
            Some(told) => {
                let Err(error) = started else { panic!("{text} is accepted") };
                assert!(error.contains("webOrigins") && error.contains(told), "{text}: {error}");
            }
        }
    }
}
