//! What a check found.

use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::online::OnlineFindings;
use crate::adapters::config::load::review::Places;
use crate::adapters::config::problem::Problem;

/// The form of findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum FindingsForm {
    /// In words
    #[default]
    Text,
    /// One JSON object
    Json,
    /// SARIF 2.1.0, for code review
    Sarif,
}

/// What a check found.
#[derive(Default)]
pub(super) struct Findings {
    /// What is wrong, in the order of files and lines.
    pub(super) problems: Vec<Problem>,
    /// What to look at, in the order of files and lines.
    pub(super) warnings: Vec<Problem>,
    /// What has no place in a file: what can't be known.
    pub(super) notes: Vec<String>,
    /// What the identity provider and the issuers say.
    pub(super) online: OnlineFindings,
}

impl Findings {
    /// Whether there is no problem.
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty() && self.online.problems.is_empty()
    }

    /// Everything to know.
    pub(super) fn notes(&self) -> impl Iterator<Item = String> {
        self.notes.iter().cloned().chain(self.online.notes.iter().map(ToString::to_string))
    }

    /// As JSON.
    pub(super) fn json(&self) -> Value {
        let list = |problems: &[Problem], online: &[Problem]| {
            problems.iter().chain(online).map(of_problem).collect::<Vec<_>>()
        };
        let mut document = json!({
            "ok": self.is_good(),
            "problems": list(&self.problems, &self.online.problems),
            "warnings": list(&self.warnings, &self.online.warnings),
            "notes": self.notes().collect::<Vec<_>>(),
        });
        if !self.online.seen.is_empty() {
            document["keys"] = json!(self.online.seen);
        }
        document
    }
}

/// A problem; without a place if it is about the file as a whole.
fn of_problem(problem: &Problem) -> Value {
    let place = |number: u64| (number > 0).then_some(number);
    json!({
        "file": problem.file.to_string_lossy(),
        "line": place(problem.line),
        "column": place(problem.column),
        "key": problem.key,
        "message": problem.message,
    })
}

/// A warning for each permission whose last day (UTC) was before `today`. `expires` are the last days of the permissions of a
/// file, in their order.
pub(super) fn ended_permissions(
    file: &Path,
    bytes: &[u8],
    expires: impl Iterator<Item = Option<Date>>,
    today: Date,
) -> Vec<Problem> {
    let ended = expires.enumerate().filter_map(|(index, last)| Some((index, last.filter(|last| *last < today)?)));
    let ended: Vec<_> = ended.collect();
    if ended.is_empty() {
        return Vec::new();
    }
    let places = Places::of(bytes);
    let warning = |(index, last)| {
        places.problem(file, &format!("permissions[{index}].expires"), format!("the permission ended with {last}"))
    };
    ended.into_iter().map(warning).collect()
}

/// Prints problems, one per line, and how many there are.
pub(super) fn print_problems(problems: &[Problem], err: &mut dyn Write) -> io::Result<()> {
    for problem in problems {
        writeln!(err, "{problem}")?;
    }
    let files: std::collections::BTreeSet<_> = problems.iter().map(|problem| &problem.file).collect();
    writeln!(err, "{} in {}", count(problems.len(), "problem"), count(files.len(), "file"))
}

/// A number of things, in words.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
