//! A token's budget of requests, shared by all clients and queries of this process ([`super::Budgets`]).
//!
//! DigitalOcean allows a token 250 requests a minute and 5,000 an hour, and a request leaves the count one minute or
//! one hour after it was made: <https://docs.digitalocean.com/reference/api/intro/#rate-limit>. Waiting is cheaper than
//! a 429, so every request is counted here before it is sent.
//!
//! The API counts a request at an unknown moment between sending and response. So a request is in a window from its
//! sending until the window's length after the headers of its *response*:
//!
//! ```text
//!              sent            headers                          leaves the window
//! request A     ├────in flight────┤◄──────── 60 s ────────────────┤
//! request B          ├──in flight──┤◄──────── 60 s ────────────────┤
//! counted as    `in_flight: 2`     `responses: [A, B]` (in order of the headers)
//! ```
//!
//! Usage by other clients of the same token is taken from the `ratelimit-*` headers. A 429 pauses all requests of the
//! token. A request that would have to wait longer than its `max_wait` fails at once, or as soon as the wait turns out
//! to be longer.
//!
//! The headers may be wrong: a pause of a day, a limit of one request an hour, a reset in milliseconds. So no header
//! pauses requests for longer than [`Options::max_pause`]. After that, one request at a time is sent until one is
//! accepted.
//!
//! The number of requests in flight is bounded here as well. A request passes three gates, in this order:
//!
//! ```text
//! acquire ─► projected wait > max_wait? fail ─► turnstile (one at a time, in order) ─► permit + place in both windows
//! ```
//!
//! Do not change without thinking:
//!
//! - The turnstile is held while waiting, so requests are sent in the order of their calls of `acquire`.
//! - The 60 s of a request begin with its response's headers, not with its sending, because the API may have counted it
//!   at any moment until then.
//! - The place in the windows and the permit end at different moments: the place begins to expire with the headers, the
//!   permit is held until the body was read.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// The limits of a token. The lengths of the windows are options for tests that scale the clock.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests in flight at once.
    pub in_flight: usize,
    /// Requests in a [`Options::minute`].
    pub per_minute: usize,
    /// The shorter window.
    pub minute: Duration,
    /// Requests in an [`Options::hour`]. The API's `ratelimit-limit` can lower it, and never raise it.
    pub per_hour: usize,
    /// The longer window.
    pub hour: Duration,
    /// The longest time for which a response of the API can hold requests back.
    pub max_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
        Self { in_flight: 16, per_minute: 250, minute, per_hour: 5_000, hour, max_pause: Duration::from_secs(300) }
    }
}

impl Options {
    /// For each setting, the stricter of the two values.
    fn stricter(&self, other: &Self) -> Self {
        Self {
            in_flight: self.in_flight.min(other.in_flight),
            per_minute: self.per_minute.min(other.per_minute),
            minute: self.minute.max(other.minute),
            per_hour: self.per_hour.min(other.per_hour),
            hour: self.hour.max(other.hour),
            max_pause: self.max_pause.max(other.max_pause),
        }
    }

    /// No budget, and this many requests in flight.
    pub fn unlimited(in_flight: usize) -> Self {
        Self { in_flight, per_minute: usize::MAX, per_hour: usize::MAX, ..Self::default() }
    }
}

/// The wait for the budget would be longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong {
    /// How long the wait would be.
    pub(super) wait: Duration,
}

/// The rate-limit headers of a response, and whether it was accepted.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimitHeaders {
    /// Whether there was a response with a status other than 429.
    pub accepted: bool,
    /// `retry-after` of a 429: how long all requests of the token pause.
    pub pause: Option<Duration>,
    /// Requests an hour.
    pub limit: Option<usize>,
    /// Requests of this limit that remain.
    pub remaining: Option<usize>,
    /// Time until the oldest request leaves the API's count.
    pub reset: Option<Duration>,
}

