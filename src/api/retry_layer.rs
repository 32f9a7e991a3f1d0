//! The layer above [`super::budget_layer`]: retries a request. The rules are in [`super::retry`].

use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::sleep;
use tracing::warn;

use super::budget_layer::used_up;
use super::rate_limit::RateLimitHeaders;
use super::{Attempt, Body, Exchange, Fault, Observer, Request, Sent, retry};

/// Retries temporary errors after a pause; a POST only if it was certainly not executed.
#[derive(Debug)]
pub(super) struct Retrying<E> {
    options: retry::Options,
    dice: Mutex<fastrand::Rng>,
    below: E,
}

impl<E: Exchange> Retrying<E> {
    /// `seed` fixes the random part of the pauses, for tests.
    pub(super) fn new(below: E, options: retry::Options, seed: Option<u64>) -> Self {
        let dice = Mutex::new(seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed));
        Self { options, dice, below }
    }

    async fn with_retries(&self, attempt: Attempt<'_>) -> Result<Body, Fault> {
        let Attempt { request, scope, attempt: mut attempts, observer } = attempt;
        let mut paused = Duration::ZERO;
        loop {
            let mut pause_observer = PauseObserver { pause: None, observer: &mut *observer };
            let attempt = Attempt { request, scope, attempt: attempts, observer: &mut pause_observer };
            let fault = match self.below.exchange(attempt).await {
                Ok(body) => return Ok(body),
                Err(fault) => fault,
            };
            let pause = match pause_observer.pause.filter(|_| is_429(&fault)) {
                // The budget waits for this pause, before the request is sent again.
                Some(pause) => {
                    paused += pause;
                    if paused > scope.query.limits().max_wait {
                        return Err(used_up(request, scope, pause));
                    }
                    Duration::ZERO
                }
                None if attempts < self.options.attempts && may_be_retried(request, &fault) => {
                    attempts += 1;
                    self.pause(attempts - 1)
                }
                None => return Err(fault),
            };
            warn!(path = request.at().path, attempts, pause_ms = pause.as_millis(), error = %fault, "retrying");
            scope.count_retry();
            sleep(pause).await;
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        let dice = self.dice.lock().expect("nothing panics while it is held").f64();
        self.options.pause(failures, dice)
    }
}

impl<E: Exchange> Exchange for Retrying<E> {
    fn exchange<'a>(&'a self, attempt: Attempt<'a>) -> BoxFuture<'a, Result<Body, Fault>> {
        self.with_retries(attempt).boxed()
    }
}

/// Whether the request may be retried: the error is temporary, and repeating the request is safe.
fn may_be_retried(request: &Request, fault: &Fault) -> bool {
    let is_temporary = match fault {
        Fault::Unreachable { .. } | Fault::Cut { .. } | Fault::Slow { .. } => true,
        Fault::Status { status, .. } => matches!(status, 429 | 500..=599),
        Fault::Redirect { .. }
        | Fault::QueryTimeout { .. }
        | Fault::TooLarge { .. }
        | Fault::NoBody { .. }
        | Fault::NotJson { .. }
        | Fault::Budget { .. }
        | Fault::TooManyRequests { .. }
        | Fault::QueryEnded { .. }
        | Fault::NoProgress { .. }
        | Fault::NoToken
        | Fault::Insecure { .. }
        | Fault::BaseUrl { .. }
        | Fault::Setup(_) => false,
    };
    is_temporary && !(request.is_post() && fault.may_have_been_executed())
}

fn is_429(fault: &Fault) -> bool {
    matches!(fault, Fault::Status { status: 429, .. })
}

/// Keeps the pause of a `retry-after` header.
struct PauseObserver<'a> {
    pause: Option<Duration>,
    observer: &'a mut dyn Observer,
}

