use super::*;
use crate::adapters::limits::Limit;

/// The value of a series; `None` if there is none.
fn value(text: &str, series: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
}

/// The series without their values.
fn series(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("process_"));
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[test]
fn what_happens_is_what_is_exposed() {
    let metrics = Metrics::new().unwrap();
    let text = |metrics: &Metrics| metrics.exposition(Scrape::default()).unwrap();
    let counted = [
        "cambio_http_requests_total{status=\"4xx\",way=\"token\"}",
        "cambio_connections",
        "cambio_connections_total",
        "cambio_rejected_requests_total{reason=\"framing_refused\"}",
        "cambio_upstream_faults_total{reason=\"upstream_timeout\"}",
        "cambio_store_operations_total{operation=\"claim\",outcome=\"error\"}",
        "cambio_config_reloads_total{outcome=\"error\"}",
        "cambio_certificate_reloads_total{outcome=\"error\"}",
        "cambio_exchanges_total{audience=\"\",client=\"other\",issuance=\"\",outcome=\"denied\",realm=\"\"}",
        "cambio_exchange_refusals_total{realm=\"\",reason=\"realm_unknown\"}",
        "cambio_exchange_duration_seconds_count{outcome=\"denied\",realm=\"\"}",
        "cambio_door_requests_total{door=\"uma_ticket\",outcome=\"denied\",realm=\"\"}",
    ];
    let before = text(&metrics);
    for series in counted {
        assert_eq!(value(&before, series).as_deref(), Some("0"), "{series} is missing in\n{before}");
    }
    metrics.answered(Way::Token, StatusCode::FORBIDDEN, Duration::from_millis(3));
    metrics.connection_opened();
    metrics.connection_opened();
    metrics.connection_closed();
    metrics.rejected(Reason::FramingRefused);
    metrics.upstream_failed(Reason::UpstreamTimeout);
    metrics.store_answered(StoreOperation::Claim, StoreOutcome::Error, Duration::ZERO);
    metrics.configuration_loaded(LoadOutcome::Error, jiff::Timestamp::UNIX_EPOCH);
    metrics.certificate_reloaded(false);
    metrics.no_realm().exchanged(&ExchangeEnd {
        audiences: &[],
        issuance: None,
        client: Some("nobody"),
        outcome: Outcome::Denied,
        reason: Some(Reason::RealmUnknown),
        took: Duration::from_millis(3),
    });
    metrics.no_realm().at_door("uma_ticket", Outcome::Denied);
    let after = text(&metrics);
    for series in counted {
        let expected = if series == "cambio_connections_total" { "2" } else { "1" };
        assert_eq!(value(&after, series).as_deref(), Some(expected), "{series} in\n{after}");
    }
    assert_eq!(series(&before), series(&after), "no event makes a series");
}

/// A slip in a list would leave a series out, and count nothing.
#[test]
fn indices_are_places_in_the_lists() {
    assert!(Reason::ALL.iter().enumerate().all(|(index, reason)| *reason as usize == index));
    assert!(Limit::ALL.iter().enumerate().all(|(index, limit)| *limit as usize == index));
    assert!(Outcome::ALL.iter().enumerate().all(|(index, outcome)| *outcome as usize == index));
    assert!(OwnEndpoint::ALL.iter().enumerate().all(|(index, endpoint)| *endpoint as usize == index));
    assert!(Way::ALL.iter().enumerate().all(|(index, way)| *way as usize == index));
}
