//! The members of a token endpoint's answer.

use serde_json::Value;

use crate::judgement::dialect::AnswerShape;
use crate::words::oauth::json::{self, JsonError};

/// A JSON object that keeps the order of its members; `serde_json`'s own map sorts them. `Debug` shows the names only.
#[derive(Clone, Default)]
pub(super) struct AnswerMembers(Vec<(String, Value)>);

impl AnswerMembers {
    /// Reads an object without repeated names.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        json::members(bytes).map(Self)
    }

    /// Sets a member in its place, or adds it at the end.
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        match self.position(name).and_then(|index| self.0.get_mut(index)) {
            Some(member) => member.1 = value.into(),
            None => self.0.push((name.to_owned(), value.into())),
        }
    }

    /// Sets `scope`. RFC 6749 section 3.3 knows no empty scope: then there is no member.
    pub(super) fn set_scope(&mut self, scope: String) {
        if scope.is_empty() {
            self.take("scope");
        } else {
            self.set("scope", scope);
        }
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.position(name).map(|index| self.0.remove(index).1)
    }

    /// A member's text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.position(name).and_then(|index| self.0.get(index)).and_then(|member| member.1.as_str())
    }

    /// Whether there is a member of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }

    /// Removes the members that `is_dropped` selects, and returns their names.
    pub(super) fn drop_where(&mut self, is_dropped: impl Fn(&str, &Value) -> bool) -> Vec<String> {
        let mut dropped = Vec::new();
        self.0.retain(|member| {
            let drop = is_dropped(&member.0, &member.1);
            if drop {
                dropped.push(member.0.clone());
            }
            !drop
        });
        dropped
    }

    /// The members that a dialect's answers have.
    pub(super) fn in_shape(mut self, shape: AnswerShape) -> Self {
        let AnswerShape::Only(members) = shape else { return self };
        let mut shaped = Self::default();
        for member in members {
            if let Some(value) = member.value(self.take(member.name())) {
                shaped.set(member.name(), value);
            }
        }
        shaped
    }

    /// The object as JSON.
    pub(super) fn to_json(&self) -> String {
        let members: Vec<String> =
            self.0.iter().map(|member| format!("{}:{}", Value::from(member.0.as_str()), member.1)).collect();
        format!("{{{}}}", members.join(","))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|member| member.0 == name)
    }
}

impl std::fmt::Debug for AnswerMembers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|member| &member.0)).finish()
    }
}
