//! Files on disk: reads them, hashes them, and checks what a PEM file contains.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::problem::{At, ProblemList};
use super::tree;
use crate::adapters::tls::KeyPair;

/// Largest file that Cambio reads: a larger one is not configuration, and `/dev/zero` has no end.
const MAX_BYTES: u64 = 16 << 20;

/// What is wrong with a file for which [`stays_in`] is false.
pub(super) const LEADS_OUT: &str = "is a link to a file outside of its folder, so Cambio does not read it";

/// What a file must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// Certificates.
    Certificates,
    /// A private key.
    PrivateKey,
    /// Anything.
    Anything,
}

/// Why an audience file can't be read.
#[derive(Debug)]
pub(in crate::adapters::config) enum UnreadableFile {
    /// See [`LEADS_OUT`].
    LeadsOut,
    /// The operating system's error.
    Failed(io::Error),
}

impl UnreadableFile {
    /// Whether nothing is there: the file was removed a moment ago, or is a link whose target was removed.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Failed(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
    }
}

impl fmt::Display for UnreadableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeadsOut => f.write_str(LEADS_OUT),
            Self::Failed(error) => write!(f, "can't be read: {error}"),
        }
    }
}

/// The bytes of a file, at most [`MAX_BYTES`]. They may be a key, so they are wiped when dropped.
pub(in crate::adapters::config) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    read_at_most(path, MAX_BYTES)
}

/// The bytes of an audience file of `folder`. Cambio reads all files of the folder, so none may be large.
pub(in crate::adapters::config) fn read_audience(
    folder: &Path,
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, UnreadableFile> {
    let limit = tree::MAX_BYTES as u64;
    // Most files are no links: such a file is where its path says, and nobody has to follow the path from the root.
    let read = if fs::symlink_metadata(path).is_ok_and(|data| data.is_file()) {
        read_opened(path, OFlags::NOFOLLOW, limit)
    } else if stays_in(folder, path) {
        read_at_most(path, limit)
    } else {
        return Err(UnreadableFile::LeadsOut);
    };
    read.map_err(|error| UnreadableFile::Failed(fs::read_dir(path).err().filter(|_| path.is_dir()).unwrap_or(error)))
}

fn read_at_most(path: &Path, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // Opening a device can have effects, and opening a pipe waits for a writer.
    regular(&fs::metadata(path)?)?;
    read_opened(path, OFlags::empty(), limit)
}

/// Reads a path that was a regular file a moment ago. Whoever owns the file could have put a pipe or a link in its place.
fn read_opened(path: &Path, flags: OFlags, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let flags = (OFlags::NONBLOCK | flags).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let data = file.metadata()?;
    regular(&data)?;
    // A file that grows is read to its end all the same. Growing leaves copies behind that nobody wipes.
    let size = usize::try_from(data.len().min(limit)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("larger than {} MiB", limit >> 20)));
    }
    Ok(bytes)
}

fn regular(data: &fs::Metadata) -> io::Result<()> {
    let error = || io::Error::new(ErrorKind::InvalidInput, "not a regular file");
    data.is_file().then_some(()).ok_or_else(error)
}

/// The audience files of a folder.
#[derive(Debug, Default)]
pub(in crate::adapters::config) struct Listing {
    /// The files, in no order.
    pub(in crate::adapters::config) files: Vec<PathBuf>,
    /// Folders in the folder that can't be listed. Nobody knows which files are there.
    pub(in crate::adapters::config) hidden: Vec<PathBuf>,
}

impl Listing {
    /// Whether a file may be in a folder that can't be listed.
    pub(in crate::adapters::config) fn hides(&self, path: &Path) -> bool {
        self.hidden.iter().any(|folder| path.starts_with(folder))
    }

    /// The files in the order of their paths. A folder that can't be listed stands for the files in it.
    pub(super) fn sorted(self, folder: &Path) -> Vec<PathBuf> {
        let start = folder.as_os_str().len();
        let mut all = self.files;
        all.extend(self.hidden);
        // Comparing paths part by part is slow, and all of them begin alike.
        let key = |path: &PathBuf| {
            let below = path.as_os_str().as_encoded_bytes().get(start..).unwrap_or_default();
            below.iter().map(|byte| if *byte == b'/' { 0 } else { *byte }).collect::<Vec<_>>()
        };
        all.sort_by_cached_key(key);
        all
    }
}

