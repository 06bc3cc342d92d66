//! The JSON Schema and the documentation of the configuration, from its types.

pub mod markdown;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::file;

/// JSON Schema (draft 2020-12) of `cambio.yaml`.
pub fn config() -> Value {
    schema::<file::Config>()
}

/// [`config`] for people and editors: `issuer.url` may be left out, because a preset can fill it in.
pub fn config_for_editors() -> Value {
    let mut schema = config();
    if let Some(Value::Array(required)) = schema.pointer_mut("/$defs/IssuerIdentity/required") {
        required.retain(|name| name != "url");
    }
    schema
}

/// JSON Schema (draft 2020-12) of an audience file.
pub fn audience() -> Value {
    schema::<file::audience::Audience>()
}

/// JSON Schema (draft 2020-12) of `keys.yaml` in a folder of signing keys.
pub fn keys() -> Value {
    schema::<file::keys::Manifest>()
}

fn schema<T: JsonSchema>() -> Value {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

/// An optional key may be left out, but not be given without a value: takes `null` out of the schema.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(options)) = object.get_mut("anyOf") {
                options.retain(|option| option.get("type") != Some(&Value::from("null")));
                if let [Value::Object(one)] = options.as_slice() {
                    let one = one.clone();
                    object.remove("anyOf");
                    for (key, value) in one {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            if object.get("default") == Some(&Value::Null) {
                object.remove("default");
            }
            object.values_mut().for_each(without_null);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::adapters::config::file::value::duration;
    use crate::adapters::config::load::format;
    use crate::judgement::issue::ring::MAX_LEEWAY;
    use crate::judgement::policy::model::MAX_LIFETIME;

    /// What the check of the files (`load::shape` and `load::format`) knows, and what limits nothing.
    const KNOWN: [&str; 26] = [
        "$ref",
        "$defs",
        "$schema",
        "title",
        "description",
        "default",
        "format",
        "pattern",
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "oneOf",
        "const",
        "minimum",
        "maximum",
        "formatMinimum",
        "formatMaximum",
        "minItems",
        "maxItems",
        "minLength",
        "minProperties",
        "propertyNames",
        "x-empty",
    ];

    #[test]
    fn the_limits_are_those_of_the_judgement() {
        let limit = |root: &Value, path: &str| {
            let text = root.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("{path}"));
            SignedDuration::try_from(duration(text).unwrap()).unwrap()
        };
        for path in ["TokenRules/properties/lifetime", "Permission/properties/lifetime"] {
            assert_eq!(limit(&audience(), &format!("/$defs/{path}/formatMaximum")), MAX_LIFETIME);
        }
        for path in ["Realm/properties/leeway", "TrustedIssuer/properties/leeway"] {
            assert_eq!(limit(&config(), &format!("/$defs/{path}/formatMaximum")), MAX_LEEWAY);
        }
    }

    #[test]
    fn an_editor_does_not_ask_for_what_a_preset_fills_in() {
        let required = |schema: Value| schema.pointer("/$defs/IssuerIdentity/required").unwrap().clone();
        assert_eq!(required(config()), serde_json::json!(["url", "audiences"]));
        assert_eq!(required(config_for_editors()), serde_json::json!(["audiences"]));
    }

    #[test]
    fn schemas_are_closed_and_say_nothing_that_the_check_does_not_know() {
        for root in [config(), audience(), keys()] {
            let mut schemas: Vec<&Value> = vec![&root];
            let mut seen = 0;
            while let Some(schema) = schemas.pop() {
                seen += 1;
                let object = schema.as_object().unwrap();
                for key in object.keys() {
                    assert!(KNOWN.contains(&key.as_str()), "{key} in {schema:#}");
                }
                if let Some(name) = schema["format"].as_str() {
                    assert!(name == "uint64" || format::is_known(name), "{name}");
                }
                if let Some(path) = schema["$ref"].as_str() {
                    assert!(root.pointer(path.strip_prefix('#').unwrap()).is_some(), "{path}");
                }
                if let Some(properties) = schema["properties"].as_object() {
                    assert_eq!(schema["additionalProperties"], false, "{schema:#}");
                    schemas.extend(properties.values());
                    for name in schema["required"].as_array().into_iter().flatten() {
                        assert!(properties.contains_key(name.as_str().unwrap()), "{name}");
                    }
                }
                assert!(object.get("type").is_none_or(|kind| !kind.to_string().contains("null")), "{schema:#}");
                schemas.extend(schema["$defs"].as_object().into_iter().flat_map(|defs| defs.values()));
                schemas.extend(schema["oneOf"].as_array().into_iter().flatten());
                schemas.extend(
                    [&schema["items"], &schema["additionalProperties"], &schema["propertyNames"]]
                        .into_iter()
                        .filter(|s| s.is_object()),
                );
            }
            assert!(seen > 10);
        }
    }
}
