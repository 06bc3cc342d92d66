//! Findings as SARIF 2.1.0 (OASIS Standard), which code review systems show beside the lines.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::findings::Findings;
use crate::adapters::config::problem::{Problem, printable};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What kind of finding a result is.
struct Rule {
    id: &'static str,
    level: &'static str,
    text: &'static str,
}

/// The rules, in the order in which results name them by their index.
const RULES: [Rule; 6] = [
    Rule { id: "file-unreadable", level: "error", text: "The file can't be read, or is not valid as a whole." },
    Rule {
        id: "mistake",
        level: "error",
        text: "Cambio does not accept the value: it refuses the exchanges of a wrong audience file, and does not start with a \
               wrong cambio.yaml.",
    },
    Rule { id: "review", level: "warning", text: "The value is valid, and its owner should know what it means." },
    Rule {
        id: "permission-ended",
        level: "warning",
        text: "The last day of the permission is over, so it allows nothing any more.",
    },
    Rule {
        id: "exchange-fails",
        level: "error",
        text: "Exchanges fail or go past Cambio, because of what the identity provider or an issuer says.",
    },
    Rule {
        id: "online",
        level: "warning",
        text: "The identity provider or an issuer says something else than the file.",
    },
];

/// A log with one run.
pub(super) fn sarif(findings: &Findings) -> Value {
    let problems = findings.problems.iter().map(|one| result(one, usize::from(one.line > 0)));
    let warnings = findings.warnings.iter().map(|one| result(one, if one.key.ends_with(".expires") { 3 } else { 2 }));
    let online = &findings.online;
    let failing = online.problems.iter().map(|one| result(one, 4));
    let odd = online.warnings.iter().map(|one| result(one, 5));
    let results: Vec<_> = problems.chain(warnings).chain(failing).chain(odd).flatten().collect();
    let note = |level: &str, text: &str| json!({ "level": level, "message": { "text": printable(text) } });
    let notes = findings.notes().map(|text| note("note", &text));
    let notes: Vec<_> = notes.chain(online.seen.iter().map(|text| note("none", text))).collect();
    let rule = |rule: &Rule| {
        json!({
            "id": rule.id,
            "shortDescription": { "text": rule.text },
            "defaultConfiguration": { "level": rule.level },
        })
    };
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "cambio check",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": true, "toolExecutionNotifications": notes }],
            "results": results,
        }],
    })
}

fn result(problem: &Problem, index: usize) -> Option<Value> {
    let rule = RULES.get(index)?;
    let mut location = json!({ "physicalLocation": { "artifactLocation": { "uri": uri(&problem.file) } } });
    if problem.line > 0
        && let Some(physical) = location.get_mut("physicalLocation")
    {
        physical["region"] = json!({ "startLine": problem.line, "startColumn": problem.column });
    }
    let mut text = printable(&problem.message);
    if !problem.key.is_empty() {
        let key = printable(&problem.key);
        text = format!("{key}: {text}");
        location["logicalLocations"] = json!([{ "fullyQualifiedName": key, "kind": "member" }]);
    }
    Some(json!({
        "ruleId": rule.id,
        "ruleIndex": index,
        "level": rule.level,
        "message": { "text": text },
        "locations": [location],
    }))
}

/// The path as a URI reference (RFC 3986): relative, as the path was given, or `file:` if the path is absolute.
fn uri(path: &Path) -> String {
    let mut uri = if path.is_absolute() { "file://".to_owned() } else { String::new() };
    let below = path.strip_prefix(".").unwrap_or(path);
    for byte in below.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            // Writing into a text does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}
