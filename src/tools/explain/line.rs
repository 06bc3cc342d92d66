//! A line of the audit log.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::edge::explain::question::ExplainQuestion;
use crate::tools::failure::CommandFailure;
use crate::words::refusal::Reason;

/// What a line says about its request: the fields of docs/audit-log.md that a decision can be asked again with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::tools) struct AuditLine {
    pub(in crate::tools) event: String,
    id: String,
    pub(in crate::tools) time: String,
    pub(in crate::tools) outcome: String,
    pub(in crate::tools) reason: Option<String>,
    /// Of an observed request: what Cambio would have decided, and why.
    pub(in crate::tools) shadow_outcome: Option<String>,
    pub(in crate::tools) shadow_reason: Option<String>,
    detail: Option<String>,
    pub(in crate::tools) realm: Option<String>,
    pub(in crate::tools) door: Option<String>,
    pub(in crate::tools) client: Option<String>,
    subject: Option<String>,
    pub(in crate::tools) subject_issuer: Option<String>,
    pub(in crate::tools) subject_token_type: Option<String>,
    pub(in crate::tools) requested_token_type: Option<String>,
    pub(in crate::tools) audience: Vec<String>,
    pub(in crate::tools) resource: Vec<String>,
    pub(in crate::tools) scope_requested: Option<String>,
    pub(in crate::tools) permissions: Vec<String>,
    pub(in crate::tools) issuance: Option<String>,
    policy_hash: Option<String>,
    pub(in crate::tools) actor: Option<String>,
    pub(in crate::tools) actor_token_type: Option<String>,
    pub(in crate::tools) actors: Vec<String>,
    pub(in crate::tools) impersonation: Option<IgnoredAny>,
    pub(in crate::tools) scope_granted: Option<String>,
}

/// The last line with this id.
///
/// # Errors
/// The log can't be read, or has no such line.
pub(super) fn find(log: &Path, id: &str) -> Result<AuditLine, CommandFailure> {
    let failed = |error: std::io::Error| CommandFailure(format!("{}: {error}", log.display()));
    let mut found = None;
    for line in BufReader::new(std::fs::File::open(log).map_err(failed)?).lines() {
        let line = line.map_err(failed)?;
        if line.contains(id)
            && let Ok(read) = serde_json::from_str::<AuditLine>(&line)
            && read.id == id
        {
            found = Some(read);
        }
    }
    found.ok_or_else(|| CommandFailure(format!("{}: no line has the id {id}", log.display())))
}

impl AuditLine {
    /// Adds what the line says to a question.
    pub(in crate::tools) fn ask(self, question: &mut ExplainQuestion) {
        (question.realm, question.client, question.scope) = (self.realm, self.client, self.scope_requested);
        (question.audience, question.resource) = (self.audience, self.resource);
        (question.subject_token_type, question.requested_token_type) =
            (self.subject_token_type, self.requested_token_type);
    }
}

impl fmt::Display for AuditLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audit    {}: {}", self.time, self.outcome)?;
        if let Some(outcome) = &self.shadow_outcome {
            write!(f, ", observed; Cambio would have decided: {outcome}")?;
        }
        match self.shadow_reason.as_ref().or(self.reason.as_ref()) {
            Some(reason) => writeln!(f, ", {reason}")?,
            None => writeln!(f, ", permitted by {}", self.permissions.join(", "))?,
        }
        if let Some(detail) = &self.detail {
            writeln!(f, "  {detail}")?;
        }
        if let Some(reason) = Reason::ALL.iter().find(|reason| {
            Some(reason.as_str()) == self.shadow_reason.as_ref().or(self.reason.as_ref()).map(String::as_str)
        }) {
            writeln!(f, "  {}", reason.meaning())?;
        }
        if let (Some(subject), Some(issuer)) = (&self.subject, &self.subject_issuer) {
            writeln!(f, "audit    subject {subject} of {issuer}")?;
        }
        if self.actor.is_some() {
            writeln!(f, "audit    there was an actor token: name its claims with --actor-claims")?;
        }
        if let Some(hash) = &self.policy_hash {
            writeln!(f, "audit    decided by the policy {hash}")?;
        }
        writeln!(f, "audit    what follows is decided now, with the token given now: the line holds no claims")
    }
}
