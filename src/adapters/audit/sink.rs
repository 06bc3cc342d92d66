//! The file, pipe or device that audit lines are written to. Only the writer's thread waits for it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::adapters::config::AuditOutput;

/// Longest time for which lines go to a file that was removed or renamed.
const LOOK: Duration = Duration::from_secs(1);

/// An open output.
pub(super) struct Sink {
    /// Absent as long as nobody reads the named pipe.
    file: Option<File>,
    /// Absent for standard output.
    path: Option<PathBuf>,
    fsync: bool,
    /// Whether the output is a regular file, which takes many lines with one call.
    regular: bool,
    /// The last line may be incomplete. The next line then begins with a line break.
    torn: bool,
    looked: Instant,
}

impl Sink {
    /// Opens the output. A named pipe that nobody reads is opened later.
    pub(super) fn open(output: &AuditOutput) -> io::Result<Self> {
        let mut sink =
            Self { file: None, path: None, fsync: false, regular: false, torn: false, looked: Instant::now() };
        match output {
            AuditOutput::Stdout => {
                // The descriptor itself: the buffer of `io::stdout` would keep a part of a line that failed.
                let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
                sink.regular = stdout.metadata().is_ok_and(|data| data.is_file());
                sink.file = Some(stdout);
            }
            AuditOutput::File { path, fsync } => {
                sink.path = Some(path.clone());
                sink.fsync = *fsync;
                sink.reopen()?;
            }
        }
        Ok(sink)
    }

    /// Opens the file again under its name; after an error the old file stays in use.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        self.looked = Instant::now();
        match append(path) {
            Ok(file) => {
                self.regular = file.metadata()?.is_file();
                self.torn |= ends_torn(path)?;
                self.file = Some(file);
                Ok(())
            }
            Err(_) if self.file.is_none() && is_unread_pipe(path) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether the output takes many lines with one call.
    pub(super) fn is_regular(&self) -> bool {
        self.regular
    }

    /// Makes ready for a line: opens a pipe that has a reader now, and a file that is gone from under its name.
    ///
    /// # Errors
    /// There is no place for a line that anybody could ever read.
    pub(super) fn prepare(&mut self) -> io::Result<()> {
        if self.file.is_none() {
            self.reopen()?;
            return if self.file.is_some() { Ok(()) } else { Err(io::Error::other("nobody reads the pipe")) };
        }
        if self.looked.elapsed() < LOOK || !self.regular {
            return Ok(());
        }
        self.looked = Instant::now();
        let (Some(path), Some(file)) = (&self.path, &self.file) else { return Ok(()) };
        let held = file.metadata()?;
        let named = std::fs::metadata(path);
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (held.dev(), held.ino())) {
            return Ok(());
        }
        match self.reopen() {
            Ok(()) => {
                tracing::info!("the audit file was moved or removed; it was opened again under its name");
                Ok(())
            }
            // The old file has another name, so its lines are not lost.
            Err(error) if held.nlink() > 0 => {
                tracing::error!(%error, "the audit file was moved and can't be opened again; lines go to the old file");
                Ok(())
            }
            Err(error) => {
                self.looked = Instant::now().checked_sub(LOOK).unwrap_or(self.looked);
                Err(error)
            }
        }
    }

    /// Writes whole lines and reports how many bytes are safe in the output, and why not all are.
    pub(super) fn write(&mut self, text: &[u8]) -> (usize, Option<io::Error>) {
        let Some(file) = &mut self.file else { return (0, Some(io::ErrorKind::NotFound.into())) };
        if self.torn {
            match file.write_all(b"\n") {
                Ok(()) => self.torn = false,
                Err(error) => return (0, Some(error)),
            }
        }
        let mut written = 0;
        let mut failed = None;
        while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
            match file.write(rest) {
                Ok(0) => failed = Some(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => failed = Some(error),
            }
            if failed.is_some() {
                break;
            }
        }
        // Another pipe may have the name by now: the next line opens the pipe again.
        let is_broken = failed.as_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe);
        if is_broken && !self.regular && self.path.is_some() {
            self.file = None;
            return (written, failed);
        }
        self.torn = written > 0 && text.get(written - 1) != Some(&b'\n');
        if self.fsync
            && self.regular
            && written > 0
            && let Err(error) = file.sync_data()
        {
            return (0, Some(error));
        }
        (written, failed)
    }
}

/// Opens without waiting for a reader of a named pipe. Writes wait: they have a thread of their own.
fn append(path: &Path) -> io::Result<File> {
    let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(nonblocking).open(path)?;
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    Ok(file)
}

fn is_unread_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|data| data.file_type().is_fifo())
}

/// Whether the last line has no line break, because its writer was killed while writing. A pipe has no last line. A
/// file without read permission counts as torn, which costs an empty line.
fn ends_torn(path: &Path) -> io::Result<bool> {
    let data = std::fs::metadata(path)?;
    if !data.is_file() || data.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut last, data.len() - 1));
    Ok(read.is_err() || last != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(text: &str) -> (PathBuf, AuditOutput) {
        let path = std::env::temp_dir().join(format!("cambio-audit-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, text).unwrap();
        (path.clone(), AuditOutput::File { path, fsync: true })
    }

    #[test]
    fn a_line_that_has_no_end_is_found_when_the_file_is_opened() {
        for (text, expected) in [("", "new\n"), ("{}\n", "{}\nnew\n"), ("{}\n{\"time\":", "{}\n{\"time\":\nnew\n")] {
            let (path, output) = scratch(text);
            let mut sink = Sink::open(&output).unwrap();
            assert_eq!(sink.write(b"new\n").0, 4, "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "{text}");
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_line_after_half_a_line_begins_on_a_new_line() {
        let (path, output) = scratch("");
        let mut sink = Sink::open(&output).unwrap();
        assert_eq!(sink.write(b"whole\nha").0, 8);
        assert_eq!(sink.write(b"next\n").0, 5);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nha\nnext\n");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_gone_is_opened_again() {
        let (path, output) = scratch("");
        let old = path.with_extension("1");
        let mut sink = Sink::open(&output).unwrap();
        for (name, go) in [
            ("removed", &(|path: &Path, _: &Path| std::fs::remove_file(path).unwrap()) as &dyn Fn(&Path, &Path)),
            ("renamed", &|path, old| std::fs::rename(path, old).unwrap()),
            ("replaced", &|path, old| std::fs::rename(old, path).unwrap()),
        ] {
            go(&path, &old);
            let before = std::fs::read_to_string(&path).unwrap_or_default();
            sink.looked = Instant::now().checked_sub(LOOK).unwrap();
            sink.prepare().unwrap();
            assert_eq!(sink.write(b"line\n").0, 5, "{name}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{before}line\n"), "{name}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
