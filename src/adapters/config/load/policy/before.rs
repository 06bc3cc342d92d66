//! What a load starts from.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::adapters::config::settings::audience_files::AudienceFiles;
use crate::adapters::config::watch::Look;

/// What was in force before.
#[derive(Clone, Copy)]
pub struct Before<'a> {
    /// The audience files. Their versions stay in force if the files are broken now.
    pub files: &'a AudienceFiles,
    /// Audience files that somebody may still write to. They stay as they were.
    pub unsettled: &'a BTreeSet<PathBuf>,
    /// What is to be loaded. An audience file that is another now stays as it was. `None`: whatever is there.
    pub look: Option<&'a Look>,
    /// Whether requests are served meanwhile, so that the load must leave CPU time for them.
    pub serving: bool,
}
