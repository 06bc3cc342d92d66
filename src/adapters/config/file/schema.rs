//! Limits of fields, for `#[schemars(transform = …)]`, and what an enumeration means.

use schemars::Schema;
use schemars::transform::Transform;
use serde_json::json;

use crate::adapters::config::presets::{self, Preset};

/// A list in which every text has this format.
pub(super) fn each(format: &'static str) -> impl Transform {
    move |schema: &mut Schema| {
        schema.insert("items".to_owned(), json!({ "type": "string", "format": format }));
    }
}

/// A list of texts of this format that must not be empty. `hint` ends the message about an empty list.
pub(super) fn some(format: &'static str, hint: &'static str) -> impl Transform {
    move |schema: &mut Schema| {
        each(format).transform(schema);
        not_empty(hint).transform(schema);
    }
}

/// A list of names, or `"*"` alone, which means `everything`.
pub(super) fn names_of(everything: &'static str) -> impl Transform {
    move |schema: &mut Schema| {
        each("name-or-star").transform(schema);
        schema.insert("minItems".to_owned(), json!(1));
        schema.insert("x-empty".to_owned(), json!(format!("write [\"*\"] if you mean {everything}")));
    }
}

/// A list that must not be empty.
pub(super) fn not_empty(hint: &'static str) -> impl Transform {
    move |schema: &mut Schema| {
        schema.insert("minItems".to_owned(), json!(1));
        schema.insert("x-empty".to_owned(), json!(hint));
    }
}

/// The name of a preset.
pub(super) fn preset_names(schema: &mut Schema) {
    let presets = presets::names().filter_map(Preset::named);
    let options: Vec<_> =
        presets.map(|preset| json!({ "type": "string", "const": preset.name, "description": preset.about })).collect();
    schema.remove("type");
    schema.insert("oneOf".to_owned(), json!(options));
}

/// Turns an enumeration of the files into the one of the judgement, whose variants have equal names.
macro_rules! means {
    ($written:ty => $meant:ty: $($variant:ident)+) => {
        impl From<$written> for $meant {
            fn from(written: $written) -> Self {
                match written {
                    $(<$written>::$variant => Self::$variant,)+
                }
            }
        }
    };
}
pub(super) use means;
