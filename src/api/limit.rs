//! A token's budget of requests, shared by all clients and queries of this process ([`super::Budgets`]).
//!
//! DigitalOcean allows a token 250 requests a minute and 5,000 an hour, and a request leaves the count one minute or one
//! hour after it was made: <https://docs.digitalocean.com/reference/api/intro/#rate-limit>. Waiting is cheaper than a
//! 429, so every request is counted here before it is sent.
//!
//! The API counts a request at an unknown moment between sending and response. So a request is in a window from its
//! sending until the window's length after the headers of its *response*:
//!
//! ```text
//!              sent            headers                          leaves the window
//! request A     ├────in flight────┤◄──────── 60 s ────────────────┤
//! request B          ├──in flight──┤◄──────── 60 s ────────────────┤
//! counted as    `in_flight: 2`     `answered: [A, B]` (in order of the headers)
//! ```
//!
//! Usage by other clients of the same token is taken from the `ratelimit-*` headers. A 429 pauses all requests of the
//! token. A request that would have to wait longer than its `max_wait` fails at once.
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
    ledger: Mutex<RequestWindows>,
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
            ledger: Mutex::new(RequestWindows::new(options)),
            turnstile: tokio::sync::Mutex::default(),
            waiting: AtomicUsize::new(0),
            changed: Notify::new(),
        })
    }

    /// Waits for a place in the budget and a permit, at most `max_wait` for the budget.
    pub(super) async fn acquire(self: &Arc<Self>, max_wait: Duration) -> Result<Permit, TooLong> {
        let patience = Instant::now() + max_wait;
        let ahead = self.waiting.fetch_add(1, Ordering::SeqCst);
        let _leave = Leave(&self.waiting);
        self.ledger().refuse_beyond(patience, ahead + 1)?;
        let _turn = self.turnstile.lock().await;
        loop {
            let changed = self.changed.notified();
            let next = self.ledger().take(Instant::now());
            match next {
                Admission::Taken => return Ok(Permit { limiter: Arc::clone(self), answered: false }),
                Admission::At(when) if when > patience => return Err(TooLong { wait: when - Instant::now() }),
                Admission::At(when) => sleep_until(when).await,
                Admission::AfterAnAnswer => changed.await,
            }
        }
    }

    /// Lowers the limits to these options where they are stricter: another client of the token has them.
    pub(super) fn tighten(&self, options: &Options) {
        let mut ledger = self.ledger();
        ledger.options = ledger.options.stricter(options);
    }

    fn ledger(&self) -> MutexGuard<'_, RequestWindows> {
        self.ledger.lock().expect("nothing panics while it is held")
    }
}

/// Decrements the number of waiting requests when `acquire` returns or its future is dropped.
struct Leave<'a>(&'a AtomicUsize);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The right to have one request in flight. Held from sending to the last byte that is read.
#[derive(Debug)]
pub(super) struct Permit {
    limiter: Arc<Limiter>,
    answered: bool,
}

impl Permit {
    /// The headers of the response have arrived: the request's time in the windows begins to run out. Returns the
    /// headers with every duration bounded by [`Options::max_pause`].
    pub(super) fn answered(&mut self, told: RateLimitHeaders) -> RateLimitHeaders {
        let mut ledger = self.limiter.ledger();
        let told = ledger.bounded(told);
        if !std::mem::replace(&mut self.answered, true) {
            ledger.answered(Instant::now(), told);
            self.limiter.changed.notify_one();
        }
        told
    }

    /// No connection was established, so the API has not counted this request.
    pub(super) fn not_sent(&mut self) {
        if !std::mem::replace(&mut self.answered, true) {
            self.limiter.ledger().not_sent();
            self.limiter.changed.notify_one();
        }
    }
}

