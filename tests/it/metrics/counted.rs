//! What counts where.

use serde_json::json;

use super::exposition::Exposition;
use crate::support::faults::{Endpoint, Fault};
use crate::support::files::BACK_END_API;
use crate::support::world::{Plan, TOKEN_PATH, World, exchange_fields, login, until};
use crate::support::{client, form};

const WRONG: (&str, &str) = ("client_secret", "wrong");
const REALM: &str = "    signingKey: corp.pem\n";

fn exchanges(audience: &str, client: &str, issuance: &str, outcome: &str) -> String {
    format!(
        "cambio_exchanges_total{{audience=\"{audience}\",client=\"{client}\",issuance=\"{issuance}\",outcome=\"{outcome}\",realm=\"corp\"}}"
    )
}

fn refusals(reason: &str) -> String {
    format!("cambio_exchange_refusals_total{{realm=\"corp\",reason=\"{reason}\"}}")
}

fn authentications(method: &str, outcome: &str) -> String {
    format!("cambio_client_authentications_total{{method=\"{method}\",outcome=\"{outcome}\",realm=\"corp\"}}")
}

/// Every issuance has an audience.
async fn plan() -> Plan {
    let audience = |name: &str, issuance: &str| {
        let permission = "{ clients: [front-end-app], issuers: [ISSUER], scopes: [email, profile] }";
        let issuer = if issuance == "translate" { "partner" } else { "corp" };
        let permission = permission.replace("ISSUER", issuer);
        format!(
            "audience: {name}\nowner: team\nresources: [https://{name}.example.org]\nissuance: {issuance}\npermissions: [{permission}]\n"
        )
    };
    let mut plan = Plan::new().await.configure(
        REALM,
        &format!("{REALM}    measuredClients: [front-end-app]\n    clientLockout: {{ wrongSecrets: 0 }}\n"),
    );
    for (name, issuance) in
        [("other-api", "forward"), ("front-end-app", "reissue"), ("translated", "translate"), ("minted", "mint")]
    {
        plan = plan.audience(name, &audience(name, issuance));
    }
    plan
}

async fn world() -> World {
    plan().await.start().await
}

/// The series that differ, with the differences.
fn differences(before: &Exposition, after: &Exposition, families: &[&str]) -> Vec<(String, f64)> {
    assert_eq!(before.series(), after.series(), "no request makes a series");
    let is_wanted = |series: &str| families.iter().any(|family| series.starts_with(&format!("{family}{{")));
    let changed = after.values.iter().filter(|(series, value)| is_wanted(series) && before.values[*series] < **value);
    changed.map(|(series, value)| (series.clone(), value - before.values[series])).collect()
}

const OF_EXCHANGES: [&str; 2] = ["cambio_exchanges_total", "cambio_exchange_refusals_total"];

