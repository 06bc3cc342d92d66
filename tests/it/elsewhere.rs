//! An identity provider that is not Keycloak: the whole host is one realm, with endpoints at the root.

use bytes::Bytes;
use cambio::adapters::config::problem::Problem;
use http::Request;
use serde_json::json;

use crate::doctor::found_online;
use crate::support::client::{self, Answer};
use crate::support::faults::{Endpoint, Fault};
use crate::support::files::BACK_END_API;
use crate::support::world::{EXCHANGE_GRANT, ID_TOKEN, Plan, World, exchange_fields, login};
use crate::support::{form, token};

const TOKEN: &str = "/token";
const JWKS: &str = "/jwks";
const INTROSPECTION: &str = "/token/introspection";
const REVOCATION: &str = "/token/revocation";
const USERINFO: &str = "/me";
const END_SESSION: &str = "/session/end";
const DISCOVERY: &str = "/.well-known/openid-configuration";
const METADATA: &str = "/.well-known/oauth-authorization-server";
const ISSUER: &str = "http://sso.example.org";

const MINT: &str = "issuance: mint
permissions:
  - { clients: [front-end-app], scopes: [openid, email], subjectTokens: [access_token, id_token] }
";

async fn plan() -> Plan {
    let plan = Plan::at_root().await;
    plan.audience("back-end-api", &format!("{BACK_END_API}{MINT}"))
}

/// A request of front-end-app, with the fields changed.
async fn exchange(world: &World, subject: &str, changes: &[(&str, &str)]) -> Answer {
    client::post(world.address(), TOKEN, &form::changed(&exchange_fields(subject), changes)).await
}

async fn alice(world: &World) -> String {
    login(world.address(), TOKEN, "front-end-app", "front-end-secret", "alice").await.access_token()
}

/// Whether an API introspects a token as active.
async fn is_active(world: &World, token: &str) -> bool {
    let fields = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("token", token)];
    let answer = client::post(world.address(), INTROSPECTION, &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["active"].as_bool().unwrap()
}

#[tokio::test]
async fn the_keys_and_the_documents_have_what_cambio_adds_and_nothing_else_changes() {
    let world = plan().await.start().await;
    let keys = client::get(world.address(), JWKS).await.json();
    let theirs = client::get(world.idp.address(), JWKS).await.json();
    let (keys, theirs) = (keys["keys"].as_array().unwrap(), theirs["keys"].as_array().unwrap());
    assert_eq!((keys.len(), &keys[..theirs.len()]), (theirs.len() + 1, &theirs[..]));

    let original = client::get(world.idp.address(), DISCOVERY).await.json();
    world.idp.faults().answer_at(METADATA, 200, &json!({"issuer": ISSUER, "scopes_supported": []}).to_string());
    for (path, original) in [(DISCOVERY, &original), (METADATA, &json!({"issuer": ISSUER, "scopes_supported": []}))] {
        let document = client::get(world.address(), path).await.json();
        for (member, value) in original.as_object().unwrap() {
            if !matches!(member.as_str(), "grant_types_supported" | "id_token_signing_alg_values_supported") {
                assert_eq!(&document[member], value, "{path} {member}");
            }
        }
        let lists = |member: &str, value: &str| document[member].as_array().unwrap().contains(&json!(value));
        assert!(lists("grant_types_supported", EXCHANGE_GRANT), "{path}");
        assert!(lists("id_token_signing_alg_values_supported", "ES256"), "{path}");
    }
    assert_eq!(original["token_endpoint"], format!("{ISSUER}{TOKEN}"));
}

#[tokio::test]
async fn without_a_key_only_the_identity_provider_says_that_it_exchanges() {
    let plan = Plan::at_root().await.configure("    signingKey: corp.pem\n", "");
    plan.folder.remove("audiences/back-end-api.yaml");
    let document = json!({"issuer": ISSUER, "grant_types_supported": ["authorization_code"]}).to_string();
    plan.idp.faults().answer_at(DISCOVERY, 200, &document);
    let world = plan.start().await;
    assert_eq!(client::get(world.address(), DISCOVERY).await.text(), document);
}

