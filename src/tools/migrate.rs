//! Writes the permissions of another system as audience files: a pure function from an export to files and a report.
//!
//! The files have only the permissions that are certain. The report names everything else, which grants nothing. From an
//! export only names are taken over (of clients, scopes, policies, roles and identity providers), never secrets.

pub mod command;
mod documents;
mod error;
mod export;
mod finding;
mod lenient;
mod operators;
mod permissions;
mod policies;
mod report;
mod write;

use std::collections::BTreeMap;

use crate::tools::audience_drafts::{OWNER, can_be_named};

pub use documents::ExportDocument;
pub use error::MigrateError;
pub use finding::{FindingKind, MigrationFinding};

/// Audience files, and what they leave out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// File name → text, one for each audience.
    pub files: BTreeMap<String, String>,
    /// What a person has to look at, in the order of the report.
    pub findings: Vec<MigrationFinding>,
    /// The report as text.
    pub report: String,
}

/// What the files contain besides the grants.
#[derive(Clone, Copy, Debug, Default)]
pub struct MigrationOptions<'a> {
    /// The realm's name in `cambio.yaml`; none takes the export's. If the export has several realms, it names one of them.
    pub realm: Option<&'a str>,
    /// The `owner` in the files, until their teams put their own names there.
    pub owner: Option<&'a str>,
}

/// Migrates a realm of Keycloak with the permissions of its legacy token exchange (V1), which are fine-grained admin
/// permissions V1. The documents are an export in one file or several, or objects of operators.
///
/// # Errors
/// When the documents are no such export, or when it is not certain which realm is meant.
pub fn keycloak(documents: &[ExportDocument<'_>], options: MigrationOptions<'_>) -> Result<Migration, MigrateError> {
    let documents::ChosenRealm { realm, findings: of_documents } = documents::read(documents, options.realm)?;
    let name = options.realm.unwrap_or(&realm.name);
    if !can_be_named(name) {
        return Err(MigrateError::RealmName);
    }
    let grants = permissions::grants(&realm);
    let files = write::files(&realm, name, options.owner.unwrap_or(OWNER), &grants);
    let findings = report::findings(&realm, &grants, of_documents);
    let report = report::text(&realm, name, &grants, &findings);
    Ok(Migration { files, findings, report })
}

#[cfg(test)]
mod tests;
