//! `cambio schema`, `cambio completions` and `cambio man`: commands that print what Cambio knows about itself.

use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::adapters::config::presets;
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
    /// No file: what each preset of `issuers` stands for, as Markdown
    Presets,
}

/// The arguments of `cambio completions`.
#[derive(Debug, Args)]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// The arguments of `cambio man`.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The command, such as `keys rotate`; without one the page of cambio
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

/// Prints the JSON Schema of a file, the reference of the configuration, or the presets.
pub fn schema(arguments: &SchemaArguments) -> Result<ExitCode, CommandFailure> {
    let text = match arguments.file {
        SchemaFile::Presets => presets::markdown::markdown(),
        _ if arguments.markdown => markdown(),
        SchemaFile::Config => format!("{:#}\n", schema::config_for_editors()),
        SchemaFile::Audience => format!("{:#}\n", schema::audience()),
    };
    print(text.as_bytes())
}

/// Prints what a shell needs to complete the commands and options of `cambio`, the whole command line.
pub fn completions(arguments: &CompletionsArguments, mut cambio: clap::Command) -> Result<ExitCode, CommandFailure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut cambio, "cambio", &mut script);
    print(&script)
}

/// Prints the manual page of a command in roff, or writes all pages into a folder. `cambio` is the whole command line.
pub fn man(arguments: &ManArguments, cambio: clap::Command) -> Result<ExitCode, CommandFailure> {
    let mut cambio = cambio.disable_help_subcommand(true);
    cambio.build();
    if let Some(folder) = &arguments.dir {
        let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(cambio, folder));
        let failed = |error| CommandFailure(format!("{}: {error}", folder.display()));
        return written.map(|()| ExitCode::SUCCESS).map_err(failed);
    }
    let names = &arguments.command;
    let found = names.iter().try_fold(&cambio, |command, name| command.find_subcommand(name));
    let Some(command) = found else {
        let problem = format!("no command '{}'", names.join(" "));
        let _ = cambio.error(clap::error::ErrorKind::InvalidSubcommand, problem).print();
        return Ok(ExitCode::from(2));
    };
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(CommandFailure::of)?;
    print(&page)
}

/// Prints the text. A reader that closed the pipe early, such as `head`, is no failure.
fn print(text: &[u8]) -> Result<ExitCode, CommandFailure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CommandFailure::of(error)),
        Ok(()) | Err(_) => Ok(ExitCode::SUCCESS),
    }
}
