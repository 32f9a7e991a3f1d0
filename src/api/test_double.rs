//! A test double of a layer: returns configured results, and records its calls.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use super::rate_limit::RateLimitHeaders;
use super::{Attempt, Body, Exchange, Fault, Head, Request, RequestScope, Sent};

/// A lowest layer for tests.
pub(super) struct Double {
    next: Box<dyn Fn() -> Step + Send + Sync>,
    calls: Mutex<Vec<(u32, Instant)>>,
}

/// The course of one exchange.
pub(super) struct Step {
    headers: Option<RateLimitHeaders>,
    duration: Duration,
    end: End,
}

#[derive(Debug)]
enum End {
    Body,
    Status(u16),
    Cut,
    Slow,
    /// The connection cannot be established.
    Unreachable,
}

impl Double {
    /// Every call gets `step()`.
    pub(super) fn always(step: impl Fn() -> Step + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { next: Box::new(step), calls: Mutex::default() })
    }

    /// The calls get these steps in order. Another call panics.
    pub(super) fn in_turn(steps: impl IntoIterator<Item = Step>) -> Arc<Self> {
        let steps: Mutex<VecDeque<Step>> = Mutex::new(steps.into_iter().collect());
        Self::always(move || steps.lock().unwrap().pop_front().expect("no call was expected any more"))
    }

    /// The number of the attempt of each call so far.
    pub(super) fn attempts(&self) -> Vec<u32> {
        self.calls.lock().unwrap().iter().map(|(attempt, _)| *attempt).collect()
    }

    /// When each call so far began.
    pub(super) fn begins(&self) -> Vec<Instant> {
        self.calls.lock().unwrap().iter().map(|(_, begin)| *begin).collect()
    }

    async fn run(&self, attempt: Attempt<'_>) -> Result<Body, Fault> {
        let Attempt { request, attempt, observer, .. } = attempt;
        let begin = Instant::now();
        self.calls.lock().unwrap().push((attempt, begin));
        let Step { headers, duration, end } = (self.next)();
        if let Some(headers) = headers {
            observer.headers_received(headers);
        }
        sleep(duration).await;
        let connected = !matches!(end, End::Unreachable);
        let result = end.result(request, attempt);
        observer.sent(Sent { at: request.at(), attempt, connected, head: None, duration: begin.elapsed() });
        result
    }
}

impl Exchange for Arc<Double> {
    fn exchange<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Body, Fault>> {
        self.run(attempt).boxed()
    }
}

impl fmt::Debug for Double {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Double")
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.end.fmt(f)
    }
}

impl Step {
    /// The body `{}`.
    pub(super) fn body() -> Self {
        Self::of(End::Body)
    }

    /// An error of this status.
    pub(super) fn status(status: u16) -> Self {
        Self::of(End::Status(status))
    }

    /// A body that ends early.
    pub(super) fn cut() -> Self {
        Self::of(End::Cut)
    }

    /// No response within the timeout of an attempt.
    pub(super) fn slow() -> Self {
        Self::of(End::Slow)
    }

    /// A connection that cannot be established.
    pub(super) fn unreachable() -> Self {
        Self::of(End::Unreachable)
    }

    fn of(end: End) -> Self {
        Self { headers: None, duration: Duration::ZERO, end }
    }

    /// Adds rate-limit headers.
    pub(super) fn with_headers(self, headers: RateLimitHeaders) -> Self {
        Self { headers: Some(headers), ..self }
    }

    /// Sets the time between the headers and the end of the body.
    pub(super) fn lasting(self, duration: Duration) -> Self {
        Self { duration, ..self }
    }
}

impl End {
    fn result(self, request: &Request, attempts: u32) -> Result<Body, Fault> {
        let at = request.at();
        Err(match self {
            Self::Body => return Ok(Body::try_new(Bytes::from_static(b"{}"), Head::default()).unwrap()),
            Self::Status(status) => Fault::Status { at, status, id: None, message: None, request_id: None },
            Self::Cut => Fault::Cut { at, attempts, cause: None },
            Self::Slow => Fault::Slow { at, limit: Duration::from_secs(60), attempts },
            // reqwest's errors have no constructor: this one comes from a proxy without a URL.
            Self::Unreachable => {
                let cause = reqwest::Proxy::all("").unwrap_err();
                Fault::Unreachable { at, host: "nowhere".into(), attempts, cause }
            }
        })
    }
}

/// Some GET.
pub(super) fn get() -> Request {
    Request::new("/v2/things".into())
}

/// Some POST.
pub(super) fn post() -> Request {
    Request::post("/v2/things".into(), "{}".into())
}

/// Calls a layer for the first time.
pub(super) async fn send(layer: &impl Exchange, request: &Request, scope: &RequestScope) -> Result<Body, Fault> {
    layer.exchange(Attempt { request, scope, attempt: 1, observer: &mut |_| {} }).await
}
