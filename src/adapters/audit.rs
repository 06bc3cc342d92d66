//! The audit log: one JSON line per decision, written before the answer leaves. docs/audit-log.md explains every
//! field.
//!
//! A line that can't be written refuses its exchange: nothing is issued unaudited. No field holds a token, a secret
//! or a code; tokens are named by their SHA-256.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use crate::adapters::config::AuditOutput;

/// The field `event`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A token exchange was decided.
    TokenExchange,
    /// A refresh token that Cambio issued was used.
    TokenRefresh,
    /// A request to revoke a token that Cambio issued was answered.
    TokenRevocation,
    /// A token request was refused before Cambio knew whether it is an exchange.
    #[default]
    RequestRefused,
    /// A request passed ungoverned, because the configuration opens its grant.
    DoorPassed,
    /// The identity provider sent the answer to an exchange that Cambio had not allowed.
    AnswerWithheld,
}

/// One audit line. A field is absent if its value was not known when the answer was ready.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "docs/audit-log.md documents each field; a test compares the two")]
pub struct Line {
    pub time: jiff::Timestamp,
    pub event: Event,
    pub id: String,
    pub outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    pub status: u16,
    pub duration_ms: f64,
    pub peer: String,
    pub method: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realm: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub door: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_authentication: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_token_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_issuer: Option<String>,
    /// The client that the actor token was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_client: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor_token_sha256: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impersonation: Option<ImpersonationRecord>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_requested: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuance: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles_before: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles_granted: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope_granted: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims_dropped: Vec<String>,
    /// Names of members of the identity provider's answer that are not handed out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub members_dropped: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifetime_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issued_kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_generation: Option<u32>,
    pub policy_hash: String,
}

/// The user whom a request wants to impersonate.
#[derive(Clone, Debug, Serialize)]
pub struct ImpersonationRecord {
    /// The parameter `requested_subject`.
    pub requested: String,
    /// The `sub` that the new token is to have, once the user is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// Characters of a caller's text that an audit line keeps.
const KEPT: usize = 256;
/// Characters of a subject that an audit line keeps: as many as a foreign subject may have bytes.
pub const SUBJECT: usize = 2048;
/// Characters of a method that an audit line keeps; the longest registered method has 17.
pub const METHOD: usize = 32;
/// Characters of a detail, which may contain several names, that an audit line keeps.
pub const DETAIL: usize = 1024;
/// Capacity in bytes that holds an ordinary line.
const ORDINARY: usize = 2048;

/// The output of audit lines. It writes synchronously, and whole lines only.
pub struct AuditLog {
    sink: Mutex<Sink>,
    /// The last line may be incomplete. The next line then begins with a line break.
    torn: AtomicBool,
}

enum Sink {
    Stdout,
    File { path: PathBuf, file: File },
}

impl AuditLog {
    /// Opens the output; a file is appended to and made readable for its owner and group only.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn open(output: &AuditOutput) -> io::Result<Self> {
        let mut torn = false;
        let sink = match output {
            AuditOutput::Stdout => Sink::Stdout,
            AuditOutput::File(path) => {
                let file = append(path)?;
                torn = ends_torn(path)?;
                Sink::File { path: path.clone(), file }
            }
        };
        Ok(Self { sink: Mutex::new(sink), torn: AtomicBool::new(torn) })
    }

    /// Opens the file again under its name, so that a log rotation can move the old file away.
    ///
    /// # Errors
    /// When the file can't be opened; the old file stays in use.
    pub fn reopen(&self) -> io::Result<()> {
        if let Sink::File { path, file } = &mut *self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            let opened = append(path)?;
            self.torn.fetch_or(ends_torn(path)?, Ordering::Relaxed);
            *file = opened;
        }
        Ok(())
    }

    /// Writes one line.
    ///
    /// # Errors
    /// When the line can't be written: the exchange must then be refused.
    pub fn write(&self, line: &Line) -> io::Result<()> {
        let mut text = Vec::with_capacity(ORDINARY);
        if self.torn.load(Ordering::Relaxed) {
            text.push(b'\n');
        }
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        let written = match &mut *self.sink.lock().unwrap_or_else(PoisonError::into_inner) {
            Sink::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&text).and_then(|()| out.flush())
            }
            Sink::File { file, .. } => file.write_all(&text),
        };
        self.torn.store(written.is_err(), Ordering::Relaxed);
        written
    }
}

impl std::fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AuditLog")
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// Whether the last line has no line break, because its writer was killed while writing. A pipe has no last line. A
/// file without read permission counts as torn, which costs an empty line.
fn ends_torn(path: &PathBuf) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let data = std::fs::metadata(path)?;
    if !data.is_file() || data.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut last, data.len() - 1));
    Ok(read.is_err() || last != *b"\n")
}

/// A caller's text, cut to the length that an audit line keeps.
pub fn clip(text: &str) -> String {
    first(text, KEPT)
}

/// The first characters of a text.
pub fn first(text: &str, count: usize) -> String {
    // A text has at most as many characters as bytes.
    if text.len() <= count { text.to_owned() } else { text.chars().take(count).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_has_no_end_is_found_when_the_file_is_opened() {
        let path = std::env::temp_dir().join(format!("cambio-audit-{}", uuid::Uuid::new_v4()));
        for (text, torn) in [("", false), ("{}\n", false), ("{}\n{\"time\":", true)] {
            std::fs::write(&path, text).unwrap();
            let audit = AuditLog::open(&AuditOutput::File(path.clone())).unwrap();
            assert_eq!(audit.torn.load(Ordering::Relaxed), torn, "{text}");
            audit.torn.store(false, Ordering::Relaxed);
            audit.reopen().unwrap();
            assert_eq!(audit.torn.load(Ordering::Relaxed), torn, "{text}, opened again");
        }
        std::fs::remove_file(&path).unwrap();
    }
}