#[tokio::test]
async fn an_exchange_counts_by_audience_client_issuance_and_outcome() {
    let world = world().await;
    let alice = world.alice().await;
    let partner = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), partner, "partner-app", "partner-secret", "carol").await.access_token();
    let (us, other) = ("front-end-app", "other");
    let named = |name: &'static str| vec![("audience", name)];
    for (name, token, changes, expected) in [
        ("reissued", &alice, vec![], vec![exchanges("back-end-api", us, "reissue", "allowed")]),
        ("minted", &alice, named("minted"), vec![exchanges("minted", us, "mint", "allowed")]),
        (
            "by resource",
            &alice,
            vec![("audience", "-"), ("resource", "https://api.example.org")],
            vec![exchanges("back-end-api", us, "reissue", "allowed")],
        ),
        (
            "by name and resource",
            &alice,
            vec![("resource", "https://api.example.org")],
            vec![exchanges("back-end-api", us, "reissue", "allowed")],
        ),
        (
            "a foreign token that no permission covers",
            &carol,
            named("minted"),
            vec![refusals("issuer_not_permitted"), exchanges("minted", us, "mint", "denied")],
        ),
        (
            "a client that no permission names",
            &alice,
            vec![("client_id", "reporting-app"), ("client_secret", "reporting-secret"), ("audience", "minted")],
            vec![refusals("subject_token_audience"), exchanges("minted", other, "mint", "denied")],
        ),
        (
            "an audience that somebody made up",
            &alice,
            named("made-up"),
            vec![refusals("audience_unknown"), exchanges("", us, "", "denied")],
        ),
        (
            "a made up audience beside another",
            &alice,
            named("minted"),
            vec![refusals("audience_unknown"), exchanges("minted", us, "mint", "denied")],
        ),
        (
            "no audience",
            &alice,
            vec![("audience", "-")],
            // The request is refused before its client is read.
            vec![refusals("audience_missing"), exchanges("", other, "", "denied")],
        ),
        (
            "no client",
            &alice,
            vec![("client_id", "-"), ("client_secret", "-")],
            vec![refusals("client_missing"), exchanges("", other, "", "denied")],
        ),
    ] {
        let before = Exposition::of(&world).await;
        let mut fields = form::changed(&exchange_fields(token), &changes);
        if name == "a made up audience beside another" {
            fields.push(("audience", "made-up"));
        }
        client::post(world.address(), TOKEN_PATH, &fields).await;
        let after = Exposition::of(&world).await;
        let mut expected: Vec<_> = expected.into_iter().map(|series| (series, 1.0)).collect();
        expected.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(differences(&before, &after, &OF_EXCHANGES), expected, "{name}");
    }
    // Audiences that need tokens of two issuances: the request counts for both, once each.
    let before = Exposition::of(&world).await;
    let mut fields = exchange_fields(&alice).to_vec();
    fields.extend([("audience", "minted"), ("resource", "https://minted.example.org")]);
    client::post(world.address(), TOKEN_PATH, &fields).await;
    let after = Exposition::of(&world).await;
    let expected = [
        (refusals("issuance_conflict"), 1.0),
        (exchanges("back-end-api", us, "reissue", "denied"), 1.0),
        (exchanges("minted", us, "mint", "denied"), 1.0),
    ];
    assert_eq!(differences(&before, &after, &OF_EXCHANGES), expected);
}

#[tokio::test]
async fn the_duration_counts_by_outcome() {
    let world = world().await;
    let alice = world.alice().await;
    let count = async |outcome: &str| {
        world.metric(&format!("cambio_exchange_duration_seconds_count{{outcome=\"{outcome}\",realm=\"corp\"}}")).await
    };
    world.exchange(&alice, &[]).await.access_token();
    world.exchange(&alice, &[("audience", "made-up")]).await;
    world.idp.faults().set(Endpoint::Token, Fault::CloseAtOnce);
    world.exchange(&alice, &[]).await;
    for outcome in ["allowed", "denied", "failed"] {
        assert!((count(outcome).await - 1.0).abs() < 0.1, "{outcome}");
    }
    assert!((world.metric(&exchanges("back-end-api", "front-end-app", "reissue", "failed")).await - 1.0).abs() < 0.1);
}

/// Whoever judges the client, and whatever else is wrong with the request.
#[tokio::test]
async fn a_wrong_secret_counts_once_for_every_issuance() {
    let world = world().await;
    let alice = world.alice().await;
    let partner = "/realms/partner/protocol/openid-connect/token";
    let carol = login(world.idp.address(), partner, "partner-app", "partner-secret", "carol").await.access_token();
    for (name, token, audience) in [
        ("forward", alice.as_str(), "other-api"),
        ("reissue", &alice, "back-end-api"),
        ("translate", &carol, "translated"),
        ("mint", &alice, "minted"),
        ("an audience that somebody made up", &alice, "made-up"),
        ("no token", "x", "back-end-api"),
    ] {
        let before = Exposition::of(&world).await;
        let answer = world.exchange(token, &[("audience", audience), WRONG]).await;
        assert_eq!(answer.status, 401, "{name}: {}", answer.text());
        let after = Exposition::of(&world).await;
        let counted = differences(&before, &after, &["cambio_client_authentications_total"]);
        assert_eq!(counted, [(authentications("upstream", "denied"), 1.0)], "{name}");
        // The same request with the right secret.
        world.exchange(token, &[("audience", audience)]).await;
        let right = Exposition::of(&world).await;
        let counted = differences(&after, &right, &["cambio_client_authentications_total"]);
        assert_eq!(counted, [(authentications("upstream", "allowed"), 1.0)], "{name}: right");
    }
}

