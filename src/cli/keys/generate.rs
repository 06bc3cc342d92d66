//! `cambio keys generate`.

use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::folder::{Change, Fresh, Locked, create};
use super::{KeysError, list};
use crate::adapters::config::load::keys::MANIFEST;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::issue::ring::KeyState;

/// Where the key goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum To {
    /// Standard output.
    Output,
    /// A new file.
    File(PathBuf),
    /// A folder of signing keys.
    Folder(PathBuf),
}

/// The private key goes to the file (mode 0600), or to standard output; the public JWK goes to standard output, or
/// to standard error when the private one is there, so that `>` catches one thing only. The `kid` always goes to
/// standard error.
pub(super) fn run(
    kind: KeyKind,
    to: &To,
    now: Timestamp,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    if let To::Folder(folder) = to {
        return into_folder(folder, kind, now, output);
    }
    let pem = generate(kind)?;
    let key = SigningKey::from_pem(pem.expose().as_bytes())?;
    if let To::File(path) = to {
        create(path, pem.expose().as_bytes())?;
        writeln!(output, "{}", key.jwk()).map_err(KeysError::Output)?;
    } else {
        write!(output, "{}", pem.expose()).map_err(KeysError::Output)?;
        writeln!(notes, "{}", key.jwk()).map_err(KeysError::Output)?;
    }
    writeln!(notes, "kid {}", key.kid()).map_err(KeysError::Output)
}

/// Makes a folder with its first key and the next one, or adds a next one.
fn into_folder(path: &Path, kind: KeyKind, now: Timestamp, output: &mut impl Write) -> Result<(), KeysError> {
    let folder = Locked::made(path)?;
    let first = !path.join(MANIFEST).exists();
    let mut keys = if first { Vec::new() } else { folder.keys()? };
    if let Some(next) = keys.iter().find(|key| key.state == KeyState::Next) {
        return Err(KeysError::NextIsThere(next.kid.clone()));
    }
    let mut write = vec![Fresh::make(kind, KeyState::Next, now)?];
    if first {
        write.push(Fresh::make(kind, KeyState::Active, now)?);
    }
    keys.extend(write.iter().map(|fresh| fresh.key.clone()));
    folder.apply(Change { write, keys })?;
    list::run(path, false, output)
}
