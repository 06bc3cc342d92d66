//! How Cambio reaches foreign servers: through the proxies of the environment or of an issuer, and with a bearer token.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::SignedDuration;
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::client;
use crate::support::files::BACK_END_API;
use crate::support::forward_proxy::ForwardProxy;
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, Plan, World, until};

const CERTS: &str = "/realms/partner/protocol/openid-connect/certs";
/// A name that no resolver knows: only the proxy leads there.
const AWAY: &str = "keys.partner.invalid";
const PERMISSIONS: &str = "permissions:
  - { clients: [front-end-app], issuers: [partner], issuance: mint, scopes: [email] }
";

/// A partner whose keys are at `url`, with further lines of its section `issuer`.
fn partner(plan: Plan, url: &str, issuer: &str) -> Plan {
    let old = format!("jwksURL: http://{}{CERTS}", plan.idp.address());
    plan.configure(&old, &format!("jwksURL: {url}"))
        .configure(
            "audiences: [\"https://sso.example.org\"] }",
            &format!("audiences: [\"https://sso.example.org\"]{issuer} }}"),
        )
        .audience("back-end-api", &format!("{BACK_END_API}{PERMISSIONS}"))
}

/// A token of the partner, or one that says so and has a key of corp.
fn signed(world: &World, key: &str) -> String {
    let claims = json!({
        "iss": "http://sso.example.org/realms/partner", "aud": "https://sso.example.org", "sub": "u-1", "jti": "j",
        "iat": world.now() - 10, "exp": world.now() + 60, "scope": "email",
    });
    world.idp.signing_key(key).unwrap().sign(claims.as_object().unwrap()).unwrap()
}

/// The reason and the detail of the refusal of the partner's token; `allowed` if it is exchanged.
async fn outcome(world: &World) -> String {
    let before = world.audit_so_far();
    let status = world.exchange(&signed(world, "partner"), &[]).await.status;
    let line = world.audit_after(before).await;
    if status == 200 { "allowed".to_owned() } else { format!("{} {}", line["reason"], line["detail"]) }
}

#[tokio::test]
async fn keys_come_through_the_proxy_that_the_environment_or_the_issuer_names() {
    const HTTP: &str = "HTTP_PROXY";
    let away = format!("http://{AWAY}{CERTS}");
    for (name, variables, setting, passes) in [
        ("nothing", vec![], "", false),
        ("HTTP_PROXY", vec![(HTTP, "URL")], "", true),
        ("http_proxy", vec![("http_proxy", "URL")], "", true),
        ("without a scheme", vec![(HTTP, "ADDRESS")], "", true),
        ("empty, then lower case", vec![(HTTP, ""), ("http_proxy", "URL")], "", true),
        ("HTTPS_PROXY, for https", vec![("HTTPS_PROXY", "URL")], "", false),
        ("NO_PROXY", vec![(HTTP, "URL"), ("NO_PROXY", AWAY)], "", false),
        ("no_proxy, a domain", vec![(HTTP, "URL"), ("no_proxy", "a.example, .invalid")], "", false),
        ("NO_PROXY, another port", vec![(HTTP, "URL"), ("NO_PROXY", "keys.partner.invalid:8080")], "", true),
        ("the issuer's", vec![], ", proxyURL: URL", true),
        ("the issuer's, in spite of NO_PROXY", vec![("NO_PROXY", "*")], ", proxyURL: URL", true),
        ("the issuer's, instead of the environment's", vec![(HTTP, "http://127.0.0.1:1")], ", proxyURL: URL", true),
        ("none", vec![(HTTP, "URL")], ", proxyURL: none", false),
    ] {
        let plan = Plan::new().await;
        let proxy = ForwardProxy::start(plan.idp.address(), None).await;
        let url = |text: &str| text.replace("URL", &format!("http://{}", proxy.address));
        let setting = match setting {
            ", proxyURL: URL" => format!(", proxyURL: \"http://{}\"", proxy.address),
            other => other.to_owned(),
        };
        let mut plan = partner(plan, &away, &setting);
        for (name, value) in variables {
            plan = plan.variable(name, url(value).replace("ADDRESS", &proxy.address.to_string()));
        }
        let world = plan.start().await;
        let said = outcome(&world).await;
        assert_eq!(said == "allowed", passes, "{name}: {said}");
        assert_eq!(proxy.asked().is_empty(), !passes, "{name}: {:?}", proxy.asked());
        let line = format!("GET {away} HTTP/1.1");
        assert!(proxy.asked().iter().all(|asked| *asked == line), "{name}: {:?}", proxy.asked());
        if !passes {
            assert!(said.contains("keys_unavailable"), "{name}: {said}");
        }
    }
}

