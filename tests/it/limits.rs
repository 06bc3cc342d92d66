//! How often callers may come: `realms.*.rateLimits`.

use bytes::Bytes;
use cambio::judgement::client::secret::SecretHash;
use cambio::words::secret::Secret;
use http::Request;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::files::BACK_END_API;
use crate::support::world::{CERTS_PATH, DISCOVERY_PATH, EXCHANGE_GRANT, Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{client, form};

const REALM: &str = "    subjectIssuers: [corp, partner]\n";
const INTROSPECT: &str = "/realms/corp/protocol/openid-connect/token/introspect";
const USERINFO: &str = "/realms/corp/protocol/openid-connect/userinfo";
const REVOKE: &str = "/realms/corp/protocol/openid-connect/revoke";
const BROKER: &str = "/realms/corp/broker/partner/token";
const MINTED: &str = "permissions: [{ clients: [front-end-app], issuance: mint, scopes: [email] }]\n";

async fn plan(realm: &str) -> Plan {
    Plan::new()
        .await
        .configure("listen:\n", "listen:\n  trustedProxies: [127.0.0.1]\n")
        .configure(REALM, &format!("{REALM}{realm}"))
}

async fn world(realm: &str) -> World {
    plan(realm).await.start().await
}

/// A form from the caller that the proxy names.
fn from(peer: &str, path: &str, fields: &[(&str, &str)]) -> Request<Bytes> {
    let mut request = client::form_request(path, fields);
    request.headers_mut().insert("x-forwarded-for", peer.parse().unwrap());
    request
}

async fn exchange_from(world: &World, peer: &str, token: &str, changes: &[(&str, &str)]) -> client::Answer {
    let fields = form::changed(&exchange_fields(token), changes);
    client::send(world.address(), from(peer, TOKEN_PATH, &fields)).await
}

/// The number of requests that reached the identity provider's token endpoint.
fn at_provider(world: &World) -> usize {
    world.idp.faults().received().iter().filter(|one| one.method == "POST" && one.target == TOKEN_PATH).count()
}

#[tokio::test]
async fn each_limit_is_told_by_status_time_line_and_metric() {
    for (limits, limit, wait, detail) in [
        ("perPeer: 2/m", "perPeer", "30", "realms.corp.rateLimits.perPeer: 2/m is reached; free again in 30.000 s"),
        (
            "perRealm: 2/h",
            "perRealm",
            "1800",
            "realms.corp.rateLimits.perRealm: 2/h is reached; free again in 1800.000 s",
        ),
        ("perClient: 2/s", "perClient", "1", "realms.corp.rateLimits.perClient: 2/s is reached; free again in 0.500 s"),
    ] {
        let world = world(&format!("    rateLimits: {{ {limits} }}\n")).await;
        let token = world.alice().await;
        for _ in 0..2 {
            world.exchange(&token, &[]).await.access_token();
        }
        let (before, sent) = (world.audit_so_far(), at_provider(&world));
        let answer = world.exchange(&token, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, wait), "{limits}: {}", answer.text());
        assert_eq!(at_provider(&world), sent, "{limits}: the identity provider is not asked");
        let line = world.audit_after(before).await;
        let told = json!([line["event"], line["outcome"], line["reason"], line["status"], line["detail"]]);
        assert_eq!(told, json!(["token_exchange", "denied", "rate_limited", 429, detail]));
        let metric = format!("cambio_limited_requests_total{{limit=\"{limit}\",realm=\"corp\"}}");
        assert!((world.metric(&metric).await - 1.0).abs() < 0.1, "{limits}");
        let seconds: i64 = wait.parse().unwrap();
        world.clock.advance(SignedDuration::from_secs(seconds));
        world.exchange(&world.alice().await, &[]).await.access_token();
    }
}

#[tokio::test]
async fn nothing_is_limited_unless_it_is_configured() {
    let world = World::start().await;
    let token = world.alice().await;
    for number in 0..150 {
        let answer = world.exchange(&token, &[("audience", "nobodys-api")]).await;
        assert_ne!(answer.status, 429, "{number}");
    }
}

