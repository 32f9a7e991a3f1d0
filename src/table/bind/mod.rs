//! Bind joins: joins that fetch only the rows that they need.
//!
//! A scan may need a path parameter that no filter supplies. Under a join, the other side can supply it:
//! [`BindJoinExec`] reads that side in chunks, and joins each chunk with the rows that the API returns for the chunk's
//! keys.
//!
//! ```text
//!   HashJoinExec: a.image_id = i.id            BindJoinExec: 1
//!     scan of images i                   →       scan of images i            drives
//!     scan of image_actions a                    scan of image_actions a     bound: image_id from 1
//! ```
//!
//! - [`BindJoins`] (`bind_joins`): the rule that makes such joins, before DataFusion selects the build side. A scan
//!   without keys then reads its parent, or the query is rejected.
//! - `key_pushdown`: follows a join's keys down to the scans that need them.
//! - `runtime_keys`: keys that are computed when the plan runs (scalar subqueries).
//! - `bind_join_exec`: the operator. `chunk_stream`: its stream, which runs the chunks. `chunk_packing`: which rows and
//!   keys make a chunk.
//! - [`SetHints`] (`set_hints`): the last rule. It gives each scan hints about the plan around it: lists that the
//!   plan reads more than once (`shared_lists`), and a LIMIT that may stop it early (`early_stop`).
//! - `minimum_requests`: a lower bound of the requests that a plan sends.
//! - [`ThroughBytes`]: rebuilds scans and joins from bytes, for tests.

mod bind_join_exec;
mod bind_joins;
mod chunk_packing;
mod chunk_stream;
mod early_stop;
mod key_pushdown;
mod minimum_requests;
mod runtime_keys;
mod set_hints;
mod shared_lists;
mod through_bytes;

use std::sync::Arc;

use bind_join_exec::BindJoinExec;
pub(crate) use bind_joins::BindJoins;
pub use bind_joins::MissingKey;
pub(crate) use minimum_requests::least_requests;
pub(crate) use set_hints::SetHints;
pub use through_bytes::FilterCounts;
pub(crate) use through_bytes::ThroughBytes;

use datafusion::physical_plan::ExecutionPlan;

/// Whether an operator is a join that fetches only the keys that it needs.
pub(super) fn is_bind_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.is::<BindJoinExec>()
}
