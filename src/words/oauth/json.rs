//! A strict reader of JSON objects.
//!
//! RFC 8259 section 4 leaves open what a repeated member name means, so two parsers may read two different tokens
//! from the same bytes: Cambio sees one `realm_access`, the resource server sees the other. `serde_json` silently keeps
//! the last. Here a repetition is an error, at every depth, and depth is bounded.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Deepest nesting that is read; Keycloak's deepest claim (`authorization.permissions[].claims`) needs six.
const MAX_DEPTH: usize = 32;

/// What `serde_json`, with its feature `raw_value`, takes for the mark of raw text when it reads a [`Value`].
const RAW: &str = "$serde_json::private::RawValue";

/// Why the bytes are not one strict JSON object. The text never repeats the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// No UTF-8 JSON text, or followed by something else.
    #[error("not valid JSON")]
    Syntax,
    /// A member name stands twice in one object (RFC 7515 section 4, RFC 7519 section 4).
    #[error("a member name stands twice in one object")]
    Repeated,
    /// Nested deeper than is read.
    #[error("nested too deeply")]
    Depth,
    /// A member has the name by which `serde_json` marks raw text. Read by `serde_json` again, the object would be the text.
    #[error("a member has a reserved name")]
    Reserved,
    /// Valid JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
}

/// Reads one JSON object (RFC 8259) that repeats no member name at any depth.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0, fault: &mut fault }.deserialize(&mut reader);
    match (value, fault) {
        (_, Some(fault)) => Err(fault),
        (Ok(Value::Object(members)), None) => reader.end().map(|()| members).map_err(|_| JsonError::Syntax),
        (Ok(_), None) => reader.end().map_err(|_| JsonError::Syntax).and(Err(JsonError::NotAnObject)),
        (Err(_), None) => Err(JsonError::Syntax),
    }
}

/// Reads one JSON object like [`object`], and keeps the order of its members.
pub fn members(bytes: &[u8]) -> Result<Vec<(String, Value)>, JsonError> {
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let members = reader.deserialize_map(Ordered(Strict { depth: 0, fault: &mut fault }));
    match (members, fault) {
        (_, Some(fault)) => Err(fault),
        (Ok(members), None) => reader.end().map(|()| members).map_err(|_| JsonError::Syntax),
        (Err(error), None) if error.is_data() => Err(JsonError::NotAnObject),
        (Err(_), None) => Err(JsonError::Syntax),
    }
}

/// The members of one object in their order, with the text of their values, which is not read. Names may repeat.
pub fn texts(text: &str) -> Result<Vec<(String, &RawValue)>, JsonError> {
    struct Texts;

    impl<'de> Visitor<'de> for Texts {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry()? {
                members.push(member);
            }
            Ok(members)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    match reader.deserialize_map(Texts) {
        Ok(members) => reader.end().map(|()| members).map_err(|_| JsonError::Syntax),
        Err(error) if error.is_data() => Err(JsonError::NotAnObject),
        Err(_) => Err(JsonError::Syntax),
    }
}

/// Reads one value; `fault` says what serde's error type can't.
struct Strict<'a> {
    depth: usize,
    fault: &'a mut Option<JsonError>,
}

impl Strict<'_> {
    fn inner<E: serde::de::Error>(&mut self) -> Result<Strict<'_>, E> {
        if self.depth >= MAX_DEPTH {
            *self.fault = Some(JsonError::Depth);
            return Err(E::custom("depth"));
        }
        Ok(Strict { depth: self.depth + 1, fault: &mut *self.fault })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated member names")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inner()?)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            refuse_reserved(&name, self.fault)?;
            let value = members.next_value_seed(self.inner()?)?;
            if object.insert(name, value).is_some() {
                *self.fault = Some(JsonError::Repeated);
                return Err(A::Error::custom("repeated"));
            }
        }
        Ok(Value::Object(object))
    }
}

fn refuse_reserved<E: serde::de::Error>(name: &str, fault: &mut Option<JsonError>) -> Result<(), E> {
    if name != RAW {
        return Ok(());
    }
    *fault = Some(JsonError::Reserved);
    Err(E::custom("reserved"))
}

/// Reads the members of one object in their order.
struct Ordered<'a>(Strict<'a>);

