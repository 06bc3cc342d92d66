//! The variables of an expression, and their values in CEL.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map as CelMap};
use cel::{Context, Env, ExecutionError, IdedExpr, Value as CelValue};
use serde_json::{Map, Value};

use super::check::Claims;

/// The standard functions and macros; declaring them takes longer than most expressions run.
pub(super) static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// The variables of an expression.
#[derive(Clone, Copy, Debug)]
pub struct Variables<'a> {
    /// The subject token's claims.
    pub claims: &'a Map<String, Value>,
    /// The requesting client's id.
    pub client: &'a str,
    /// The requested audience.
    pub audience: &'a str,
    /// The scope tokens that would be granted.
    pub scopes: &'a [String],
}

/// [`Variables`] for any number of expressions. For an expression that names its claims, only these are converted to CEL's
/// values. For expressions that look at all claims, the conversion happens once.
pub struct Scene<'a> {
    variables: Variables<'a>,
    others: Vec<(Other, &'a Map<String, Value>)>,
    whole: OnceCell<Context<'static, 'static>>,
}

/// Somebody else whose claims an expression may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// `actor`: the actor token's claims.
    Actor,
    /// `requested`: the requested subject's claims.
    Requested,
}

impl<'a> Variables<'a> {
    /// A scene for expressions about these variables.
    pub fn scene(self) -> Scene<'a> {
        Scene { variables: self, others: Vec::new(), whole: OnceCell::new() }
    }

    /// Converts the variables to CEL's values, with these claims only.
    fn context<'m>(self, claims: impl Iterator<Item = (&'m String, &'m Value)>) -> Context<'static, 'static> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_from_value("claims", object(claims));
        context.add_variable_from_value("client", self.client);
        context.add_variable_from_value("audience", self.audience);
        let scopes = self.scopes.iter().map(|scope| CelValue::from(scope.as_str())).collect();
        context.add_variable_from_value("scopes", CelValue::List(Arc::new(scopes)));
        context
    }
}

impl<'a> Scene<'a> {
    /// The scene with the claims of somebody else, if there are any.
    #[must_use]
    pub fn with(mut self, other: Other, claims: Option<&'a Map<String, Value>>) -> Self {
        self.whole = OnceCell::new();
        self.others.extend(claims.map(|claims| (other, claims)));
        self
    }

    /// Evaluates an expression that looks at these claims.
    pub(super) fn resolve(&self, syntax: &IdedExpr, claims: &Claims) -> Result<CelValue, ExecutionError> {
        match claims {
            Claims::Named(names) => {
                let members = names.iter().filter_map(|name| self.variables.claims.get_key_value(name));
                self.context(members).resolve(syntax)
            }
            Claims::All => {
                let all = || self.context(self.variables.claims.iter());
                self.whole.get_or_init(all).resolve(syntax)
            }
        }
    }

    fn context<'m>(&self, claims: impl Iterator<Item = (&'m String, &'m Value)>) -> Context<'static, 'static> {
        let mut context = self.variables.context(claims);
        for (other, claims) in &self.others {
            context.add_variable_from_value(other.variable(), object(claims.iter()));
        }
        context
    }
}

impl Other {
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Requested => "requested",
        }
    }
}

/// JSON in CEL: whole numbers are `int` if they fit, so that a claim compares and adds like a literal; objects are maps.
fn value(json: &Value) -> CelValue {
    match json {
        Value::Null => CelValue::Null,
        Value::Bool(answer) => CelValue::Bool(*answer),
        Value::Number(number) => number
            .as_i64()
            .map(CelValue::Int)
            .or_else(|| number.as_u64().map(CelValue::UInt))
            .or_else(|| number.as_f64().map(CelValue::Float))
            .unwrap_or(CelValue::Null),
        Value::String(text) => CelValue::from(text.as_str()),
        Value::Array(items) => CelValue::List(Arc::new(items.iter().map(value).collect())),
        Value::Object(members) => object(members.iter()),
    }
}

fn object<'m>(members: impl Iterator<Item = (&'m String, &'m Value)>) -> CelValue {
    let map: HashMap<Key, CelValue> = members.map(|(name, member)| (Key::from(name.clone()), value(member))).collect();
    CelValue::Map(CelMap { map: Arc::new(map) })
}
