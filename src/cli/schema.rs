//! `cambio schema`: JSON Schemas and the reference of the configuration.

use std::io::{self, Write};

use crate::adapters::config::schema::{self, markdown::markdown};

/// What to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum What {
    /// JSON Schema of `cambio.yaml`.
    #[default]
    Config,
    /// JSON Schema of an audience file.
    Audience,
    /// `docs/configuration.md`.
    Markdown,
}

/// Prints it to `out`.
///
/// # Errors
/// `out` can't be written.
pub fn run(what: What, out: &mut dyn Write) -> io::Result<()> {
    match what {
        What::Config => writeln!(out, "{:#}", schema::config()),
        What::Audience => writeln!(out, "{:#}", schema::audience()),
        What::Markdown => out.write_all(markdown().as_bytes()),
    }
}
