//! From source to a checked syntax tree.

use cel::IdedExpr;

use super::check::{ExpressionInputs, check};
use super::cost;
use super::error::ExpressionError;
use super::pattern::{self, Pattern};
use super::variables::{ENVIRONMENT, Other};

/// Longest source in bytes. Together with `PARSER_STACK`, it bounds how deep the parser can recurse.
pub(super) const MAX_SOURCE: usize = 2048;

/// Stack in bytes for parsing the longest source, however nested. The ANTLR runtime recurses in its prediction before it
/// checks the parser's own depth limit, and about a hundred brackets overflow the 2 MiB that threads usually have. Half of
/// this size is enough in a debug build; only what is used takes memory.
const PARSER_STACK: usize = 64 << 20;

/// A checked expression.
pub(super) struct Compiled {
    pub(super) syntax: IdedExpr,
    pub(super) patterns: Vec<Pattern>,
    pub(super) inputs: ExpressionInputs,
}

/// Parses and checks a source, on a thread with a large stack. The ANTLR runtime also has assertions about its own state:
/// a source that fails one is then a problem in a configuration file, not the end of a reload.
pub(super) fn parse(source: &str, others: &[Other]) -> Result<Compiled, ExpressionError> {
    if source.len() > MAX_SOURCE {
        return Err(ExpressionError(format!("longer than {MAX_SOURCE} bytes")));
    }
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(PARSER_STACK)
            .spawn_scoped(scope, || parse_here(source, others))
            .map_err(|error| ExpressionError(format!("can't be compiled: {error}")))?
            .join()
            .unwrap_or_else(|_| Err(ExpressionError("is no CEL: the parser gave up".to_owned())))
    })
}

fn parse_here(source: &str, others: &[Other]) -> Result<Compiled, ExpressionError> {
    let mut syntax = ENVIRONMENT.parser().parse(source).map_err(|errors| {
        let message = errors.errors.first().map_or("", |error| error.msg.as_str());
        ExpressionError(format!("is no CEL: {message}"))
    })?;
    let others: Vec<_> = others.iter().map(|other| other.variable()).collect();
    let inputs = check(&syntax, &others)?;
    let patterns = pattern::take(&mut syntax)?;
    cost::check(&syntax, &patterns)?;
    Ok(Compiled { syntax, patterns, inputs })
}
