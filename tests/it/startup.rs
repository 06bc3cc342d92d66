//! Doubt about the platform's file stops the start, with every error named. `audience_files.rs` has doubt about an audience
//! file.

use crate::support::client;
use crate::support::world::Plan;

#[tokio::test]
async fn a_taken_port_fails() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listener, old) in [("listen", "address: 127.0.0.1:0"), ("admin", "{ address: \"127.0.0.1:0\" }")] {
        let plan = Plan::new().await.configure(old, &old.replace("127.0.0.1:0", &address));
        let error = plan.try_start().await.err().unwrap_or_else(|| panic!("{listener}: started"));
        assert!(error.contains(&address), "{listener}: {error}");
    }
}

#[tokio::test]
async fn every_error_is_named_at_once() {
    let plan = Plan::new().await;
    let plan = plan.configure("subjectIssuers: [corp, partner]", "subjectIssuers: [corp, nowhere]");
    let plan = plan.configure("  bodyTimeout: 1s", "  bodyTimeout: soon\n  surprise: 1");
    let plan = plan.audience("other-api", "audience: other-api\nowner: x\npermissions: []\nextra: 1\n");
    let error = plan.try_start().await.expect_err("no start");
    for part in ["nowhere", "bodyTimeout", "surprise", "other-api.yaml", "extra", "cambio.yaml"] {
        assert!(error.contains(part), "{part} is missing in:\n{error}");
    }
}

#[tokio::test]
async fn a_missing_or_bad_signing_key_fails() {
    for (name, pem) in [
        ("garbage", "x"),
        ("empty", ""),
        ("a certificate", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"),
    ] {
        let plan = Plan::new().await;
        plan.folder.write("corp.pem", pem);
        assert!(plan.try_start().await.is_err(), "{name}");
    }
    let plan = Plan::new().await;
    plan.folder.remove("corp.pem");
    let error = plan.try_start().await.expect_err("no start");
    assert!(error.contains("corp.pem"), "{error}");
}

/// An identity provider that is away is no reason not to start.
#[tokio::test]
async fn it_starts_without_its_upstream() {
    let plan = Plan::new().await;
    let url = format!("url: http://{}", plan.idp.address());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let world =
        plan.configure(&format!("upstream:\n  {url}"), &format!("upstream:\n  url: http://{free}")).start().await;
    assert_eq!(client::get(world.cambio.admin, "/livez").await.status, 200);
    assert!([502, 503].contains(&client::get(world.address(), "/admin/").await.status.as_u16()));
}
