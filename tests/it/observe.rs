//! Observed exchanges: the identity provider's own answer passes, and the audit line has Cambio's decision beside it.

use jiff::SignedDuration;
use serde_json::json;

use crate::explain;
use crate::support::faults::{Endpoint, Fault};
use crate::support::files::{BACK_END_API, NOBODY, PERMITTED};
use crate::support::world::{Plan, TOKEN_PATH, World, exchange_fields};
use crate::support::{client, form, golden, token};

const OBSERVED: &str = "    signingKey: corp.pem\n    observeUntil: 2026-11-30\n";

/// The realm corp is observed for the rest of the month.
async fn observed() -> Plan {
    Plan::new().await.configure("    signingKey: corp.pem\n", OBSERVED)
}

/// The value of a series, as the scrape has it.
async fn shown(world: &World, series: &str) -> String {
    let text = client::get(world.cambio.admin, "/metrics").await.text();
    text.lines().find_map(|line| line.strip_prefix(series)).unwrap_or("absent").trim().to_owned()
}

#[tokio::test]
async fn an_allowed_exchange_keeps_the_identity_providers_answer() {
    let world = observed().await.start().await;
    let alice = world.alice().await;
    let answer = world.exchange(&alice, &[("scope", "email")]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let issued = answer.access_token();
    let directly = token::claims(&world.exchange_directly(&alice, &[("scope", "email")]).await.access_token());
    let claims = token::claims(&issued);
    assert_eq!(claims["realm_access"], directly["realm_access"], "roles are untouched");
    assert_eq!(claims["resource_access"], directly["resource_access"]);
    assert_eq!(token::header(&issued)["kid"], token::header(&alice)["kid"], "signed by the identity provider");
    let line = world.audit(1).await.remove(0);
    golden::check("audit/observed-allowed.json", &golden::audit(&line));
    let count = |outcome: &str| {
        format!("cambio_shadow_exchanges_total{{audience=\"back-end-api\",outcome=\"{outcome}\",realm=\"corp\"}}")
    };
    assert_eq!(shown(&world, &count("allowed")).await, "1");
    assert_eq!(shown(&world, &count("denied")).await, "0");
    let ends = shown(&world, "cambio_observe_ends_timestamp_seconds{audience=\"\",realm=\"corp\"}").await;
    assert_eq!(ends, "1796083200", "2026-12-01T00:00:00Z");
    let used = "cambio_permission_last_used_timestamp_seconds{audience=\"back-end-api\",permission=\"permissions[0]\"";
    let used = format!("{used},realm=\"corp\"}}");
    assert_eq!(shown(&world, &used).await, world.now().to_string());
}

/// What Cambio would refuse passes, with the reason beside it.
#[tokio::test]
async fn what_would_be_refused_passes() {
    let world = observed().await.audience("back-end-api", &format!("{BACK_END_API}{NOBODY}")).start().await;
    let alice = world.alice().await;
    let rows: [(&str, &[(&str, &str)], &str); 3] = [
        ("no permission", &[], "client_not_permitted"),
        ("a parameter that Cambio does not know", &[("x_unknown", "1")], "parameter_unknown"),
        ("no file", &[("audience", "front-end-app")], "audience_unknown"),
    ];
    for (name, changes, reason) in rows {
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, changes).await;
        let directly = world.exchange_directly(&alice, changes).await;
        assert_eq!(answer.status, directly.status, "{name}: {}", answer.text());
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let line = world.audit_after(before).await;
        assert_eq!((&line["shadow_outcome"], &line["shadow_reason"]), (&json!("denied"), &json!(reason)), "{line}");
        assert_eq!((&line["outcome"], &line["event"]), (&json!("allowed"), &json!("token_exchange")), "{line}");
        let refusals = format!("cambio_shadow_refusals_total{{realm=\"corp\",reason=\"{reason}\"}}");
        assert_eq!(shown(&world, &refusals).await, "1", "{name}");
        let fields = form::changed(&exchange_fields(&alice), changes);
        let explained = explain::ask(&world, &json!({ "form": form::encode(&fields) })).await.json();
        assert_eq!(
            (&explained["observed"], &explained["reason"]),
            (&json!(true), &json!(reason)),
            "{name}: {explained}"
        );
    }
    golden::check("audit/observed-denied.json", &golden::audit(&world.audit(1).await[0]));
}

/// The bytes of the identity provider's answer leave as they came, strange members and all.
#[tokio::test]
async fn the_answer_is_not_touched() {
    let world = observed().await.start().await;
    let alice = world.alice().await;
    let body = "{ \"access_token\" : \"opaque\",\"issued_token_type\":\"x\" , \"other\": [1, 2]}\n";
    for (status, shadow) in [(200, "allowed"), (403, "unjudged")] {
        world.idp.faults().answer_at(TOKEN_PATH, status, body);
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, body.to_owned()));
        let directly = world.exchange_directly(&alice, &[]).await;
        let names = |answer: &client::Answer| {
            let mut names: Vec<_> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&answer), names(&directly));
        let line = world.audit_after(before).await;
        assert_eq!((&line["shadow_outcome"], &line["upstream_status"]), (&json!(shadow), &json!(status)), "{line}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_proven_learns_nothing_of_the_judgement() {
    let world = observed().await.start().await;
    let alice = world.alice().await;
    for changes in [&[("client_secret", "wrong")][..], &[("client_secret", "wrong"), ("audience", "x")]] {
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, changes).await;
        let directly = world.exchange_directly(&alice, changes).await;
        assert_eq!((answer.status, answer.text()), (directly.status, directly.text()));
        let line = world.audit_after(before).await;
        assert_eq!(
            (&line["shadow_outcome"], &line["reason"]),
            (&json!("unjudged"), &json!("upstream_refused")),
            "{line}"
        );
    }
}

