//! How a simulated account is configured. The defaults are the real API's values.

use std::str::FromStr;
use std::time::Duration;

use crate::fault::Fault;

/// How the account behaves. `Options::default()` is the real API without its latency.
#[derive(Debug, Clone)]
pub struct Options {
    /// The one token that is accepted; `None` accepts any bearer token that is not empty.
    pub token: Option<String>,
    /// The delay of each response, as of the network and of DigitalOcean.
    pub latency: Duration,
    /// The rate limits of each token.
    pub limits: Limits,
    /// Whether a 429 has the header `retry-after`: in the real API it does not always.
    pub retry_after: bool,
    /// The faults that are active from the start; `Account::inject` adds more.
    pub faults: Vec<Fault>,
    /// How long an action started by POST stays in progress.
    pub settle: Duration,
    /// Lists with a given number of rows, which are all generated from templates.
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

/// Two sliding windows. An accepted request counts in each for the window's length:
/// <https://docs.digitalocean.com/reference/api/reference/rate-limit/>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests in the short window.
    pub per_minute: u32,
    /// The length of the short window; tests scale it.
    pub minute: Duration,
    /// Requests in the long window, which the headers `ratelimit-*` show.
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
    /// No limits: nothing is counted, and the headers show an unused limit.
    pub fn off() -> Self {
        Self { per_minute: u32::MAX, per_hour: u32::MAX, ..Self::default() }
    }
}

/// A list with a given number of rows, in text `62137902=1000`.
///
/// `list` is a parent's id (an image's id for its actions; an unknown image is created from the templates) or a table's
/// name (`images`, `digitalocean/compute/images`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Total {
    /// A parent's id or a table's name.
    pub list: String,
    /// The number of rows. They are rendered on request, so a million rows cost nothing.
    pub rows: usize,
}

impl Total {
    /// A list and its number of rows.
    pub fn new(list: impl Into<String>, rows: usize) -> Self {
        Self { list: list.into(), rows }
    }
}

/// A text that is not a [`Total`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form ID=COUNT, such as 62137902=1000")]
pub struct TotalError(String);

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
