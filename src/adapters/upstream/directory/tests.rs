//! The directory against the demo's identity provider, which answers as Keycloak 26.7.3 was seen to.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::user::DirectoryUser;
use super::{DirectoryClient, DirectoryError, send};
use crate::adapters::config::{self, OwnClient};
use crate::adapters::net::url::PublicAddress;
use crate::adapters::upstream::client::UpstreamClient;
use crate::judgement::policy::admin_roles::AdminRoles;
use crate::tools::demo::IdpOptions;
use crate::tools::demo::misbehaviour::faults::{Endpoint, Fault, FaultyIdp};
use crate::words::clock::Clock;
use crate::words::oauth::form::Form;
use crate::words::secret::Secret;

const ALICE: &str = "5d6a1b0e-6f3c-4c55-9a3b-1f1d0c6a11ce";
const ADA: &str = "ada00000-4b1f-4f6e-8f0e-2a4c9d6b7e10";
const TOKEN: &str = "/realms/corp/protocol/openid-connect/token";

struct World {
    idp: FaultyIdp,
    upstream: UpstreamClient,
    directory: DirectoryClient,
}

impl World {
    async fn start() -> Self {
        Self::as_client("cambio", "cambio-secret").await
    }

    async fn as_client(id: &str, secret: &str) -> Self {
        let idp = FaultyIdp::start(IdpOptions { port: 0, clock: Clock::System, keys: None }).await.unwrap();
        let upstream = UpstreamClient::new(&config::Upstream {
            scheme: http::uri::Scheme::HTTP,
            authority: idp.address().to_string().parse().unwrap(),
            ca: None,
            client_certificate: None,
            certificate_for_own_calls_only: true,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5),
            max_connections: 1024,
        })
        .unwrap();
        let client = OwnClient { id: id.to_owned(), secret: Secret::new(secret) };
        let config =
            config::Directory { client, cache_for: Duration::from_secs(60), session_cache_for: Duration::from_secs(5) };
        let public = PublicAddress::of(&idp.url()).unwrap();
        let directory = DirectoryClient::new(&config, "/realms/corp", public, Clock::System);
        Self { idp, upstream, directory }
    }

    async fn user(&self, wanted: &str) -> Result<DirectoryUser, DirectoryError> {
        self.directory.user(&self.upstream, wanted).await
    }

    async fn is_alive(&self, user: &str, sid: &str) -> Result<bool, DirectoryError> {
        self.directory.session_is_alive(&self.upstream, user, sid).await
    }

    async fn admin(&self, user: &str, admin: &AdminRoles) -> Result<bool, DirectoryError> {
        let held = self.directory.admin_roles(&self.upstream, user, admin).await?;
        Ok(admin.names(&held))
    }

    fn answer(&self, status: u16, body: &Value) {
        let fault = Fault::Answer(status, "application/json", body.to_string());
        self.idp.faults().set(Endpoint::Admin, fault);
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let mut form = Form::new();
        for (name, value) in [("client_id", "front-end-app"), ("client_secret", "front-end-secret")] {
            form.push(name, value);
        }
        for (name, value) in fields {
            form.push(*name, *value);
        }
        let mut request = self.directory.request(Method::POST, path, form.encode()).unwrap();
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let (_, body) = send(&self.upstream, request).await.unwrap();
        serde_json::from_slice(&body).unwrap_or_default()
    }
}

#[tokio::test]
async fn a_user_is_found_by_id_and_by_whole_name() {
    let world = World::start().await;
    for (name, wanted, expected) in [
        ("id", ALICE, Ok("alice")),
        ("name", "alice", Ok("alice")),
        ("another case", "ALICE", Ok("alice")),
        ("a service account", "service-account-cambio", Ok("service-account-cambio")),
        ("part of a name", "ali", Err(DirectoryError::NoUser)),
        ("a pattern", "*", Err(DirectoryError::NoUser)),
        ("nothing", "", Err(DirectoryError::NoUser)),
        ("an id of nobody", "00000000-0000-4000-8000-000000000000", Err(DirectoryError::NoUser)),
        // As Keycloak: ids are compared as they are.
        ("an id in capitals", "5D6A1B0E-6F3C-4C55-9A3B-1F1D0C6A11CE", Err(DirectoryError::NoUser)),
        ("a word of the API's", "count", Err(DirectoryError::NoUser)),
        ("another path", "../clients", Err(DirectoryError::NoUser)),
        ("another parameter", "alice&enabled=true", Err(DirectoryError::NoUser)),
        ("a line break", "alice\r\nX: y", Err(DirectoryError::NoUser)),
    ] {
        let found = world.user(wanted).await.map(|user| user.username);
        assert_eq!(found, expected.map(str::to_owned), "{name}");
    }
    let targets: Vec<_> = world.idp.faults().received().into_iter().map(|one| one.target).collect();
    let asked = |target: &str| targets.iter().any(|one| one == target);
    assert!(asked("/admin/realms/corp/users?username=alice%26enabled%3Dtrue&exact=true"), "{targets:?}");
    assert!(!targets.iter().any(|one| one.contains("username=&")), "{targets:?}");
    assert!(!asked("/admin/realms/corp/users/count"), "{targets:?}");
}

