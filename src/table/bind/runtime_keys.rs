//! Keys that are computed when the plan runs, such as `image_id = (SELECT max(id) FROM images)`. Binds scans to them.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, InListExpr};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_expr_common::physical_expr::is_volatile;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::physical_plan::filter::FilterExec;

use super::key_pushdown::{self, KeyColumn};
use crate::table::key_source::{BoundColumn, KeyProvider};

type Expr = Arc<dyn PhysicalExpr>;

/// Binds the scans whose keys a filter compares with values that are known when the plan runs.
pub(super) fn bind(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let bound = plan.transform_down(|node| {
        let Some(filter) = node.downcast_ref::<FilterExec>() else { return Ok(Transformed::no(node)) };
        let mut input = Arc::clone(filter.input());
        for (key, expressions) in split_conjunction(filter.predicate()).into_iter().filter_map(compared) {
            input = bind_input(input, &key, &expressions)?;
        }
        if Arc::ptr_eq(&input, filter.input()) {
            return Ok(Transformed::no(node));
        }
        replace_children_if_necessary(node, vec![input]).map(Transformed::yes)
    });
    bound.data()
}

fn bind_input(input: Arc<dyn ExecutionPlan>, key: &Expr, expressions: &[Expr]) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(key) = KeyColumn::of(key, 0, key.data_type(&input.schema())?) else { return Ok(input) };
    let make = |from: Vec<BoundColumn>| {
        let column = from.into_iter().map(|bound| bound.column).next().unwrap_or_default();
        (KeyProvider::Late { column }, expressions.to_vec())
    };
    Ok(key_pushdown::bind(&input, &[key], &make)?.unwrap_or(input))
}

/// The key that a conjunct compares, and the values that it may have: of `key = value` and `key IN (value, …)`.
fn compared(conjunct: &Expr) -> Option<(Expr, Vec<Expr>)> {
    if let Some(binary) = conjunct.downcast_ref::<BinaryExpr>().filter(|binary| *binary.op() == Operator::Eq) {
        let (left, right) = (binary.left(), binary.right());
        return match (is_value(left), is_value(right)) {
            (false, true) => Some((Arc::clone(left), vec![Arc::clone(right)])),
            (true, false) => Some((Arc::clone(right), vec![Arc::clone(left)])),
            _ => None,
        };
    }
    let list = conjunct.downcast_ref::<InListExpr>().filter(|list| !list.negated())?;
    list.list().iter().all(is_value).then(|| (Arc::clone(list.expr()), list.list().to_vec()))
}

/// Whether an expression has one value for the whole query.
fn is_value(expr: &Expr) -> bool {
    collect_columns(expr).is_empty() && !is_volatile(expr)
}
