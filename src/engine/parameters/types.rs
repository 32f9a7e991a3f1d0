//! The types of parameters, read from a plan after type coercion.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, Limit, LogicalPlan};

use super::function::number;

/// The types that are asked for, Null where none is. The first place that asks for one counts.
pub(super) fn asked_for(plan: &LogicalPlan, guess: &[DataType]) -> Result<Vec<DataType>> {
    let mut asked = Asked(guess.to_vec());
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            asked.by_limit(limit)?;
        }
        node.apply_expressions(|expr| asked.by(expr, node))
    })?;
    Ok(asked.0.into_iter().map(plain).collect())
}

struct Asked(Vec<DataType>);

impl Asked {
    fn by(&mut self, expr: &Expr, node: &LogicalPlan) -> Result<TreeNodeRecursion> {
        expr.apply(|part| {
            match part {
                // TRY_CAST asks for nothing: it is there for values that are perhaps of another type.
                Expr::Cast(Cast { expr, field }) => self.note(expr, field.data_type()),
                Expr::WindowFunction(window) => self.by_window(&window.params.args, node)?,
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })
    }

    /// `lag(x, ?, ?)`: a count, and a value like `x`. Such arguments are not coerced.
    fn by_window(&mut self, arguments: &[Expr], node: &LogicalPlan) -> Result<()> {
        let [value, count, rest @ ..] = arguments else { return Ok(()) };
        self.note(count, &DataType::Int64);
        for (default, input) in rest.iter().zip(node.inputs()) {
            self.note(default, &value.get_type(input.schema())?);
        }
        Ok(())
    }

    fn note(&mut self, expr: &Expr, data_type: &DataType) {
        let known = number(expr).and_then(|number| self.0.get_mut(number - 1));
        if let Some(known) = known.filter(|known| **known == DataType::Null) {
            *known = data_type.clone();
        }
    }

    /// The counts of LIMIT and OFFSET, which are not coerced.
    fn by_limit(&mut self, limit: &Limit) -> Result<()> {
        for count in limit.skip.iter().chain(&limit.fetch) {
            count.apply(|part| {
                self.note(part, &DataType::Int64);
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(())
    }
}

/// The type that a value of another representation is bound as.
fn plain(data_type: DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain(*values),
        other => other,
    }
}
