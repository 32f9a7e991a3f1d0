//! What a simulated account is told when it starts. Everything has the real
//! API's value unless said otherwise; `oceanflight demo` fills it from flags,
//! tests from struct literals.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::fault::Fault;

/// How the account behaves; `Options::default()` is the real API without its latency.
#[derive(Debug, Clone)]
pub struct Options {
    /// The one token that is accepted; `None` accepts any bearer token that is not empty.
    pub token: Option<String>,
    /// How long each answer is held back, as the network and DigitalOcean would.
    pub latency: Duration,
    /// How many requests a token may make, and in which time.
    pub limits: Limits,
    /// Whether a 429 says in `retry-after` how long to wait: the real API does not always.
    pub retry_after: bool,
    /// What goes wrong from the first request on; more can follow by `Account::inject`.
    pub faults: Vec<Fault>,
    /// How long an action started by POST stays in progress.
    pub settle: Duration,
    /// Lists that are to have exactly so many rows, all of them made from templates.
    pub totals: Vec<Total>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            latency: Duration::ZERO,
            limits: Limits::default(),
            retry_after: true,
            faults: Vec::new(),
            settle: Duration::from_secs(15),
            totals: Vec::new(),
        }
    }
}

/// Two sliding windows, each of which every accepted request leaves one window's
/// length after it was made: <https://docs.digitalocean.com/reference/api/reference/rate-limit/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests in the short window.
    pub per_minute: u32,
    /// The length of the short window; tests scale it.
    pub minute: Duration,
    /// Requests in the long window, which the headers `ratelimit-*` tell of.
    pub per_hour: u32,
    /// The length of the long window; tests scale it.
    pub hour: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_minute: 250, minute: Duration::from_secs(60), per_hour: 5_000, hour: Duration::from_secs(3_600) }
    }
}

impl Limits {
    /// No limits: nothing is counted, and the headers tell of a budget that stays full.
    pub fn off() -> Self {
        Self { per_minute: u32::MAX, per_hour: u32::MAX, ..Self::default() }
    }
}

/// A list that is to have exactly `rows` rows, as `62137902=1000` in text.
///
/// `list` is a parent's id (an image's, for its actions; an unknown one is created
/// from the parent's templates) or a table's name (`images`, `digitalocean/compute/images`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// Whose rows: a parent's id or a table's name.
    pub list: String,
    /// How many; they are rendered when asked for, so a million costs nothing.
    pub rows: usize,
}

impl Total {
    /// A list and its number of rows.
    pub fn new(list: impl Into<String>, rows: usize) -> Self {
        Self { list: list.into(), rows }
    }
}

/// A text that is no [`Total`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TotalError(String);

impl fmt::Display for TotalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not of the form ID=COUNT, such as 62137902=1000", self.0)
    }
}

impl std::error::Error for TotalError {}

impl FromStr for Total {
    type Err = TotalError;

    fn from_str(text: &str) -> Result<Self, TotalError> {
        let wrong = || TotalError(text.to_owned());
        let (list, rows) = text.split_once('=').ok_or_else(wrong)?;
        if list.is_empty() {
            return Err(wrong());
        }
        let rows = rows.replace('_', "").parse().map_err(|_| wrong())?;
        Ok(Self::new(list, rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_read_from_text() {
        assert_eq!("62137902=1_000".parse(), Ok(Total::new("62137902", 1_000)));
        assert_eq!("images=500".parse(), Ok(Total::new("images", 500)));
    }

    #[test]
    fn a_total_without_a_count_says_what_one_looks_like() {
        for text in ["62137902", "=7", "62137902=", "62137902=many", "62137902=-1"] {
            let message = text.parse::<Total>().unwrap_err().to_string();

            assert!(message.contains(text) && message.contains("ID=COUNT"), "{message}");
        }
    }
}
