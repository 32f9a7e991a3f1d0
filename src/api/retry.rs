//! Which requests are retried, and after which pause.
//!
//! A GET is retried after a connection error, the timeout of an attempt, a 429, a 5xx and a truncated body. A 429 with
//! a `retry-after` header does not count as an attempt: the token's budget waits for that time ([`super::limit`]).
//! Nothing else is retried: a 401, 404 or 422 would be the same again.
//!
//! A POST is retried only if it was certainly not executed: after a 429, or if no connection was established. After a
//! timeout, a reset or a 5xx its outcome is unknown, and a second POST could start a second action.

use std::time::Duration;

/// The number of attempts and the pauses between them.
#[derive(Clone, Debug)]
pub struct Options {
    /// Maximum number of attempts, the first one included.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles each time.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { attempts: 4, first_pause: Duration::from_millis(500), longest_pause: Duration::from_secs(10) }
    }
}

impl Options {
    /// The pause after the `failures`-th failure (from 1). It doubles each time, and `dice` (0 to 1) picks a value in
    /// its upper half, so that many clients do not retry at the same moment.
    pub fn pause(&self, failures: u32, dice: f64) -> Duration {
        let doubled = self.first_pause.saturating_mul(1 << (failures.saturating_sub(1)).min(16));
        doubled.min(self.longest_pause).mul_f64(0.5 + dice / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_stay_in_their_upper_half() {
        let options = Options::default();

        assert_eq!(options.pause(1, 1.0), Duration::from_millis(500));
        assert_eq!(options.pause(1, 0.0), Duration::from_millis(250));
        assert_eq!(options.pause(3, 1.0), Duration::from_secs(2));
        assert_eq!(options.pause(40, 1.0), Duration::from_secs(10));
    }
}
