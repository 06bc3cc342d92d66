//! `--config`: where the configuration is.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::adapters::config::load::Environment;
use crate::tools::failure::CommandFailure;

/// The option that names the configuration file.
#[expect(clippy::doc_markdown, reason = "a help text shows no Markdown")]
#[derive(Debug, Args)]
pub struct ConfigFileArguments {
    /// Configuration file; without it $CAMBIO_CONFIG, else ./cambio.yaml
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFileArguments {
    /// `--config FILE`, if it was written.
    pub fn named(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// `--config FILE`, else `CAMBIO_CONFIG`, else `cambio.yaml`, if it is there.
    pub fn path(&self, environment: &dyn Environment) -> Result<PathBuf, CommandFailure> {
        let named = self.config.clone().or_else(|| environment.var("CAMBIO_CONFIG").map(PathBuf::from));
        let usual = PathBuf::from("cambio.yaml");
        match named {
            Some(path) => Ok(path),
            None if usual.exists() => Ok(usual),
            None => Err(CommandFailure(
                "there is no cambio.yaml here: name the file with --config FILE or CAMBIO_CONFIG".into(),
            )),
        }
    }
}
