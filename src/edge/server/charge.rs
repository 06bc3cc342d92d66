//! What an open request counts in the budget of memory: its head, its machinery, and what its connection may buffer.

use http::Request;
use http_body::Body;

use crate::adapters::net::budget::{Claim, MemoryBudget, SMALL};
use crate::adapters::net::connection::Connection;
use crate::adapters::upstream::headers;

/// What an open request takes beside its head and its body: its future, its stream, its connection to the identity provider.
const REQUEST: usize = 16 * 1024;

/// Bytes of a body that [`REQUEST`] includes.
pub(crate) const INCLUDED: usize = 8 * 1024;

/// Bytes of a body that a connection buffers, in either direction.
pub(crate) const STREAM_WINDOW: u32 = 64 * 1024;
pub(crate) const WINDOW: usize = STREAM_WINDOW as usize;

/// What a line of a head takes beside its text (RFC 9113 section 6.5.2).
const LINE: usize = 32;

/// Requests on one connection that may use the last eighth of the budget. More of them at a time are no login.
const FIRST: u32 = 4;

/// What a request counts, from its head until its answer has been sent.
#[derive(Debug)]
pub(crate) struct Charge {
    counter: usize,
    bytes: usize,
}

impl Charge {
    /// Counts a request, with `others` open on its connection. `None`: there is no memory for the request.
    pub(crate) fn of<B: Body>(request: &Request<B>, connection: &Connection, others: u32) -> Option<Self> {
        let budget = &connection.facts().budget;
        let counter = budget.counter(headers::caller(request.headers(), connection));
        let content = head_bytes(request) + buffered(request.body());
        let claim = if others < FIRST && content <= SMALL { Claim::Small } else { Claim::Large };
        let bytes = REQUEST + content;
        budget.take(counter, bytes, claim).ok().map(|()| Self { counter, bytes })
    }

    /// Takes the request out of the budget in which it was counted.
    pub(crate) fn end(self, budget: &MemoryBudget) {
        budget.give_back(self.counter, self.bytes);
    }
}

fn head_bytes<B>(request: &Request<B>) -> usize {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + LINE);
    request.uri().path_and_query().map_or(0, |target| target.as_str().len()) + lines.sum::<usize>()
}

/// What a connection may buffer of a body, beyond what every request counts.
pub(crate) fn buffered<B: Body>(body: &B) -> usize {
    if body.is_end_stream() {
        return 0;
    }
    let length = body.size_hint().upper().map_or(WINDOW, |length| usize::try_from(length).unwrap_or(WINDOW));
    if length <= INCLUDED { 0 } else { length.min(WINDOW) }
}
