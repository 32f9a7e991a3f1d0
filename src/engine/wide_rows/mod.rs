//! Bounds the bytes of a batch of rows.
//!
//! DataFusion's operators make batches of 8,192 rows, however long the rows are. A text of one megabyte joined with
//! 8,192 rows is a batch of 8 GB; a failed allocation ends the process for all clients. So one rule holds for all batches
//! of a query:
//!
//! ```text
//!     rows of a batch  x  bytes of its widest row   <=   a quarter of query.max_value_bytes (16 MiB)
//!                                                        a batch of one row: query.max_value_bytes (64 MiB)
//! ```
//!
//! A query begins with 8,192 rows, or with fewer if its plan shows that rows are wide ([`row_bytes`]): it has many columns,
//! many grouping sets, or long constants. Where rows are made that can be wider, and where they can be repeated, their width
//! is checked ([`BoundedExec`]). If a row is too wide, the plan starts again with fewer rows to a batch, unless the client has
//! received rows already ([`restarting`]). A few wide rows, of 16 MiB together, need no smaller batches.
//!
//! Sources of rows that ignore the number of rows of a batch are cut into batches that have it.
//!
//! `unnest` unnests a whole batch before it cuts the result, whatever the lists hold. So the lists are cut first, into rows
//! with parts of the lists; each part has as many items as a batch may have rows.

mod bounded_exec;
mod constants;
mod restarting;
mod row_bytes;
mod split_lists;
mod width;

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, PiecewiseMergeJoinExec, SortMergeJoinExec, SymmetricHashJoinExec,
};
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan};

use self::bounded_exec::Bound;
pub(super) use self::bounded_exec::BoundedExec;

pub(super) use self::constants::check_windows;
use self::constants::{bytes_of_constants, bytes_of_constants_of};
pub(super) use self::restarting::restarting;
use self::row_bytes::bytes_of_a_row;
pub(super) use self::width::{batch_bytes, bytes as bytes_between};
use super::function_guards::{self, has_any_size, max_value_bytes};

/// The number of rows of a batch, if no row is wide.
pub(super) const USUAL_BATCH_ROWS: usize = 8_192;

/// The part of `query.max_value_bytes` that a batch may have: several batches are in memory at once, of many queries.
const PART_OF_A_BATCH: u64 = 4;

/// The maximum number of bytes of a batch of so many rows.
pub(super) fn max_batch_bytes(rows: usize) -> u64 {
    // A single row cannot be cut.
    if rows > 1 { max_value_bytes() / PART_OF_A_BATCH } else { max_value_bytes() }
}

/// The number of rows of a batch whose rows have so many bytes.
fn batch_rows(bytes_of_a_row: u64) -> usize {
    let rows = max_batch_bytes(USUAL_BATCH_ROWS) / bytes_of_a_row.max(1);
    usize::try_from(rows).unwrap_or(USUAL_BATCH_ROWS).clamp(1, USUAL_BATCH_ROWS)
}

/// The optimizer rule that inserts [`BoundedExec`]. It runs after all rules that move operators.
#[derive(Debug)]
pub(super) struct BoundWideRows;