/// The budget of one token.
#[derive(Debug)]
pub(super) struct Limiter {
    windows: Mutex<RequestWindows>,
    /// Held by the one request that may take the next place.
    turnstile: tokio::sync::Mutex<()>,
    /// Calls of `acquire` that have not returned yet.
    waiting: AtomicUsize,
    /// Notified when the headers of a response arrive or a permit is released.
    changed: Notify,
}

impl Limiter {
    pub(super) fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            windows: Mutex::new(RequestWindows::new(options)),
            turnstile: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    /// Waits for a place in the budget and a permit, at most `max_wait` for the budget.
    pub(super) async fn acquire(self: &Arc<Self>, max_wait: Duration) -> Result<Permit, TooLong> {
        let latest = Instant::now() + max_wait;
        let ahead = self.waiting.fetch_add(1, Ordering::SeqCst);
        let _waiting = WaitingGuard(&self.waiting);
        self.windows().check_wait(latest, ahead + 1)?;
        let _turn = self.turnstile.lock().await;
        loop {
            // Created before the windows are checked, so that no notification in between is lost.
            let changed = self.changed.notified();
            let admission = self.windows().take(Instant::now());
            match admission {
                Admission::Taken => return Ok(Permit { limiter: Arc::clone(self), left_flight: false }),
                Admission::At(when) if when > latest => return Err(TooLong { wait: when - Instant::now() }),
                Admission::At(when) => sleep_until(when).await,
                Admission::AfterResponse => changed.await,
            }
        }
    }

    /// Lowers the limits to these options where they are stricter: another client of the token has them.
    pub(super) fn tighten(&self, options: &Options) {
        let mut windows = self.windows();
        windows.options = windows.options.stricter(options);
    }

    fn windows(&self) -> MutexGuard<'_, RequestWindows> {
        self.windows.lock().expect("nothing panics while it is held")
    }
}

/// Decrements the number of waiting requests when `acquire` returns or its future is dropped.
struct WaitingGuard<'a>(&'a AtomicUsize);

impl Drop for WaitingGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The right to have one request in flight. Held from sending to the last byte that is read.
#[derive(Debug)]
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    /// Whether the request is not in flight any more: its headers have arrived, or it was not sent.
    left_flight: bool,
}

impl Permit {
    /// The headers of the response have arrived: the request's time in the windows begins to run out. Returns the
    /// headers with every duration bounded by [`Options::max_pause`].
    pub(super) fn headers_received(&mut self, headers: RateLimitHeaders) -> RateLimitHeaders {
        let mut windows = self.limiter.windows();
        let headers = windows.bounded(headers);
        if !std::mem::replace(&mut self.left_flight, true) {
            windows.headers_received(Instant::now(), headers);
            self.limiter.changed.notify_one();
        }
        headers
    }

    /// No connection was established, so the API has not counted this request.
    pub(super) fn not_sent(&mut self) {
        if !std::mem::replace(&mut self.left_flight, true) {
            self.limiter.windows().not_sent();
            self.limiter.changed.notify_one();
        }
    }
}

impl Drop for Permit {
    /// The API may have counted a request that failed or was dropped, so it stays in the windows like any other.
    fn drop(&mut self) {
        self.headers_received(RateLimitHeaders::default());
        self.limiter.windows().permits -= 1;
        self.limiter.changed.notify_one();
    }
}

/// Whether a request may be sent now.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// It may; its place is taken.
    Taken,
    /// Not before this time.
    At(Instant),
    /// When depends on a request in flight: check again after the next response.
    AfterResponse,
}

/// The requests in the windows. No side effects: the current time is an argument.
#[derive(Debug)]
struct RequestWindows {
    options: Options,
    /// When the headers of each response of the last hour arrived, in order.
    responses: VecDeque<Instant>,
    /// Requests without response headers yet: each is in both windows.
    in_flight: usize,
    /// Requests whose responses were not read to the end yet: at most [`Options::in_flight`].
    permits: usize,
    /// Set by a 429; removed by the first accepted response after that time.
    paused_until: Option<Instant>,
    /// From the last response with a `ratelimit-remaining` header.
    remaining: Option<Remaining>,
    /// The `ratelimit-limit` of the last response that had one, and when it arrived.
    reported_per_hour: Option<(usize, Instant)>,
}

