//! What an evaluation costs at most, found out before it begins: CEL itself has no limit.
//!
//! [`Meter`] goes through the expression once, with the sizes of the values in the place of the values. A loop counts as
//! often as its list has entries. A step is about as much work as one operator with small operands, some 25 ns.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use serde_json::{Map, Value};

use super::error::ExpressionError;
use super::pattern::{self, Pattern};
use super::size::{ValueSize, any_item, any_key};
use super::variables::{Other, Variables};

/// Most steps of one evaluation: about a tenth of a second.
pub(super) const MAX_STEPS: u64 = 4_000_000;

/// Largest weight of the claims and scopes that an expression looks at: 32,768 values, or half of that and 256 KiB of text.
pub(super) const MAX_CLAIMS: u64 = 32_768;

/// A claim whose size is not known yet: a list of a hundred short texts.
const USUAL: ValueSize = ValueSize { items: 100, weight: 400, largest: 4 };

/// A client or an audience whose name is not known yet, in bytes.
const NAME: usize = 64;

/// Steps to make a value and to throw it away, by its weight. They also bound its memory.
const MAKING: u64 = 16;

/// Steps to copy an entry for a loop's variable, by its weight.
const COPYING: u64 = 4;

/// Steps of each round of a loop besides what is evaluated in it.
const ROUND: u64 = 8;

/// The values that an expression is evaluated with.
#[derive(Clone, Copy)]
pub(super) struct EvaluationInputs<'a> {
    pub(super) variables: Variables<'a>,
    pub(super) others: &'a [(Other, &'a Map<String, Value>)],
}

/// Steps that the evaluation takes at most. `None`: more than [`MAX_STEPS`].
pub(super) fn steps(syntax: &IdedExpr, patterns: &[Pattern], inputs: EvaluationInputs<'_>) -> Option<u64> {
    Meter::new(patterns, Some(inputs)).run(syntax)
}

/// Refuses an expression that takes too many steps whenever claims are of usual size.
pub(super) fn check(syntax: &IdedExpr, patterns: &[Pattern]) -> Result<(), ExpressionError> {
    let steps = Meter::new(patterns, None).run(syntax);
    steps.map(drop).ok_or_else(|| {
        ExpressionError(format!(
            "takes more than {MAX_STEPS} steps if each claim is a list of {} entries: nest fewer of all, exists, exists_one, map \
             and filter, chain fewer of them, or use shorter lists",
            USUAL.items
        ))
    })
}

/// The work is too much.
struct TooMuch;

/// What is known of a value before the evaluation.
#[derive(Clone, Copy)]
enum Shape<'a> {
    /// These claims.
    Object(&'a Map<String, Value>),
    /// A part of the claims.
    Json(&'a Value),
    /// A value that is no larger.
    Within(ValueSize),
    /// A claim, when the expression is loaded.
    Usual,
}

struct Meter<'a> {
    patterns: &'a [Pattern],
    /// `None` while the expression is loaded.
    inputs: Option<EvaluationInputs<'a>>,
    /// Variables of the enclosing loops.
    locals: Vec<(&'a str, Shape<'a>)>,
    /// How often the part at hand is evaluated.
    rounds: u64,
    steps: u64,
}

impl<'a> Meter<'a> {
    fn new(patterns: &'a [Pattern], inputs: Option<EvaluationInputs<'a>>) -> Self {
        Self { patterns, inputs, locals: Vec::new(), rounds: 1, steps: 0 }
    }

    fn run(mut self, syntax: &'a IdedExpr) -> Option<u64> {
        let compilation = self.patterns.iter().map(Pattern::compilation).fold(0, u64::saturating_add);
        self.spend(compilation).and_then(|()| self.visit(syntax)).ok().map(|_| self.steps)
    }

    fn spend(&mut self, steps: u64) -> Result<(), TooMuch> {
        self.steps = self.steps.saturating_add(self.rounds.saturating_mul(steps));
        if self.steps > MAX_STEPS { Err(TooMuch) } else { Ok(()) }
    }

