//! The generated part of `docs/issuers.md`.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{Preset, names};

/// The table of presets, and what each stands for.
pub fn markdown() -> String {
    let presets: Vec<Preset> = names().filter_map(Preset::named).collect();
    let mut out = "| preset | tokens | write also |\n|---|---|---|\n".to_owned();
    for preset in &presets {
        let (name, about, write) = (preset.name, preset.about.trim_end(), preset.write.trim_end());
        let _ = writeln!(out, "| [`{name}`](#{name}) | {about} | {write} |");
    }
    for preset in &presets {
        section(preset, &mut out);
    }
    out
}

fn section(preset: &Preset, out: &mut String) {
    let _ = write!(out, "\n### {}\n\n```yaml\n{}```\n\nStands for:\n\n", preset.name, preset.example);
    let mut keys = Vec::new();
    flat(&preset.settings, "", &mut keys);
    for (key, value) in keys {
        let _ = writeln!(out, "- `{key}`: {value}");
    }
    if !preset.mutable.is_empty() {
        out.push_str("\nCan change hands:\n\n");
        for (claim, why) in &preset.mutable {
            let _ = writeln!(out, "- `{claim}`: {why}");
        }
    }
    let links: Vec<String> = preset.documentation.iter().map(|url| format!("<{url}>")).collect();
    let _ = write!(out, "\nDocumentation: {}\n", links.join(", "));
}

fn flat(settings: &Map<String, Value>, parent: &str, keys: &mut Vec<(String, String)>) {
    for (key, value) in settings {
        let key = if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") };
        match value {
            Value::Object(below) => flat(below, &key, keys),
            Value::Array(items) => keys.push((key, items.iter().map(item).collect::<Vec<_>>().join(", "))),
            other => keys.push((key, item(other))),
        }
    }
}

fn item(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Object(rule) => match (&rule["expression"], &rule["message"]) {
            (Value::String(expression), Value::String(message)) => format!("`{expression}` ({message})"),
            _ => format!("`{value}`"),
        },
        other => format!("`{other}`"),
    }
}
