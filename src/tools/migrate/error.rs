//! Why an export can't be migrated.

use super::finding::quoted_names;

/// Why an export can't be read. The text never quotes the export, because an export holds secrets; names of realms are none.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MigrateError {
    /// The document is neither JSON nor YAML, or a member has another type than Keycloak's.
    #[error(
        "{document}: line {line}, column {column}: this is neither an export of Keycloak nor an object of an operator"
    )]
    Shape {
        /// Name of the document.
        document: String,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A document that could be read is about no realm.
    #[error(
        "{document}: names no realm: give the export of a realm, a list of them, the folder of `kc.sh export --dir`, or the objects \
         of an operator"
    )]
    NoRealm {
        /// Name of the document.
        document: String,
    },
    /// There is no document at all.
    #[error("no .json, .yaml or .yml file is in the folder")]
    Empty,
    /// Two documents are about one realm.
    #[error("the realm {realm:?} is in {first} and in {second}: give one of them")]
    Twice {
        /// Name of the realm.
        realm: String,
        /// The document that came first.
        first: String,
        /// The other document.
        second: String,
    },
    /// The realm came without its clients.
    #[error(
        "the export has no clients: export with `kc.sh export --realm`, or partial-export?exportClients=true&exportGroupsAndRoles=true"
    )]
    NoClients,
    /// The export has several realms, and nothing says which one is meant.
    #[error("the export has the realms {}: name one of them with --realm", quoted_names(realms.iter().map(String::as_str)))]
    SeveralRealms {
        /// Their names.
        realms: Vec<String>,
    },
    /// The realm's name can't be written into an audience file.
    #[error("the realm's name can't be written into an audience file: give its name in cambio.yaml with --realm NAME")]
    RealmName,
}
