//! `cambio keys generate`.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;

use super::arguments::GenerateKeyArguments;
use super::error::KeysError;
use super::folder::{FolderChange, LockedFolder, NewKey, create};
use super::list;
use crate::adapters::config::load::keys::MANIFEST;
use crate::judgement::issue::key::{KeyKind, SigningKey, generate};
use crate::judgement::issue::ring::KeyState;

/// Makes a key, or changes a folder of keys.
///
/// A single private key goes to the file (mode 0600) or to standard output. Its public JWK goes to standard output, or to
/// standard error if the private key is on standard output, so that `>` catches one thing only. The `kid` always goes to
/// standard error.
pub(super) fn run(
    arguments: &GenerateKeyArguments,
    now: Timestamp,
    output: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), KeysError> {
    let kind = arguments.kind.into();
    if let Some(folder) = &arguments.dir {
        return into_folder(folder, kind, now, output);
    }
    let pem = generate(kind)?;
    let key = SigningKey::from_pem(pem.expose().as_bytes())?;
    if let Some(path) = &arguments.out {
        create(path, pem.expose().as_bytes())?;
        writeln!(output, "{}", key.jwk()).map_err(KeysError::Output)?;
    } else {
        write!(output, "{}", pem.expose()).map_err(KeysError::Output)?;
        writeln!(notes, "{}", key.jwk()).map_err(KeysError::Output)?;
    }
    writeln!(notes, "kid {}", key.kid()).map_err(KeysError::Output)
}

/// Makes a folder with its active and its next key, or adds the next key to a folder.
fn into_folder(path: &Path, kind: KeyKind, now: Timestamp, output: &mut impl Write) -> Result<(), KeysError> {
    let folder = LockedFolder::made(path)?;
    let first = !path.join(MANIFEST).exists();
    let mut keys = if first { Vec::new() } else { folder.keys()? };
    if let Some(next) = keys.iter().find(|key| key.state == KeyState::Next) {
        return Err(KeysError::NextIsThere(next.kid.clone()));
    }
    let mut write = vec![NewKey::make(kind, KeyState::Next, now)?];
    if first {
        write.push(NewKey::make(kind, KeyState::Active, now)?);
    }
    keys.extend(write.iter().map(|new| new.key.clone()));
    folder.apply(FolderChange { write, keys })?;
    list::print(path, false, output)
}
