//! Comparisons with an uncorrelated subquery, computed from aggregates of its rows.
//!
//! `x < ALL (SELECT c …)` depends only on the smallest and the largest `c`, and on the numbers of rows and NULLs: one
//! row of aggregates, cross joined to the outer rows. The subquery is read once, so it may return different rows each
//! time: it may have a volatile function, or a LIMIT without an order.
//!
//! An equality with a repeatable subquery is a join instead, which reads only the rows that it needs.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::{array_agg, count, max, min};
use datafusion::functions_nested::expr_fn::array_has;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, Operator};
use datafusion::prelude::{coalesce, lit};

/// Aggregates of a subquery's rows, as columns of the rows that they are joined to.
pub(super) struct Facts {
    alias: String,
}

impl Facts {
    /// The rows of `outer`, joined to the aggregates of `subquery`'s first column.
    pub(super) fn joined(
        outer: LogicalPlan,
        subquery: LogicalPlan,
        op: Operator,
        alias: String,
    ) -> Result<(LogicalPlan, Self)> {
        let value = Expr::Column(Column::from(subquery.schema().qualified_field(0)));
        let mut facts = vec![count(lit(1_i64)).alias("rows"), count(value.clone()).alias("known")];
        match op {
            Operator::Eq => facts.push(array_agg(value).alias("all")),
            _ => facts.extend([min(value.clone()).alias("least"), max(value).alias("most")]),
        }
        let facts = LogicalPlanBuilder::from(subquery).aggregate(Vec::<Expr>::new(), facts)?.alias(alias.as_str())?;
        let plan = LogicalPlanBuilder::from(outer).cross_join(facts.build()?)?.build()?;
        Ok((plan, Self { alias }))
    }

    /// Whether `left op ANY (…)` is true; never NULL.
    pub(super) fn is_true(&self, left: Expr, op: Operator) -> Expr {
        let (least, most) = (self.fact("least"), self.fact("most"));
        let met = match op {
            Operator::Eq => array_has(self.fact("all"), left),
            Operator::NotEq => least.not_eq(left.clone()).or(most.not_eq(left)),
            Operator::Lt => left.lt(most),
            Operator::LtEq => left.lt_eq(most),
            Operator::Gt => left.gt(least),
            _ => left.gt_eq(least),
        };
        coalesce(vec![met, lit(false)])
    }

    /// Whether the comparison is NULL for some row of the subquery.
    pub(super) fn is_unknown(&self, left: Expr) -> Expr {
        let (rows, known) = (self.fact("rows"), self.fact("known"));
        left.is_null().and(rows.clone().gt(lit(0_i64))).or(known.lt(rows))
    }

    fn fact(&self, name: &str) -> Expr {
        Expr::Column(Column::new(Some(self.alias.as_str()), name))
    }
}

/// Whether a comparison can be computed from aggregates: its values have an order that MIN and MAX use.
pub(super) fn can_be_aggregated(op: Operator, data_type: &DataType) -> bool {
    let ordered = data_type.is_numeric()
        || data_type.is_temporal() && !matches!(data_type, DataType::Interval(_))
        || matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean);
    ordered
        && matches!(op, Operator::Eq | Operator::NotEq | Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq)
}

/// A boolean NULL.
pub(super) fn unknown() -> Expr {
    lit(ScalarValue::Boolean(None))
}