impl Observer for PauseObserver<'_> {
    fn headers_received(&mut self, headers: RateLimitHeaders) {
        self.pause = headers.pause;
        self.observer.headers_received(headers);
    }

    fn sent(&mut self, sent: Sent) {
        self.observer.sent(sent);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::api::scope::a_scope;
    use crate::api::test_double::{Double, Step, get, post, send};

    fn retrying(double: &Arc<Double>) -> Retrying<Arc<Double>> {
        Retrying::new(Arc::clone(double), retry::Options::default(), Some(7))
    }

    #[tokio::test(start_paused = true)]
    async fn temporary_errors_are_retried_until_there_is_a_response() {
        for step in [Step::status(429), Step::status(500), Step::status(503), Step::cut(), Step::unreachable()] {
            let shown = format!("{step:?}");
            let double = Double::in_turn([step, Step::body()]);
            let scope = a_scope();

            send(&retrying(&double), &get(), &scope).await.unwrap();

            assert_eq!(double.attempts(), [1, 2], "{shown}");
            assert_eq!(scope.counts.retries.get(), 1, "{shown}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn permanent_errors_are_not_retried() {
        for status in [400, 401, 404, 408, 409, 422] {
            let double = Double::always(move || Step::status(status));

            let fault = send(&retrying(&double), &get(), &a_scope()).await.unwrap_err();

            assert!(matches!(fault, Fault::Status { status: found, .. } if found == status), "{fault}");
            assert_eq!(double.attempts(), [1], "{status}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_fault_of_the_last_attempt_is_returned_after_doubling_pauses() {
        let double = Double::always(|| Step::status(503));
        let scope = a_scope();

        let fault = send(&retrying(&double), &get(), &scope).await.unwrap_err();

        assert!(matches!(fault, Fault::Status { status: 503, .. }), "{fault}");
        assert_eq!(double.attempts(), [1, 2, 3, 4]);
        assert_eq!(scope.counts.retries.get(), 3);
        let begins = double.begins();
        let pauses = begins.windows(2).map(|two| two[1] - two[0]);
        for (pause, longest) in pauses.zip([500, 1_000, 2_000]) {
            // Tokio's clock moves in whole milliseconds.
            let longest = Duration::from_millis(longest);
            assert!(longest / 2 <= pause && pause <= longest + Duration::from_millis(1), "{pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_post_is_retried_only_if_it_was_not_executed() {
        for (step, attempts) in [
            (Step::unreachable(), 2),
            (Step::status(429), 2),
            (Step::status(500), 1),
            (Step::status(503), 1),
            (Step::cut(), 1),
            (Step::slow(), 1),
        ] {
            let shown = format!("{step:?}");
            let double = Double::in_turn([step, Step::body()]);

            let result = send(&retrying(&double), &post(), &a_scope()).await;

            assert_eq!(result.is_ok(), attempts == 2, "{shown}");
            assert_eq!(double.attempts().len(), attempts, "{shown}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_with_retry_after_is_not_an_attempt_and_leaves_the_pause_to_the_budget() {
        let rate_limited = || {
            Step::status(429)
                .with_headers(RateLimitHeaders { pause: Some(Duration::from_secs(5)), ..RateLimitHeaders::default() })
        };
        let double = Double::in_turn((0..10).map(|_| rate_limited()).chain([Step::body()]));
        let scope = a_scope();
        let begin = Instant::now();

        send(&retrying(&double), &get(), &scope).await.unwrap();

        assert_eq!(double.attempts(), [1; 11]);
        assert_eq!(scope.counts.retries.get(), 10);
        assert!(begin.elapsed() < Duration::from_secs(1), "this layer does not wait: {:?}", begin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_that_add_up_to_more_than_max_wait_are_a_budget_fault() {
        let rate_limited = || {
            Step::status(429)
                .with_headers(RateLimitHeaders { pause: Some(Duration::from_secs(25)), ..RateLimitHeaders::default() })
        };
        let double = Double::always(rate_limited);

        let fault = send(&retrying(&double), &get(), &a_scope()).await.unwrap_err();

        assert!(matches!(fault, Fault::Budget { wait, .. } if wait == Duration::from_secs(25)), "{fault}");
        assert_eq!(double.attempts(), [1; 3], "25 s and 25 s are within the 60 s that a query may wait");
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_whose_body_reaches_the_timeout_counts_as_an_attempt() {
        let pause = RateLimitHeaders { pause: Some(Duration::from_secs(5)), ..RateLimitHeaders::default() };
        let double = Double::always(move || Step::slow().with_headers(pause));

        let fault = send(&retrying(&double), &get(), &a_scope()).await.unwrap_err();

        assert!(matches!(fault, Fault::Slow { .. }), "{fault}");
        assert_eq!(double.attempts(), [1, 2, 3, 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_attempt_is_reported() {
        let double = Double::in_turn([Step::status(503), Step::unreachable(), Step::body()]);
        let layer = retrying(&double);
        let mut sent = Vec::new();
        let (request, scope) = (get(), a_scope());
        let mut observer = |each: Sent| sent.push((each.attempt, each.connected));

        layer
            .exchange(Attempt { request: &request, scope: &scope, attempt: 1, observer: &mut observer })
            .await
            .unwrap();

        assert_eq!(sent, [(1, true), (2, false), (3, true)]);
    }
}
