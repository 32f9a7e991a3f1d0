//! Long constants of a plan.
//!
//! An operator may repeat a constant for each row of a batch before anything can check the rows.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Literal;
use datafusion::physical_plan::ExecutionPlan;

use super::{USUAL_BATCH_ROWS, max_batch_bytes};
use crate::engine::fault::to_datafusion;
use crate::engine::limit_fault::LimitFault;

/// Constants that are smaller do not count.
const LONG: usize = 1_024;

/// The size of all long constants of the node that has most of them, in bytes.
pub(super) fn bytes_of_constants(plan: &Arc<dyn ExecutionPlan>) -> Result<usize> {
    let mut most = 0;
    plan.apply(|node| {
        most = most.max(bytes_of_constants_of(node)?);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(most)
}

/// The size of all long constants of one node, in bytes.
pub(super) fn bytes_of_constants_of(node: &Arc<dyn ExecutionPlan>) -> Result<usize> {
    let mut bytes = 0;
    node.apply_expressions(&mut |root: &Arc<dyn PhysicalExpr>| {
        root.apply(|part| {
            let literal = part.downcast_ref::<Literal>();
            bytes += literal.map(|literal| literal.value().size()).filter(|size| *size >= LONG).unwrap_or(0);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(bytes)
}

/// Refuses a window with a long constant, such as the default of `lag`: it may repeat it for each row, and its physical
/// plan does not show it.
pub(in crate::engine) fn check_windows(plan: &LogicalPlan) -> Result<()> {
    let most = max_batch_bytes(USUAL_BATCH_ROWS) / USUAL_BATCH_ROWS as u64;
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Window(window) = node {
            for call in &window.window_expr {
                call.apply(|part| match part {
                    Expr::Literal(value, _) if value.size() as u64 > most => {
                        Err(to_datafusion(LimitFault::WideRows { bytes: value.size() as u64, most }))
                    }
                    _ => Ok(TreeNodeRecursion::Continue),
                })?;
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}
