//! A scrape, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::expressions::Expression;
use super::{OF_PROMETHEUS, UP};
use crate::support::client;
use crate::support::world::World;

/// A scrape.
pub struct Exposition {
    /// Cambio's families, by name.
    pub families: BTreeMap<String, Family>,
    /// The families of the process.
    process: BTreeSet<String>,
    /// Series → value
    pub values: BTreeMap<String, f64>,
}

/// A family, as far as it has series.
#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    /// The names of its labels, without `le`.
    pub labels: BTreeSet<String>,
    series: Vec<BTreeMap<String, String>>,
}

/// A condition on a label.
#[derive(Debug)]
pub struct Matcher {
    pub metric: String,
    pub label: String,
    pub operator: String,
    pub value: String,
}

impl Matcher {
    /// The values that the condition accepts.
    pub fn pattern(&self) -> Regex {
        let value = if self.operator.ends_with('~') { self.value.clone() } else { regex::escape(&self.value) };
        Regex::new(&format!("^(?:{value})$")).unwrap()
    }
}

impl Exposition {
    pub async fn of(world: &World) -> Self {
        let answer = client::get(world.cambio.admin, "/metrics").await;
        assert_eq!(answer.status, 200);
        Self::read(&answer.text())
    }

    /// Reads the text, strictly: a family comes in one piece, and no series twice.
    fn read(text: &str) -> Self {
        let (mut families, mut process, mut values) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let mut current = String::new();
        for line in text.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').unwrap();
                name.clone_into(&mut current);
                if name.starts_with("process_") {
                    assert!(process.insert(name.to_owned()), "{name} comes twice");
                } else {
                    let family = Family { kind: kind.to_owned(), ..Family::default() };
                    assert!(families.insert(name.to_owned(), family).is_none(), "{name} comes twice");
                }
            }
            if line.starts_with('#') {
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|part| name.strip_suffix(part).filter(|base| *base == current));
            assert_eq!(base.unwrap_or(name), current, "{line} is not where its family is");
            assert!(values.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} comes twice");
            let labels: BTreeMap<String, String> = pairs(labels);
            if let Some(family) = families.get_mut(&current) {
                family.labels.extend(labels.keys().filter(|label| *label != "le").cloned());
                family.series.push(labels);
            }
        }
        Self { families, process, values }
    }

    /// The series without their values.
    pub fn series(&self) -> BTreeSet<&str> {
        self.values.keys().map(String::as_str).filter(|series| !series.starts_with("process_")).collect()
    }

    /// What an expression is about that this scrape does not have.
    pub fn complaints(&self, expression: &Expression) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut known: BTreeSet<&str> = OF_PROMETHEUS.into();
        for metric in expression.metrics.iter().filter(|metric| *metric != UP) {
            match self.family(metric) {
                Some(family) => known.extend(family.labels.iter().map(String::as_str)),
                None if self.process.contains(metric) => {}
                None => wrong.push(format!("no metric {metric}")),
            }
            if metric.ends_with("_bucket") {
                known.insert("le");
            }
        }
        wrong.extend(
            expression
                .labels
                .iter()
                .filter(|label| !known.contains(label.as_str()))
                .map(|label| format!("no label {label}")),
        );
        for matcher in &expression.matchers {
            let Some(family) = self.family(&matcher.metric) else { continue };
            let (label, value) = (matcher.label.as_str(), matcher.value.as_str());
            if OF_PROMETHEUS.contains(&label) {
                continue;
            }
            if !family.labels.contains(label) {
                wrong.push(format!("no label {label} of {}", matcher.metric));
            } else if !matcher.operator.starts_with('!') && !value.contains('$') {
                wrong.extend(family.unmatched(matcher).map(|part| format!("no {label} {part}")));
            }
        }
        wrong
    }

    /// The family of a metric in an expression. A histogram is three metrics, and none has the family's name.
    fn family(&self, metric: &str) -> Option<&Family> {
        let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| self.families.get(metric.strip_suffix(part)?));
        let parts = parts.filter(|family| family.kind == "histogram");
        parts.or_else(|| self.families.get(metric).filter(|family| family.kind != "histogram"))
    }
}

impl Family {
    /// The alternatives of a matcher that no series meets.
    fn unmatched<'m>(&self, matcher: &'m Matcher) -> impl Iterator<Item = &'m str> {
        let is_met = |part: &str| {
            let alone = Matcher {
                value: part.to_owned(),
                metric: String::new(),
                label: String::new(),
                operator: matcher.operator.clone(),
            };
            let pattern = alone.pattern();
            self.series.iter().any(|series| pattern.is_match(series.get(&matcher.label).map_or("", String::as_str)))
        };
        let parts = matcher.value.split('|').filter(|part| !is_met(part)).collect::<Vec<_>>();
        parts.into_iter()
    }
}

/// The labels of a series. No value in a test's configuration has a comma or a quotation mark.
fn pairs(labels: &str) -> BTreeMap<String, String> {
    let pairs = labels.strip_suffix('}').unwrap_or_default().split(',').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (label, value) = pair.split_once('=').unwrap();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        (label.to_owned(), value.unwrap_or_else(|| panic!("{labels}")).to_owned())
    };
    pairs.map(pair).collect()
}