#[tokio::test]
async fn a_user_has_the_claims_of_a_token_and_may_be_disabled() {
    let world = World::start().await;
    let alice = world.user("alice").await.unwrap();
    assert_eq!((alice.id.as_str(), alice.enabled), (ALICE, true));
    let expected = json!({
        "sub": ALICE, "preferred_username": "alice", "email": "alice@example.org", "email_verified": true,
        "given_name": "Alice", "family_name": "Adams", "name": "Alice Adams",
    });
    assert_eq!(Value::Object(alice.claims.clone()), expected);
    assert!(!format!("{alice:?}").contains("Adams"));
    assert!(!world.user("dora").await.unwrap().enabled);
    // What is not said is not so, and what is not known is no claim.
    world.answer(200, &json!([{"id": "x", "username": "bare"}]));
    let bare = world.user("bare").await.unwrap();
    assert!(!bare.enabled);
    assert_eq!(Value::Object(bare.claims), json!({"sub": "x", "preferred_username": "bare", "email_verified": false}));
}

#[tokio::test]
async fn an_answer_about_somebody_else_is_no_answer() {
    let world = World::start().await;
    let user = |name: &str| json!({"id": ALICE, "username": name, "enabled": true});
    for (name, wanted, body, no_user) in [
        ("not exact", "ali", json!([user("alice")]), true),
        ("two of the name", "alice", json!([user("alice"), user("Alice")]), false),
        ("another id", ADA, user("alice"), false),
        ("no list", "alice", user("alice"), false),
        ("a list", ALICE, json!([user("alice")]), false),
    ] {
        world.answer(200, &body);
        let error = world.user(wanted).await.unwrap_err();
        assert_eq!(error == DirectoryError::NoUser, no_user, "{name}: {error}");
        assert!(!error.to_string().contains("alice"), "{name}: {error}");
    }
    world.answer(403, &json!({}));
    let expected = DirectoryError::Status(StatusCode::FORBIDDEN, "a question for a user");
    assert_eq!(world.user("alice").await, Err(expected));
}

