//! The interface of all layers of the client: [`Exchange`] takes one request and returns a whole body or a [`Fault`].

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;

use super::rate_limit::RateLimitHeaders;
use super::{Body, Fault, Head, Request, RequestLine, RequestScope};

/// A layer of the client. Every layer except the lowest one holds the layer below and passes calls on to it.
pub trait Exchange: Debug + Send + Sync {
    /// Sends the request and reads its response to the end.
    ///
    /// Dropping the future drops the request. A request that was sent still counts against the budget.
    ///
    /// # Errors
    /// A [`Fault`] of this layer or of a layer below.
    fn exchange<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Body, Fault>>;
}

/// A request on its way down through the layers.
pub struct Attempt<'a> {
    /// The request.
    pub request: &'a Request,
    /// The query and the scan that it is sent for.
    pub scope: &'a RequestScope,
    /// Number of the attempt, from 1. A response with `retry-after` does not count as an attempt.
    pub attempt: u32,
    /// Receives events while the request runs; implemented by the layer above.
    pub observer: &'a mut dyn Observer,
}

/// Receives events of one exchange. A layer that handles an event also passes it to the observer of the layer above.
pub trait Observer: Send {
    /// The headers of a response have arrived. Its body is still to be read, and may never arrive.
    fn headers_received(&mut self, headers: RateLimitHeaders) {
        let _ = headers;
    }

    /// One attempt has ended: the response was read to its end, or the attempt failed.
    fn sent(&mut self, sent: Sent);
}

/// One attempt of a request, and how it ended.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The request.
    pub at: RequestLine,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Whether a connection was established.
    pub connected: bool,
    /// Status and headers of the response, even if its body did not arrive.
    pub head: Option<Head>,
    /// Time from sending to the last byte of the response.
    pub duration: Duration,
}

/// A closure is called for each attempt.
impl<F: FnMut(Sent) + Send> Observer for F {
    fn sent(&mut self, sent: Sent) {
        self(sent);
    }
}
