//! `cambio.yaml`, for somebody who may lack its secrets.

use std::path::{Path, PathBuf};

use super::stand_in;
use crate::adapters::config::file;
use crate::adapters::config::load::document::{self, ReadDocument};
use crate::adapters::config::load::environment::Environment;
use crate::adapters::config::load::main_file;
use crate::adapters::config::load::problem::ProblemList;
use crate::adapters::config::problem::Problem;
use crate::adapters::config::schema;
use crate::adapters::config::settings::Config;

/// `cambio.yaml`, as far as it could be read and checked without secrets.
pub(super) struct ReadPlatform {
    pub(super) path: PathBuf,
    pub(super) document: ReadDocument<file::Config>,
    pub(super) config: Option<Config>,
    pub(super) report: ProblemList,
}

impl ReadPlatform {
    /// Reads `path`.
    ///
    /// # Errors
    /// Every problem, if the file can't be read into its type.
    pub(super) fn of(path: &Path, env: &dyn Environment) -> Result<Self, Vec<Problem>> {
        let report = ProblemList::forgiving(&path.parent().map(Path::to_owned).unwrap_or_default());
        report.open(path);
        let Ok(document) = document::read::<file::Config>(path, &schema::config(), Some(env), &report) else {
            // A value that the type needs may be one that is not there.
            return Err([report.problems.into_inner(), report.absent.into_inner()].concat());
        };
        let config = main_file(&document, env, &report).or_else(|| stand_in::config(&document, env, &report.base));
        Ok(Self { path: path.to_owned(), document, config, report })
    }
}
