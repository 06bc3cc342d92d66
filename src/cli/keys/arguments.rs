//! The arguments of `cambio keys`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

use crate::adapters::config::file::value::duration;
use crate::judgement::issue::key::KeyKind;

/// The arguments of `cambio keys`.
#[derive(Debug, Parser)]
pub struct KeysArguments {
    #[command(subcommand)]
    pub(super) command: KeysCommand,
}

/// What to do with signing keys.
#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make a signing key, or a folder with an active and a next key, or a folder's next key
    Generate(GenerateKeyArguments),
    /// Show a folder's keys: id, algorithm, state, since when, until when
    List(ListKeysArguments),
    /// Make the next key the active one, retire the active key, and make a new next key
    Rotate(RotateKeysArguments),
}

/// The arguments of `cambio keys generate`.
#[derive(Debug, Args)]
pub(super) struct GenerateKeyArguments {
    /// Type of the key
    #[arg(long = "type", value_name = "TYPE", default_value = "rsa")]
    pub(super) kind: KeyType,
    /// New file for the private key (mode 0600); without it standard output
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    pub(super) out: Option<PathBuf>,
    /// Folder of signing keys, which is made if it does not exist
    #[arg(long, value_name = "FOLDER")]
    pub(super) dir: Option<PathBuf>,
}

/// The arguments of `cambio keys list`.
#[derive(Debug, Args)]
pub(super) struct ListKeysArguments {
    /// Folder of signing keys
    #[arg(long, value_name = "FOLDER")]
    pub(super) dir: PathBuf,
    /// Print a JSON array
    #[arg(long)]
    pub(super) json: bool,
}

/// The arguments of `cambio keys rotate`.
#[derive(Debug, Args)]
pub(super) struct RotateKeysArguments {
    /// Folder of signing keys
    #[arg(long, value_name = "FOLDER")]
    pub(super) dir: PathBuf,
    /// Type of the new next key; without it that of the key that becomes active
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) kind: Option<KeyType>,
    /// How long a key must have been published before it signs, such as 30s, 10m or 1h
    // Resource servers keep key sets for minutes.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = period)]
    pub(super) min_published: SignedDuration,
    /// Rotate at once, even if the next key has just been published
    #[arg(long)]
    pub(super) now: bool,
}

/// The type of a key on the command line.
#[expect(clippy::doc_markdown, reason = "a help text shows no Markdown")]
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum KeyType {
    /// RSA with 2048 bits, for RS256
    Rsa,
    /// EC P-256, for ES256
    P256,
    /// EC P-384, for ES384
    P384,
    /// Ed25519, for EdDSA
    Ed25519,
}

impl From<KeyType> for KeyKind {
    fn from(kind: KeyType) -> Self {
        match kind {
            KeyType::Rsa => Self::Rsa,
            KeyType::P256 => Self::P256,
            KeyType::P384 => Self::P384,
            KeyType::Ed25519 => Self::Ed25519,
        }
    }
}

fn period(text: &str) -> Result<SignedDuration, &'static str> {
    duration(text)
        .and_then(|period| SignedDuration::try_from(period).ok())
        .ok_or("a duration is written as 30s, 10m or 1h")
}
