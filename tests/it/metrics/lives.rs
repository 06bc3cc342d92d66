//! Series come and go with the configuration, and times of ends are those of files.

use cambio::tools::keys::{KeysArguments, run_at};
use clap::Parser as _;
use jiff::Timestamp;

use super::everything;
use super::exposition::Exposition;
use crate::support::files::{BACK_END_API, PERMITTED};
use crate::support::world::{Plan, World};

/// Runs `cambio keys` on a folder.
pub fn keys(folder: &std::path::Path, now: Timestamp, words: &str) {
    let words = format!("keys {words} --dir {}", folder.display());
    run_at(&KeysArguments::parse_from(words.split(' ')), now, &mut Vec::new(), &mut Vec::new()).unwrap();
}

fn about<'e>(exposed: &'e Exposition, text: &str) -> Vec<(&'e str, f64)> {
    let found = exposed.values.iter().filter(|(series, _)| series.contains(text));
    found.map(|(series, value)| (series.as_str(), *value)).collect()
}

fn seconds(text: &str) -> f64 {
    text.parse::<Timestamp>().unwrap().as_duration().as_secs_f64()
}

#[tokio::test]
async fn ends_are_the_times_at_which_something_ends() {
    let world = everything().await;
    let exposed = Exposition::of(&world).await;
    let expires = about(&exposed, "cambio_permission_expires_timestamp_seconds");
    let labels = "audience=\"ending\",owner=\"reports-team\",permission=\"permissions[0]\",realm=\"corp\"";
    // The last day counts.
    let expected =
        (&*format!("cambio_permission_expires_timestamp_seconds{{{labels}}}"), seconds("2026-12-01T00:00:00Z"));
    assert_eq!(expires, [expected]);

    let made = seconds("2026-11-02T08:00:00Z");
    let since = about(&exposed, "cambio_signing_key_since_timestamp_seconds{");
    assert_eq!(since.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [made; 3], "next, active and retired");
    let ends = about(&exposed, "cambio_signing_key_ends_timestamp_seconds{");
    assert_eq!(ends.iter().map(|(_, value)| *value).collect::<Vec<_>>(), [made + 86_460.0], "only the retired one");

    // rcgen's certificates end in the year 4096.
    let certificates = about(&exposed, "cambio_certificate_expires_timestamp_seconds");
    let name = "cambio_certificate_expires_timestamp_seconds{certificate=\"listen.tls\"}";
    assert_eq!(certificates, [(name, seconds("4096-01-01T00:00:00Z"))]);
}

#[tokio::test]
async fn what_a_reload_takes_away_leaves_no_series() {
    let new = "audience: other-api\nowner: team\npermissions: [{ clients: [front-end-app], expires: 2027-01-31 }]\n";
    let world = Plan::new().await.audience("other-api", new).start().await;
    let alice = world.alice().await;
    world.exchange(&alice, &[("audience", "other-api")]).await;
    world.exchange(&alice, &[]).await.access_token();
    let before = Exposition::of(&world).await;
    assert_eq!(about(&before, "other-api").len(), 3 + 1 + 1, "outcomes, last use, end");
    assert_eq!(about(&before, "partner").len(), 5, "age, keys, fetches");

    // The audience, and an issuer. Others go on counting.
    let counted = "cambio_exchanges_total{audience=\"back-end-api\",client=\"other\",issuance=\"reissue\",outcome=\"allowed\",realm=\"corp\"}";
    let reloads = world.reloads().await;
    world.folder.remove("audiences/other-api.yaml");
    crate::support::world::until("a reload", async || (world.reloads().await != reloads).then_some(())).await;
    let after = Exposition::of(&world).await;
    assert_eq!(about(&after, "other-api"), []);
    assert_eq!(about(&after, counted), [(counted, 1.0)]);
    let text = world.folder.read("cambio.yaml");
    let (kept, _) = text.split_once("issuers:\n  partner:").unwrap();
    let without = format!("{kept}audiences: ./audiences\naudit: {{ output: audit.jsonl }}\n")
        .replace("[corp, partner]", "[corp]");
    world.rewrite("cambio.yaml", &without).await;
    let after = Exposition::of(&world).await;
    assert_eq!(about(&after, "partner"), []);
    assert_eq!(about(&after, counted), [(counted, 1.0)]);

    // A client that is listed from now on, and an issuance that a file gets.
    let listed = without
        .replace("    signingKey: corp.pem\n", "    signingKey: corp.pem\n    measuredClients: [front-end-app]\n");
    world.rewrite("cambio.yaml", &listed).await;
    let exposed = Exposition::of(&world).await;
    assert_eq!(about(&exposed, "audience=\"back-end-api\",client=\"front-end-app\",issuance=\"reissue\"").len(), 3);
    world.rewrite("audiences/back-end-api.yaml", &format!("{BACK_END_API}issuance: mint\n{PERMITTED}")).await;
    let exposed = Exposition::of(&world).await;
    assert_eq!(about(&exposed, "issuance=\"reissue\""), []);
    assert_eq!(about(&exposed, "issuance=\"mint\"").len(), 6);
}

#[tokio::test]
async fn a_broken_file_keeps_the_counts_of_its_last_good_version() {
    let world = World::start().await;
    world.exchange(&world.alice().await, &[]).await.access_token();
    let before = Exposition::of(&world).await;
    world.rewrite("audiences/back-end-api.yaml", "audience: back-end-api\nowner: [").await;
    let after = Exposition::of(&world).await;
    let of =
        |exposed: &Exposition| about(exposed, "audience=\"back-end-api\"").iter().map(|(_, value)| *value).sum::<f64>();
    assert!((of(&before) - of(&after)).abs() < 0.1, "{} {}", of(&before), of(&after));
}

#[tokio::test]
async fn clients_to_measure_are_checked() {
    let many = (0..101).map(|number| format!("c{number}")).collect::<Vec<_>>().join(", ");
    let realm = "    signingKey: corp.pem\n";
    for (list, problem) in [
        ("[other]", "is what all clients count as that are not listed"),
        ("[a, a]", "a is named twice"),
        ("['']", "client"),
        (&*format!("[{many}]"), "has more than 100 entries"),
        ("a", "list"),
    ] {
        let plan = Plan::new().await.configure(realm, &format!("{realm}    measuredClients: {list}\n"));
        let problems = plan.try_start().await.err().unwrap_or_default();
        assert!(problems.contains("measuredClients") && problems.contains(problem), "{list}: {problems}");
    }
}
