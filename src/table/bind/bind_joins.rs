//! The optimizer rule that turns hash joins into bind joins, and decides what a scan without keys reads.
//!
//! ```text
//! 1. each HashJoinExec, top-down   `key_pushdown` binds scans of one side to the keys of the other ─► BindJoinExec
//! 2. each FilterExec               `runtime_keys` binds scans to values that are known when the plan runs
//! 3. each scan still without keys  its fallback: the parent's rows, or a method without the key; or an error
//! ```
//!
//! Do not change without thinking:
//! - step 1 is top-down: keys are not pushed through a `BindJoinExec`, so the joins below must still be hash joins;
//! - the rule runs before DataFusion selects the build sides of hash joins: that rule does not see the join inside of a
//!   `BindJoinExec`, whose driving side stays on the left.

use std::cell::Cell;
use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, JoinType};
use datafusion::error::Result;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::{HashJoinExec, PartitionMode};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::work_table::WorkTableExec;

use super::key_pushdown::{self, KeyColumn};
use super::{BindJoinExec, runtime_keys};
use crate::table::ResourceScan;
use crate::table::fault::to_datafusion;
use crate::table::key_source::KeyProvider;

/// What to do with a scan if the query supplies no value for its path parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingKey {
    /// Read the rows of the parent, and use their values.
    #[default]
    Enumerate,
    /// Reject the query when it is planned.
    Error,
}

/// Decides where scans take their keys from: the other side of a join, a value that is computed when the plan runs, or
/// the parent.
#[derive(Debug)]
pub(crate) struct BindJoins {
    missing_key: MissingKey,
}

impl BindJoins {
    /// The rule.
    pub(crate) fn new(missing_key: MissingKey) -> Self {
        Self { missing_key }
    }
}

