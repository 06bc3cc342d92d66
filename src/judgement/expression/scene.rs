//! The values of an expression's variables in CEL.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cel::objects::{Key, Map as CelMap};
use cel::{Context, ExecutionError, Value as CelValue};
use serde_json::{Map, Value};

use super::budget::StepBudget;
use super::check::Claims;
use super::compile::Compiled;
use super::cost::{EvaluationInputs, MAX_CLAIMS, MAX_STEPS, steps};
use super::error::ExpressionError;
use super::pattern;
use super::size::ValueSize;
use super::variables::{ENVIRONMENT, Other, Variables};

/// [`Variables`] for any number of expressions. For an expression that names its claims, only these are converted to CEL's
/// values. For expressions that look at all claims, the conversion happens once.
pub struct Scene<'a> {
    variables: Variables<'a>,
    others: Vec<(Other, &'a Map<String, Value>)>,
    budget: Option<&'a StepBudget>,
    whole: OnceCell<Context<'static, 'static>>,
}

impl<'a> Variables<'a> {
    /// A scene for expressions about these variables.
    pub fn scene(self) -> Scene<'a> {
        Scene { variables: self, others: Vec::new(), budget: None, whole: OnceCell::new() }
    }

    /// Converts the variables to CEL's values, with these claims only.
    fn context<'m>(self, claims: impl Iterator<Item = (&'m String, &'m Value)>) -> Context<'static, 'static> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_from_value("claims", object(claims));
        context.add_variable_from_value("client", self.client);
        context.add_variable_from_value("audience", self.audience);
        let scopes = self.scopes.iter().map(|scope| CelValue::from(scope.as_str())).collect();
        context.add_variable_from_value("scopes", CelValue::List(Arc::new(scopes)));
        // No function of the library has this name.
        let _ = context.add_function(pattern::FUNCTION, pattern::matches);
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

    /// The scene for one of the evaluations that share this budget.
    #[must_use]
    pub fn within(mut self, budget: &'a StepBudget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Refuses an evaluation that would take too much work.
    pub(super) fn check_work(&self, compiled: &Compiled) -> Result<(), ExpressionError> {
        let weight = self.weight(&compiled.inputs.claims);
        if weight > MAX_CLAIMS {
            let text = format!(
                "the claims and scopes that it looks at are larger than {MAX_CLAIMS} values, 16 bytes of text a value"
            );
            return Err(ExpressionError(text));
        }
        let inputs = EvaluationInputs { variables: self.variables, others: &self.others };
        let steps = steps(&compiled.syntax, &compiled.patterns, inputs).ok_or_else(|| {
            ExpressionError(format!(
                "it would take more than {MAX_STEPS} steps with these claims: their lists are too long for it"
            ))
        })?;
        self.budget.map_or(Ok(()), |budget| budget.spend(steps.saturating_add(weight)))
    }

    /// Evaluates an expression.
    pub(super) fn resolve(&self, compiled: &Compiled) -> Result<CelValue, ExecutionError> {
        let Compiled { syntax, patterns, inputs } = compiled;
        match &inputs.claims {
            Claims::Named(names) => {
                let mut context = self.context(self.named(names));
                pattern::declare(&mut context, patterns);
                context.resolve(syntax)
            }
            Claims::All => {
                let all = || self.context(self.variables.claims.iter());
                let mut context = self.whole.get_or_init(all).new_inner_scope();
                pattern::declare(&mut context, patterns);
                context.resolve(syntax)
            }
        }
    }

    /// The weight of everything that is converted for an expression that looks at these claims.
    fn weight(&self, claims: &Claims) -> u64 {
        let claims = match claims {
            Claims::Named(names) => ValueSize::of_object(self.named(names)),
            Claims::All => ValueSize::of_object(self.variables.claims.iter()),
        };
        let others = self.others.iter().map(|(_, claims)| ValueSize::of_object(claims.iter()));
        let scopes = ValueSize::list(self.variables.scopes.iter().map(|scope| ValueSize::text(scope.len())));
        others.fold(claims.and(scopes), ValueSize::and).weight
    }

    fn named<'n>(&self, names: &'n BTreeSet<String>) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'n, 'a> {
        let claims = self.variables.claims;
        names.iter().filter_map(move |name| claims.get_key_value(name))
    }

    fn context<'m>(&self, claims: impl Iterator<Item = (&'m String, &'m Value)>) -> Context<'static, 'static> {
        let mut context = self.variables.context(claims);
        for (other, claims) in &self.others {
            context.add_variable_from_value(other.variable(), object(claims.iter()));
        }
        context
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
