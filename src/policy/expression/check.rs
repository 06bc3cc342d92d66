//! What an expression may be, read off its syntax tree.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};

use super::ExpressionError;

/// What [`super::Variables`] has.
const VARIABLES: [&str; 4] = ["claims", "client", "audience", "scopes"];

/// Types, which CEL reads as identifiers: `type(claims.x) == string`.
const TYPES: [&str; 10] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Functions of the standard library that need no clock; operators are functions with odd names.
const FUNCTIONS: [&str; 33] = [
    "_?_:_",
    "_&&_",
    "_||_",
    "!_",
    "_-_",
    "_+_",
    "_*_",
    "_/_",
    "_%_",
    "_==_",
    "_!=_",
    "_>=_",
    "_<=_",
    "_>_",
    "_<_",
    "-_",
    "_[_]",
    "@in",
    "@not_strictly_false",
    "has",
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "string",
    "type",
    "uint",
];

/// Deepest nesting, far below what overflows a stack of 2 MiB when it runs.
const MAX_DEPTH: usize = 50;

/// How many comprehensions may stand within each other: the work grows with the claims to this power.
const MAX_COMPREHENSIONS: usize = 2;

/// Refuses whatever names something that does not exist, and whatever is nested too deep.
pub(super) fn check(expression: &IdedExpr) -> Result<(), ExpressionError> {
    Walk { locals: Vec::new(), comprehensions: 0 }.visit(expression, 0)
}

struct Walk<'a> {
    /// Variables of the comprehensions around.
    locals: Vec<&'a str>,
    comprehensions: usize,
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
            Expr::Select(select) => self.visit(&select.operand, below),
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
                if !FUNCTIONS.contains(&call.func_name.as_str()) {
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

    fn identifier(&self, name: &str) -> Result<(), ExpressionError> {
        if VARIABLES.contains(&name) || TYPES.contains(&name) || self.locals.contains(&name) {
            Ok(())
        } else {
            Err(ExpressionError(format!("there is no variable {name}")))
        }
    }
}
