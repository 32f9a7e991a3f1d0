//! What all layers of the client have in common: [`Exchange`], one request in, one whole body or a [`Fault`] out.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;

use super::limit::RateLimitHeaders;
use super::{Body, Fault, Head, Request, RequestLine, RequestScope};

/// A layer of the client. All but the lowest one hold the next layer below, and pass calls on to it.
pub trait Exchange: Debug + Send + Sync {
    /// Sends the request and reads its answer to the end.
    ///
    /// Dropping the future drops the request; what was sent still counts.
    ///
    /// # Errors
    /// The [`Fault`] that this layer, or one below it, has found.
    fn exchange<'a>(&'a self, call: Attempt<'a>) -> BoxFuture<'a, Result<Body, Fault>>;
}

/// A request on its way down through the layers.
pub struct Attempt<'a> {
    /// The request.
    pub request: &'a Request,
    /// For whom it is sent.
    pub scope: &'a RequestScope,
    /// Number of the attempt, from 1. A response with `retry-after` does not count as an attempt.
    pub attempt: u32,
    /// Receives events while the request runs; implemented by the layer above.
    pub observer: &'a mut dyn Observer,
}

/// Receives events of one exchange. A layer that handles an event also passes it to the observer of the layer above.
pub trait Observer: Send {
    /// The head of an answer is here; its body is still to be read, and may never arrive.
    fn answered(&mut self, told: RateLimitHeaders) {
        let _ = told;
    }

    /// The request was sent once, and its answer was read, or failed.
    fn sent(&mut self, sent: Sent);
}

/// A request that was sent once, and how that went.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The request.
    pub at: RequestLine,
    /// Which time it was, from 1.
    pub attempt: u32,
    /// Whether there was a connection to send it over.
    pub connected: bool,
    /// Status and headers of the response, even if its body did not arrive.
    pub head: Option<Head>,
    /// From sending to the last byte of the answer.
    pub duration: Duration,
}

/// A closure hears of each time.
impl<F: FnMut(Sent) + Send> Observer for F {
    fn sent(&mut self, sent: Sent) {
        self(sent);
    }
}