/// The environment says nothing about the identity provider, which is a neighbour.
#[tokio::test]
async fn the_identity_provider_is_never_reached_through_a_proxy() {
    let plan = Plan::new().await;
    let proxy = ForwardProxy::start(plan.idp.address(), None).await;
    let url = format!("http://{}", proxy.address);
    let old = format!("upstream:\n  url: http://{}", plan.idp.address());
    let plan = plan.configure(&old, "upstream:\n  url: http://idp.invalid");
    let world = plan.variable("HTTP_PROXY", &url).variable("HTTPS_PROXY", &url).start().await;
    for path in ["/realms/corp/account", CERTS_PATH, DISCOVERY_PATH] {
        assert!(client::get(world.address(), path).await.status.is_server_error(), "{path}");
    }
    assert!(proxy.asked().is_empty(), "{:?}", proxy.asked());
}

#[tokio::test]
async fn introspection_and_the_keys_of_clients_go_through_the_proxy_too() {
    let plan = Plan::new().await;
    plan.folder.write("partner.secret", "s3cret");
    let proxy = ForwardProxy::start(plan.idp.address(), None).await;
    let introspection = format!(
        "introspection: {{ clientId: c, clientSecretFile: partner.secret, url: \"http://{AWAY}/introspect\" }}\n    jwksURL: http"
    );
    let client = format!(
        "signingKey: corp.pem\n    clients: {{ batch: [{{ method: private_key_jwt, jwksURL: \"http://{AWAY}/batch\", algorithms: [RS256] }}] }}"
    );
    let plan = partner(plan, &format!("http://{AWAY}{CERTS}"), "");
    let plan = plan.configure("jwksURL: http", &introspection).configure("signingKey: corp.pem", &client);
    let world = plan.variable("HTTP_PROXY", format!("http://{}", proxy.address)).start().await;
    let answer = json!({
        "active": true, "sub": "u-1", "aud": "https://sso.example.org", "exp": world.now() + 60, "token_type": "Bearer",
        "scope": "email",
    });
    world.idp.faults().answer_at("/introspect", 200, &answer.to_string());
    world.exchange("opaque", &[]).await.access_token();
    assert!(proxy.asked().contains(&format!("POST http://{AWAY}/introspect HTTP/1.1")), "{:?}", proxy.asked());
    let batch = format!("GET http://{AWAY}/batch HTTP/1.1");
    until("the client's keys", async || proxy.asked().contains(&batch).then_some(())).await;
}

#[tokio::test]
async fn a_proxy_gets_its_credentials_and_nobody_else_sees_them() {
    let credentials = Some("Basic Y2FtYmlvOmh1bnRlcjI=");
    for (name, scheme, known) in [("http", "http", true), ("https", "https", true), ("none given", "http", false)] {
        let plan = Plan::new().await;
        let server = TlsServer::start(&format!("{{\"keys\":{}}}", keys(plan.idp.address()).await), None).await;
        let leads_to = if scheme == "https" { server.address } else { plan.idp.address() };
        let proxy = ForwardProxy::start(leads_to, credentials).await;
        plan.folder.write("ca.pem", &server.certificate);
        let user = if known { "cambio:hunter2@" } else { "" };
        let url = format!("{scheme}://{AWAY}{CERTS}");
        let plan = partner(plan, &url, ", certificateAuthorityFile: ca.pem, proxyURL: \"http://${USERINFO}PROXY\"");
        let plan = plan.configure("PROXY\"", &format!("{}\"", proxy.address)).variable("USERINFO", user);
        let world = plan.start().await;
        let said = outcome(&world).await;
        assert_eq!(said == "allowed", known, "{name}: {said}");
        let config = client::get_by_address(world.cambio.admin, "/config").await.text();
        assert!(config.contains(&format!("http://{}", proxy.address)), "{config}");
        for text in [config, world.folder.read("audit.jsonl"), said] {
            assert!(!text.contains("hunter2") && !text.contains("Y2FtYmlvOmh1bnRlcjI"), "{name}: {text}");
        }
        let expected =
            if scheme == "https" { format!("CONNECT {AWAY}:443 HTTP/1.1") } else { format!("GET {url} HTTP/1.1") };
        assert!(proxy.asked().contains(&expected), "{name}: {:?}", proxy.asked());
        let received = world.idp.faults().received();
        assert!(received.iter().all(|one| one.headers.get("proxy-authorization").is_none()), "{name}");
        assert!(server.authorizations().iter().all(Option::is_none), "{name}");
    }
}

