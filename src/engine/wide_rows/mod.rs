//! Bounds the bytes of a batch of rows.
//!
//! DataFusion's operators make batches of 8,192 rows, however long the rows are. A text of one megabyte joined with
//! 8,192 rows is a batch of 8 GB; a failed allocation ends the process for all clients. So one rule holds for all batches
//! of a query:
//!
//! ```text
//!     rows of a batch  x  bytes of its widest row   <=   query.max_value_bytes (64 MiB)
//!
//!     rows of a batch         8192       128         1
//!     bytes of a row         8 KiB   512 KiB    64 MiB
//! ```
//!
//! A query begins with 8,192 rows, or with fewer if its plan contains long constants ([`literals`]). Where rows are made
//! that can be wide, their width is checked ([`BoundedExec`]). If a row is too wide, the plan starts again with fewer
//! rows to a batch, unless the client has received rows already ([`restarting`]).
//!
//! Sources of rows that ignore the number of rows of a batch are cut into batches that have it.
//!
//! `unnest` makes one batch of each batch that it reads, whatever its lists hold. So its lists are cut first, into rows
//! with parts of the lists.

mod bounded_exec;
mod literals;
mod restarting;
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
use datafusion::physical_plan::memory::LazyMemoryExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::unnest::UnnestExec;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{ChildrenPropertiesMode, ExecutionPlan};

use self::bounded_exec::Bound;
pub(super) use self::bounded_exec::BoundedExec;

pub(super) use self::literals::check_windows;
use self::literals::{bytes_of_constants, bytes_of_constants_of};
pub(super) use self::restarting::restarting;
pub(super) use self::width::bytes as bytes_between;
use super::function_guards::{self, has_any_size};

/// The number of rows of a batch, if no row is wide.
pub(super) const USUAL_BATCH_ROWS: usize = 8_192;

/// The numbers of rows of a batch, the last one for the widest rows.
const BATCH_ROWS: [usize; 3] = [USUAL_BATCH_ROWS, 128, 1];

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
            let node = if is_window(&node) { with_bounded_input(node)? } else { node };
            Ok(if ignores_the_number_of_rows(&node) {
                Transformed::yes(bounded(node, Bound::Rows))
            } else if makes_long_values(&node)? {
                Transformed::yes(bounded(node, Bound::Width))
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

/// The window with bounds on the rows that it keeps, and on the values that it repeats.
fn with_bounded_input(window: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut inputs: Vec<_> = window.children().into_iter().cloned().collect();
    // The other kind of window returns its rows while it reads.
    if !window.is::<WindowAggExec>() {
        return Ok(window);
    }
    inputs = inputs.into_iter().map(|input| bounded(input, Bound::Kept)).collect();
    if makes_long_values(&window)? {
        let constants = bytes_of_constants_of(&window)? as u64;
        inputs = inputs.into_iter().map(|input| bounded(input, Bound::Repeated { constants })).collect();
    }
    window.replace_children(inputs, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}

fn bounded(input: Arc<dyn ExecutionPlan>, bound: Bound) -> Arc<dyn ExecutionPlan> {
    BoundedExec::above(input, bound)
}

/// Whether rows of the plan may be wide, or are kept without being counted. If not, the plan stays as it is.
fn may_have_wide_rows(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    if bytes_of_constants(plan)? > 0 {
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
    let mut calls = false;
    node.apply_expressions(&mut |root: &Arc<dyn PhysicalExpr>| {
        root.apply(|part| {
            let call = part.downcast_ref::<ScalarFunctionExpr>();
            calls |= call.is_some_and(|call| function_guards::may_grow(call.fun().name()));
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(calls)
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