#[tokio::test]
async fn grants_and_endpoints_that_are_closed_pass() {
    let world = observed().await.start().await;
    let ticket = [("grant_type", "urn:ietf:params:oauth:grant-type:uma-ticket"), ("client_id", "front-end-app")];
    world.idp.faults().answer_at(TOKEN_PATH, 200, "{}");
    let broker = "/realms/corp/broker/partner/token";
    world.idp.faults().answer_at(broker, 200, "{}");
    assert_eq!(client::post(world.address(), TOKEN_PATH, &ticket).await.status, 200);
    assert_eq!(client::get(world.address(), broker).await.status, 200);
    let twice = form::encode(&[ticket[0], ticket[0], ticket[1]]);
    for form in [form::encode(&ticket), twice.clone()] {
        let explained = explain::ask(&world, &json!({ "form": form })).await.json();
        assert_eq!((&explained["observed"], &explained["answer"]), (&json!(true), &json!(null)), "{explained}");
    }
    let request = http::Request::post(TOKEN_PATH).header("content-type", "application/x-www-form-urlencoded");
    let request = request.body(hyper::body::Bytes::from(twice)).unwrap();
    assert_eq!(client::send(world.address(), request).await.status, 200, "refused before its grant is known");
    let lines = world.audit(3).await;
    for (line, (door, reason)) in lines.iter().zip([
        (json!("uma_ticket"), "door_closed"),
        (json!("broker_token"), "door_closed"),
        (json!(null), "parameter_repeated"),
    ]) {
        assert_eq!((&line["event"], &line["door"]), (&json!("door_passed"), &door), "{line}");
        assert_eq!((&line["shadow_outcome"], &line["shadow_reason"]), (&json!("denied"), &json!(reason)), "{line}");
    }
}

#[tokio::test]
async fn the_day_after_the_judgement_is_enforced() {
    let world = observed().await.audience("back-end-api", &format!("{BACK_END_API}{NOBODY}")).start().await;
    assert_eq!(world.exchange(&world.alice().await, &[]).await.status, 200);
    let days = SignedDuration::from_hours(24 * 29);
    world.clock.advance(days);
    assert_ne!(world.exchange(&world.alice().await, &[]).await.status, 200, "2026-12-01T08:00:00Z");
    assert_eq!(world.audit(2).await[1]["reason"], "client_not_permitted");
}

#[tokio::test]
async fn an_audience_is_observed_alone() {
    let file = format!("{BACK_END_API}{NOBODY}observeUntil: 2026-11-30\n");
    let other = "audience: front-end-app\nowner: web-team\npermissions: []\n";
    let world = Plan::new().await.audience("back-end-api", &file).audience("front-end-app", other).start().await;
    let alice = world.alice().await;
    let rows: [(&str, &[(&str, &str)], u16, &str); 4] = [
        ("the observed one", &[], 200, "client_not_permitted"),
        ("another", &[("audience", "front-end-app")], 400, "client_not_permitted"),
        ("one without a file", &[("audience", "unknown")], 400, "audience_unknown"),
        ("by resource", &[("audience", "-"), ("resource", "https://api.example.org")], 400, "client_not_permitted"),
    ];
    for (name, changes, status, reason) in rows {
        let before = world.audit_so_far();
        let answer = world.exchange(&alice, changes).await;
        let line = world.audit_after(before).await;
        let passed = status == 200;
        let fields = form::changed(&exchange_fields(&alice), changes);
        let explained = explain::ask(&world, &json!({ "form": form::encode(&fields) })).await.json();
        assert_eq!((&explained["observed"] == true, explained["answer"].is_null()), (passed, passed), "{explained}");
        assert_eq!(answer.status == 200, passed, "{name}: {}", answer.text());
        assert_eq!(line[if passed { "shadow_reason" } else { "reason" }], reason, "{name}: {line}");
        assert_eq!(line["shadow_outcome"].is_null(), !passed, "{name}: {line}");
    }
    let mut both = exchange_fields(&alice).to_vec();
    both.push(("audience", "front-end-app"));
    assert_ne!(
        client::post(world.address(), TOKEN_PATH, &both).await.status,
        200,
        "an observed one does not open another"
    );
    // The doors of the realm stay closed.
    assert_eq!(client::get(world.address(), "/realms/corp/broker/partner/token").await.status, 403);
}