#[tokio::test]
async fn an_identity_provider_that_does_not_answer_refuses_nobody() {
    let world = world().await;
    let alice = world.alice().await;
    for (endpoint, audience) in [(Endpoint::Token, "back-end-api"), (Endpoint::Introspect, "minted")] {
        world.idp.faults().set(endpoint, Fault::CloseAtOnce);
        let before = Exposition::of(&world).await;
        world.exchange(&alice, &[("audience", audience)]).await;
        let after = Exposition::of(&world).await;
        let counted = differences(&before, &after, &["cambio_client_authentications_total"]);
        assert_eq!(counted, [(authentications("upstream", "failed"), 1.0)], "{audience}");
    }
}

/// What callers make up is no label, and adds no series.
#[tokio::test]
async fn no_request_makes_a_series() {
    let world = world().await;
    let alice = world.alice().await;
    let before = Exposition::of(&world).await;
    let long = "x".repeat(3000);
    for (name, path, changes) in [
        ("an audience", TOKEN_PATH, vec![("audience", "made-up")]),
        ("a long audience", TOKEN_PATH, vec![("audience", long.as_str())]),
        ("an audience like an escape", TOKEN_PATH, vec![("audience", "a\"} 1\ncambio_x 1")]),
        ("a resource", TOKEN_PATH, vec![("resource", "https://made-up.example.org")]),
        ("a client", TOKEN_PATH, vec![("client_id", "made-up")]),
        ("the client that stands for others", TOKEN_PATH, vec![("client_id", "other")]),
        ("a scope", TOKEN_PATH, vec![("scope", "made-up")]),
        ("a token type", TOKEN_PATH, vec![("subject_token_type", "made-up")]),
        ("a realm", "/realms/made-up/protocol/openid-connect/token", vec![]),
        ("a closed door", TOKEN_PATH, vec![("requested_issuer", "made-up")]),
        ("a grant", TOKEN_PATH, vec![("grant_type", "made-up")]),
        ("a query", "/realms/corp/protocol/openid-connect/token?a=b", vec![]),
        ("another path", "/made-up", vec![]),
    ] {
        client::post(world.address(), path, &form::changed(&exchange_fields(&alice), &changes)).await;
        let after = Exposition::of(&world).await;
        assert_eq!(before.series(), after.series(), "{name}");
    }
    let client = exchanges("back-end-api", "other", "reissue", "denied");
    assert!(world.metric(&client).await >= 1.0, "a client that somebody made up counts with all others");
}