/// Logins, pages, the realm's documents and the identity provider's own tokens only pass.
#[tokio::test]
async fn what_passes_is_not_limited() {
    let world = world("    rateLimits: { perClient: 1/h, perPeer: 1/h, perRealm: 1/h }\n").await;
    let token = world.alice().await;
    world.exchange(&token, &[]).await.access_token();
    assert_eq!(world.exchange(&token, &[]).await.status, 429);
    for _ in 0..3 {
        world.alice().await;
        for path in [CERTS_PATH, DISCOVERY_PATH] {
            assert_eq!(client::get(world.address(), path).await.status, 200, "{path}");
        }
        let about = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("token", &*token)];
        assert_eq!(client::post(world.address(), INTROSPECT, &about).await.status, 200);
        assert_ne!(client::get(world.address(), "/realms/corp/account").await.status, 429);
        let wrong =
            [("grant_type", "password"), ("client_id", "front-end-app"), ("client_secret", "no"), ("username", "a")];
        assert_eq!(client::post(world.address(), TOKEN_PATH, &wrong).await.status, 401, "the identity provider's word");
    }
}

/// Nothing in the request is looked at: neither its token nor its client.
#[tokio::test]
async fn a_peer_beyond_its_limit_costs_no_check() {
    let world = world("    rateLimits: { perPeer: 1/h }\n").await;
    let token = world.alice().await;
    world.exchange(&token, &[]).await.access_token();
    world.idp.faults().forget();
    for (name, changes) in [
        ("right", &[][..]),
        ("a wrong secret", &[("client_secret", "wrong")]),
        ("no token", &[("subject_token", "x")]),
        ("malformed", &[("scope", "a"), ("scope", "b")]),
        ("another spelling of the grant", &[("grant_type", " urn:ietf:params:oauth:grant-type:token-exchange")]),
        ("a closed door", &[("grant_type", "urn:ietf:params:oauth:grant-type:uma-ticket")]),
    ] {
        let before = world.audit_so_far();
        let answer = world.exchange(&token, changes).await;
        assert_eq!(answer.status, 429, "{name}: {}", answer.text());
        assert_eq!(world.audit_after(before).await["reason"], "rate_limited", "{name}");
    }
    assert_eq!(world.idp.faults().received().len(), 0);
}

#[tokio::test]
async fn peers_are_the_callers_that_a_trusted_proxy_names() {
    let world = world("    rateLimits: { perPeer: 1/h }\n").await;
    let token = world.alice().await;
    for (name, peer, is_new) in [
        ("IPv4", "192.0.2.1", true),
        ("the same", "192.0.2.1", false),
        ("the same in IPv6", "::ffff:192.0.2.1", false),
        ("the address that a caller claims to come from", "192.0.2.9, 192.0.2.1", false),
        ("another", "192.0.2.2", true),
        ("IPv6", "2001:db8:0:1::1", true),
        ("its neighbour in the /64", "2001:db8:0:1:ffff::2", false),
        ("another /64", "2001:db8:0:2::1", true),
    ] {
        let answer = exchange_from(&world, peer, &token, &[]).await;
        assert_eq!(answer.status, if is_new { 200 } else { 429 }, "{name}: {}", answer.text());
    }
    let untrusting = Plan::new().await.configure(REALM, &format!("{REALM}    rateLimits: {{ perPeer: 1/h }}\n"));
    let untrusting = untrusting.start().await;
    let token = untrusting.alice().await;
    let statuses = [
        exchange_from(&untrusting, "192.0.2.1", &token, &[]).await.status.as_u16(),
        exchange_from(&untrusting, "192.0.2.2", &token, &[]).await.status.as_u16(),
    ];
    assert_eq!(statuses, [200, 429], "nobody gets out of a limit with a header");
}

/// Anybody can name a client. Whoever does, and can't prove it, uses up nothing of the client's.
#[tokio::test]
async fn strangers_do_not_use_up_a_clients_limit() {
    let hash = SecretHash::sha256(&Secret::new("front-end-secret"));
    let registered = format!("    clients: {{ front-end-app: [{{ method: client_secret, secretHash: '{hash}' }}] }}\n");
    for (name, realm, audience) in [
        ("judged in the exchange", String::new(), None),
        ("asked about", String::new(), Some(MINTED)),
        ("registered", registered.clone(), None),
        ("registered, without the identity provider", registered, Some(MINTED)),
    ] {
        let mut plan = plan(&format!("    rateLimits: {{ perClient: 2/h }}\n{realm}")).await;
        if let Some(permissions) = audience {
            plan = plan.audience("back-end-api", &format!("{BACK_END_API}{permissions}"));
        }
        let world = plan.start().await;
        let token = world.alice().await;
        for (changes, status) in [
            (&[("client_secret", "wrong")][..], 401),
            (&[("client_secret", "wrong"), ("subject_token", "x")], 401),
            (&[("client_secret", "-")], 401),
        ] {
            for _ in 0..3 {
                let answer = exchange_from(&world, "192.0.2.66", &token, changes).await;
                assert_eq!(answer.status, status, "{name}: {}", answer.text());
            }
        }
        let statuses = [
            exchange_from(&world, "192.0.2.1", &token, &[]).await.status.as_u16(),
            // What the proven client itself sends counts, whatever becomes of it.
            exchange_from(&world, "192.0.2.1", &token, &[("audience", "nobodys-api")]).await.status.as_u16(),
            exchange_from(&world, "192.0.2.2", &token, &[]).await.status.as_u16(),
        ];
        assert_eq!((statuses[0], statuses[2]), (200, 429), "{name}: {statuses:?}");
        assert!(matches!(statuses[1], 400 | 403), "{name}: {statuses:?}");
    }
}

