//! How the connections of a listener are served.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn;
use hyper_util::rt::TokioTimer;

use crate::adapters::config;
use crate::adapters::net::connection::Limits;
use crate::adapters::net::transport::MAX_HEADER_LINES;
use crate::edge::server::charge::{STREAM_WINDOW, WINDOW};
use crate::edge::server::crowd::Crowd;
use crate::edge::server::streams::StreamExecutor;

/// hyper's lower bound.
const MIN_BUFFER: usize = 8192;

/// Requests at one time on an HTTP/2 connection: nginx's and Envoy's usual value.
const MAX_STREAMS: u32 = 128;

/// Limits against rapid reset (CVE-2023-44487) and its inversion (CVE-2025-8671): streams that the peer reset before
/// they were accepted, and streams that Cambio reset because of the peer's errors. More of them close the connection.
const MAX_PENDING_RESETS: usize = 20;
const MAX_LOCAL_RESETS: usize = 128;

/// Bytes that a peer may send on a connection before Cambio reads them. Those on a stream count in the budget.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Bytes that are buffered for a stream that the peer does not read.
const SEND_BUFFER: usize = WINDOW;

/// Interval at which a silent HTTP/2 peer is pinged, and time in which it must answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How the connections of a listener are served.
#[derive(Debug)]
pub(crate) struct Protocol {
    pub(super) http1: conn::http1::Builder,
    /// For the last answer of a connection: it says `Connection: close`.
    pub(super) last: conn::http1::Builder,
    pub(super) http2: conn::http2::Builder<StreamExecutor>,
    pub(crate) limits: Limits,
    pub(crate) crowd: Arc<Crowd>,
}

impl Protocol {
    /// HTTP/1.1 and HTTP/2, told apart with the first bytes.
    ///
    /// `pipeline_flush` stays off: with it hyper closes without sending its 400. hyper's `header_read_timeout` is off,
    /// because it takes a timer per request and can't tell an idle connection from a slow head; the alarm does both.
    pub(crate) fn new(listen: &config::Listen) -> Self {
        let mut http1 = conn::http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .half_close(false)
            .max_headers(MAX_HEADER_LINES)
            .max_buf_size(listen.max_header_bytes.max(MIN_BUFFER));
        let mut last = http1.clone();
        last.keep_alive(false);
        let mut http2 = conn::http2::Builder::new(StreamExecutor::new(listen.idle_timeout));
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(listen.max_header_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_LOCAL_RESETS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        let limits = Limits { header: listen.header_timeout, idle: listen.idle_timeout };
        Self { http1, last, http2, limits, crowd: Arc::new(Crowd::new(listen.max_connections)) }
    }
}