impl Drop for Permit {
    /// The API may have counted a request that failed or was dropped, so it stays in the windows like any other.
    fn drop(&mut self) {
        self.answered(RateLimitHeaders::default());
        self.limiter.ledger().permits -= 1;
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
    AfterAnAnswer,
}

/// The requests in the windows. No side effects: the current time is an argument.
#[derive(Debug)]
struct RequestWindows {
    options: Options,
    /// When the headers of each response of the last hour arrived, in order.
    answered: VecDeque<Instant>,
    /// Requests without response headers yet: each is in both windows.
    in_flight: usize,
    /// Requests whose responses were not read to the end yet: at most [`Options::in_flight`].
    permits: usize,
    /// Set by a 429; removed by the first accepted response after that time.
    paused_until: Option<Instant>,
    /// From the last response with a `ratelimit-remaining` header.
    told: Option<Remaining>,
    /// The `ratelimit-limit` of the last response that had one, and when it arrived.
    told_per_hour: Option<(usize, Instant)>,
}

/// The API's own count of remaining requests, which includes usage by other clients of the token.
#[derive(Debug)]
struct Remaining {
    requests: usize,
    reset: Instant,
}

impl RequestWindows {
    fn new(options: Options) -> Self {
        let (answered, in_flight, permits) = (VecDeque::new(), 0, 0);
        Self { options, answered, in_flight, permits, paused_until: None, told: None, told_per_hour: None }
    }

    fn take(&mut self, now: Instant) -> Admission {
        if self.permits >= self.options.in_flight {
            return Admission::AfterAnAnswer;
        }
        self.forget_before(now);
        let next = self.next(now);
        if next == Admission::Taken {
            self.permits += 1;
            self.in_flight += 1;
            if let Some(told) = &mut self.told {
                told.requests = told.requests.saturating_sub(1);
            }
        }
        next
    }

    fn next(&self, now: Instant) -> Admission {
        let windows = [
            self.wait_in(self.options.per_minute, self.options.minute, now),
            self.wait_in(self.options.per_hour, self.options.hour, now),
        ];
        let told = [self.wait_for_pause(now), self.wait_for_others(now), self.wait_for_told_limit(now)];
        windows.into_iter().chain(told).max_by_key(Admission::rank).expect("there are five")
    }

    /// Whether this window, which holds `most` requests, has a place at `now`.
    fn wait_in(&self, most: usize, window: Duration, now: Instant) -> Admission {
        let recent = self.recent(window, now);
        if self.in_flight + recent < most {
            return Admission::Taken;
        }
        // The window is full. `over + 1` requests must leave it to make room for one. The last `recent` entries of
        // `answered` are in the window and leave in order, so the one that makes room is number `over` of these (from
        // 0). If they are not enough, the requests in flight alone fill the window, and the time at which one of them
        // leaves is not known before its response.
        match (self.in_flight + recent).checked_sub(most).filter(|over| *over < recent) {
            Some(over) => Admission::At(self.answered[self.answered.len() - recent + over] + window),
            None => Admission::AfterAnAnswer,
        }
    }

    /// After a pause, one request at a time is sent until a response is accepted.
    fn wait_for_pause(&self, now: Instant) -> Admission {
        match self.paused_until {
            Some(until) if until > now => Admission::At(until),
            Some(_) if self.in_flight > 0 => Admission::AfterAnAnswer,
            Some(_) | None => Admission::Taken,
        }
    }

    /// The hour's window with the limit that the API reported, which matters if it is lower than [`Options::per_hour`].
    /// The report may be wrong or outdated, so it is tested with a single request after [`Options::max_pause`].
    fn wait_for_told_limit(&self, now: Instant) -> Admission {
        let Some((limit, said)) = self.told_per_hour else { return Admission::Taken };
        let ask_again = said + self.options.max_pause;
        match self.wait_in(limit, self.options.hour, now) {
            Admission::At(_) if ask_again <= now && self.in_flight > 0 => Admission::AfterAnAnswer,
            Admission::At(_) if ask_again <= now => Admission::Taken,
            Admission::At(when) => Admission::At(when.min(ask_again)),
            other => other,
        }
    }

