//! The file descriptors of the process: how many it may have, and who may take them.
//!
//! A connection of a caller needs two: its own, and one to the identity provider. If the limit is too low for
//! `listen.maxConnections`, callers wait in the kernel's queue, so that descriptors are left for the admin listener,
//! files and Cambio's own requests.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors that neither callers nor connections on their behalf take: listeners, files, logs, the admin listener's
/// connections, key fetches, the store.
const RESERVE: u64 = 128;

/// The connections for which there are descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionShare {
    /// Connections of callers.
    pub callers: usize,
    /// Connections to the identity provider.
    pub upstream: usize,
}

/// Raises the limit of open files as far as the process may, and returns it. `None`: there is no limit.
pub fn raise_limit() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        // macOS allows less than its own hard limit.
        match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => limit = getrlimit(Resource::Nofile),
            Err(error) => tracing::debug!(%error, "the limit of open files can't be raised"),
        }
    }
    limit.current
}

/// The limit that a process started here can raise its own to. `None`: there is no limit.
pub fn highest_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).maximum
}

/// Descriptors for so many connections of callers.
pub fn needed(max_connections: usize) -> u64 {
    u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(RESERVE)
}

/// The connections that a limit allows, and at most `max_connections` of callers.
pub fn share(limit: Option<u64>, max_connections: usize) -> ConnectionShare {
    let Some(limit) = limit else { return ConnectionShare { callers: max_connections, upstream: usize::MAX } };
    let free = usize::try_from(limit - RESERVE.min(limit / 2)).unwrap_or(usize::MAX);
    let callers = max_connections.min(free / 2).max(1);
    ConnectionShare { callers, upstream: free.saturating_sub(callers).max(1) }
}

/// What is wrong with a limit, for the operator; `None` if it suffices.
pub fn shortage(limit: Option<u64>, max_connections: usize) -> Option<String> {
    let (limit, needed) = (limit?, needed(max_connections));
    let ConnectionShare { callers, .. } = share(Some(limit), max_connections);
    (limit < needed).then(|| {
        format!(
            "listen.maxConnections is {max_connections}, which needs {needed} file descriptors, but the process may open \
             {limit}: Cambio accepts {callers} connections at a time; raise the hard limit of open files (nofile)"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_leave_descriptors_for_the_rest() {
        for (name, limit, max_connections, callers, upstream) in [
            ("no limit", None, 10_000, 10_000, usize::MAX),
            ("plenty", Some(1_048_576), 10_000, 10_000, 1_038_448),
            ("just enough", Some(20_128), 10_000, 10_000, 10_000),
            ("one too few", Some(20_127), 10_000, 9_999, 10_000),
            ("the usual soft limit", Some(1024), 10_000, 448, 448),
            ("small", Some(256), 10_000, 64, 64),
            ("tiny", Some(64), 10_000, 16, 16),
            ("fewer callers", Some(1024), 100, 100, 796),
            ("absurd", Some(1), 10, 1, 1),
        ] {
            let share = share(limit, max_connections);
            assert_eq!(share, ConnectionShare { callers, upstream }, "{name}");
            let short = shortage(limit, max_connections);
            assert_eq!(short.is_some(), callers < max_connections, "{name}: {short:?}");
        }
    }

    #[test]
    fn a_shortage_says_what_is_needed() {
        let text = shortage(Some(1024), 10_000).unwrap();
        for part in ["10000", "20128", "1024", "448", "nofile"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_may() {
        let raised = raise_limit();
        assert_eq!(raised, getrlimit(Resource::Nofile).current);
        assert!(cfg!(not(target_os = "linux")) || raised == highest_limit());
    }
}
