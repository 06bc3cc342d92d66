//! Why an export can't be migrated.

/// Why an export can't be read. The text never quotes the export, because an export holds secrets.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MigrateError {
    /// The document is not JSON, or not a realm.
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
    /// The realm's name can't be written into an audience file.
    #[error("the realm's name can't be written into an audience file: give its name in cambio.yaml with --realm NAME")]
    RealmName,
}
