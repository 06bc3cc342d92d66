//! What another system granted, said as audience files: a pure function from an export to files and a report.
//!
//! Only what is understood for certain is written; everything else grants nothing and is named in the report. The names
//! of clients, policies and identity providers are all that is ever taken over from an export, never its secrets.

pub mod command;
mod export;
mod permissions;
mod report;
mod write;

use std::collections::BTreeMap;

pub use self::report::{Finding, Kind};

/// Files and what could not be said in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// File name → text, one for each audience.
    pub files: BTreeMap<String, String>,
    /// What a person has to look at, in the order of the report.
    pub findings: Vec<Finding>,
    /// The report as text.
    pub report: String,
}

/// Why an export can't be read. Never quotes it: an export holds secrets.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MigrateError {
    /// It is no JSON, or not of the shape of a realm.
    #[error("line {line}, column {column}: this is not the export of one realm as Keycloak writes it")]
    Shape {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The realm came without its clients.
    #[error(
        "the export has no clients: export with `kc.sh export --realm`, or partial-export?exportClients=true&exportGroupsAndRoles=true"
    )]
    NoClients,
    /// The realm's name can't stand in an audience file.
    #[error(
        "the realm's name can't be written into an audience file: say --realm NAME, its name in cambio.yaml"
    )]
    RealmName,
}

/// What is asked of the files besides the grants.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The realm's name in `cambio.yaml`; the export's own without it.
    pub realm: Option<&'a str>,
    /// Who answers for the files until their teams do.
    pub owner: Option<&'a str>,
}

/// Reads a realm export of Keycloak with the permissions of its legacy token exchange (V1, fine-grained admin
/// permissions V1).
///
/// # Errors
/// When it is no such export.
pub fn keycloak(export: &[u8], options: Options<'_>) -> Result<Migration, MigrateError> {
    let realm = export::read(export)?;
    let name = options.realm.unwrap_or(&realm.name);
    if !write::can_be_named(name) {
        return Err(MigrateError::RealmName);
    }
    let grants = permissions::judge(&realm);
    let files = write::files(&realm, name, options.owner.unwrap_or(write::OWNER), &grants);
    let findings = report::findings(&realm, &grants);
    let report = report::text(&realm, name, &grants, &findings);
    Ok(Migration { files, findings, report })
}

#[cfg(test)]
mod tests;
