//! The audit log: one JSON line per decision, written before the answer leaves. docs/audit-log.md explains every
//! field.
//!
//! A line that can't be written refuses its exchange: nothing is issued unaudited. No field holds a token, a secret
//! or a code; tokens are named by their SHA-256.

mod last_lines;
mod line;
mod log;
mod queue;
mod sink;

pub use self::line::{DETAIL, Event, ImpersonationRecord, KEPT, Line, METHOD, SUBJECT, clip, first};
pub use self::log::{AuditError, AuditLog, LineWritten};