impl PhysicalOptimizerRule for BindJoins {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        if !has_undecided_scan(&plan)? {
            return Ok(plan);
        }
        let numbers = Cell::new(1);
        // Top-down, so that the keys of a join can be pushed through the joins below it.
        let plan = plan.transform_down(|node| match node.downcast_ref::<HashJoinExec>() {
            Some(join) => {
                Ok(try_bind(join, &numbers)?.map_or_else(|| Transformed::no(Arc::clone(&node)), Transformed::yes))
            }
            None => Ok(Transformed::no(node)),
        });
        let plan = runtime_keys::bind(plan.data()?)?;
        let plan = plan.transform_down(|node| match node.downcast_ref::<ResourceScan>() {
            Some(scan) if scan.keys().is_undecided() => {
                let resolved = scan.or_fallback(self.missing_key).map_err(to_datafusion)?;
                Ok(Transformed::yes(Arc::new(resolved) as _))
            }
            Some(_) | None => Ok(Transformed::no(node)),
        });
        plan.data()
    }

    fn name(&self) -> &str {
        "BindJoins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// Makes a bind join, if the keys of one side reach a scan of the other side that has no keys. The right side is bound
/// if possible. The left side is tried first if only its scans cannot get keys from joins within their own side.
fn try_bind(join: &HashJoinExec, numbers: &Cell<usize>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let needs = (needs_other_side(join.left())?, needs_other_side(join.right())?);
    let order = match needs {
        (true, false) => [JoinSide::Left, JoinSide::Right],
        _ => [JoinSide::Right, JoinSide::Left],
    };
    for side in order {
        if let Some(plan) = bind_side(join, side, numbers)? {
            return Ok(Some(plan));
        }
    }
    Ok(None)
}

/// Whether a side has a scan whose keys none of the side's own joins can supply, so that the other side should drive it.
/// To find out, the side's joins are bound on trial, and the result is dropped. Each join above repeats that, but few
/// joins have undecided scans below them.
fn needs_other_side(side: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    if !has_undecided_scan(side)? {
        return Ok(false);
    }
    let bound_alone = Arc::clone(side).transform_down(|node| {
        let Some(join) = node.downcast_ref::<HashJoinExec>() else { return Ok(Transformed::no(node)) };
        for side in [JoinSide::Right, JoinSide::Left] {
            if let Some((left, right)) = with_bound_child(join, side, 0)? {
                return join.builder().with_new_children(vec![left, right])?.build_exec().map(Transformed::yes);
            }
        }
        Ok(Transformed::no(node))
    });
    has_undecided_scan(&runtime_keys::bind(bound_alone.data()?)?)
}

/// The bind join that binds this side; `None` if the other side's keys reach no scan of it.
fn bind_side(join: &HashJoinExec, side: JoinSide, numbers: &Cell<usize>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let number = numbers.get();
    let Some((left, right)) = with_bound_child(join, side, number)? else { return Ok(None) };
    numbers.set(number + 1);
    let join = join.builder().with_new_children(vec![left, right])?.build()?;
    if side == JoinSide::Right {
        return Ok(Some(Arc::new(BindJoinExec::try_new(&join, number)?)));
    }
    // A bind join drives from the left. Swapping the inputs changes the order of the output columns, which DataFusion
    // restores with a projection above the join, unless the join returns one side only.
    let swapped = join.swap_inputs(PartitionMode::CollectLeft)?;
    if let Some(join) = swapped.downcast_ref::<HashJoinExec>() {
        return Ok(Some(Arc::new(BindJoinExec::try_new(join, number)?)));
    }
    if let Some(projection) = swapped.downcast_ref::<ProjectionExec>()
        && let Some(join) = projection.input().downcast_ref::<HashJoinExec>()
    {
        let join = Arc::new(BindJoinExec::try_new(join, number)?);
        return Ok(Some(Arc::new(ProjectionExec::try_new(projection.expr().to_vec(), join)?)));
    }
    Ok(None)
}

type Sides = (Arc<dyn ExecutionPlan>, Arc<dyn ExecutionPlan>);

/// The join's children, with the scans of one side bound to the keys of the other side.
fn with_bound_child(join: &HashJoinExec, side: JoinSide, number: usize) -> Result<Option<Sides>> {
    let (left, right) = (join.left(), join.right());
    let child = if side == JoinSide::Left { left } else { right };
    // The bound side is executed for each chunk, but the work table of a recursive query can only be read once.
    let reads_work_table = child.exists(|node| Ok(node.is::<WorkTableExec>()))?;
    if !can_be_bound(join, side) || reads_work_table || !has_undecided_scan(child)? {
        return Ok(None);
    }
    let keys = keys_of(join, side)?;
    let make = |from| (KeyProvider::Join { number, from }, Vec::new());
    let bound = key_pushdown::bind(child, &keys, &make)?;
    Ok(bound.map(|bound| match side {
        JoinSide::Left => (bound, Arc::clone(right)),
        _ => (Arc::clone(left), bound),
    }))
}

/// The join's keys that are columns of this side, possibly cast.
fn keys_of(join: &HashJoinExec, side: JoinSide) -> Result<Vec<KeyColumn>> {
    let mut keys = Vec::new();
    for (at, (left, right)) in join.on().iter().enumerate() {
        let (key, child) = if side == JoinSide::Left { (left, join.left()) } else { (right, join.right()) };
        keys.extend(KeyColumn::of(key, at, key.data_type(&child.schema())?));
    }
    Ok(keys)
}

/// Whether the join needs only those rows of this side whose keys the other side has. A null-aware join (NOT IN) also
/// depends on whether this side has a NULL, or any row at all.
fn can_be_bound(join: &HashJoinExec, side: JoinSide) -> bool {
    let types: &[JoinType] = match side {
        JoinSide::Right => &[
            JoinType::Inner,
            JoinType::Left,
            JoinType::LeftSemi,
            JoinType::LeftAnti,
            JoinType::LeftMark,
            JoinType::RightSemi,
        ],
        _ => &[
            JoinType::Inner,
            JoinType::Right,
            JoinType::RightSemi,
            JoinType::RightAnti,
            JoinType::RightMark,
            JoinType::LeftSemi,
        ],
    };
    types.contains(join.join_type()) && !join.null_aware
}

fn is_undecided_scan(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.downcast_ref::<ResourceScan>().is_some_and(|scan| scan.keys().is_undecided())
}

pub(super) fn has_undecided_scan(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    plan.exists(|node| Ok(is_undecided_scan(node)))
}