/// The audience files of a folder and of the folders in it: what is for [`is_audience_file`]. A folder with the name of a file
/// is among them: a container runtime makes one if the file that it should mount is missing, and reading the folder says so.
/// Links to folders are not followed: a mounted `ConfigMap` has the links `..data` to its versions.
///
/// # Errors
/// The folder itself can't be listed.
pub(in crate::adapters::config) fn audience_files(folder: &Path) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut folders = vec![fs::read_dir(folder)?];
    while let Some(entries) = folders.pop() {
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            if has_audience_name(&path) {
                listing.files.push(path);
            } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) && !is_hidden(&path) {
                match fs::read_dir(&path) {
                    Ok(entries) => folders.push(entries),
                    // It was removed a moment ago.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(_) => listing.hidden.push(path),
                }
            }
        }
    }
    Ok(listing)
}

/// Whether a path below the folder is for an audience file: `*.yaml` or `*.yml`, and neither the file's name nor that of a
/// folder on the way begins with a dot.
pub(in crate::adapters::config) fn is_audience_file(folder: &Path, path: &Path) -> bool {
    let Ok(below) = path.strip_prefix(folder) else { return false };
    has_audience_name(path) && !below.iter().any(|part| part.as_encoded_bytes().starts_with(b"."))
}

/// The test files of a folder of audience files, and of the folders in it, in the order of their names.
pub(super) fn test_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if is_hidden(&path) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if is_test_file(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether the name is that of a file of tests, which is no audience file.
pub(super) fn is_test_file(path: &Path) -> bool {
    let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default();
    name.ends_with(b".test.yaml") || name.ends_with(b".test.yml")
}

fn has_audience_name(path: &Path) -> bool {
    !is_test_file(path)
        && path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
        && !is_hidden(path)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Whether a file of a folder is in the folder, with every link followed. A mounted `ConfigMap` links to its versions within
/// the folder. A link to another place would let whoever writes into the folder have any file of this machine read.
/// A file that can't be found is no link out: reading it fails.
pub(super) fn stays_in(folder: &Path, file: &Path) -> bool {
    let (Ok(folder), Ok(file)) = (folder.canonicalize(), file.canonicalize()) else { return true };
    file.starts_with(folder)
}

/// SHA-256 in lower-case hexadecimal.
pub(in crate::adapters::config) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Reads a file and adds it to those that Cambio watches.
pub(super) fn read_noted(path: &Path, report: &ProblemList) -> Result<Zeroizing<Vec<u8>>, String> {
    let read = read(path);
    report.watch(path, read.as_ref().ok().map(|bytes| sha256(bytes)));
    read.map_err(|error| format!("can't be read: {error}"))
}

/// A file that the configuration names: readable, and with the PEM block that is needed.
pub(super) fn named(path: &str, holds: Holds, at: &At<'_>) -> Option<PathBuf> {
    let file = at.report.resolve(path);
    contents(&file, path, holds, at).map(|_| file)
}

/// The bytes of a file with the PEM block that is needed. `path` is how the configuration writes it.
pub(super) fn contents(file: &Path, path: &str, holds: Holds, at: &At<'_>) -> Option<Zeroizing<Vec<u8>>> {
    if path.is_empty() {
        return at.refuse("names no file");
    }
    let bytes = match read_noted(file, at.report) {
        Ok(bytes) => bytes,
        Err(error) => return at.unread(file, format!("the file {} {error}", at.shown(path))),
    };
    if let Some(message) = lacks(&bytes, holds) {
        return at.refuse(format!("the file {} {message}", at.shown(path)));
    }
    if holds == Holds::PrivateKey {
        warn_if_public(file, &format!("the private key {}", at.shown(path)), at);
    }
    Some(bytes)
}

/// The one line of text in a file.
pub(super) fn line(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    (!text.is_empty() && !text.contains(char::is_control)).then_some(text)
}

/// Warns if every user can read a secret file. It is only a warning because a mounted Kubernetes secret has mode 0644 by
/// default.
pub(super) fn warn_if_public(file: &Path, what: &str, at: &At<'_>) {
    if fs::metadata(file).is_ok_and(|data| data.mode() & 0o007 != 0) {
        at.warning(format!("{what} can be read by every user of this machine"));
    }
}

/// A certificate and its key.
pub(super) fn key_pair(certificate: &str, key: &str, at: &At<'_>) -> Option<KeyPair> {
    let certificate = named(certificate, Holds::Certificates, &at.field("certificate"));
    let key = named(key, Holds::PrivateKey, &at.field("key"));
    Some(KeyPair { certificate: certificate?, key: key? })
}

/// What is missing in a PEM file. Only labels are checked here; the code that uses the key parses it.
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
