//! Counts requests against the two sliding windows of one token. Pure: the time
//! is passed in.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::options::Limits;

/// What one token has used of its limits.
#[derive(Debug)]
pub(super) struct Budget {
    minute: Window,
    hour: Window,
}

/// What the headers `ratelimit-*` tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    /// Until the oldest counted request leaves the long window.
    pub(super) reset: Duration,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { minute: Window::new(limits.per_minute, limits.minute), hour: Window::new(limits.per_hour, limits.hour) }
    }

    /// Counts a request made now, or says how long there is no room for it; a
    /// refused request is not counted.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        let wait = self.minute.wait(now).max(self.hour.wait(now));
        if let Some(wait) = wait {
            return Err(wait);
        }
        self.minute.count(now);
        self.hour.count(now);
        Ok(())
    }

    pub(super) fn standing(&mut self, now: Instant) -> Standing {
        self.hour.forget(now);
        let used = u32::try_from(self.hour.made.len()).unwrap_or(u32::MAX);
        let oldest = self.hour.made.front();
        Standing {
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

    /// How long until there is room; `None` if there is.
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

    fn budget(per_minute: u32, per_hour: u32) -> Budget {
        Budget::new(Limits { per_minute, per_hour, ..Limits::default() })
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

        assert_eq!(budget.standing(start + seconds(50)).remaining, 99);
        assert_eq!(budget.admit(start + seconds(60)), Ok(()));
    }

    #[test]
    fn the_fuller_window_decides_how_long_to_wait() {
        let (mut budget, start) = (budget(1, 1), Instant::now());
        budget.admit(start).unwrap();

        assert_eq!(budget.admit(start + seconds(1)), Err(seconds(3_599)));
    }

    #[test]
    fn without_limits_nothing_is_stored() {
        let (mut budget, now) = (Budget::new(Limits::off()), Instant::now());
        for _ in 0..10_000 {
            budget.admit(now).unwrap();
        }

        assert_eq!(budget.standing(now).remaining, u32::MAX);
        assert!(budget.minute.made.is_empty());
    }
}
