//! The files on disk: reading, hashing, and a first look at PEM files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::problem::{At, ProblemList};
use crate::adapters::config::file;
use crate::adapters::config::settings::upstream::KeyPair;

/// Most bytes that are read of one file: more is no configuration, and `/dev/zero` has no end.
const MAX_BYTES: u64 = 16 << 20;

/// What a PEM file must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Certificates.
    Certificates,
    /// A private key.
    PrivateKey,
    /// Anything.
    Anything,
}

/// The bytes of a file, of [`MAX_BYTES`] at most, wiped when dropped as they may be a key.
pub(in crate::adapters::config) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    // Before opening: that would wait for ever at a pipe without a writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 16 MiB"));
    }
    Ok(bytes)
}

/// The audience files of a folder, in the order of their names: `*.yaml` and `*.yml` whose names do not begin with a
/// dot (a mounted `ConfigMap` keeps its versions in `..data` and the like).
pub(in crate::adapters::config) fn audience_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && !hidden && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// SHA-256 in lower-case hexadecimal.
pub(in crate::adapters::config) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Reads a file and notes it among those that are watched.
pub(super) fn read_noted(path: &Path, report: &mut ProblemList) -> Result<Zeroizing<Vec<u8>>, String> {
    let read = read(path);
    report.files.insert(path.to_owned(), read.as_ref().ok().map(|bytes| sha256(bytes)));
    read.map_err(|error| format!("can't be read: {error}"))
}

/// A file that the configuration names: there, readable, and with the PEM block that is needed.
pub(super) fn named(path: &str, holds: Holds, at: &At<'_>, report: &mut ProblemList) -> Option<PathBuf> {
    if path.is_empty() {
        at.problem(report, "names no file");
        return None;
    }
    let file = report.resolve(path);
    contents(&file, path, holds, at, report).map(|_| file)
}

/// The bytes of a file that is written as `path`, with the PEM block that is needed.
pub(super) fn contents(
    file: &Path,
    path: &str,
    holds: Holds,
    at: &At<'_>,
    report: &mut ProblemList,
) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = match read_noted(file, report) {
        Ok(bytes) => bytes,
        Err(error) => {
            at.problem(report, format!("the file {} {error}", at.shown(path)));
            return None;
        }
    };
    if let Some(message) = lacks(&bytes, holds) {
        at.problem(report, format!("the file {} {message}", at.shown(path)));
        return None;
    }
    if holds == Holds::PrivateKey {
        warn_if_public(file, &format!("the private key {}", at.shown(path)), at, report);
    }
    Some(bytes)
}

/// Says that a secret file is readable by everybody. Not a refusal: a mounted Kubernetes secret is 0644 by default.
pub(super) fn warn_if_public(file: &Path, what: &str, at: &At<'_>, report: &mut ProblemList) {
    if fs::metadata(file).is_ok_and(|data| data.mode() & 0o007 != 0) {
        at.warning(report, format!("{what} can be read by every user of this machine"));
    }
}

/// A certificate and its key.
pub(super) fn key_pair(pair: &file::KeyPair, at: &At<'_>, report: &mut ProblemList) -> Option<KeyPair> {
    let certificate = named(&pair.certificate, Holds::Certificates, &at.field("certificate"), report);
    let key = named(&pair.key, Holds::PrivateKey, &at.field("key"), report);
    Some(KeyPair { certificate: certificate?, key: key? })
}

/// What is wrong with the PEM file. Only labels are looked at; whoever uses the key parses it.
fn lacks(bytes: &[u8], holds: Holds) -> Option<&'static str> {
    let text = String::from_utf8_lossy(bytes);
    let has = |label: &str| text.contains(&format!("-----BEGIN {label}-----"));
    match holds {
        Holds::Anything => None,
        Holds::Certificates => (!has("CERTIFICATE")).then_some("holds no PEM certificate"),
        Holds::PrivateKey if has("ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") => {
            Some("holds an encrypted private key, which can't be read without its password")
        }
        Holds::PrivateKey => {
            let any = ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"].into_iter().any(has);
            (!any).then_some("holds no PEM private key")
        }
    }
}
