//! The expressions of rules and dashboards, as far as they name metrics and labels.

use std::collections::BTreeSet;

use regex::Regex;

use super::exposition::Matcher;

/// An expression with the texts that are made from its result.
#[derive(Debug)]
pub struct Expression {
    pub text: String,
    pub metrics: BTreeSet<String>,
    /// Labels that it groups by, or that its texts show.
    pub labels: BTreeSet<String>,
    pub matchers: Vec<Matcher>,
}

/// The expressions of a file: of rules in YAML, or of a dashboard in JSON.
pub fn expressions(text: &str) -> Vec<Expression> {
    let file: serde_json::Value = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(_) => serde_saphyr::from_str(text).unwrap(),
    };
    let mut found = Vec::new();
    collect(&file, &mut found);
    found
}

/// Each object with an expression, and what else it says.
fn collect(value: &serde_json::Value, found: &mut Vec<Expression>) {
    match value {
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        serde_json::Value::Object(object) => {
            let is_query = |key: &&str| object.get(*key).is_some_and(serde_json::Value::is_string);
            match ["expr", "query"].iter().find(|key| is_query(key)) {
                Some(key) if object[*key].as_str().is_some_and(|text| text.contains("cambio") || *key == "expr") => {
                    found.push(names_of(&texts(value)));
                }
                _ => object.values().for_each(|one| collect(one, found)),
            }
        }
        _ => {}
    }
}

fn texts(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => format!("{text}\n"),
        serde_json::Value::Array(items) => items.iter().map(texts).collect(),
        serde_json::Value::Object(object) => object.values().map(texts).collect(),
        _ => String::new(),
    }
}

/// What an expression names.
pub fn names_of(text: &str) -> Expression {
    let all = |pattern: &str| Regex::new(pattern).unwrap();
    let (mut metrics, mut matchers) = (BTreeSet::new(), Vec::new());
    for found in all(r"\b((?:cambio|process)_\w+|up\b)(?:\{([^}]*)\})?").captures_iter(text) {
        let metric = found[1].to_owned();
        let conditions = found.get(2).map_or("", |inner| inner.as_str());
        for one in all(r#"(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)""#).captures_iter(conditions) {
            let (label, operator, value) = (one[1].to_owned(), one[2].to_owned(), one[3].to_owned());
            matchers.push(Matcher { metric: metric.clone(), label, operator, value });
        }
        metrics.insert(metric);
    }
    let mut labels = BTreeSet::new();
    for found in all(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)").captures_iter(text) {
        labels.extend(found[1].split(',').map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()));
    }
    let templates = all(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}|label_values\(.*,\s*(\w+)\)");
    labels.extend(templates.captures_iter(text).filter_map(|found| {
        let label = found.get(1).or_else(|| found.get(2))?;
        Some(label.as_str().to_owned())
    }));
    Expression { text: text.to_owned(), metrics, labels, matchers }
}
