//! Writes the permissions of another system as audience files: a pure function from an export to files and a report.
//!
//! The files have only the permissions that are certain. The report names everything else, which grants nothing. From an
//! export only names are taken over (of clients, scopes, policies, roles and identity providers), never secrets.

pub mod command;
mod error;
mod export;
mod permissions;
mod policies;
mod report;
mod write;

use std::collections::BTreeMap;

pub use error::MigrateError;
pub use report::{FindingKind, MigrationFinding};

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
    /// The realm's name in `cambio.yaml`; none takes the export's.
    pub realm: Option<&'a str>,
    /// The `owner` in the files, until their teams put their own names there.
    pub owner: Option<&'a str>,
}

/// Migrates a realm export of Keycloak with the permissions of its legacy token exchange (V1), which are fine-grained
/// admin permissions V1.
///
/// # Errors
/// When the document is not such an export.
pub fn keycloak(export: &[u8], options: MigrationOptions<'_>) -> Result<Migration, MigrateError> {
    let realm = export::read(export)?;
    let name = options.realm.unwrap_or(&realm.name);
    if !write::can_be_named(name) {
        return Err(MigrateError::RealmName);
    }
    let grants = permissions::grants(&realm);
    let files = write::files(&realm, name, options.owner.unwrap_or(write::OWNER), &grants);
    let findings = report::findings(&realm, &grants);
    let report = report::text(&realm, name, &grants, &findings);
    Ok(Migration { files, findings, report })
}

#[cfg(test)]
mod tests;