/// The API's own count of remaining requests, which includes usage by other clients of the token.
#[derive(Debug)]
struct Remaining {
    requests: usize,
    reset: Instant,
}

impl RequestWindows {
    fn new(options: Options) -> Self {
        Self {
            options,
            responses: VecDeque::new(),
            in_flight: 0,
            permits: 0,
            paused_until: None,
            remaining: None,
            reported_per_hour: None,
        }
    }

    /// Takes a place in both windows and a permit, if there is one of each at `now`.
    fn take(&mut self, now: Instant) -> Admission {
        if self.permits >= self.options.in_flight {
            return Admission::AfterResponse;
        }
        self.forget_before(now);
        let admission = self.admission(now);
        if admission == Admission::Taken {
            self.permits += 1;
            self.in_flight += 1;
            if let Some(remaining) = &mut self.remaining {
                remaining.requests = remaining.requests.saturating_sub(1);
            }
        }
        admission
    }

    fn admission(&self, now: Instant) -> Admission {
        let admissions = [
            self.wait_in(self.options.per_minute, self.options.minute, now),
            self.wait_in(self.options.per_hour, self.options.hour, now),
            self.wait_for_pause(now),
            self.wait_for_reset(now),
            self.wait_for_reported_limit(now),
        ];
        admissions.into_iter().max_by_key(Admission::rank).expect("there are five")
    }

    /// Whether this window, which has room for `capacity` requests, has a place at `now`.
    fn wait_in(&self, capacity: usize, window: Duration, now: Instant) -> Admission {
        let recent = self.recent(window, now);
        if self.in_flight + recent < capacity {
            return Admission::Taken;
        }
        // The window is full. `over + 1` requests must leave it to make room for one. The last `recent` entries of
        // `responses` are in the window and leave in order, so the one that makes room is number `over` of these (from
        // 0). If they are not enough, the requests in flight alone fill the window, and the time at which one of them
        // leaves is not known before its response.
        match (self.in_flight + recent).checked_sub(capacity).filter(|over| *over < recent) {
            Some(over) => Admission::At(self.responses[self.responses.len() - recent + over] + window),
            None => Admission::AfterResponse,
        }
    }

    /// After a pause, one request at a time is sent until a response is accepted.
    fn wait_for_pause(&self, now: Instant) -> Admission {
        match self.paused_until {
            Some(until) if until > now => Admission::At(until),
            Some(_) if self.in_flight > 0 => Admission::AfterResponse,
            Some(_) | None => Admission::Taken,
        }
    }

    /// The hour's window with the limit that the API reported, which matters if it is lower than [`Options::per_hour`].
    /// The report may be wrong or outdated, so it is tested with a single request after [`Options::max_pause`].
    fn wait_for_reported_limit(&self, now: Instant) -> Admission {
        let Some((limit, reported_at)) = self.reported_per_hour else { return Admission::Taken };
        let test_again = reported_at + self.options.max_pause;
        match self.wait_in(limit, self.options.hour, now) {
            Admission::At(_) if test_again <= now && self.in_flight > 0 => Admission::AfterResponse,
            Admission::At(_) if test_again <= now => Admission::Taken,
            Admission::At(when) => Admission::At(when.min(test_again)),
            other => other,
        }
    }

    /// If the API reports 0 remaining requests while our windows have room, another client uses the token: wait for the
    /// reported reset, then send one request, whose response has newer numbers.
    fn wait_for_reset(&self, now: Instant) -> Admission {
        match &self.remaining {
            // An estimate: it assumes that the API has not counted the requests in flight. The next response corrects
            // it.
            Some(remaining) if remaining.requests == 0 && self.in_flight > 0 => Admission::AfterResponse,
            Some(remaining) if remaining.requests == 0 && remaining.reset > now => Admission::At(remaining.reset),
            Some(_) | None => Admission::Taken,
        }
    }

