//! The check that an expression names only what exists and is not nested too deep.

use std::collections::BTreeSet;

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::error::ExpressionError;

const CLAIMS: &str = "claims";
const SCOPES: &str = "scopes";

/// The variables of [`super::variables::Variables`].
const VARIABLES: [&str; 4] = [CLAIMS, "client", "audience", SCOPES];

/// Types, which CEL reads as identifiers: `type(claims.x) == string`.
const TYPES: [&str; 10] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Operators, which CEL reads as functions.
const OPERATORS: [&str; 18] = [
    "_?_:_", "_&&_", "_||_", "!_", "_-_", "_+_", "_*_", "_/_", "_%_", "_==_", "_!=_", "_>=_", "_<=_", "_>_", "_<_",
    "-_", "_[_]", "@in",
];

/// Macros, and the function in their expansions.
const MACROS: [&str; 2] = ["@not_strictly_false", "has"];

/// Functions of the standard library that need no clock.
const FUNCTIONS: [&str; 5] = ["size", "contains", "startsWith", "endsWith", "matches"];

/// Conversions between types.
const CONVERSIONS: [&str; 8] = ["bool", "bytes", "double", "dyn", "int", "string", "type", "uint"];

/// Deepest nesting; far below what overflows a stack of 2 MiB at run time.
const MAX_DEPTH: usize = 50;

/// Deepest nesting of comprehensions: the work grows with this power of the number of claims.
const MAX_COMPREHENSIONS: usize = 2;

/// The claims that an expression looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Claims {
    /// The expression names each claim as `claims.NAME`.
    Named(BTreeSet<String>),
    /// The expression looks at `claims` as a whole, or at a computed name.
    All,
}

/// What an expression looks at.
#[derive(Clone, Debug)]
pub(super) struct ExpressionInputs {
    pub(super) claims: Claims,
    /// Whether the expression names `scopes`.
    pub(super) scopes: bool,
}

/// Refuses an expression that names something that does not exist, or is nested too deep. `others` are further variables.
pub(super) fn check(expression: &IdedExpr, others: &[&str]) -> Result<ExpressionInputs, ExpressionError> {
    let inputs = ExpressionInputs { claims: Claims::Named(BTreeSet::new()), scopes: false };
    let mut walk = Walk { others, locals: Vec::new(), comprehensions: 0, inputs };
    walk.visit(expression, 0)?;
    Ok(walk.inputs)
}

struct Walk<'a> {
    others: &'a [&'a str],
    /// Variables of the enclosing comprehensions.
    locals: Vec<&'a str>,
    comprehensions: usize,
    inputs: ExpressionInputs,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a IdedExpr, depth: usize) -> Result<(), ExpressionError> {
        if depth > MAX_DEPTH {
            return Err(ExpressionError(format!("nested more than {MAX_DEPTH} deep")));
        }
        let below = depth + 1;
        match &node.expr {
            Expr::Unspecified => Err(ExpressionError("is incomplete".to_owned())),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.identifier(name),
            Expr::Select(select) => match (&select.operand.expr, &mut self.inputs.claims) {
                (Expr::Ident(name), Claims::Named(names)) if name == CLAIMS && !self.locals.contains(&CLAIMS) => {
                    names.insert(select.field.clone());
                    Ok(())
                }
                _ => self.visit(&select.operand, below),
            },
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element, below)),
            Expr::Struct(_) => Err(ExpressionError("structs are not supported".to_owned())),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, below)?;
                    self.visit(&entry.value, below)
                }
                EntryExpr::StructField(_) => Err(ExpressionError("structs are not supported".to_owned())),
            }),
            Expr::Call(call) => {
                let known: [&[&str]; 4] = [&OPERATORS, &MACROS, &FUNCTIONS, &CONVERSIONS];
                if !known.iter().any(|names| names.contains(&call.func_name.as_str())) {
                    return Err(ExpressionError(format!("there is no function {}", call.func_name)));
                }
                call.target.iter().try_for_each(|target| self.visit(target, below))?;
                call.args.iter().try_for_each(|argument| self.visit(argument, below))
            }
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range, below)?;
                self.visit(&comprehension.accu_init, below)?;
                if self.comprehensions == MAX_COMPREHENSIONS {
                    return Err(ExpressionError(format!(
                        "comprehensions are nested more than {MAX_COMPREHENSIONS} deep"
                    )));
                }
                self.comprehensions += 1;
                let outer = self.locals.len();
                self.locals.push(&comprehension.iter_var);
                self.locals.extend(comprehension.iter_var2.as_deref());
                self.locals.push(&comprehension.accu_var);
                self.visit(&comprehension.loop_cond, below)?;
                self.visit(&comprehension.loop_step, below)?;
                self.visit(&comprehension.result, below)?;
                self.locals.truncate(outer);
                self.comprehensions -= 1;
                Ok(())
            }
        }
    }

    fn identifier(&mut self, name: &str) -> Result<(), ExpressionError> {
        if name == CLAIMS && !self.locals.contains(&name) {
            self.inputs.claims = Claims::All;
        }
        self.inputs.scopes |= name == SCOPES;
        let known: [&[&str]; 4] = [&VARIABLES, self.others, &TYPES, &self.locals];
        if known.iter().any(|names| names.contains(&name)) {
            Ok(())
        } else {
            Err(ExpressionError(format!("there is no variable {name}")))
        }
    }
}