#[tokio::test]
async fn what_is_not_governed_passes_byte_for_byte() {
    let world = plan().await.start().await;
    let straight = login(world.idp.address(), TOKEN, "front-end-app", "front-end-secret", "alice").await;
    for (method, path, body) in [
        (
            "POST",
            TOKEN,
            "grant_type=password&client_id=front-end-app&client_secret=front-end-secret&username=alice&password=alice-password&x=%zz;y",
        ),
        ("POST", TOKEN, "grant_type=client_credentials&client_id=legacy-app&client_secret=legacy-secret"),
        ("POST", INTROSPECTION, "client_id=back-end-api&client_secret=back-end-secret&token=whatever"),
        ("POST", REVOCATION, "client_id=front-end-app&client_secret=front-end-secret&token=whatever"),
        ("POST", "/interaction/abc/login", "login=alice&password=secret&grant_type=password"),
        ("POST", END_SESSION, "id_token_hint=a.b.c"),
        ("GET", "/auth?client_id=front-end-app", ""),
        ("GET", "/session/end/success", ""),
        ("GET", TOKEN, ""),
    ] {
        world.idp.faults().forget();
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        client::send(world.address(), request.body(Bytes::from(body)).unwrap()).await;
        let received = world.idp.faults().received();
        let found = received.iter().map(|one| (one.target.as_str(), one.body.clone())).collect::<Vec<_>>();
        assert_eq!(found, [(path, Bytes::from(body))], "{method} {path}");
    }
    let through = login(world.address(), TOKEN, "front-end-app", "front-end-secret", "alice").await;
    assert_eq!((through.status, through.header("content-type")), (straight.status, straight.header("content-type")));
    let names = |answer: &Answer| answer.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&through), names(&straight));
}

#[tokio::test]
async fn a_real_token_is_exchanged_and_the_new_one_is_known_at_the_configured_paths() {
    let world = plan().await.start().await;
    let alice = alice(&world).await;
    let before = world.audit_so_far();
    let answer = exchange(&world, &alice, &[("scope", "openid email")]).await;
    let issued = answer.access_token();
    let claims = token::claims(&issued);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("back-end-api")));
    assert_eq!(claims["sub"], token::claims(&alice)["sub"]);
    assert_eq!(token::client_roles(&claims, "back-end-api"), ["backend_user"]);
    assert_eq!(world.audit_after(before).await["issuance"], "mint");
    assert_eq!(world.idp.faults().exchanged(), 0, "Cambio made it alone");

    assert!(is_active(&world, &issued).await);
    let ask = Request::get(USERINFO).header("authorization", format!("Bearer {issued}"));
    let user = client::send(world.address(), ask.body(Bytes::new()).unwrap()).await;
    assert_eq!((user.status.as_u16(), &user.json()["sub"]), (200, &claims["sub"]), "{}", user.text());
    let fields = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", issued.as_str())];
    assert_eq!(client::post(world.address(), REVOCATION, &fields).await.status, 200);
    assert!(!is_active(&world, &issued).await, "revoked");
    // The identity provider's own token is the identity provider's business.
    let fields = [("client_id", "front-end-app"), ("client_secret", "front-end-secret"), ("token", alice.as_str())];
    let theirs = client::post(world.idp.address(), INTROSPECTION, &fields).await;
    assert_eq!(client::post(world.address(), INTROSPECTION, &fields).await.body, theirs.body);
}

#[tokio::test]
async fn what_no_owner_permits_is_refused_and_nothing_reaches_the_identity_provider() {
    let world = plan().await.start().await;
    let alice = alice(&world).await;
    assert_eq!(exchange(&world, &alice, &[]).await.status, 200, "the client is known from here on");
    world.idp.faults().forget();
    for (name, changes, reason) in [
        ("another audience", vec![("audience", "other-api")], "audience_unknown"),
        ("a scope that is not permitted", vec![("scope", "profile")], "scope_not_permitted"),
        (
            "a type that is not permitted",
            vec![("requested_token_type", ID_TOKEN)],
            "requested_token_type_not_permitted",
        ),
    ] {
        let before = world.audit_so_far();
        let answer = exchange(&world, &alice, &changes).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], reason, "{name}");
    }
    assert_eq!(world.idp.faults().received().len(), 0);
    assert_eq!(world.idp.faults().exchanged(), 0);
}

