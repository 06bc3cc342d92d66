//! The patterns of `matches`. Each is written out in the expression, so that no token brings one of its own, and is compiled
//! once for each evaluation, however often the expression uses it.

use std::sync::{Arc, OnceLock};

use cel::Context;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use cel::objects::{Opaque, Value as CelValue};
use regex::{Regex, RegexBuilder};

use super::error::ExpressionError;

/// What a checked expression calls instead of `matches`. No source can name it.
pub(super) const FUNCTION: &str = "@matches";

/// Sizes of compiled patterns in bytes. A pattern of the last size is refused if it needs more.
const SIZES: [usize; 6] = [1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20];

/// A valid pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    source: Arc<str>,
    /// Its size when it is compiled, at most.
    size: usize,
}

/// A pattern within one evaluation.
#[derive(Debug)]
struct Compiled {
    source: Arc<str>,
    regex: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn read(source: &str) -> Result<Self, ExpressionError> {
        let fits = |size: &&usize| compile(source, **size).is_ok();
        if let Some(size) = SIZES.iter().find(fits) {
            return Ok(Self { source: source.into(), size: *size });
        }
        let last = SIZES.last().copied().unwrap_or_default();
        match compile(source, last) {
            Err(regex::Error::CompiledTooBig(_)) => Err(ExpressionError(format!(
                "a pattern of matches is too large: write fewer or smaller repetitions, or [0-9] and [A-Za-z] instead of \\d \
                 and \\w (the limit is {} KiB when compiled)",
                last >> 10
            ))),
            _ => Err(ExpressionError("a pattern of matches is no regular expression".to_owned())),
        }
    }

    /// Steps to compile the pattern.
    pub(super) fn compilation(&self) -> u64 {
        self.size as u64 / 4
    }

    /// Steps to match the pattern with a text of this weight: in the worst case, every state for every character.
    pub(super) fn matching(&self, weight: u64) -> u64 {
        (self.size as u64 / 128).saturating_mul(weight)
    }
}

/// Takes the patterns out of a checked expression, which then names them as variables of [`declare`].
pub(super) fn take(expression: &mut IdedExpr) -> Result<Vec<Pattern>, ExpressionError> {
    let mut patterns = Vec::new();
    visit(expression, &mut patterns)?;
    Ok(patterns)
}

/// Declares the patterns of an expression for one evaluation.
pub(super) fn declare(context: &mut Context<'_, '_>, patterns: &[Pattern]) {
    for (index, pattern) in patterns.iter().enumerate() {
        let compiled = Compiled { source: Arc::clone(&pattern.source), regex: OnceLock::new() };
        context.add_variable_from_value(variable(index), CelValue::Opaque(Arc::new(compiled)));
    }
}

/// The index of the pattern that a variable names.
pub(super) fn index_of(variable: &str) -> Option<usize> {
    variable.strip_prefix("@pattern")?.parse().ok()
}

/// Whether the text matches the pattern anywhere.
#[expect(clippy::needless_pass_by_value, reason = "the library calls functions with values")]
pub(super) fn matches(text: Arc<String>, pattern: Arc<dyn Opaque>) -> bool {
    let compiled = pattern.downcast_ref::<Compiled>();
    let regex = compiled.and_then(|one| one.regex.get_or_init(|| compile(&one.source, usize::MAX).ok()).as_ref());
    regex.is_some_and(|regex| regex.is_match(&text))
}

fn compile(source: &str, size: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(source).size_limit(size).build()
}

fn variable(index: usize) -> String {
    format!("@pattern{index}")
}

fn visit(node: &mut IdedExpr, patterns: &mut Vec<Pattern>) -> Result<(), ExpressionError> {
    match &mut node.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => Ok(()),
        Expr::Select(select) => visit(&mut select.operand, patterns),
        Expr::List(list) => list.elements.iter_mut().try_for_each(|one| visit(one, patterns)),
        Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
            EntryExpr::MapEntry(entry) => {
                visit(&mut entry.key, patterns).and_then(|()| visit(&mut entry.value, patterns))
            }
            EntryExpr::StructField(field) => visit(&mut field.value, patterns),
        }),
        Expr::Call(call) => {
            if call.func_name == "matches" {
                replace(call, patterns)?;
            }
            call.target.as_deref_mut().into_iter().chain(&mut call.args).try_for_each(|one| visit(one, patterns))
        }
        Expr::Comprehension(all) => {
            let all = &mut **all;
            [&mut all.iter_range, &mut all.accu_init, &mut all.loop_cond, &mut all.loop_step, &mut all.result]
                .into_iter()
                .try_for_each(|one| visit(one, patterns))
        }
    }
}

/// Makes `text.matches("pattern")` a call with the text and the pattern's variable.
fn replace(call: &mut CallExpr, patterns: &mut Vec<Pattern>) -> Result<(), ExpressionError> {
    if let Some(text) = call.target.take() {
        call.args.insert(0, *text);
    }
    let written_out = "the pattern of matches must be written out, as a text in quotes: a pattern that is computed, or comes from \
                       a claim, is not supported";
    let [_, pattern] = call.args.as_mut_slice() else { return Err(ExpressionError(written_out.to_owned())) };
    let Expr::Literal(LiteralValue::String(source)) = &pattern.expr else {
        return Err(ExpressionError(written_out.to_owned()));
    };
    patterns.push(Pattern::read(source.inner())?);
    pattern.expr = Expr::Ident(variable(patterns.len() - 1));
    FUNCTION.clone_into(&mut call.func_name);
    Ok(())
}

impl PartialEq for Compiled {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Compiled {}

impl Opaque for Compiled {
    fn runtime_type_name(&self) -> &'static str {
        "pattern"
    }
}
