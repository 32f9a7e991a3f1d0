//! Expressions that DataFusion 55 plans to a wrong value, or to none, rewritten to what SQL says.
//!
//! - [`BeforeCoercion`] runs before type coercion: `lag(x, 1, 0.5)` over integers loses the half, and `text = 7` fails on
//!   the first text that is no number.
//! - [`OuterTypes`] runs after it: what a subquery compares an outer column with has to know the column's type.
//! - [`AfterCoercion`] runs last: a time without seconds, a scalar subquery without rows over a column that is never
//!   NULL, functions that do not keep what their plan says (`function_wrappers`), arithmetic that drops bits or digits
//!   (`checked_arithmetic`), and comparisons of intervals (`interval_order`).
//! - The aggregates of `sums` take the place of DataFusion's in the session.

mod after_coercion;
mod before_coercion;
mod checked_arithmetic;
mod function_wrappers;
mod interval_order;
mod outer_types;
pub(super) mod sums;

pub(super) use after_coercion::{AfterCoercion, time_with_seconds};
pub(super) use before_coercion::BeforeCoercion;
pub(super) use outer_types::OuterTypes;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF};

/// The scalar functions that a corrected plan may call, and that the session does not have under their names: some have
/// the name of the function that they correct.
pub(super) fn scalar_functions(session: &SessionState) -> Vec<Arc<ScalarUDF>> {
    let corrected = session.scalar_functions().values().filter_map(function_wrappers::corrected);
    let others = [function_wrappers::nullable_function(), interval_order::length_function()];
    corrected.chain(others).chain(checked_arithmetic::functions()).collect()
}

/// The plan with each expression rewritten, under the names that they had. `rewrite` is given the columns that the
/// expression can speak of.
fn rewritten(
    plan: LogicalPlan,
    rewrite: impl Fn(Expr, &datafusion::common::DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let preserver = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = preserver.save(&expr);
            Ok(rewrite(expr, &schema)?.update_data(|expr| name.restore(expr)))
        })?;
        // What a column is made of may have another type now, and whatever reads the column has to know.
        node.map_data(LogicalPlan::recompute_schema)
    })
    .data()
}
