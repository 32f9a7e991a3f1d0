//! Hints to a scan from the plan around it. They decide which lists are cached, and when requests are sent. The rows
//! are the same with any hints.

use serde::{Deserialize, Serialize};

/// The hints of one scan. They are set once, by the last pass over the plan (`bind::SetHints`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hints {
    /// Whether a LIMIT above may end the scan early.
    pub(super) limited: bool,
    /// Whether its lists are cached for other scans, or for another execution of this one.
    pub(super) kept: bool,
    /// The number of keys that a join supplies, estimated from the last lengths of lists.
    pub(super) keys_expected: Option<u64>,
    /// Its requests and rows, estimated from the last lengths of its lists; `None` if one of them was never read.
    pub(super) expected: Option<Expected>,
}

/// The estimated requests and rows of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expected {
    pub(super) requests: u64,
    pub(super) rows: u64,
}
