//! What Cambio exports, and what rules, dashboard and documentation make of it.

mod counted;
mod exposition;
mod expressions;
mod lives;

use std::collections::BTreeMap;
use std::path::Path;

use self::exposition::Exposition;
use self::expressions::{expressions, names_of};
use crate::support::golden;
use crate::support::world::{Plan, World};
use cambio::adapters::seal;
use cambio::words::refusal::{Cause, Reason};

/// The labels that Prometheus adds, and metrics that Prometheus makes itself.
const OF_PROMETHEUS: [&str; 2] = ["instance", "job"];
const UP: &str = "up";

/// A Cambio that has every family of metrics.
async fn everything() -> World {
    let plan = Plan::new().await;
    let generated = rcgen::generate_simple_self_signed(["sso.example.org".to_owned()]).unwrap();
    plan.folder.write("tls.pem", &generated.cert.pem());
    plan.folder.write("tls.key", &generated.signing_key.serialize_pem());
    plan.folder.write("seal.key", seal::generate().unwrap().expose());
    let start = "2026-11-02T08:00:00Z".parse::<jiff::Timestamp>().unwrap();
    lives::keys(&plan.folder.path("keys"), start, "generate --type p256");
    lives::keys(&plan.folder.path("keys"), start, "rotate --now");
    let upstream = plan.idp.address();
    let realm = format!(
        "signingKeys: ./keys
    refreshTokens: {{ keyFiles: [seal.key] }}
    measuredClients: [reporting-app, front-end-app]
    clients: {{ portal: [{{ method: private_key_jwt, algorithms: [ES256], jwksURL: \"http://{upstream}/portal\" }}] }}"
    );
    plan.configure("signingKey: corp.pem", &realm)
        .configure("  headerTimeout:", "  tls: { certificate: tls.pem, key: tls.key }\n  headerTimeout:")
        .configure("audit:", "observeUntil: 2026-11-30\naudit:")
        .audience("ending", &format!("{ENDING}permissions: [{{ clients: [front-end-app], expires: 2026-11-30 }}]\n"))
        .start()
        .await
}

const ENDING: &str = "audience: ending\nowner: reports-team\nissuance: mint\n";

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The names, kinds and labels of the metrics are an interface: dashboards and alerts use them.
#[tokio::test]
async fn metrics_have_stable_names() {
    let exposed = Exposition::of(&everything().await).await;
    let lines = exposed.families.iter().map(|(name, family)| {
        let labels: Vec<_> = family.labels.iter().map(String::as_str).collect();
        format!("{} {name} {}", family.kind, labels.join(",")).trim_end().to_owned() + "\n"
    });
    golden::check("metrics.txt", &lines.collect::<String>());
}

/// The table in docs/operations.md has each family that a real Cambio exports, with its type and labels, and no other.
#[tokio::test]
async fn every_metric_is_documented_as_it_is_exported() {
    let exposed = Exposition::of(&everything().await).await;
    let exported: BTreeMap<_, _> = exposed
        .families
        .iter()
        .map(|(name, family)| (name.clone(), (family.kind.clone(), family.labels.clone())))
        .collect();
    let text = file("docs/operations.md");
    let rows = text.lines().filter(|line| line.starts_with("| `cambio_"));
    let documented = rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let words =
            |cell: &str| cell.split(',').map(|word| word.trim().trim_matches('`').to_owned()).collect::<Vec<_>>();
        let labels = words(cells[3]).into_iter().filter(|label| !label.is_empty()).collect();
        (words(cells[1]).remove(0), (cells[2].to_owned(), labels))
    });
    assert_eq!(documented.collect::<BTreeMap<_, _>>(), exported);
}

/// Every metric and every label in rules and dashboard is in a real scrape, and every matcher finds a series there. The rules
/// can fire, because each series is there before anything happens.
#[tokio::test]
async fn rules_and_dashboard_are_about_what_cambio_exports() {
    let exposed = Exposition::of(&everything().await).await;
    for path in ["deploy/prometheus/rules.yaml", "deploy/grafana/cambio.json"] {
        let found = expressions(&file(path));
        assert!(found.len() > 20, "{path}: {}", found.len());
        for expression in found {
            let wrong = exposed.complaints(&expression);
            assert!(wrong.is_empty(), "{path}: {}: {wrong:?}", expression.text);
        }
    }
}

/// The check above finds what it forbids.
#[tokio::test]
async fn expressions_about_something_else_are_found() {
    let exposed = Exposition::of(&World::start().await).await;
    for (text, complaints) in [
        ("cambio_exchanges_total > 0", 0),
        ("sum by (realm, job) (rate(cambio_exchanges_total{outcome=~\"denied|failed\", realm=~\"$realm\"}[5m]))", 0),
        ("histogram_quantile(0.9, sum by (le) (rate(cambio_exchange_duration_seconds_bucket[5m])))", 0),
        ("cambio_exchange_total", 1),
        ("cambio_exchange_duration_seconds", 1),
        ("cambio_exchanges_total{result=\"denied\"}", 1),
        ("cambio_exchanges_total{outcome=\"refused\"}", 1),
        ("cambio_exchanges_total{outcome=~\"denied|refused\"}", 1),
        ("cambio_exchange_refusals_total{reason=~\"answr_.+\"}", 1),
        ("sum by (owner) (cambio_exchanges_total)", 1),
        ("sum by (realm) (up)", 1),
        ("{{ $labels.issuer }} cambio_exchanges_total", 1),
    ] {
        let found = exposed.complaints(&names_of(text));
        assert_eq!(found.len(), complaints, "{text}: {found:?}");
    }
}

/// Whatever fails because of Cambio or of another system is in some rule.
#[test]
fn every_reason_that_is_no_fault_of_the_caller_has_an_alert() {
    let rules = expressions(&file("deploy/prometheus/rules.yaml"));
    let matchers = rules.iter().flat_map(|rule| &rule.matchers).filter(|matcher| matcher.label == "reason");
    let alerted: Vec<_> = matchers.map(exposition::Matcher::pattern).collect();
    for reason in Reason::ALL {
        let is_fault =
            matches!(reason.cause(), Cause::Unavailable | Cause::Fault) || reason.as_str().starts_with("answer_");
        let is_alerted = alerted.iter().any(|pattern| pattern.is_match(reason.as_str()));
        assert!(is_alerted || !is_fault, "{reason}");
    }
}