#[tokio::test]
async fn doors_and_requests_about_own_tokens_count_too() {
    let hash = SecretHash::sha256(&Secret::new("back-end-secret"));
    let realm = format!(
        "    doors: {{ umaTicket: open, brokerToken: open, introspectionJwt: open }}\n    clients: {{ back-end-api: [{{ method: client_secret, secretHash: '{hash}' }}] }}\n    rateLimits: {{ perPeer: 1/h }}\n"
    );
    let world = world(&realm).await;
    let token = world.alice().await;
    let issued = world.exchange(&token, &[]).await.access_token();
    let about = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("token", &*issued)];
    let with = |mut request: Request<Bytes>, name: &'static str, value: &str| {
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let get = |path: &str| Request::get(path).header("x-forwarded-for", "192.0.2.1").body(Bytes::new()).unwrap();
    let uma = [("grant_type", "urn:ietf:params:oauth:grant-type:uma-ticket"), ("client_id", "front-end-app")];
    let another = [("client_id", "back-end-api"), ("client_secret", "back-end-secret"), ("token", &*token)];
    let requests: [(&str, Request<Bytes>, Value); 8] = [
        ("introspection", from("192.0.2.1", INTROSPECT, &about), json!(null)),
        ("userinfo", with(get(USERINFO), "authorization", &format!("Bearer {issued}")), json!(null)),
        ("revocation", from("192.0.2.1", REVOKE, &about), json!("token_revocation")),
        ("an open grant", from("192.0.2.1", TOKEN_PATH, &uma), json!("request_refused")),
        ("an open endpoint", get(BROKER), json!("request_refused")),
        ("a closed endpoint", get("/realms/corp/protocol/oid4vc/credential-offer/x"), json!("request_refused")),
        (
            "a JWT about a token",
            with(from("192.0.2.1", INTROSPECT, &another), "accept", "application/jwt"),
            json!("request_refused"),
        ),
        (
            "JWT bearer",
            from("192.0.2.1", TOKEN_PATH, &[("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")]),
            json!("request_refused"),
        ),
    ];
    exchange_from(&world, "192.0.2.1", &token, &[]).await.access_token();
    for (name, request, event) in requests {
        let before = world.audit_so_far();
        let answer = client::send(world.address(), request).await;
        assert_eq!(answer.status, 429, "{name}: {}", answer.text());
        assert_eq!(answer.header("retry-after"), "3600", "{name}");
        if !event.is_null() {
            let line = world.audit_after(before).await;
            assert_eq!((&line["event"], &line["reason"]), (&event, &json!("rate_limited")), "{name}: {line}");
        }
    }
    let exchange = [("grant_type", EXCHANGE_GRANT)];
    let answer = client::send(world.address(), from("192.0.2.7", TOKEN_PATH, &exchange)).await;
    assert_ne!(answer.status, 429, "another peer");
}

#[tokio::test]
async fn a_reload_puts_a_limit_in_force_and_keeps_the_counts_of_the_others() {
    let limits = |text: &str| format!("    rateLimits: {{ {text} }}\n");
    let world = world(&limits("perPeer: 1/h, perClient: 100/h")).await;
    let file = world.folder.read("cambio.yaml");
    let reload = async |text: &str| {
        world.rewrite("cambio.yaml", &file.replace(&limits("perPeer: 1/h, perClient: 100/h"), &limits(text))).await;
    };
    let token = world.alice().await;
    let status = async || world.exchange(&token, &[]).await.status.as_u16();
    assert_eq!([status().await, status().await], [200, 429]);
    reload("perPeer: 1/h, perClient: 200/h").await;
    assert_eq!(status().await, 429, "an unchanged limit goes on");
    reload("perPeer: 2/h, perClient: 200/h").await;
    assert_eq!([status().await, status().await, status().await], [200, 200, 429], "a changed limit begins anew");
    reload("perClient: 200/h").await;
    assert_eq!([status().await, status().await], [200, 200], "a limit that is gone");
}
