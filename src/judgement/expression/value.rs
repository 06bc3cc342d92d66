//! An expression's value as JSON.

use cel::Value as CelValue;
use cel::objects::Key;
use serde_json::{Map, Number, Value};

use super::error::ExpressionError;

/// Deepest nesting of a value.
const MAX_DEPTH: usize = 8;
/// Most values in a value, and most bytes in its texts: every request carries the token in a header.
const MAX_VALUES: usize = 256;
const MAX_TEXT: usize = 4096;

/// The value, if a claim can have it.
pub(super) fn to_json(value: &CelValue) -> Result<Value, ExpressionError> {
    Writer { values: 0, text: 0 }.write(value, 0)
}

struct Writer {
    values: usize,
    text: usize,
}

impl Writer {
    fn write(&mut self, value: &CelValue, depth: usize) -> Result<Value, ExpressionError> {
        self.values += 1;
        if depth > MAX_DEPTH || self.values > MAX_VALUES {
            return Err(ExpressionError("gives more than a claim may hold".to_owned()));
        }
        match value {
            CelValue::Bool(truth) => Ok(Value::Bool(*truth)),
            CelValue::Int(number) => Ok(Value::from(*number)),
            CelValue::UInt(number) => Ok(Value::from(*number)),
            CelValue::Float(number) => Number::from_f64(*number)
                .map(Value::Number)
                .ok_or_else(|| ExpressionError("gives no finite number".to_owned())),
            CelValue::String(text) => Ok(Value::String(self.text(text)?)),
            CelValue::List(items) => {
                items.iter().map(|item| self.write(item, depth + 1)).collect::<Result<_, _>>().map(Value::Array)
            }
            CelValue::Map(map) => {
                let members = map.map.iter().map(|(key, member)| match key {
                    Key::String(name) => Ok((self.text(name)?, self.write(member, depth + 1)?)),
                    _ => Err(ExpressionError("gives a map whose keys are no strings".to_owned())),
                });
                members.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
            other => Err(ExpressionError(format!("gives a {}, which no claim can hold", other.type_of()))),
        }
    }

    fn text(&mut self, text: &str) -> Result<String, ExpressionError> {
        self.text += text.len();
        if self.text > MAX_TEXT {
            return Err(ExpressionError("gives more than a claim may hold".to_owned()));
        }
        Ok(text.to_owned())
    }
}
