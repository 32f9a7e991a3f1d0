//! Joins that fetch what they need.
//!
//! A scan whose parameter no filter names, under a join, gets it from the join's other side: [`BindJoinExec`] streams
//! that side, takes the distinct keys chunk by chunk, and joins each chunk with what the API answers to its keys.
//!
//! ```text
//!   HashJoinExec: a.image_id = i.id            BindJoinExec: 1
//!     scan of images i                   →       scan of images i            drives
//!     scan of image_actions a                    scan of image_actions a     bound: image_id from 1
//! ```
//!
//! - [`BindJoins`] (`rule`): makes such joins, before DataFusion selects which side of a join is built. A scan that
//!   stays open reads its parent, or cannot be planned.
//! - `trace`: from a join's key down to the scans that it is a parameter of.
//! - `late`: keys that are values, known when the plan runs: scalar subqueries.
//! - `exec`, `chunks`: the operator, and its stream, which runs the chunks. `packing`: which rows and keys make a chunk.
//! - [`ScanHints`] (`hints`): the last pass, which tells scans what the plan around them means for them: which lists are
//!   kept, because the plan reads them more than once (`shared`), and what a LIMIT above may end soon (`limits`).
//! - [`ThroughBytes`]: scans and joins made anew of bytes, for tests.

mod chunks;
mod exec;
mod hints;
mod late;
mod limits;
mod packing;
mod price;
mod rule;
mod shared;
mod through_bytes;
mod trace;

use exec::BindJoinExec;
pub(crate) use hints::ScanHints;
pub(crate) use price::least_requests;
pub(crate) use rule::BindJoins;
pub use rule::MissingKey;
pub use through_bytes::FilterCounts;
pub(crate) use through_bytes::ThroughBytes;
