//! Why `cambio keys` failed.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::adapters::config::Problem;
use crate::judgement::issue::key::SigningKeyError;

/// Why the folder or the file was not written.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// The file exists; a key in use is never overwritten.
    #[error("{0} exists and is not overwritten")]
    Exists(PathBuf),
    /// The file can't be read or written.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The folder's files contradict each other, or one of them can't be read.
    #[error("the folder's keys can't be used:\n{}", .0.iter().map(|one| format!("  {one}")).collect::<Vec<_>>().join("\n"))]
    Folder(Vec<Problem>),
    /// Another process is changing the folder.
    #[error("another `cambio keys` is changing {0}")]
    Busy(PathBuf),
    /// The folder has its next key already.
    #[error("{0} is the next key already: `cambio keys rotate` makes it the active one")]
    NextIsThere(String),
    /// No key can take the place of the active one.
    #[error(
        "there is no next key: `cambio keys generate --dir` adds one; rotate when resource servers have fetched it"
    )]
    NextIsMissing,
    /// Resource servers may not have fetched the next key yet.
    #[error(
        "the key {kid} was first published at {since}: resource servers that keep key sets may not have it before {from}. Wait, or rotate with --now and accept that they refuse new tokens until they fetch the keys again"
    )]
    TooYoung {
        /// The next key.
        kid: String,
        /// When it was first published.
        since: Timestamp,
        /// When it may sign.
        from: Timestamp,
    },
    /// Resource servers may not accept the next key's algorithm yet.
    #[error(
        "the key {kid} signs with {algorithm}, and the active key does not. It was first published at {since}: resource servers that read the algorithms only when they start, as Spring Security does, refuse its tokens if they were started before that. Restart them and rotate from {from} on, or earlier with --min-published or --now"
    )]
    NewAlgorithm {
        /// The next key.
        kid: String,
        /// The algorithm of its signatures.
        algorithm: String,
        /// When it was first published.
        since: Timestamp,
        /// When it may sign.
        from: Timestamp,
    },
    /// Standard output or error can't be written.
    #[error("output: {0}")]
    Output(std::io::Error),
}