    fn visit(&mut self, node: &'a IdedExpr) -> Result<Shape<'a>, TooMuch> {
        self.spend(1)?;
        match &node.expr {
            Expr::Unspecified | Expr::Struct(_) => Err(TooMuch),
            Expr::Literal(literal) => Ok(Shape::Within(match literal {
                LiteralValue::String(text) => ValueSize::text(text.inner().len()),
                LiteralValue::Bytes(bytes) => ValueSize::text(bytes.inner().len()),
                _ => ValueSize::SCALAR,
            })),
            Expr::Ident(name) => Ok(self.variable(name)),
            Expr::Select(select) => {
                let operand = self.visit(&select.operand)?;
                if select.test { Ok(Shape::Within(ValueSize::SCALAR)) } else { Ok(member(operand, &select.field)) }
            }
            Expr::List(list) => {
                let mut sizes = Vec::with_capacity(list.elements.len());
                for element in &list.elements {
                    sizes.push(self.size(element)?);
                }
                self.made(ValueSize::list(sizes.into_iter()))
            }
            Expr::Map(map) => {
                let mut sizes = Vec::with_capacity(map.entries.len());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { return Err(TooMuch) };
                    sizes.push(self.size(&entry.key)?.and(self.size(&entry.value)?));
                }
                self.made(ValueSize::list(sizes.into_iter()))
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn variable(&self, name: &str) -> Shape<'a> {
        if let Some((_, local)) = self.locals.iter().rev().find(|local| local.0 == name) {
            return *local;
        }
        let Some(inputs) = self.inputs else {
            return match name {
                "client" | "audience" => Shape::Within(ValueSize::text(NAME)),
                _ => Shape::Usual,
            };
        };
        let Variables { claims, client, audience, scopes } = inputs.variables;
        match name {
            "claims" => Shape::Object(claims),
            "client" => Shape::Within(ValueSize::text(client.len())),
            "audience" => Shape::Within(ValueSize::text(audience.len())),
            "scopes" => Shape::Within(ValueSize::list(scopes.iter().map(|scope| ValueSize::text(scope.len())))),
            _ => match inputs.others.iter().find(|other| other.0.variable() == name) {
                Some((_, claims)) => Shape::Object(claims),
                // A type, a pattern, or nothing.
                None => Shape::Within(ValueSize::SCALAR),
            },
        }
    }

    /// The size of a part's value.
    fn size(&mut self, node: &'a IdedExpr) -> Result<ValueSize, TooMuch> {
        let shape = self.visit(node)?;
        self.measure(shape)
    }

    /// Looking at claims takes time, too, but only once for each place that names them.
    fn measure(&mut self, shape: Shape<'a>) -> Result<ValueSize, TooMuch> {
        let size = match shape {
            Shape::Object(members) => ValueSize::of_object(members.iter()),
            Shape::Json(value) => ValueSize::of(value),
            Shape::Within(size) => return Ok(size),
            Shape::Usual => return Ok(USUAL),
        };
        let rounds = std::mem::replace(&mut self.rounds, 1);
        self.spend(size.weight / 4)?;
        self.rounds = rounds;
        Ok(size)
    }

    fn made(&mut self, size: ValueSize) -> Result<Shape<'a>, TooMuch> {
        self.spend(size.weight.saturating_mul(MAKING))?;
        Ok(Shape::Within(size))
    }

    fn call(&mut self, call: &'a CallExpr) -> Result<Shape<'a>, TooMuch> {
        let operands: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        let scalar = Shape::Within(ValueSize::SCALAR);
        match (call.func_name.as_str(), operands.as_slice()) {
            ("_?_:_", [condition, yes, no]) => {
                self.visit(condition)?;
                let (yes, no) = (self.size(yes)?, self.size(no)?);
                Ok(Shape::Within(yes.or(no)))
            }
            ("_[_]", [operand, index]) => {
                let operand = self.visit(operand)?;
                let key = self.size(index)?;
                self.spend(key.weight)?;
                match &index.expr {
                    Expr::Literal(LiteralValue::String(name)) => Ok(member(operand, name.inner())),
                    _ => self.entry(operand).map(Shape::Within),
                }
            }
            ("_+_", [one, other]) => {
                let both = self.size(one)?.and(self.size(other)?);
                self.made(both)
            }
            ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", [one, other]) => {
                let (one, other) = (self.size(one)?, self.size(other)?);
                self.spend(one.weight.min(other.weight)).map(|()| scalar)
            }
            ("@in", [one, container]) => {
                let (one, container) = (self.size(one)?, self.size(container)?);
                self.spend(one.weight.saturating_add(container.weight / 4)).map(|()| scalar)
            }
            (pattern::FUNCTION, [text, pattern]) => {
                let weight = self.size(text)?.weight;
                let Expr::Ident(name) = &pattern.expr else { return Err(TooMuch) };
                let pattern = pattern::index_of(name).and_then(|index| self.patterns.get(index)).ok_or(TooMuch)?;
                self.spend(pattern.matching(weight)).map(|()| scalar)
            }
            ("_&&_" | "_||_" | "!_" | "@not_strictly_false", parts) => {
                parts.iter().try_for_each(|part| self.visit(part).map(drop)).map(|()| scalar)
            }
            // Conversions make a text of a number, or the value once more. Everything else gives a number or a boolean.
            (name, parts) => {
                let mut all = ValueSize::text(64);
                for part in parts {
                    all = all.and(self.size(part)?);
                }
                self.spend(all.weight)?;
                if matches!(name, "string" | "bytes" | "dyn" | "type") { self.made(all) } else { Ok(scalar) }
            }
        }
    }

    /// Macros make all comprehensions: the result of `map` and `filter` begins as an empty list and grows by one entry a
    /// round; that of the others is a number or a boolean.
    fn comprehension(&mut self, loops: &'a ComprehensionExpr) -> Result<Shape<'a>, TooMuch> {
        let range = self.visit(&loops.iter_range)?;
        let items = self.measure(range)?.items;
        let item = match range {
            Shape::Object(members) | Shape::Json(Value::Object(members)) => any_key(members),
            other => self.entry(other)?,
        };
        self.visit(&loops.accu_init)?;
        let (outer, rounds) = (self.locals.len(), self.rounds);
        self.rounds = rounds.saturating_mul(items);
        self.locals.push((&loops.iter_var, Shape::Within(item)));
        self.locals.extend(loops.iter_var2.as_deref().map(|name| (name, Shape::Within(item))));
        self.locals.push((&loops.accu_var, Shape::Within(ValueSize::SCALAR)));
        self.spend(ROUND + COPYING.saturating_mul(item.weight))?;
        self.visit(&loops.loop_cond)?;
        let result = match &loops.accu_init.expr {
            Expr::Literal(_) => {
                self.visit(&loops.loop_step)?;
                ValueSize::SCALAR
            }
            Expr::List(_) => self.appended(&loops.loop_step)?.times(items),
            _ => return Err(TooMuch),
        };
        self.locals.truncate(outer);
        self.rounds = rounds;
        self.spend(result.items.saturating_mul(MAKING))?;
        Ok(Shape::Within(result))
    }

    /// The size of the entry that a round of `map` or `filter` appends: `@result + [entry]`, perhaps under a condition.
    fn appended(&mut self, step: &'a IdedExpr) -> Result<ValueSize, TooMuch> {
        let Expr::Call(call) = &step.expr else { return Err(TooMuch) };
        match (call.func_name.as_str(), call.args.as_slice()) {
            ("_?_:_", [condition, step, _]) => {
                self.visit(condition)?;
                self.appended(step)
            }
            ("_+_", [_, entry]) => {
                let entry = self.size(entry)?;
                Ok(ValueSize { weight: entry.weight, ..entry.entry() })
            }
            _ => Err(TooMuch),
        }
    }

    /// The size of any entry.
    fn entry(&mut self, shape: Shape<'a>) -> Result<ValueSize, TooMuch> {
        match shape {
            Shape::Json(Value::Array(items)) => Ok(any_item(items)),
            other => self.measure(other).map(ValueSize::entry),
        }
    }
}

/// A member of a map.
fn member<'a>(operand: Shape<'a>, name: &str) -> Shape<'a> {
    match operand {
        Shape::Object(members) | Shape::Json(Value::Object(members)) => {
            members.get(name).map_or(Shape::Within(ValueSize::SCALAR), Shape::Json)
        }
        // The evaluation fails there.
        Shape::Json(_) => Shape::Within(ValueSize::SCALAR),
        Shape::Within(size) => Shape::Within(size.entry()),
        Shape::Usual => Shape::Usual,
    }
}

#[cfg(test)]
mod tests;
