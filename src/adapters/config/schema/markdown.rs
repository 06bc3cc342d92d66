//! `docs/configuration.md` from the schemas.

use std::fmt::Write as _;

use serde_json::Value;

/// The text of `docs/configuration.md`.
pub fn markdown() -> String {
    let mut out = INTRODUCTION.to_owned();
    out.push_str("\n## `cambio.yaml`\n");
    document(&super::config_for_editors(), &mut out);
    out.push_str("\n## Audience files\n");
    document(&super::audience(), &mut out);
    out.push_str("\n## `keys.yaml`\n");
    document(&super::keys(), &mut out);
    out
}

const INTRODUCTION: &str = "\
<!-- Made by `cambio schema --markdown` from the types in src/adapters/config/file. Do not edit. -->
# Configuration

Cambio reads two kinds of YAML files: `cambio.yaml`, which belongs to the platform team, and one file per audience, which
belongs to the team that runs that application. `cambio check` reads all of them and names every problem with file, line,
column and key. In a file with unknown keys or wrong types, checks that compare several keys wait until these are mended.
`cambio schema config` and `cambio schema audience` print JSON Schemas for editors. A folder of signing keys has a
`keys.yaml`, which `cambio keys` writes ([operations](operations.md#signing-keys)).

Rules for all files:

- A key that is not listed here is an error. So are a repeated key, a key without a value, and YAML's `<<`.
- An empty list never means \"all\". To mean all, write `[\"*\"]`, with nothing else in the list.
- Durations are text, such as `500ms`, `5s`, `5m`, `2h` or `1h30m`. The largest unit is the hour.
- Sizes are a number of bytes, or text with `KiB` or `MiB`.
- Rates are a number per second, minute or hour, such as `50/s`, `600/m` or `1000/h`.
- In `cambio.yaml`, `${NAME}` in a value stands for the environment variable `NAME`. Cambio replaces it after it has read
  the YAML, so a variable can't add keys. A variable that is not set is an error. `$${` stands for `${`. Audience files
  can't use the environment, because it holds the platform's secrets and the files belong to other teams.
- Paths are relative to the folder of `cambio.yaml`.
- Expressions are written in CEL, the [Common Expression Language](https://cel.dev), for instance
  `claims.email_verified == true`. Cambio compiles them when it reads the files. An expression that fails while Cambio
  handles a request makes Cambio refuse the request.

Cambio looks at the files every second. If a file has changed (also a key or a certificate), or if the process gets SIGHUP,
Cambio reads all of them again. A mistake in an audience file then concerns this file's audience alone: its last good version
stays in force, if there is one, else exchanges for the audience are refused. With a mistake anywhere else, the last good
configuration stays in force as a whole.

`config_hash` in the log and `hash` in `/config` are the SHA-256 of `cambio.yaml`. The policy's hash is what
`sha256sum *.yaml | sha256sum` prints in the audiences folder (with `LC_ALL=C`), over the versions that are in force. Files in
folders are listed with their paths, all in the order of bytes.
";

fn document(root: &Value, out: &mut String) {
    let mut sections = vec![(String::new(), root)];
    while !sections.is_empty() {
        let (path, schema) = sections.remove(0);
        if !path.is_empty() {
            let _ = write!(out, "\n### `{path}`\n");
        }
        let _ = write!(out, "\n{}\n", description(schema));
        out.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
        let mut inner = Vec::new();
        for (required, key, property) in properties(schema) {
            let target = resolve(root, property);
            let default = match (required, &property["default"]) {
                (true, _) => "required".to_owned(),
                (false, value) if value.is_null() || value.is_object() => String::new(),
                (false, value) => format!("`{value}`").replace('"', ""),
            };
            let meaning = with_options(description(property) + &limits(property), root, target);
            let _ = writeln!(out, "| `{key}` | {} | {default} | {meaning} |", kind(root, target));
            let below = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
            if let Some((suffix, schema)) = nested(root, target) {
                inner.push((format!("{below}{suffix}"), schema));
            }
        }
        sections.splice(0..0, inner);
    }
}

/// Required keys first, then in the order of the alphabet.
fn properties(schema: &Value) -> Vec<(bool, &str, &Value)> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let all = schema["properties"].as_object().into_iter().flatten();
    let mut rows: Vec<_> =
        all.map(|(key, property)| (required.contains(&key.as_str()), key.as_str(), property)).collect();
    rows.sort_by_key(|(required, key, _)| (!required, *key));
    rows
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let path = schema["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
    path.and_then(|path| root.pointer(path)).unwrap_or(schema)
}

/// The schema of a mapping within, and how its path goes on.
fn nested<'a>(root: &'a Value, schema: &'a Value) -> Option<(String, &'a Value)> {
    if schema["properties"].is_object() {
        return Some((String::new(), schema));
    }
    let (suffix, inner) = match (&schema["additionalProperties"], &schema["items"]) {
        (inner @ Value::Object(_), _) => (".<name>", inner),
        (_, inner @ Value::Object(_)) => ("[]", inner),
        _ => return None,
    };
    let (further, inner) = nested(root, resolve(root, inner))?;
    Some((format!("{suffix}{further}"), inner))
}

fn kind(root: &Value, schema: &Value) -> String {
    if let Some(title) = schema["title"].as_str().filter(|title| matches!(*title, "duration" | "rate" | "size")) {
        return title.to_owned();
    }
    match schema["type"].as_str() {
        Some("array") => {
            let items = resolve(root, &schema["items"]);
            if items["properties"].is_object() { "list of mappings".to_owned() } else { "list of texts".to_owned() }
        }
        Some("object") if schema["additionalProperties"].is_object() => "mapping by name".to_owned(),
        Some("object") => "mapping".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => "whole number".to_owned(),
        _ => "text".to_owned(),
    }
}

/// The limits of a duration, size or number, as the end of its meaning.
fn limits(schema: &Value) -> String {
    let shown = |key: &str| match &schema[key] {
        Value::Number(bytes) if schema["title"] == "size" => bytes.as_u64().map(size),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    };
    let range = |least, most| Some(format!(" `{}` to `{}`.", shown(least)?, shown(most)?));
    range("formatMinimum", "formatMaximum").or_else(|| range("minimum", "maximum")).unwrap_or_default()
}

fn size(bytes: u64) -> String {
    if bytes >= 1 << 20 { format!("{}MiB", bytes >> 20) } else { format!("{}KiB", bytes >> 10) }
}

/// The meaning, with the values of an enumeration, or of a list of its values.
fn with_options(meaning: String, root: &Value, schema: &Value) -> String {
    let schema = if schema["items"].is_object() { resolve(root, &schema["items"]) } else { schema };
    let options: Vec<String> = schema["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| Some(format!("`{}`: {}", one["const"].as_str()?, description(one))))
        .collect();
    if options.is_empty() { meaning } else { format!("{meaning} {}", options.join(" ")) }
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_in_the_repository_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md");
        let (written, generated) = (std::fs::read_to_string(path).unwrap(), markdown());
        if written != generated {
            let fresh = std::env::temp_dir().join("configuration.md");
            std::fs::write(&fresh, generated).unwrap();
            panic!("docs/configuration.md is stale; the fresh text is in {}", fresh.display());
        }
    }

    #[test]
    fn every_key_has_a_meaning() {
        for line in markdown().lines().filter(|line| line.starts_with("| `")) {
            assert!(!line.ends_with("|  |"), "{line}");
        }
    }
}
