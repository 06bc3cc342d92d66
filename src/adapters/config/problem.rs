//! What is wrong with the configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// Something that is wrong with the configuration, or a warning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line, from 1; 0 when the file could not be read.
    pub line: u64,
    /// Column in characters, from 1; 0 when the file could not be read.
    pub column: u64,
    /// The key with its parents, for instance `realms.corp.issuer` or `permissions[0].clients`; may be empty.
    pub key: String,
    /// What is wrong and what to do. It contains no value from the environment.
    pub message: String,
}

impl Problem {
    /// How many problems of one file Cambio keeps while it runs: one team's file must not fill the memory or the log.
    pub const KEPT: usize = 10;

    /// Drops all but the first problems of each file from a list that is in the order of files.
    pub fn abridge(problems: &mut Vec<Self>) {
        let mut of_file = 0;
        let mut before: Option<PathBuf> = None;
        problems.retain(|problem| {
            if before.as_ref() != Some(&problem.file) {
                before = Some(problem.file.clone());
                of_file = 0;
            }
            of_file += 1;
            of_file <= Self::KEPT
        });
    }

    /// A problem of a file as a whole.
    pub(super) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: 0, column: 0, key: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", printable(&self.file.to_string_lossy()))?;
        if self.line > 0 {
            write!(f, "{}:{}:", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", printable(&self.key))?;
        }
        write!(f, " {}", printable(&self.message))
    }
}

/// Longest text from a file in a problem, in bytes: a problem stays readable, and one file does not fill the log.
const LONGEST: usize = 4096;

/// Text from the files may contain line breaks, terminal commands and marks that turn the direction of what follows, and be
/// long: a problem stays one line that reads as it is.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(LONGEST));
    for c in text.chars() {
        if out.len() >= LONGEST {
            out.push('…');
            break;
        }
        if c.is_control() || is_bidirectional(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character turns the direction of text (Unicode Standard Annex 9, section 2).
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Longest text of a server in a problem, in characters.
const LONGEST_OF_SERVER: usize = 200;

/// Text that a server chose, cut after 200 characters: a problem is about the text, and need not have all of it.
pub fn shortened(text: &str) -> String {
    let mut rest = text.chars();
    let mut out: String = rest.by_ref().take(LONGEST_OF_SERVER).collect();
    if rest.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_turns_or_breaks_lines_is_escaped() {
        for (text, expected) in [
            ("münchen", "münchen"),
            ("a\nb\u{1b}[31m", "a\\nb\\u{1b}[31m"),
            ("a\u{202e}b\u{2066}c\u{2069}", "a\\u{202e}b\\u{2066}c\\u{2069}"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn long_text_of_a_server_is_cut() {
        assert_eq!(shortened(&"ü".repeat(LONGEST_OF_SERVER)), "ü".repeat(LONGEST_OF_SERVER));
        assert_eq!(shortened(&"ü".repeat(LONGEST_OF_SERVER + 1)), format!("{}…", "ü".repeat(LONGEST_OF_SERVER)));
    }
}
