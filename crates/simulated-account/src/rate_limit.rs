//! Counts the requests of one token in two sliding windows. The time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::options::Limits;

/// The requests of one token.
#[derive(Debug)]
pub(crate) struct RateLimit {
    minute: Window,
    hour: Window,
}

/// The values of the headers `ratelimit-*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLimitStatus {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// The time until the oldest counted request leaves the long window.
    pub(crate) reset: Duration,
}

impl RateLimit {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { minute: Window::new(limits.per_minute, limits.minute), hour: Window::new(limits.per_hour, limits.hour) }
    }

    /// Counts a request at `now`, or returns how long to wait; a refused request is not counted.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        let wait = self.minute.wait(now).max(self.hour.wait(now));
        if let Some(wait) = wait {
            return Err(wait);
        }
        self.minute.count(now);
        self.hour.count(now);
        Ok(())
    }

    pub(crate) fn status(&mut self, now: Instant) -> RateLimitStatus {
        self.hour.forget(now);
        let used = u32::try_from(self.hour.made.len()).unwrap_or(u32::MAX);
        let oldest = self.hour.made.front();
        RateLimitStatus {
            limit: self.hour.size,
            remaining: self.hour.size.saturating_sub(used),
            reset: oldest.map_or(self.hour.length, |made| *made + self.hour.length - now),
        }
    }
}

#[derive(Debug)]
struct Window {
    size: u32,
    length: Duration,
    made: VecDeque<Instant>,
}

impl Window {
    fn new(size: u32, length: Duration) -> Self {
        Self { size, length, made: VecDeque::new() }
    }

    fn forget(&mut self, now: Instant) {
        while self.made.front().is_some_and(|made| *made + self.length <= now) {
            self.made.pop_front();
        }
    }

    /// The time until there is room for a request; `None` if there is now.
    fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.forget(now);
        if self.made.len() < self.size as usize {
            return None;
        }
        Some(self.made.front().map_or(self.length, |made| *made + self.length - now))
    }

    fn count(&mut self, now: Instant) {
        if self.size != u32::MAX {
            self.made.push_back(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(per_minute: u32, per_hour: u32) -> RateLimit {
        RateLimit::new(Limits { per_minute, per_hour, ..Limits::default() })
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_request_leaves_the_window_one_length_after_it_was_made() {
        let (mut budget, start) = (budget(2, 100), Instant::now());
        budget.admit(start).unwrap();
        budget.admit(start + seconds(10)).unwrap();

        assert_eq!(budget.admit(start + seconds(20)), Err(seconds(40)));
        assert_eq!(budget.admit(start + seconds(60)), Ok(()));
        assert_eq!(budget.admit(start + seconds(61)), Err(seconds(9)));
    }

    #[test]
    fn a_refused_request_is_not_counted() {
        let (mut budget, start) = (budget(1, 100), Instant::now());
        budget.admit(start).unwrap();
        for second in 1..50 {
            budget.admit(start + seconds(second)).unwrap_err();
        }

        assert_eq!(budget.status(start + seconds(50)).remaining, 99);
        assert_eq!(budget.admit(start + seconds(60)), Ok(()));
    }

    #[test]
    fn the_longer_wait_of_the_two_windows_counts() {
        let (mut budget, start) = (budget(1, 1), Instant::now());
        budget.admit(start).unwrap();

        assert_eq!(budget.admit(start + seconds(1)), Err(seconds(3_599)));
    }

    #[test]
    fn without_limits_nothing_is_stored() {
        let (mut budget, now) = (RateLimit::new(Limits::off()), Instant::now());
        for _ in 0..10_000 {
            budget.admit(now).unwrap();
        }

        assert_eq!(budget.status(now).remaining, u32::MAX);
        assert!(budget.minute.made.is_empty());
    }
}