    /// If the API reports 0 remaining requests while our windows have room, another client uses the token: wait for the
    /// reported reset, then send one request, whose response has newer numbers.
    fn wait_for_others(&self, now: Instant) -> Admission {
        match &self.told {
            // An estimate: it assumes that the API has not counted the requests in flight. The next response corrects
            // it.
            Some(told) if told.requests == 0 && self.in_flight > 0 => Admission::AfterAnAnswer,
            Some(told) if told.requests == 0 && told.reset > now => Admission::At(told.reset),
            Some(_) | None => Admission::Taken,
        }
    }

    fn not_sent(&mut self) {
        self.in_flight -= 1;
    }

    /// Bounds every duration by [`Options::max_pause`].
    fn bounded(&self, told: RateLimitHeaders) -> RateLimitHeaders {
        let most = |length: Duration| length.min(self.options.max_pause);
        RateLimitHeaders { pause: told.pause.map(most), reset: told.reset.map(most), ..told }
    }

    fn answered(&mut self, now: Instant, told: RateLimitHeaders) {
        self.in_flight -= 1;
        self.answered.push_back(now);
        match told.pause {
            Some(pause) => self.paused_until = self.paused_until.max(Some(now + pause)),
            None if told.accepted => self.paused_until = self.paused_until.filter(|until| *until > now),
            None => {}
        }
        if self.options.per_hour == usize::MAX {
            return;
        }
        let limit = told.limit.filter(|limit| *limit > 0).map(|limit| (limit, now));
        self.told_per_hour = limit.or(self.told_per_hour);
        if let Some(remaining) = told.remaining {
            // The API may not have counted the requests in flight yet.
            let requests = remaining.saturating_sub(self.in_flight);
            self.told = Some(Remaining { requests, reset: now + told.reset.unwrap_or_default() });
        }
    }

    /// Fails if the request at `place` in the queue (from 1) would be sent after `patience`.
    fn refuse_beyond(&mut self, patience: Instant, place: usize) -> Result<(), TooLong> {
        let now = Instant::now();
        self.forget_before(now);
        let windows = [(self.options.per_minute, self.options.minute), (self.options.per_hour, self.options.hour)];
        let in_windows = windows.into_iter().map(|(most, window)| self.projected(most, window, now, place));
        let told = [self.wait_for_pause(now), self.wait_for_others(now), self.wait_for_told_limit(now)];
        let told = told.into_iter().map(|next| if let Admission::At(when) = next { when } else { now });
        let when = in_windows.chain(told).max().expect("there are five");
        if when > patience { Err(TooLong { wait: when - now }) } else { Ok(()) }
    }

    /// The earliest time at which this window admits the request at `place` in the queue (from 1), if all requests before
    /// it get their responses at once.
    ///
    /// `over + 1` requests must leave the window before its turn, and the last of them decides. If that one has a
    /// response, the time is exact. If it is in flight, one window's length from now is the best case. If it is itself
    /// in the queue, it leaves one window's length after its own turn, which the recursive call computes.
    fn projected(&self, most: usize, window: Duration, now: Instant, place: usize) -> Instant {
        let recent = self.recent(window, now);
        let Some(over) = (recent + self.in_flight).saturating_add(place).checked_sub(most.saturating_add(1)) else {
            return now;
        };
        match over.checked_sub(recent + self.in_flight) {
            None if over < recent => self.answered[self.answered.len() - recent + over] + window,
            None => now + window,
            Some(later) => self.projected(most, window, now, later + 1) + window,
        }
    }

    /// The number of responses in the window.
    fn recent(&self, window: Duration, now: Instant) -> usize {
        let gone = self.answered.partition_point(|answered| *answered + window <= now);
        self.answered.len() - gone
    }

    fn forget_before(&mut self, now: Instant) {
        let gone = self.answered.len() - self.recent(self.options.hour, now);
        self.answered.drain(..gone);
    }
}

impl Admission {
    /// Orders the results of several windows: the highest applies. A known time ranks above "after a response", because
    /// that time must pass in any case, and all windows are checked again after it.
    fn rank(&self) -> (u8, Option<Instant>) {
        match self {
            Self::Taken => (0, None),
            Self::AfterAnAnswer => (1, None),
            Self::At(when) => (2, Some(*when)),
        }
    }
}

#[cfg(test)]
mod tests;
