//! Prints the story and keeps count of its checks.

use std::io::Write;

use serde_json::Value;

use crate::tools::demo::walk::client::{Call, CallReply};
use crate::tools::demo::walk::error::WalkError;
use crate::tools::demo::walk::roles::ShownRoles;

/// Fields of an audit line that the story shows, in this order.
const AUDIT_FIELDS: [&str; 6] = ["outcome", "reason", "detail", "client", "audience", "issuance"];

/// Whether every check of the story passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkVerdict {
    /// Every check did.
    Passed,
    /// At least one check did not.
    Failed,
}

/// Where the story goes.
pub(super) struct Teller<'a> {
    out: &'a mut (dyn Write + Send),
    checks: Vec<(String, bool)>,
    step: usize,
}

impl<'a> Teller<'a> {
    pub(super) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out, checks: Vec::new(), step: 0 }
    }

    pub(super) fn text(&mut self, text: &str) -> Result<(), WalkError> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) -> Result<(), WalkError> {
        self.step += 1;
        Ok(writeln!(self.out, "\n{}. {title}", self.step)?)
    }

    /// A file's text.
    pub(super) fn indented(&mut self, text: &str) -> Result<(), WalkError> {
        for line in text.lines() {
            writeln!(self.out, "     {line}")?;
        }
        Ok(())
    }

    /// The request as a line to paste.
    pub(super) fn curl(&mut self, call: &Call, sets: Option<&str>) -> Result<(), WalkError> {
        Ok(writeln!(self.out, "   {}", call.curl(sets))?)
    }

    /// Status and, for a refusal, the error.
    pub(super) fn reply(&mut self, reply: &CallReply) -> Result<(), WalkError> {
        let json = reply.json();
        let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
        match reply.status {
            200 => writeln!(self.out, "   → 200")?,
            status => {
                writeln!(self.out, "   → {status} {}: {}", text("error"), text("error_description"))?;
            }
        }
        Ok(())
    }

    /// The decision and its reason, from the audit line.
    pub(super) fn audit(&mut self, line: &Value) -> Result<(), WalkError> {
        writeln!(self.out, "   audit:")?;
        for name in AUDIT_FIELDS {
            match line.get(name) {
                Some(Value::String(text)) if !text.is_empty() => writeln!(self.out, "     {name:9} {text}")?,
                Some(Value::Array(many)) if !many.is_empty() => {
                    let many: Vec<_> = many.iter().filter_map(Value::as_str).collect();
                    writeln!(self.out, "     {name:9} {}", many.join(", "))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The roles of a token.
    pub(super) fn roles(&mut self, title: &str, roles: &ShownRoles) -> Result<(), WalkError> {
        writeln!(self.out, "   {title}:")?;
        let none = || "(none)".to_owned();
        let names = |roles: &[String]| if roles.is_empty() { none() } else { roles.join(", ") };
        writeln!(self.out, "     {:14} {}", "realm", names(&roles.realm))?;
        for (client, held) in &roles.clients {
            writeln!(self.out, "     {client:14} {}", names(held))?;
        }
        Ok(())
    }

    /// A claim of a token.
    pub(super) fn claim(&mut self, name: &str, value: &str) -> Result<(), WalkError> {
        Ok(writeln!(self.out, "   its {name:10} {value}")?)
    }

    /// What the step shows, and whether it holds.
    pub(super) fn check(&mut self, what: &str, holds: bool) -> Result<(), WalkError> {
        writeln!(self.out, "   {} {what}", if holds { "✓" } else { "✗ FAILED:" })?;
        self.checks.push((what.to_owned(), holds));
        Ok(())
    }

    /// The end of the story.
    pub(super) fn summary(&mut self) -> Result<WalkVerdict, WalkError> {
        let failed: Vec<_> = self.checks.iter().filter(|(_, holds)| !holds).map(|(what, _)| what.as_str()).collect();
        if failed.is_empty() && !self.checks.is_empty() {
            writeln!(self.out, "\nAll {} checks passed.", self.checks.len())?;
            return Ok(WalkVerdict::Passed);
        }
        writeln!(self.out, "\n{} of {} checks failed:", failed.len(), self.checks.len())?;
        for what in failed {
            writeln!(self.out, "  ✗ {what}")?;
        }
        Ok(WalkVerdict::Failed)
    }
}
