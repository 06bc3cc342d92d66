//! The results, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::case::ConformanceCase;
use super::verdict::{CaseVerdict, Level};

/// A case and how it ended.
pub type Row = (&'static ConformanceCase, CaseVerdict);

/// How the results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns for a terminal.
    Table,
    /// A Markdown table.
    Markdown,
    /// A JSON object.
    Json,
}

impl Format {
    /// The format with this name on the command line.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "table" => Some(Self::Table),
            "markdown" => Some(Self::Markdown),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The results in this format.
    pub fn render(self, rows: &[Row]) -> String {
        match self {
            Self::Table => table(rows),
            Self::Markdown => markdown(rows),
            Self::Json => format!("{:#}\n", document(rows)),
        }
    }
}

/// Whether the server conforms: no MUST was broken, and every request got an answer.
pub fn conforms(rows: &[Row]) -> bool {
    !rows.iter().any(|(_, verdict)| matches!(verdict, CaseVerdict::Fail(_) | CaseVerdict::Error(_)))
}

/// The number of cases with each verdict, on one line. Skipped cases are always counted: they did not pass.
pub fn summary(rows: &[Row]) -> String {
    let counts: Vec<_> = WORDS
        .iter()
        .map(|word| {
            let count = rows.iter().filter(|(_, verdict)| verdict.word() == *word).count();
            format!("{count} {word}")
        })
        .collect();
    format!("{} cases: {}", rows.len(), counts.join(", "))
}

/// The words of the verdicts, in the order in which they are counted.
const WORDS: [&str; 6] = ["pass", "FAIL", "warn", "not supported", "skipped", "ERROR"];

fn table(rows: &[Row]) -> String {
    let mut text = String::new();
    for (case, verdict) in rows {
        line(
            &mut text,
            format_args!(
                "{:<13}  {:<6}  {:<16}  {:<30}  {}",
                verdict.word(),
                case.level.word(),
                case.section,
                case.id,
                case.title
            ),
        );
        if !verdict.detail().is_empty() {
            line(&mut text, format_args!("{:<13}  {}", "", verdict.detail()));
        }
        if matches!(verdict, CaseVerdict::Fail(_) | CaseVerdict::Warn(_)) {
            line(&mut text, format_args!("{:<13}  sent: {}; expected: {}", "", case.sent, case.expected));
        }
    }
    line(&mut text, format_args!("\n{}", summary(rows)));
    text
}

fn markdown(rows: &[Row]) -> String {
    let mut text = format!(
        "{}\n\n| section | level | case | what is asked | sent | expected | verdict |\n|---|---|---|---|---|---|---|\n",
        summary(rows)
    );
    for (case, verdict) in rows {
        let mut told = match verdict {
            CaseVerdict::Fail(_) | CaseVerdict::Error(_) => format!("**{}**", verdict.word()),
            _ => verdict.word().to_owned(),
        };
        if !verdict.detail().is_empty() {
            told = format!("{told}: {}", cell(verdict.detail()));
        }
        line(
            &mut text,
            format_args!(
                "| {} | {} | `{}` | {} | {} | {} | {told} |",
                case.section,
                case.level.word(),
                case.id,
                cell(case.title),
                cell(case.sent),
                cell(case.expected)
            ),
        );
    }
    text
}

fn cell(text: &str) -> String {
    text.replace('\\', "\\\\").replace('|', "\\|").replace('<', "&lt;")
}

fn document(rows: &[Row]) -> Value {
    let cases: Vec<_> = rows
        .iter()
        .map(|(case, verdict)| {
            json!({
                "id": case.id,
                "section": case.section,
                "level": case.level.word(),
                "title": case.title,
                "sent": case.sent,
                "expected": case.expected,
                "verdict": verdict.word().to_ascii_lowercase().replace(' ', "_"),
                "detail": verdict.detail(),
            })
        })
        .collect();
    let counted = WORDS.iter().map(|word| {
        let count = rows.iter().filter(|(_, verdict)| verdict.word() == *word).count();
        (word.to_ascii_lowercase().replace(' ', "_"), Value::from(count))
    });
    json!({
        "conforms": conforms(rows),
        "cases": cases,
        "summary": counted.collect::<serde_json::Map<_, _>>(),
        "musts": rows.iter().filter(|(case, _)| case.level == Level::Must).count(),
    })
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{arguments}");
}

#[cfg(test)]
mod tests;
