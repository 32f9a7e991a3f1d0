//! The tables that the columns of a result come from: drivers show them, and edit a table only if they know its name.
//!
//! A column comes from a table if its values are those of one of the table's columns, perhaps under another name. What is
//! computed has no table, nor has a column of a UNION.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::{DFSchema, JoinType, ResolvedTableReference, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, Unnest};

use super::called;
use crate::table::exec::CallProcedure;

/// The keys of a field's metadata with the table of the column.
pub const COLUMN_CATALOG: &str = "catalog";
/// See [`COLUMN_CATALOG`].
pub const COLUMN_SCHEMA: &str = "schema";
/// See [`COLUMN_CATALOG`].
pub const COLUMN_TABLE: &str = "table";

/// The table of a column, as the plan names it. `None` if it has none.
type Origin = Option<TableReference>;

/// Adds to the metadata of each field the table that the column comes from.
pub(super) fn with_origins(state: &SessionState, schema: &SchemaRef, plan: &LogicalPlan) -> SchemaRef {
    let fields = schema.fields().iter().zip(origins(plan));
    let fields = fields.map(|(field, origin)| match origin.and_then(|written| table(state, written)) {
        Some(table) => with_origin(field, &table),
        None => field.as_ref().clone(),
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<Field>>(), schema.metadata().clone()))
}

/// The full name of a table that a plan names as it is written. A table function has a name in the plan, and is no table.
fn table(state: &SessionState, written: TableReference) -> Option<ResolvedTableReference> {
    let defaults = &state.config_options().catalog;
    let table = written.resolve(&defaults.default_catalog, &defaults.default_schema);
    let schema = state.schema_for_ref(table.clone()).ok()?;
    schema.table_exist(&table.table).then_some(table)
}

fn with_origin(field: &Field, table: &ResolvedTableReference) -> Field {
    let metadata = [(COLUMN_CATALOG, &table.catalog), (COLUMN_SCHEMA, &table.schema), (COLUMN_TABLE, &table.table)];
    field.clone().with_metadata(metadata.map(|(key, name)| (key.to_owned(), name.to_string())).into())
}

/// The tables of a plan's columns, in order.
fn origins(plan: &LogicalPlan) -> Vec<Origin> {
    let columns = plan.schema().fields().len();
    let mut origins = match plan {
        LogicalPlan::TableScan(scan) => vec![Some(scan.table_name.clone()); columns],
        LogicalPlan::Projection(projection) => of_expressions(&projection.expr, &projection.input),
        LogicalPlan::Aggregate(aggregate) if !has_grouping_sets(&aggregate.group_expr) => {
            of_expressions(&aggregate.group_expr, &aggregate.input)
        }
        LogicalPlan::Distinct(Distinct::On(distinct)) => of_expressions(&distinct.select_expr, &distinct.input),
        LogicalPlan::Distinct(Distinct::All(input)) => origins(input),
        LogicalPlan::Filter(filter) => origins(&filter.input),
        LogicalPlan::Sort(sort) => origins(&sort.input),
        LogicalPlan::Limit(limit) => origins(&limit.input),
        LogicalPlan::SubqueryAlias(alias) => origins(&alias.input),
        // Its own columns follow those of its input.
        LogicalPlan::Window(window) => origins(&window.input),
        LogicalPlan::Join(join) => of_join(join),
        LogicalPlan::Unnest(unnest) => of_unnest(unnest),
        LogicalPlan::Extension(_) => vec![called(plan).map(CallProcedure::table); columns],
        _ => Vec::new(),
    };
    origins.resize(columns, None);
    origins
}

fn has_grouping_sets(expressions: &[Expr]) -> bool {
    expressions.iter().any(|expr| matches!(expr, Expr::GroupingSet(_)))
}

fn of_expressions(expressions: &[Expr], input: &LogicalPlan) -> Vec<Origin> {
    let (of_input, positions) = (origins(input), positions(input.schema()));
    let origin = |expr: &Expr| {
        let Expr::Column(column) = without_alias(expr) else { return None };
        let position = positions.get(&(column.relation.as_ref(), column.name.as_str()))?;
        of_input[*position].clone()
    };
    expressions.iter().map(origin).collect()
}

/// The position of each column. DataFusion's own search is linear, and a table may have a thousand columns.
fn positions(schema: &DFSchema) -> HashMap<(Option<&TableReference>, &str), usize> {
    let columns = schema.iter().enumerate();
    columns.map(|(position, (relation, field))| ((relation, field.name().as_str()), position)).collect()
}

fn without_alias(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => without_alias(&alias.expr),
        other => other,
    }
}

fn of_join(join: &Join) -> Vec<Origin> {
    match join.join_type {
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => origins(&join.left),
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => origins(&join.right),
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            let mut both = origins(&join.left);
            both.extend(origins(&join.right));
            both
        }
    }
}

/// The items of a list come from no column.
fn of_unnest(unnest: &Unnest) -> Vec<Origin> {
    let of_input = origins(&unnest.input);
    let is_unnested = |position: usize| {
        unnest.struct_type_columns.contains(&position)
            || unnest.list_type_columns.iter().any(|(list, _)| *list == position)
    };
    let origin = |&position: &usize| of_input.get(position).filter(|_| !is_unnested(position)).cloned().flatten();
    unnest.dependency_indices.iter().map(origin).collect()
}