#[tokio::test]
async fn a_session_goes_on_until_its_logout() {
    let world = World::start().await;
    let login = [("grant_type", "password"), ("username", "alice"), ("password", "alice-password")];
    let tokens = world.post(TOKEN, &login).await;
    let payload = tokens["access_token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let sid = claims["sid"].as_str().unwrap();
    assert_eq!(world.is_alive(ALICE, sid).await, Ok(true));
    for (name, user, session) in [
        ("another user's", ADA, sid),
        ("another session", ALICE, "x"),
        ("no session", ALICE, ""),
        ("no user", "..", sid),
        ("nobody", "x", sid),
    ] {
        assert_eq!(world.is_alive(user, session).await, Ok(false), "{name}");
    }
    let refresh = tokens["refresh_token"].as_str().unwrap();
    world.post("/realms/corp/protocol/openid-connect/logout", &[("refresh_token", refresh)]).await;
    assert_eq!(world.is_alive(ALICE, sid).await, Ok(false));
    world.answer(500, &json!({}));
    assert!(matches!(world.is_alive(ALICE, sid).await, Err(DirectoryError::Status(..))));
}

#[tokio::test]
async fn administrators_are_known_by_their_roles() {
    let world = World::start().await;
    let parse = |text| AdminRoles::parse([text]).unwrap();
    for (name, user, admin, expected) in [
        ("by default", ADA, AdminRoles::default(), true),
        ("not by default", ALICE, AdminRoles::default(), false),
        ("a realm role", ALICE, parse("realm:auditor"), true),
        ("a client's role", ALICE, parse("client:back-end-api/backend_user"), true),
        ("another of the client's", ALICE, parse("client:back-end-api/backend_admin"), false),
    ] {
        assert_eq!(world.admin(user, &admin).await, Ok(expected), "{name}");
    }
    // What can't be seen could be held: Keycloak shows no client at all to one that has view-users alone.
    let unseen = world.admin(ALICE, &parse("client:nowhere/*")).await;
    assert_eq!(unseen, Err(DirectoryError::NoClient("nowhere".to_owned())));
    let nobody = world.admin("00000000-0000-4000-8000-000000000000", &AdminRoles::default()).await;
    assert_eq!(nobody, Err(DirectoryError::NoUser));
}

/// The answers are those of Keycloak 26.7.5.
#[tokio::test]
async fn administrators_are_known_by_fine_grained_permissions() {
    let world = World::start().await;
    let administers = async || world.directory.administers(&world.upstream, ALICE).await;
    assert_eq!(administers().await, Ok(false), "the permissions are off: 404");
    let asked: Vec<_> = world.idp.faults().received().into_iter().map(|one| (one.method, one.target)).collect();
    let path = "/admin/realms/corp/clients/uuid-of-realm-management/authz/resource-server/policy/evaluate";
    assert!(asked.contains(&(Method::POST, path.to_owned())), "{asked:?}");
    for (name, status, body, expected) in [
        ("nothing", 200, json!({"status": "DENY", "results": [{"status": "DENY"}]}), Some(false)),
        ("no permission", 200, json!({"status": "DENY"}), Some(false)),
        ("something", 200, json!({"status": "PERMIT", "results": [{"status": "PERMIT"}]}), Some(true)),
        (
            "one of two",
            200,
            json!({"status": "DENY", "results": [{"status": "DENY"}, {"status": "PERMIT"}]}),
            Some(true),
        ),
        ("what Cambio's client may not see", 403, json!({}), None),
        ("a fault", 500, json!({}), None),
        ("no verdict", 200, json!({"results": []}), None),
    ] {
        world.answer(status, &body);
        let told = administers().await;
        assert_eq!(told.as_ref().ok().copied(), expected, "{name}: {told:?}");
    }
    world.answer(403, &json!({}));
    assert!(administers().await.unwrap_err().to_string().contains("view-authorization"));
}

#[tokio::test]
async fn a_client_without_rights_learns_nothing() {
    let world = World::as_client("front-end-app", "front-end-secret").await;
    let expected = DirectoryError::Status(StatusCode::FORBIDDEN, "a question for a user");
    assert_eq!(world.user("alice").await, Err(expected));
    let world = World::as_client("cambio", "guessed").await;
    assert!(matches!(world.user("alice").await, Err(DirectoryError::Status(StatusCode::UNAUTHORIZED, _))));
}

#[tokio::test]
async fn the_claims_of_now_are_those_of_an_example_token() {
    let world = World::start().await;
    let ask = async |subject: &str, client: &str| {
        world.directory.present_claims(&world.upstream, subject, client, "openid email").await
    };
    let claims = ask(ALICE, "front-end-app").await.unwrap();
    assert_eq!((&claims["sub"], &claims["azp"]), (&json!(ALICE), &json!("front-end-app")));
    assert_eq!((&claims["groups"], &claims["scope"]), (&json!(["staff"]), &json!("email openid profile")));
    assert!(claims["realm_access"]["roles"].as_array().unwrap().contains(&json!("auditor")));
    for (name, subject, client, expected) in [
        ("no user", "00000000-0000-4000-8000-000000000000", "front-end-app", DirectoryError::NoUser),
        ("no id", "..", "front-end-app", DirectoryError::NoUser),
        ("no client", ALICE, "gone", DirectoryError::NoClient("gone".to_owned())),
    ] {
        assert_eq!(ask(subject, client).await, Err(expected), "{name}");
    }
    world.answer(200, &json!({"sub": ADA}));
    let other = DirectoryError::Unavailable("an answer about another user".to_owned());
    assert_eq!(world.directory.present_claims(&world.upstream, ALICE, "front-end-app", "").await, Err(other));
}

#[tokio::test]
async fn an_account_in_a_subject_is_the_user_with_this_id_or_name() {
    let World { idp, upstream, directory } = World::start().await;
    let directory = directory.with_accounts(crate::judgement::dialect::Dialect::Forgerock.rules().account);
    let id = async |sub: &str| directory.id_of(&upstream, sub).await.map(|id| id.to_string());
    for (name, sub, expected) in [
        ("a name", "(usr!alice)".to_owned(), Ok(ALICE)),
        ("a name in another case", "(usr!Alice)".to_owned(), Ok(ALICE)),
        ("an id", format!("(usr!{ALICE})"), Ok(ALICE)),
        ("an id as Keycloak writes it", ALICE.to_owned(), Ok(ALICE)),
        ("nobody", "(usr!nobody)".to_owned(), Err(DirectoryError::NoUser)),
        ("no name", "(usr!)".to_owned(), Err(DirectoryError::NoUser)),
        ("a user is no client", "(age!alice)".to_owned(), Err(DirectoryError::NoUser)),
    ] {
        assert_eq!(id(&sub).await, expected.map(str::to_owned), "{name}");
    }
    let alice = "(usr!alice)";
    assert_eq!(directory.is_enabled(&upstream, alice).await, Ok(true));
    let roles = directory.realm_roles(&upstream, alice).await.unwrap();
    assert_eq!(roles, directory.realm_roles(&upstream, ALICE).await.unwrap());
    assert_eq!(directory.session_is_alive(&upstream, alice, "no session").await, Ok(false));

    // Somebody who chose another's id for a name is neither of the two.
    let named = json!([{"id": ALICE, "username": ADA, "enabled": true}]).to_string();
    idp.faults().set(Endpoint::Admin, Fault::Answer(200, "application/json", named));
    assert!(matches!(id(&format!("(usr!{ADA})")).await, Err(DirectoryError::Unavailable(_))));
}