/// However the path of an exchange is written, the identity provider gets no exchange, even one that reads everything.
#[tokio::test]
async fn no_spelling_of_the_token_endpoint_leads_past_cambio() {
    let world = plan().await.start().await;
    world.idp.faults().lenient(true);
    let alice = alice(&world).await;
    let fields = exchange_fields(&alice);
    let forbidden = form::changed(&fields, &[("audience", "other-api")]);
    let body = Bytes::from(form::encode(&forbidden));
    let paths = [
        "/token",
        "/token/",
        "/TOKEN",
        "/%74oken",
        "/%2574oken",
        "/token;a",
        "/token.json",
        "/token%00",
        "/token%20",
        "//token",
        "/./token",
        "/x/../token",
        "/x/%2e%2e/token",
        "/%2e/token",
        "/;/token",
        "/token%2F",
        "/token/x",
        "/token//introspection",
        "/token%2Fintrospection",
        "/token/introspection",
        "/token/revocation",
        "/me",
        "/session/end",
        "/jwks",
        "/auth",
        "/x",
        DISCOVERY,
        "/token?grant_type=authorization_code",
        "//sso.example.org/token",
    ];
    for path in paths {
        for kind in ["application/x-www-form-urlencoded", "text/plain", "application/json", ""] {
            let mut request = Request::post(path);
            if !kind.is_empty() {
                request = request.header("content-type", kind);
            }
            client::send(world.address(), request.body(body.clone()).unwrap()).await;
        }
    }
    let query = form::encode(&forbidden);
    for method in ["GET", "POST", "OPTIONS", "PUT", "HEAD"] {
        for path in ["/token", "/token/", "/Token"] {
            let target = format!("{path}?{query}");
            client::send(world.address(), Request::builder().method(method).uri(target).body(Bytes::new()).unwrap())
                .await;
        }
    }
    assert_eq!(world.idp.faults().exchanged(), 0);
}

/// The configured introspection endpoint must prove something before Cambio believes in a client because of it.
#[tokio::test]
async fn an_endpoint_that_accepts_anybody_authenticates_nobody() {
    let world = plan().await.start().await;
    let alice = alice(&world).await;
    let refused = async |changes: &[(&str, &str)]| {
        let before = world.audit_so_far();
        let answer = exchange(&world, &alice, changes).await;
        (answer.status.as_u16(), world.audit_after(before).await)
    };
    for (name, changes) in [
        ("a wrong secret", vec![("client_secret", "wrong")]),
        ("no secret", vec![("client_secret", "-")]),
        ("nobody's client", vec![("client_id", "nobody")]),
    ] {
        let (status, line) = refused(&changes).await;
        assert_eq!((status, &line["reason"]), (401, &json!("client_unauthenticated")), "{name}: {line}");
    }
    let inactive = r#"{"active":false}"#.to_owned();
    world.idp.faults().set(Endpoint::Introspect, Fault::Answer(200, "application/json", inactive));
    let (status, line) = refused(&[]).await;
    assert_eq!((status, &line["reason"]), (401, &json!("client_unauthenticated")), "{line}");
    assert!(line["detail"].as_str().unwrap().contains("accepts any secret"), "{line}");
    world.idp.faults().clear();
    assert_eq!(exchange(&world, &alice, &[]).await.status, 200, "the endpoint tells secrets apart again");
    world.idp.faults().set(Endpoint::Introspect, Fault::CloseAtOnce);
    assert_eq!(refused(&[("client_secret", "other")]).await.0, 503);
}

/// What is written nowhere is refused: nobody vouches for the introspection endpoint.
#[tokio::test]
async fn only_registered_clients_exchange_unless_the_configuration_says_more() {
    let hash = cambio::words::secret::Secret::new("front-end-secret").sha256();
    let unregistered = "    clientAuthentication: { unregistered: upstream }\n";
    let clients =
        format!("    clients: {{ front-end-app: [{{ method: client_secret, secretHash: \"sha256:{hash}\" }}] }}\n");
    for (clients, status) in [(clients.as_str(), 200), ("", 401)] {
        let world = plan().await.configure(unregistered, clients).start().await;
        let alice = alice(&world).await;
        world.idp.faults().forget();
        assert_eq!(exchange(&world, &alice, &[]).await.status, status);
        let posts = world.idp.faults().received().iter().filter(|request| request.method == "POST").count();
        assert_eq!(posts, 0, "nobody is asked");
    }
}