impl PhysicalOptimizerRule for BoundWideRows {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        if !may_have_wide_rows(&plan)? {
            return Ok(plan);
        }
        plan.transform_up(|node| {
            if let Some(unnest) = node.downcast_ref::<UnnestExec>() {
                let lists = Bound::Lists(split_lists::columns(unnest));
                let input = vec![bounded(Arc::clone(unnest.input()), lists)];
                let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
                return Ok(Transformed::yes(node.replace_children(input, options)?));
            }
            let node = with_bounded_input(node)?;
            Ok(if ignores_the_number_of_rows(&node) {
                Transformed::yes(bounded(node, Bound::Rows))
            } else if makes_long_values(&node)? {
                Transformed::yes(bounded(node, Bound::Width { copies: 1 }))
            } else {
                Transformed::no(node)
            })
        })
        .data()
    }

    fn name(&self) -> &str {
        "BoundWideRows"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The node with bounds on what it reads: a projection may have many texts that are as long as one that it reads; a join may
/// repeat a row; a window keeps all rows, and may repeat a value for each of them.
fn with_bounded_input(node: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let bounds = if let Some(projection) = node.downcast_ref::<ProjectionExec>() {
        let copies = texts_of_functions(projection)?;
        if copies > 1 { vec![Bound::Width { copies }] } else { Vec::new() }
    } else if node.is::<WindowAggExec>() {
        // The other kind of window returns its rows while it reads.
        let constants = bytes_of_constants_of(&node)? as u64;
        let repeated = makes_long_values(&node)?.then_some(Bound::Repeated { constants });
        [Bound::Kept].into_iter().chain(repeated).collect()
    } else if is_join(&node) {
        vec![Bound::RepeatedWidth]
    } else {
        Vec::new()
    };
    if bounds.is_empty() {
        return Ok(node);
    }
    let with_bounds = |input: &&Arc<dyn ExecutionPlan>| bounds.iter().cloned().fold(Arc::clone(input), bounded);
    let inputs = node.children().iter().map(with_bounds).collect();
    node.replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

/// The number of columns that a projection computes by functions, and whose values may have any size.
fn texts_of_functions(projection: &ProjectionExec) -> Result<usize> {
    let schema = projection.schema();
    let mut texts = 0;
    for (column, field) in projection.expr().iter().zip(schema.fields()) {
        texts += usize::from(has_any_size(field.data_type()) && calls(&column.expr, |_| true)?);
    }
    Ok(texts)
}

fn bounded(input: Arc<dyn ExecutionPlan>, bound: Bound) -> Arc<dyn ExecutionPlan> {
    BoundedExec::above(input, bound)
}

/// Whether rows of the plan may be wide, or are kept without being counted. If not, the plan stays as it is.
fn may_have_wide_rows(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    if bytes_of_constants(plan)? > 0 || batch_rows(bytes_of_a_row(plan)? as u64) < USUAL_BATCH_ROWS {
        return Ok(true);
    }
    let keeps_rows = |node: &Arc<dyn ExecutionPlan>| node.is::<UnnestExec>() || node.is::<WindowAggExec>();
    plan.exists(|node| Ok(keeps_rows(node) || calls_a_guarded_function(node)? || collects_values(node)))
}

/// Whether a source of rows makes batches of its own size.
fn ignores_the_number_of_rows(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<LazyMemoryExec>() || node.is::<DataSourceExec>()
}

/// Whether the rows of a node may be much wider than those that it reads.
fn makes_long_values(node: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    if !node.schema().fields().iter().any(|field| has_any_size(field.data_type())) {
        return Ok(false);
    }
    Ok(collects_values(node) || node.is::<ProjectionExec>() && calls_a_guarded_function(node)?)
}

fn calls_a_guarded_function(node: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut found = false;
    node.apply_expressions(&mut |root: &Arc<dyn PhysicalExpr>| {
        found |= calls(root, function_guards::may_grow)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Whether an expression calls such a function.
fn calls(expression: &Arc<dyn PhysicalExpr>, is_such: impl Fn(&str) -> bool) -> Result<bool> {
    expression.exists(|part| {
        let call = part.downcast_ref::<ScalarFunctionExpr>();
        Ok(call.is_some_and(|call| is_such(call.fun().name())))
    })
}

/// Whether an operator repeats rows of one input for rows of the other.
fn is_join(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<HashJoinExec>()
        || node.is::<NestedLoopJoinExec>()
        || node.is::<CrossJoinExec>()
        || node.is::<SortMergeJoinExec>()
        || node.is::<SymmetricHashJoinExec>()
        || node.is::<PiecewiseMergeJoinExec>()
}

fn is_window(node: &Arc<dyn ExecutionPlan>) -> bool {
    node.is::<WindowAggExec>() || node.is::<BoundedWindowAggExec>()
}

/// Whether an aggregate or a window makes one value of many: its result is a list or a text.
fn collects_values(node: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(aggregate) = node.downcast_ref::<AggregateExec>() {
        return aggregate.aggr_expr().iter().any(|call| function_guards::collects(call.fun().name()));
    }
    if !is_window(node) {
        return false;
    }
    // A window's expressions do not show their function: its result type does.
    let inputs = node.children().iter().map(|input| input.schema().fields().len()).sum();
    node.schema().fields().iter().skip(inputs).any(|field| has_any_size(field.data_type()))
}
