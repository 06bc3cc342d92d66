//! A request that was given to a connection.
//!
//! If the caller goes away before the answer has come, the identity provider works on all the same. A connection that
//! is closed then costs it another connection, and a caller who sends and resets requests would make it open them as
//! fast as it can. The answer is therefore read, if it comes soon and is short, and the connection goes back to the pool.
//! Until then the request has its turn, as if the caller were still there.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use crate::adapters::net::body::Body;
use crate::adapters::net::pool::Lease;
use crate::adapters::net::progress::Progress;
use crate::adapters::upstream::error::UpstreamError;

/// How long an answer is waited for that nobody wants any more.
const LET_GO_TIME: Duration = Duration::from_secs(5);

/// hyper's word about a request.
type Answer = Result<Response<Incoming>, TrySendError<Request<Body>>>;

/// The request, until its answer has come.
pub(super) struct Asked(Option<Waiting>);

struct Waiting {
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    lease: Lease<Body>,
}

impl Asked {
    /// Gives the request to the connection. If `recorded`, it can be read back.
    pub(super) fn new(mut lease: Lease<Body>, request: Request<Body>, recorded: bool) -> Result<Self, UpstreamError> {
        let Some(sender) = lease.sender(recorded) else {
            return Err(UpstreamError::Garbage("no connection".to_owned()));
        };
        // Boxed, so that the answer can be waited for without the caller.
        let answer = Box::pin(sender.try_send_request(request));
        Ok(Self(Some(Waiting { answer, lease })))
    }

    /// The answer's head, within `limit` from the last progress of the request's body.
    pub(super) async fn answer(
        mut self,
        progress: Option<&Progress>,
        limit: Duration,
    ) -> Result<(Answer, Lease<Body>), UpstreamError> {
        let waits = || UpstreamError::Timeout(limit);
        loop {
            let waiting = self.0.as_mut().ok_or_else(waits)?;
            match tokio::time::timeout(limit, waiting.answer.as_mut()).await {
                Ok(answer) => {
                    let Waiting { lease, .. } = self.0.take().ok_or_else(waits)?;
                    return Ok((answer, lease));
                }
                Err(_) if progress.is_some_and(Progress::take) => {}
                Err(_) => {
                    // Whoever needs so long is not waited for any longer.
                    self.0 = None;
                    return Err(waits());
                }
            }
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let Some(Waiting { answer, lease }) = self.0.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Ok(Ok(response)) = tokio::time::timeout(LET_GO_TIME, answer).await {
                    // The body's drop reads the rest.
                    drop(Body::leased(response.into_body(), LET_GO_TIME, lease));
                }
            });
        }
    }
}
