//! What is sent again, and after how long.
//!
//! A GET is sent again after a connection error, a time-out of one attempt, a 429, a 5xx,
//! and a body that ended early. A 429 that names its pause (`retry-after`) is no attempt:
//! the pause belongs to the token's budget ([`super::limit`]). Nothing else is repeated:
//! a 401, 404 or 422 stays what it is.
//!
//! A POST is sent again only where it is certain that it was not carried out: after a 429, or where no connection was
//! made. After a time-out, a reset or a 5xx nobody knows, and a second POST would start a second action.

use std::time::Duration;

/// How often, and with which pauses.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often a request is sent at most, the first time included.
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
    /// The pause after the `failures`-th failure (from 1): doubled each time, and somewhere in
    /// its upper half, so that many clients don't come back at once. `dice` is from 0 to 1.
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