    fn not_sent(&mut self) {
        self.in_flight -= 1;
    }

    /// Bounds every duration by [`Options::max_pause`].
    fn bounded(&self, headers: RateLimitHeaders) -> RateLimitHeaders {
        let max = self.options.max_pause;
        let (pause, reset) = (headers.pause.map(|pause| pause.min(max)), headers.reset.map(|reset| reset.min(max)));
        RateLimitHeaders { pause, reset, ..headers }
    }

    fn headers_received(&mut self, now: Instant, headers: RateLimitHeaders) {
        self.in_flight -= 1;
        self.responses.push_back(now);
        match headers.pause {
            Some(pause) => self.paused_until = self.paused_until.max(Some(now + pause)),
            // Accepted during a pause: the request was sent before the 429, so the pause stays.
            None if headers.accepted => self.paused_until = self.paused_until.filter(|until| *until > now),
            None => {}
        }
        if self.options.per_hour == usize::MAX {
            return;
        }
        if let Some(limit) = headers.limit.filter(|limit| *limit > 0) {
            self.reported_per_hour = Some((limit, now));
        }
        if let Some(remaining) = headers.remaining {
            // The API may not have counted the requests in flight yet.
            let requests = remaining.saturating_sub(self.in_flight);
            self.remaining = Some(Remaining { requests, reset: now + headers.reset.unwrap_or_default() });
        }
    }

    /// Fails if the request at `place` in the queue (from 1) would be sent after `latest`.
    fn check_wait(&mut self, latest: Instant, place: usize) -> Result<(), TooLong> {
        let now = Instant::now();
        self.forget_before(now);
        let mut when = self.projected(self.options.per_minute, self.options.minute, now, place);
        when = when.max(self.projected(self.options.per_hour, self.options.hour, now, place));
        for admission in [self.wait_for_pause(now), self.wait_for_reset(now), self.wait_for_reported_limit(now)] {
            if let Admission::At(time) = admission {
                when = when.max(time);
            }
        }
        if when > latest { Err(TooLong { wait: when - now }) } else { Ok(()) }
    }

    /// The earliest time at which this window admits the request at `place` in the queue (from 1), if all requests
    /// before it get their responses at once.
    ///
    /// `over + 1` requests must leave the window before its turn, and the last of them decides. If that one has a
    /// response, the time is exact. If it is in flight, one window's length from now is the best case. If it is itself
    /// in the queue, it leaves one window's length after its own turn, which the recursive call computes.
    fn projected(&self, capacity: usize, window: Duration, now: Instant, place: usize) -> Instant {
        let recent = self.recent(window, now);
        let sent = recent + self.in_flight;
        let Some(over) = sent.saturating_add(place).checked_sub(capacity.saturating_add(1)) else {
            return now;
        };
        match over.checked_sub(sent) {
            None if over < recent => self.responses[self.responses.len() - recent + over] + window,
            None => now + window,
            Some(queued) => self.projected(capacity, window, now, queued + 1) + window,
        }
    }

    /// The number of responses in the window.
    fn recent(&self, window: Duration, now: Instant) -> usize {
        let gone = self.responses.partition_point(|received| *received + window <= now);
        self.responses.len() - gone
    }

    fn forget_before(&mut self, now: Instant) {
        let gone = self.responses.len() - self.recent(self.options.hour, now);
        self.responses.drain(..gone);
    }
}

impl Admission {
    /// Orders the results of several windows: the highest applies. A known time ranks above "after a response", because
    /// that time must pass in any case, and all windows are checked again after it.
    fn rank(&self) -> (u8, Option<Instant>) {
        match self {
            Self::Taken => (0, None),
            Self::AfterResponse => (1, None),
            Self::At(when) => (2, Some(*when)),
        }
    }
}

#[cfg(test)]
mod tests;