/// A provider that is not Keycloak need not write what Keycloak writes.
#[tokio::test]
async fn tokens_are_recognised_by_the_marks_of_the_standards() {
    let world = plan().await.configure("    signingKey:", "    unboundIdTokens: accept\n    signingKey:").start().await;
    let now = world.now();
    let usual =
        json!({"iss": ISSUER, "sub": "alice", "aud": "front-end-app", "iat": now, "exp": now + 300, "jti": "j"});
    for (name, more, kind, status) in [
        ("an access token with a scope", json!({"scope": "openid email"}), None, 200),
        ("an access token with a client", json!({"client_id": "front-end-app"}), None, 200),
        ("no mark", json!({}), None, 400),
        ("an ID token as an access token", json!({"nonce": "n", "scope": "openid"}), None, 400),
        ("an ID token with a nonce", json!({"nonce": "n"}), Some(ID_TOKEN), 200),
        ("an ID token with a hash", json!({"at_hash": "h"}), Some(ID_TOKEN), 200),
        ("an access token as an ID token", json!({"scope": "openid"}), Some(ID_TOKEN), 400),
        ("another client's", json!({"scope": "openid", "aud": "other-api", "client_id": "other-api"}), None, 400),
    ] {
        let mut claims = usual.clone();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let signed = world.sign(&claims);
        let changes = kind.map(|kind| [("subject_token_type", kind)]);
        let changes = changes.as_ref().map_or(&[][..], |changes| changes);
        let before = world.audit_so_far();
        let answer = exchange(&world, &signed, changes).await;
        assert_eq!(answer.status, status, "{name}: {}", world.audit_after(before).await);
    }
}

#[tokio::test]
async fn check_compares_the_endpoints_with_the_discovery_document() {
    let plan = plan().await.configure("issuer: http://sso.example.org\n", "issuer: http://127.0.0.1:1\n");
    let discovery = |member: &str, value: &str| {
        let at = |path: &str| format!("http://127.0.0.1:1{path}");
        let mut document = json!({
            "issuer": "http://127.0.0.1:1", "token_endpoint": at(TOKEN), "jwks_uri": at(JWKS), "userinfo_endpoint": at(USERINFO),
            "introspection_endpoint": at(INTROSPECTION), "revocation_endpoint": at(REVOCATION),
            "end_session_endpoint": at(END_SESSION),
        });
        document[member] = json!(value);
        plan.idp.faults().answer_at(DISCOVERY, 200, &document.to_string());
    };
    discovery("issuer", "http://127.0.0.1:1");
    let found = found_online(&plan.folder).await;
    assert!(found.problems.is_empty() && found.warnings.is_empty(), "{found:?}");

    discovery("userinfo_endpoint", "http://127.0.0.1:1/userinfo");
    let found = found_online(&plan.folder).await;
    let expected = "userinfo_endpoint is http://127.0.0.1:1/userinfo: set realms.corp.endpoints.userinfo to /userinfo instead of /me";
    let said = |one: &Problem| (one.key.clone(), one.message.clone());
    assert_eq!(
        found.warnings.iter().map(said).collect::<Vec<_>>(),
        [("realms.corp.endpoints.userinfo".into(), expected.into())]
    );
    discovery("token_endpoint", "http://127.0.0.1:2/token");
    let found = found_online(&plan.folder).await;
    assert!(found.problems[0].message.contains("goes past Cambio"), "{found:?}");

    plan.idp.faults().clear();
    plan.idp.faults().set(Endpoint::Discovery, Fault::Answer(500, "text/plain", "no".to_owned()));
    let found = found_online(&plan.folder).await;
    let unread = "/.well-known/openid-configuration answers with status 500";
    assert!(found.problems.len() == 1 && found.problems[0].message.contains(unread), "{found:?}");

    // Without `endpoints`, the configuration says that the identity provider is Keycloak.
    let plan = Plan::new()
        .await
        .configure("issuer: http://sso.example.org/realms/corp", "issuer: http://127.0.0.1:1/realms/corp");
    let plan = plan.configure("http://sso.example.org/realms/partner", "http://127.0.0.1:1/realms/partner");
    let document =
        json!({"issuer": "http://127.0.0.1:1/realms/corp", "token_endpoint": "http://127.0.0.1:1/oauth2/token"});
    plan.idp.faults().answer_at("/realms/corp/.well-known/openid-configuration", 200, &document.to_string());
    let found = found_online(&plan.folder).await;
    assert!(found.problems.len() == 1, "{found:?}");
    assert!(found.problems[0].message.contains("write realms.corp.endpoints (token, jwks,"), "{found:?}");
}