#[tokio::test]
async fn requests_count_by_door() {
    let judged = "    doors: { jwtBearer: judged, umaTicket: open }\n";
    let world = Plan::new().await.configure(REALM, &format!("{REALM}{judged}")).start().await;
    let uma = "urn:ietf:params:oauth:grant-type:uma-ticket";
    let ciba = "urn:openid:params:grant-type:ciba";
    let bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let other = "/realms/other/protocol/openid-connect/token";
    for (name, path, fields, realm, door, outcome) in [
        ("open", TOKEN_PATH, vec![("grant_type", uma), ("ticket", "x")], "corp", "uma_ticket", "denied"),
        ("closed", TOKEN_PATH, vec![("grant_type", ciba), ("auth_req_id", "x")], "corp", "ciba", "denied"),
        ("judged", TOKEN_PATH, vec![("grant_type", bearer), ("assertion", "x")], "corp", "jwt_bearer", "denied"),
        ("of another realm", other, vec![("grant_type", ciba), ("auth_req_id", "x")], "", "ciba", "denied"),
        ("an endpoint", "/realms/corp/broker/partner/token", vec![], "corp", "broker_token", "denied"),
    ] {
        let (before, lines) = (Exposition::of(&world).await, world.audit_so_far());
        client::post(world.address(), path, &fields).await;
        let line = world.audit_after(lines).await;
        assert_eq!((&line["door"], &line["outcome"]), (&json!(door), &json!(outcome)), "{name}: {line}");
        let after = Exposition::of(&world).await;
        let counted = differences(&before, &after, &["cambio_door_requests_total"]);
        let series = format!("cambio_door_requests_total{{door=\"{door}\",outcome=\"{outcome}\",realm=\"{realm}\"}}");
        assert_eq!(counted, [(series, 1.0)], "{name}");
    }
}

#[tokio::test]
async fn a_permission_is_used_when_it_allows_something() {
    let permissions = "permissions:
  - { clients: [reporting-app], scopes: [email] }
  - { clients: [front-end-app], issuance: mint, scopes: [email] }
  - { clients: [front-end-app], scopes: [email, profile], requestedTokens: [refresh_token] }
";
    let plan = Plan::new()
        .await
        .configure(REALM, &format!("{REALM}    refreshTokens: {{ keyFiles: [seal.key] }}\n"))
        .audience("back-end-api", &format!("{BACK_END_API}{permissions}"));
    plan.folder.write("seal.key", cambio::adapters::seal::generate().unwrap().expose());
    let world = plan.start().await;
    let used = async || {
        let mut used = Vec::new();
        for index in 0..3 {
            let labels = format!("audience=\"back-end-api\",permission=\"permissions[{index}]\",realm=\"corp\"");
            let value = world.metric(&format!("cambio_permission_last_used_timestamp_seconds{{{labels}}}")).await;
            used.push(value);
        }
        used
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let now = || world.now() as f64;
    let wait = || world.clock.advance(jiff::SignedDuration::from_secs(7));
    assert_eq!(used().await, [0.0; 3]);
    let alice = world.alice().await;
    world.exchange(&alice, &[("scope", "made-up")]).await;
    assert_eq!(used().await, [0.0; 3], "refused");
    world.exchange(&alice, &[("scope", "email")]).await.access_token();
    let first = now();
    wait();
    let answer =
        world.exchange(&alice, &[("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token")]).await;
    let second = now();
    let refresh_token =
        answer.json()["refresh_token"].as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned();
    let found = used().await;
    assert_eq!(found, [0.0, first, second]);
    wait();
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*refresh_token),
        ("client_id", "front-end-app"),
        ("client_secret", "front-end-secret"),
    ];
    client::post(world.address(), TOKEN_PATH, &fields).await.access_token();
    assert!((used().await[2] - now()).abs() < 0.5, "a refresh uses the permission, too");

    // A file that stays as it is keeps its times, whatever else changes; another file begins anew.
    let before = used().await;
    world.rewrite("audiences/new.yaml", "audience: new\nowner: team\npermissions: []\n").await;
    assert_eq!(used().await, before);
    world.rewrite("cambio.yaml", &world.folder.read("cambio.yaml").replace("idleTimeout: 2s", "idleTimeout: 3s")).await;
    assert_eq!(used().await, before);
    let (first, rest) = permissions.split_once('\n').unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    world.rewrite("audiences/back-end-api.yaml", &format!("{BACK_END_API}{first}\n{rest}")).await;
    until("the new file", async || (used().await == [0.0; 3]).then_some(())).await;
}
