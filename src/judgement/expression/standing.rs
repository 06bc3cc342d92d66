//! Claims that can change hands. An expression that decides by such a claim alone lets in whoever has the name later.

use std::collections::BTreeSet;

use cel::IdedExpr;
use cel::common::ast::{EntryExpr, Expr, LiteralValue};

/// What a claim is good for as an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permanence {
    /// An id that is never given to anybody else.
    Permanent,
    /// A name that can be changed, or be given to somebody else.
    Mutable,
    /// Nothing is known.
    Unknown,
}

/// The claims that can change hands and on which the value depends, unless a permanent id beside them decides, too.
pub(super) fn unbound(syntax: &IdedExpr, standing: &dyn Fn(&str) -> Permanence) -> BTreeSet<String> {
    let mut walk = Walk { standing, unbound: BTreeSet::new() };
    walk.visit(syntax, false);
    walk.unbound
}

/// Whether the value depends on a permanent id in every case.
pub(super) fn is_bound(syntax: &IdedExpr, standing: &dyn Fn(&str) -> Permanence) -> bool {
    Walk { standing, unbound: BTreeSet::new() }.binds(syntax)
}

struct Walk<'a> {
    standing: &'a dyn Fn(&str) -> Permanence,
    unbound: BTreeSet<String>,
}

impl Walk<'_> {
    /// Adds the mutable claims of a part. `bound`: a permanent id decides beside this part.
    fn visit(&mut self, part: &IdedExpr, bound: bool) {
        if let Some(path) = path(part) {
            if !bound && (self.standing)(&path) == Permanence::Mutable {
                self.unbound.insert(path);
            }
            return;
        }
        let parts = children(part);
        match (operator(part), parts.as_slice()) {
            (Some("_||_"), _) => self.visit_all(&parts, bound),
            (Some("_?_:_"), [condition, yes, no]) => {
                let beside = bound || self.binds(condition);
                self.visit(condition, bound || self.binds(yes) && self.binds(no));
                self.visit(yes, beside);
                self.visit(no, beside);
            }
            _ => {
                let bound = bound || self.binds(part);
                self.visit_all(&parts, bound);
            }
        }
    }

    fn visit_all(&mut self, parts: &[&IdedExpr], bound: bool) {
        for part in parts {
            self.visit(part, bound);
        }
    }

    /// Whether a permanent id decides in every case.
    fn binds(&self, part: &IdedExpr) -> bool {
        if let Some(path) = path(part) {
            return (self.standing)(&path) == Permanence::Permanent;
        }
        let parts = children(part);
        match (operator(part), parts.as_slice()) {
            (Some("_||_"), [one, other]) => self.binds(one) && self.binds(other),
            // Everybody but one is nearly everybody.
            (Some("_!=_" | "!_"), _) => false,
            (Some("_?_:_"), [condition, yes, no]) => self.binds(condition) || self.binds(yes) && self.binds(no),
            _ => parts.iter().any(|part| self.binds(part)),
        }
    }
}

fn operator(part: &IdedExpr) -> Option<&str> {
    match &part.expr {
        Expr::Call(call) => Some(call.func_name.as_str()),
        _ => None,
    }
}

/// The path of a claim that the part reads: `claims.a.b`, `claims["a"].b`.
fn path(part: &IdedExpr) -> Option<String> {
    let (operand, name) = match &part.expr {
        Expr::Select(select) if !select.test => (select.operand.as_ref(), select.field.as_str()),
        Expr::Call(call) if call.func_name == "_[_]" => match call.args.as_slice() {
            [operand, index] => (operand, literal(index)?),
            _ => return None,
        },
        _ => return None,
    };
    match &operand.expr {
        Expr::Ident(variable) if variable == "claims" => Some(name.to_owned()),
        _ => Some(format!("{}.{name}", path(operand)?)),
    }
}

fn literal(part: &IdedExpr) -> Option<&str> {
    match &part.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn children(part: &IdedExpr) -> Vec<&IdedExpr> {
    match &part.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) if select.test => Vec::new(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Comprehension(all) => {
            vec![&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
        }
        Expr::Map(map) => map.entries.iter().flat_map(|entry| entries(&entry.expr)).collect(),
        Expr::Struct(all) => all.entries.iter().flat_map(|entry| entries(&entry.expr)).collect(),
    }
}

fn entries(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judgement::expression::Expression;

    fn unbound_in(source: &str) -> Vec<String> {
        let standing = |path: &str| match path {
            "id" | "kubernetes.io.uid" => Permanence::Permanent,
            "name" | "mail" | "kubernetes.io.name" => Permanence::Mutable,
            _ => Permanence::Unknown,
        };
        Expression::compile(source).unwrap().unbound_claims(&standing).into_iter().collect()
    }

    #[test]
    fn a_mutable_claim_needs_a_permanent_one_beside_it() {
        for (source, expected) in [
            ("claims.name == 'a'", &["name"][..]),
            ("claims['name'] == 'a'", &["name"]),
            ("claims.name + '#' + claims.mail", &["mail", "name"]),
            ("claims.name.startsWith('a')", &["name"]),
            ("claims.name in ['a', 'b']", &["name"]),
            ("['a', 'b'].exists(one, one == claims.name)", &["name"]),
            ("{'a': claims.name}['a'] == 'b'", &["name"]),
            ("!(claims.name == 'a')", &["name"]),
            ("claims['kubernetes.io'].name == 'a'", &["kubernetes.io.name"]),
            ("claims['kubernetes.io']['name'] == 'a'", &["kubernetes.io.name"]),
            ("claims.name == 'a' && claims.id == '1'", &[]),
            ("claims.id + claims.name", &[]),
            ("claims['kubernetes.io'].name == 'a' && claims['kubernetes.io'].uid == '1'", &[]),
            ("claims.name == 'a' || claims.id == '1'", &["name"]),
            ("claims.name == 'a' && (claims.id == '1' || claims.mail == 'm')", &["mail", "name"]),
            ("(claims.name == 'a' || claims.mail == 'm') && claims.id == '1'", &[]),
            ("claims.other == 'x' ? claims.name : claims.id", &["name"]),
            ("claims.id == '1' ? claims.name : claims.mail", &[]),
            ("claims.name == 'a' ? claims.id : claims.id", &[]),
            ("has(claims.name)", &[]),
            ("has(claims.name) && claims.other == 'x'", &[]),
            ("'name' in claims", &[]),
            ("claims.other == 'name'", &[]),
            ("client == 'name' && true", &[]),
        ] {
            assert_eq!(unbound_in(source), expected, "{source}");
        }
    }
}
