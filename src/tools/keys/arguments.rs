//! The arguments of `cambio keys`.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
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
    #[arg(long = "type", value_name = "TYPE", default_value = "rsa", value_parser = key_type())]
    pub(super) kind: KeyKind,
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
    #[arg(long = "type", value_name = "TYPE", value_parser = key_type())]
    pub(super) kind: Option<KeyKind>,
    /// How long a key must have been published before it signs; without it 10m, or 24h for a new algorithm
    #[arg(long, value_name = "DURATION", value_parser = period)]
    pub(super) min_published: Option<SignedDuration>,
    /// Rotate at once, even if the next key has just been published
    #[arg(long)]
    pub(super) now: bool,
}

/// The types of keys: the kind, its name on the command line, its algorithm, and the help text.
const KINDS: [(KeyKind, &str, &str, &str); 4] = [
    (KeyKind::Rsa, "rsa", "RS256", "RSA with 2048 bits, for RS256"),
    (KeyKind::P256, "p256", "ES256", "EC P-256, for ES256"),
    (KeyKind::P384, "p384", "ES384", "EC P-384, for ES384"),
    (KeyKind::Ed25519, "ed25519", "EdDSA", "Ed25519, for EdDSA"),
];

/// The kind of key that signs with this algorithm.
pub(super) fn kind_of(algorithm: &str) -> Option<KeyKind> {
    KINDS.iter().find(|(_, _, signs, _)| *signs == algorithm).map(|(kind, ..)| *kind)
}

fn key_type() -> impl TypedValueParser<Value = KeyKind> {
    PossibleValuesParser::new(KINDS.map(|(_, name, _, help)| PossibleValue::new(name).help(help))).try_map(|given| {
        let found = KINDS.iter().find(|(_, name, ..)| *name == given);
        found.map(|(kind, ..)| *kind).ok_or("there is no such type")
    })
}

fn period(text: &str) -> Result<SignedDuration, &'static str> {
    duration(text)
        .and_then(|period| SignedDuration::try_from(period).ok())
        .ok_or("a duration is written as 30s, 10m or 1h")
}