/// Without Cambio there is no answer that could pass.
#[tokio::test]
async fn what_only_cambio_issues_is_never_observed() {
    let minted = BACK_END_API.replace("payments-team\n", "payments-team\nissuance: mint\n");
    let world = observed().await.audience("back-end-api", &format!("{minted}{NOBODY}")).start().await;
    let alice = world.alice().await;
    assert_ne!(world.exchange(&alice, &[]).await.status, 200);
    world.rewrite("audiences/back-end-api.yaml", &format!("{minted}{PERMITTED}")).await;
    let issued = world.exchange(&alice, &[]).await.access_token();
    assert_ne!(token::header(&issued)["kid"], token::header(&alice)["kid"], "signed by Cambio");
    let lines = world.audit(2).await;
    assert!(lines.iter().all(|line| line["shadow_outcome"].is_null()), "{lines:?}");
    // A token of Cambio as subject: the identity provider does not know it.
    let before = world.audit_so_far();
    world.exchange(&issued, &[("audience", "front-end-app")]).await;
    let line = world.audit_after(before).await;
    assert!(line["shadow_outcome"].is_null() && line["outcome"] == "denied", "{line}");
}

/// The identity provider does not know the dialects' own requests, wrong ones included.
#[tokio::test]
async fn what_only_a_dialect_has_is_never_observed() {
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    for (dialect, target, media_type, body) in [
        (
            "pace",
            TOKEN_PATH,
            json,
            "{\"grant_type\":\"urn:ietf:params:oauth:grant-type:token-exchange\",\"audience\":\"x\"}",
        ),
        ("pace", TOKEN_PATH, json, "{\"grant_type\":1}"),
        ("cern", "/realms/corp/api-access/token", form, "grant_type=client_credentials&client_id=front-end-app"),
        ("cern", "/auth/realms/corp/api-access/token", form, "grant_type=client_credentials&client_id=front-end-app"),
    ] {
        let plan =
            observed().await.configure("    observeUntil:", &format!("    dialect: {dialect}\n    observeUntil:"));
        let world = plan.start().await;
        world.idp.faults().forget();
        let request = http::Request::post(target).header("content-type", media_type);
        let request = request.body(hyper::body::Bytes::from_static(body.as_bytes())).unwrap();
        let answer = client::send(world.address(), request).await;
        let line = world.audit(1).await.remove(0);
        assert!(answer.status.is_client_error() && line["shadow_outcome"].is_null(), "{dialect} {target}: {line}");
        let received = world.idp.faults().received();
        assert!(received.iter().all(|one| one.body != body.as_bytes()), "{dialect} {target}: it went on as it came");
    }
}

#[tokio::test]
async fn realms_that_are_not_configured_are_observed_together() {
    let plan =
        Plan::new().await.configure("audiences: ./audiences\n", "audiences: ./audiences\nobserveUntil: 2026-11-30\n");
    let world = plan.start().await;
    let target = "/realms/partner/protocol/openid-connect/token";
    world.idp.faults().answer_at(target, 200, "{}");
    let answer = client::post(world.address(), target, &exchange_fields("x.y.z")).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "{}".to_owned()));
    let line = world.audit(1).await.remove(0);
    assert_eq!((&line["shadow_reason"], &line["event"]), (&json!("realm_unknown"), &json!("token_exchange")), "{line}");
    let count = "cambio_shadow_exchanges_total{audience=\"\",outcome=\"denied\",realm=\"\"}";
    assert_eq!(shown(&world, count).await, "1");
    let ends = shown(&world, "cambio_observe_ends_timestamp_seconds{audience=\"\",realm=\"\"}").await;
    assert_eq!(ends, "1796083200");
    // The configured realm is enforced.
    assert_ne!(world.exchange(&world.alice().await, &[("audience", "x")]).await.status, 200);
}

/// Keys are missing, so Cambio can't judge. The answer leaves all the same.
#[tokio::test]
async fn a_judgement_that_fails_stops_nothing() {
    let world = observed().await.start().await;
    let foreign = world.idp.signing_key("partner").unwrap();
    let claims = json!({ "iss": "http://sso.example.org/realms/partner", "sub": "p", "aud": "https://sso.example.org",
        "exp": world.now() + 60, "iat": world.now() });
    let foreign = foreign.sign(claims.as_object().unwrap()).unwrap();
    world.idp.faults().set(Endpoint::Certs, Fault::Answer(503, "application/json", "{}".to_owned()));
    world.idp.faults().answer_at(TOKEN_PATH, 200, "{}");
    let answer = world.exchange(&foreign, &[]).await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "{}".to_owned()));
    let line = world.audit(1).await.remove(0);
    assert_eq!(line["shadow_outcome"], "failed", "{line}");
}

#[tokio::test]
async fn observing_is_loud() {
    let world = observed().await.start().await;
    let config = client::get_by_address(world.cambio.admin, "/config").await.json();
    assert_eq!(config["realms"]["corp"]["observeUntil"], "2026-11-30");
    let warnings = config["warnings"].to_string();
    assert!(warnings.contains("observed, not refused, to the end of 2026-11-30 (UTC)"), "{warnings}");
}
