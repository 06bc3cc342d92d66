//! What is wrong with the configuration, and where.

use std::fmt;
use std::path::PathBuf;

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

/// Text from the files may contain line breaks and terminal commands: a problem stays one line.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
