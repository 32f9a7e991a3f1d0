//! Hints to a scan from the plan around it. They change when requests are sent and which lists are cached, never the
//! rows.

use serde::{Deserialize, Serialize};

/// What the plan around a scan means for it. Set once, by the last pass over the plan (`bind::ScanHints`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hints {
    /// Whether a LIMIT above may end it soon.
    pub(super) limited: bool,
    /// Whether its lists are kept for other scans, or for another execution.
    pub(super) kept: bool,
    /// How many keys a join gives it, by what lists had when they were last read.
    pub(super) keys_expected: Option<u64>,
    /// What it takes, by what its lists had when they were last read; unknown, where one never was.
    pub(super) expected: Option<Expected>,
}

/// What a scan takes and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expected {
    pub(super) requests: u64,
    pub(super) rows: u64,
}
