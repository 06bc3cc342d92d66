//! `cambio schema`: JSON Schemas and the reference of the configuration.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::output::print;
use crate::adapters::config::schema::{self, markdown::markdown};
use crate::tools::failure::CommandFailure;

/// The arguments of `cambio schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Whose JSON Schema to print
    #[arg(value_name = "FILE", default_value = "config")]
    file: SchemaFile,
    /// Print the reference of the configuration as Markdown
    #[arg(long)]
    markdown: bool,
}

/// A kind of file.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SchemaFile {
    /// cambio.yaml
    Config,
    /// An audience file
    Audience,
}

/// Prints a schema or the reference.
///
/// # Errors
/// Standard output can't be written.
pub fn run(arguments: &SchemaArguments) -> Result<ExitCode, CommandFailure> {
    let text = match arguments.file {
        _ if arguments.markdown => markdown(),
        SchemaFile::Config => format!("{:#}\n", schema::config()),
        SchemaFile::Audience => format!("{:#}\n", schema::audience()),
    };
    print(text.as_bytes())
}
