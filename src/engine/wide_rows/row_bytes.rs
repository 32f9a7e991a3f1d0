//! The bytes of a row, as far as a plan shows them.

use std::sync::Arc;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;

use super::constants::bytes_of_constants_of;
use super::width::widest_row;

/// The size of a group's entry in a hash table, without its keys and values, in bytes.
const BYTES_OF_AN_ENTRY: usize = 32;

/// The size of a key or a value of a group, in bytes: of a short one.
const BYTES_OF_A_VALUE: usize = 16;

/// The size of a row in the operator that needs most for it, in bytes.
pub(super) fn bytes_of_a_row(plan: &Arc<dyn ExecutionPlan>) -> Result<usize> {
    let mut most = 0;
    plan.apply(|node| {
        let bytes = bytes_of_constants_of(node)? + bytes_of_columns(node) + bytes_of_groups(node);
        most = most.max(bytes).max(bytes_of_values(node));
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(most)
}

/// The size of the widest row of VALUES, in bytes: they are computed while the plan is made.
fn bytes_of_values(node: &Arc<dyn ExecutionPlan>) -> usize {
    let source =
        node.downcast_ref::<DataSourceExec>().and_then(|scan| scan.data_source().downcast_ref::<MemorySourceConfig>());
    let batches = source.map(|values| values.partitions()).into_iter().flatten().flatten();
    batches.map(widest_row).max().unwrap_or(0)
}

/// The size of the columns whose values have a fixed size, in bytes.
fn bytes_of_columns(node: &Arc<dyn ExecutionPlan>) -> usize {
    node.schema().fields().iter().filter_map(|field| field.data_type().primitive_width()).sum()
}

/// The size of the groups of a row, in bytes: a row is in one group of each grouping set.
fn bytes_of_groups(node: &Arc<dyn ExecutionPlan>) -> usize {
    let Some(aggregate) = node.downcast_ref::<AggregateExec>() else { return 0 };
    let keys = aggregate.group_expr();
    let values = keys.expr().len() + aggregate.aggr_expr().len();
    keys.groups().len().saturating_mul(values * BYTES_OF_A_VALUE + BYTES_OF_AN_ENTRY)
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::SessionContext;

    use super::*;

    async fn bytes(sql: &str) -> usize {
        let frame = SessionContext::new().sql(sql).await.unwrap();
        bytes_of_a_row(&frame.create_physical_plan().await.unwrap()).unwrap()
    }

    #[tokio::test]
    async fn columns_grouping_sets_constants_and_values_make_rows_wide() {
        let columns: Vec<String> = (0..500).map(|at| format!("value + {at}")).collect();
        let long = "x".repeat(5_000);

        assert!(bytes("SELECT value FROM generate_series(1, 10)").await < 100);
        assert_eq!(bytes(&format!("SELECT {} FROM generate_series(1, 10)", columns.join(", "))).await, 4_000);
        let cube = "SELECT count(*) FROM generate_series(1, 10) GROUP BY CUBE(value, value + 1, value + 2, value + 3)";
        assert!(bytes(cube).await > 16 * 4 * BYTES_OF_A_VALUE, "a row is in 16 groups of four keys");
        assert!(bytes(&format!("SELECT '{long}', value FROM generate_series(1, 10)")).await > 5_000);
        assert!(bytes(&format!("SELECT * FROM (VALUES ('{long}'), ('a'))")).await >= 5_000);
    }
}
