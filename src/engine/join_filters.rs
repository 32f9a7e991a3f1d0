//! An optimizer rule that lets a query stop inside the filter of a join.
//!
//! A join over an inequality compares each pair of rows. While no pair matches, it returns nothing and does not yield: a
//! join of a million rows with a million rows computed for minutes after its client had disconnected. Its filter is
//! evaluated for some thousand pairs at a time, and there the query's end can be checked.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema};
use arrow::record_batch::RecordBatch;
use datafusion::common::config::ConfigOptions;
use datafusion::common::internal_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder};

use super::fault::to_datafusion;
use super::function_guards::check_query;

/// Wraps the filters of joins in [`UntilTheEnd`].
#[derive(Debug)]
pub(super) struct StopInJoinFilters;

impl PhysicalOptimizerRule for StopInJoinFilters {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|node| {
            if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>()
                && let Some(filter) = join.filter()
            {
                let join = NestedLoopJoinExecBuilder::from(join).with_filter(Some(stoppable(filter))).build()?;
                return Ok(Transformed::yes(Arc::new(join) as _));
            }
            if let Some(join) = node.downcast_ref::<HashJoinExec>()
                && let Some(filter) = join.filter()
            {
                let join = join.builder().with_filter(Some(stoppable(filter))).build_exec()?;
                return Ok(Transformed::yes(join));
            }
            Ok(Transformed::no(node))
        })
        .data()
    }

    fn name(&self) -> &str {
        "StopInJoinFilters"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn stoppable(filter: &JoinFilter) -> JoinFilter {
    let expression = Arc::new(UntilTheEnd { inner: Arc::clone(filter.expression()) });
    JoinFilter::new(expression, filter.column_indices().to_vec(), Arc::clone(filter.schema()))
}

/// An expression that is an error once the query has ended.
#[derive(Debug, Eq)]
struct UntilTheEnd {
    inner: Arc<dyn PhysicalExpr>,
}

impl PartialEq for UntilTheEnd {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Hash for UntilTheEnd {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl fmt::Display for UntilTheEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl PhysicalExpr for UntilTheEnd {
    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        check_query().map_err(to_datafusion)?;
        self.inner.evaluate(batch)
    }

    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.inner.nullable(schema)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(self: Arc<Self>, mut children: Vec<Arc<dyn PhysicalExpr>>) -> Result<Arc<dyn PhysicalExpr>> {
        match children.pop() {
            Some(inner) if children.is_empty() => Ok(Arc::new(Self { inner })),
            _ => internal_err!("the filter of a join is one expression"),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}