#[tokio::test]
async fn an_address_that_is_no_proxys_is_a_problem_that_repeats_no_password() {
    for name in ["HTTP_PROXY", "https_proxy"] {
        let plan = Plan::new().await.variable(name, "socks5://cambio:hunter2@127.0.0.1:1080");
        let error = plan.try_start().await.err().unwrap();
        assert!(error.contains(name) && error.contains("HTTP proxy") && !error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn keys_are_fetched_with_the_bearer_token_that_the_file_has_now() {
    let plan = Plan::new().await;
    plan.folder.write("token", "first-token\n");
    let url = format!("http://{}{CERTS}", plan.idp.address());
    let world = partner(plan, &url, ", bearerTokenFile: token").start().await;
    let sent = || -> Vec<String> {
        let received = world.idp.faults().received();
        let certs = received.iter().filter(|one| one.target == CERTS);
        certs.map(|one| one.headers.get(AUTHORIZATION).map_or("", |value| value.to_str().unwrap()).to_owned()).collect()
    };
    assert_eq!(outcome(&world).await, "allowed");
    assert_eq!(sent(), ["Bearer first-token"]);
    let reloads = world.reloads().await;
    for (content, expected) in [("second-token", Some("Bearer second-token")), ("", None), ("two\nlines", None)] {
        world.folder.write("token", content);
        world.idp.faults().forget();
        world.clock.advance(SignedDuration::from_secs(11));
        // A key that the partner does not publish makes Cambio fetch again.
        assert_eq!(world.exchange(&signed(&world, "corp"), &[]).await.status, 400);
        assert_eq!(sent(), expected.into_iter().collect::<Vec<_>>(), "{content:?}");
    }
    assert_eq!(outcome(&world).await, "allowed", "the keys of the last fetch");
    assert_eq!(world.reloads().await, reloads, "a new token is no new configuration");
    let received = world.idp.faults().received();
    let others = received.iter().filter(|one| one.target != CERTS);
    assert!(
        others.filter_map(|one| one.headers.get(AUTHORIZATION)).all(|value| !value.to_str().unwrap().contains("token"))
    );
}

/// Discovery names the key set, maybe at another origin. The token stays at the origin that the operator wrote.
#[tokio::test]
async fn the_bearer_token_goes_to_the_origin_that_is_written_only() {
    let plan = Plan::new().await;
    plan.folder.write("token", "the-token");
    let other =
        TlsServer::start(&format!("{{\"keys\":{}}}", keys(plan.idp.address()).await), Some("Bearer the-token")).await;
    plan.folder.write("ca.pem", &other.certificate);
    let document = json!({
        "issuer": "http://sso.example.org/realms/partner",
        "jwks_uri": format!("https://localhost:{}/keys", other.address.port()),
    });
    plan.idp.faults().answer_at("/discovery", 200, &document.to_string());
    let discovery = format!("http://{}/discovery", plan.idp.address());
    let settings = format!(", discoveryURL: \"{discovery}\", certificateAuthorityFile: ca.pem, bearerTokenFile: token");
    let plan = partner(plan, "REMOVED", &settings).configure("    jwksURL: REMOVED\n", "");
    let world = plan.start().await;
    let said = outcome(&world).await;
    assert!(said.contains("keys_unavailable") && said.contains("name the key set itself in jwksURL"), "{said}");
    assert!(
        !other.authorizations().is_empty() && other.authorizations().iter().all(Option::is_none),
        "not to the other"
    );
    let received = world.idp.faults().received();
    let asked = received.iter().find(|one| one.target == "/discovery").unwrap();
    assert_eq!(asked.headers.get(AUTHORIZATION).unwrap(), "Bearer the-token");

    let text = world.folder.read("cambio.yaml");
    let written = format!("jwksURL: https://localhost:{}/keys\naudiences:", other.address.port());
    let text = text
        .replace(&format!(", discoveryURL: \"{discovery}\""), "")
        .replace("\naudiences:", &format!("\n    {written}"));
    world.rewrite("cambio.yaml", &text).await;
    assert_eq!(outcome(&world).await, "allowed", "{text}");
    for text in [client::get_by_address(world.cambio.admin, "/config").await.text(), world.folder.read("audit.jsonl")] {
        assert!(!text.contains("the-token"), "{text}");
    }
}

/// The partner's keys as the identity provider publishes them.
async fn keys(idp: SocketAddr) -> String {
    client::get(idp, CERTS).await.json()["keys"].to_string()
}

/// A server with TLS, for [`AWAY`] and localhost.
struct TlsServer {
    address: SocketAddr,
    certificate: String,
    authorizations: Arc<Mutex<Vec<Option<String>>>>,
}

impl TlsServer {
    /// Answers every request with `body`; without `needed` in `Authorization` with 401.
    async fn start(body: &str, needed: Option<&'static str>) -> Self {
        let names = [AWAY.to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let (acceptor, body) = (TlsAcceptor::from(Arc::new(config)), Bytes::from(body.to_owned()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let authorizations = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&authorizations);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, body, seen) = (acceptor.clone(), body.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(|request: Request<Incoming>| {
                        let given =
                            request.headers().get(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
                        let status = if needed.is_some() && given.as_deref() != needed { 401 } else { 200 };
                        seen.lock().unwrap().push(given);
                        let answer = Response::builder().status(status).body(Full::new(body.clone())).unwrap();
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new();
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, certificate: made.cert.pem(), authorizations }
    }

    /// `Authorization` of each request.
    fn authorizations(&self) -> Vec<Option<String>> {
        self.authorizations.lock().unwrap().clone()
    }
}
