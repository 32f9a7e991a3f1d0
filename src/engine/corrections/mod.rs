//! Rewrites expressions for which DataFusion 55 returns a wrong value, or fails, to ones with the value that SQL
//! defines.
//!
//! ```text
//!     BeforeCoercion ──► DataFusion's analyzer (type coercion) ──► OuterTypes ──► AfterCoercion ──► SubqueriesToJoins
//! ```
//!
//! - [`IntervalProducts`]: `3 * INTERVAL '1 day'`. DataFusion's planner fails on it, so it is a part of the planner.
//! - [`BeforeCoercion`]: `lag(x, 1, 0.5)` over integers would lose the half, and `text = 7` would fail on the first
//!   text that is not a number.
//! - [`OuterTypes`]: a subquery must see the type that coercion gave to an outer column.
//! - [`AfterCoercion`]: times without seconds, scalar subqueries without rows, functions whose result is not what their
//!   plan promises (`function_wrappers`), arithmetic that drops bits or digits (`checked_arithmetic`), and comparisons
//!   of intervals (`interval_order`). It needs the final types, so it runs last.
//! - The aggregates of `sums` replace DataFusion's in the session.
//!
//! A function that is added here must be listed in [`scalar_functions`]: plans are encoded as bytes, and the codec
//! finds functions there.

mod after_coercion;
mod before_coercion;
mod checked_arithmetic;
mod function_wrappers;
mod interval_order;
mod interval_product;
mod outer_types;
pub(super) mod sums;

pub(super) use after_coercion::{AfterCoercion, time_with_seconds};
pub(super) use before_coercion::BeforeCoercion;
pub(super) use interval_product::IntervalProducts;
pub(super) use outer_types::OuterTypes;

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult};
use datafusion::error::Result;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan, ScalarUDF};

use super::function_guards::{concatenation_function, pattern_functions};

/// The scalar functions that a corrected plan may call. The session does not have them under their names: some have the
/// name of the function that they replace.
pub(super) fn scalar_functions(session: &SessionState) -> Vec<Arc<ScalarUDF>> {
    let corrected = session.scalar_functions().values().filter_map(function_wrappers::corrected);
    let others = [
        function_wrappers::nullable_function(),
        interval_order::length_function(),
        interval_product::product_function(),
        concatenation_function(),
    ];
    let operators = pattern_functions().iter().cloned().chain(checked_arithmetic::functions());
    corrected.chain(others).chain(operators).collect()
}

/// The plan with each expression rewritten. The expressions keep their names. `rewrite` gets the schema of the node's
/// inputs.
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
        // The type of a column may have changed, and the nodes above must see the new type.
        node.map_data(LogicalPlan::recompute_schema)
    })
    .data()
}
