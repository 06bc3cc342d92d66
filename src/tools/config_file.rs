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

    /// [`Self::found`].
    ///
    /// # Errors
    /// There is none.
    pub fn path(&self, environment: &dyn Environment) -> Result<PathBuf, CommandFailure> {
        self.found(environment).ok_or_else(|| {
            CommandFailure("there is no cambio.yaml here: name the file with --config FILE or CAMBIO_CONFIG".into())
        })
    }

    /// `--config FILE`, else `CAMBIO_CONFIG`, else `cambio.yaml`, if it is there.
    pub fn found(&self, environment: &dyn Environment) -> Option<PathBuf> {
        let named = self.config.clone().or_else(|| environment.var("CAMBIO_CONFIG").map(PathBuf::from));
        named.or_else(|| Some(PathBuf::from("cambio.yaml")).filter(|usual| usual.exists()))
    }
}
