//! `cambio man`: manual pages in roff.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::error::ErrorKind;
use clap_mangen::Man;

use super::output::print;
use crate::tools::failure::CommandFailure;

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

/// Prints the manual page of a command, or writes all pages into a folder. `cambio` is the whole command line.
///
/// # Errors
/// The pages can't be written.
pub fn run(arguments: &ManArguments, cambio: clap::Command) -> Result<ExitCode, CommandFailure> {
    let mut cambio = cambio.disable_help_subcommand(true);
    cambio.build();
    if let Some(folder) = &arguments.dir {
        let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(cambio, folder));
        return match written {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(CommandFailure(format!("{}: {error}", folder.display()))),
        };
    }
    let names = &arguments.command;
    let found = names.iter().try_fold(&cambio, |command, name| command.find_subcommand(name));
    let Some(command) = found else {
        let problem = format!("no command '{}'", names.join(" "));
        let _ = cambio.error(ErrorKind::InvalidSubcommand, problem).print();
        return Ok(ExitCode::from(2));
    };
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page).map_err(CommandFailure::of)?;
    print(&page)
}