impl<'de> Visitor<'de> for Ordered<'_> {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut ordered: Self::Value = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            refuse_reserved(&name, self.0.fault)?;
            if !names.insert(name.clone()) {
                *self.0.fault = Some(JsonError::Repeated);
                return Err(A::Error::custom("repeated"));
            }
            let value = members.next_value_seed(self.0.inner()?)?;
            ordered.push((name, value));
        }
        Ok(ordered)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_one_strict_object_is_read() {
        let deepest = format!("{}1{}", r#"{"a":"#.repeat(32), "}".repeat(32));
        let too_deep = format!("{}1{}", r#"{"a":"#.repeat(33), "}".repeat(33));
        let far_too_deep = format!("{}{}", r#"{"a":"#, "[".repeat(100_000));
        let cases: [(&str, &str, Option<JsonError>); 21] = [
            ("empty object", "{}", None),
            ("white space around", " \n{\"a\":1}\t", None),
            ("equal names in different objects", r#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#, None),
            ("names that differ in case", r#"{"a":1,"A":2}"#, None),
            ("deepest", &deepest, None),
            ("repeated", r#"{"a":1,"a":1}"#, Some(JsonError::Repeated)),
            ("repeated in an inner object", r#"{"a":{"b":1,"b":2}}"#, Some(JsonError::Repeated)),
            ("repeated in an object in a list", r#"{"a":[{"b":1,"b":2}]}"#, Some(JsonError::Repeated)),
            ("repeated through an escape", r#"{"iss":1,"\u0069ss":2}"#, Some(JsonError::Repeated)),
            ("too deep", &too_deep, Some(JsonError::Depth)),
            ("far too deep", &far_too_deep, Some(JsonError::Depth)),
            ("reserved", r#"{"$serde_json::private::RawValue":"1"}"#, Some(JsonError::Reserved)),
            ("reserved below", r#"{"a":[{"\u0024serde_json::private::RawValue":"x"}]}"#, Some(JsonError::Reserved)),
            ("list", "[]", Some(JsonError::NotAnObject)),
            ("null", "null", Some(JsonError::NotAnObject)),
            ("empty", "", Some(JsonError::Syntax)),
            ("something after it", "{}{}", Some(JsonError::Syntax)),
            ("trailing comma", r#"{"a":1,}"#, Some(JsonError::Syntax)),
            ("byte order mark", "\u{feff}{}", Some(JsonError::Syntax)),
            ("lone surrogate", r#"{"a":"\ud800"}"#, Some(JsonError::Syntax)),
            ("not a number", r#"{"a":NaN}"#, Some(JsonError::Syntax)),
        ];
        for (name, text, fault) in cases {
            assert_eq!(object(text.as_bytes()).err(), fault, "{name}");
            assert_eq!(members(text.as_bytes()).err(), fault, "{name}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(JsonError::Syntax));
    }

    #[test]
    fn texts_are_those_of_the_document() {
        let text = "{\"b\": [1, 2 ],\n\"a\":{\"x\":1,\"x\":2},\"\\u0061\":1.50}";
        let members = texts(text).unwrap();
        let shown: Vec<_> = members.iter().map(|(name, text)| (name.as_str(), text.get())).collect();
        assert_eq!(shown, [("b", "[1, 2 ]"), ("a", "{\"x\":1,\"x\":2}"), ("a", "1.50")]);
        for (name, text, fault) in [
            ("list", "[]", JsonError::NotAnObject),
            ("text", "\"a\"", JsonError::NotAnObject),
            ("cut off", "{\"a\":1", JsonError::Syntax),
            ("something after it", "{} x", JsonError::Syntax),
            ("a value that is no JSON", "{\"a\":b}", JsonError::Syntax),
        ] {
            assert_eq!(texts(text).err(), Some(fault), "{name}");
        }
    }

    #[test]
    fn values_come_out_as_serde_json_reads_them() {
        let text = r#"{"n":null,"b":true,"i":-3,"u":18446744073709551615,"f":1.5,"s":"\u00e9","l":[1,"x",{}]}"#;
        assert_eq!(Value::Object(object(text.as_bytes()).unwrap()), serde_json::from_str::<Value>(text).unwrap());
        let ordered = members(br#"{"z":1,"a":2}"#).unwrap();
        assert_eq!(ordered, [("z".to_owned(), json!(1)), ("a".to_owned(), json!(2))]);
        assert_eq!(object(br#"{"i":1}"#).unwrap().get("i"), Some(&json!(1)));
    }
}
