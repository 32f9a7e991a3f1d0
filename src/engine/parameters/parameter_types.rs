//! Finds the types of parameters in a plan after type coercion.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, Limit, LogicalPlan};

use super::parameter_function::number;
use crate::engine::fault::{Fault, to_datafusion};

/// The type that the plan requires for each parameter; Null if it requires none. The first place counts.
///
/// A place that requires a REAL gets a DOUBLE, except a CAST of the statement (`cast`). Drivers bind floats as DOUBLE,
/// and `real_column = 0.1` compares DOUBLEs in Postgres, and in DataFusion if 0.1 is a literal: the REAL nearest to 0.1
/// is another number, so the result is false. Rounding the value to REAL would return true.
pub(super) fn required_types(plan: &LogicalPlan, guess: &[DataType], cast: &BTreeSet<usize>) -> Result<Vec<DataType>> {
    let mut required = RequiredTypes { types: guess.to_vec(), conflicting: None };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            required.add_limit(limit)?;
        }
        node.apply_expressions(|expr| required.add_expr(expr, node))
    })?;
    if let Some(number) = required.conflicting {
        return Err(to_datafusion(Fault::ConflictingParameter { number }));
    }
    let mut types = Vec::with_capacity(required.types.len());
    for (at, data_type) in required.types.into_iter().enumerate() {
        types.push(match plain(data_type) {
            DataType::Float32 | DataType::Float16 if !cast.contains(&(at + 1)) => DataType::Float64,
            other => other,
        });
    }
    Ok(types)
}

/// The parameters that are not only selected: compared, ordered by, or passed to a function. A selected parameter, and
/// `? IS NULL`, need no type.
pub(super) fn used(plan: &LogicalPlan) -> Result<BTreeSet<usize>> {
    let mut used = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        let selects = matches!(node, LogicalPlan::Projection(_));
        node.apply_expressions(|expr| {
            let selected = selects.then(|| number(&expr.clone().unalias())).flatten();
            expr.apply(|part| {
                match part {
                    Expr::IsNull(inner) | Expr::IsNotNull(inner) if number(inner).is_some() => {
                        return Ok(TreeNodeRecursion::Jump);
                    }
                    _ => used.extend(number(part).filter(|number| Some(*number) != selected)),
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(used)
}

struct RequiredTypes {
    types: Vec<DataType>,
    /// A parameter for which two places require different types.
    conflicting: Option<usize>,
}

impl RequiredTypes {
    fn add_expr(&mut self, expr: &Expr, node: &LogicalPlan) -> Result<TreeNodeRecursion> {
        expr.apply(|part| {
            match part {
                // TRY_CAST does not determine the type: it is written for values that may have another type.
                Expr::Cast(Cast { expr, field }) => self.require(expr, field.data_type()),
                Expr::WindowFunction(window) if matches!(window.fun.name(), "lag" | "lead" | "nth_value") => {
                    self.add_window(&window.params.args, node)?;
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })
    }

    /// `lag(x, ?, ?)` requires a count and a value of the type of `x`. DataFusion does not coerce these arguments.
    fn add_window(&mut self, arguments: &[Expr], node: &LogicalPlan) -> Result<()> {
        let [value, count, rest @ ..] = arguments else { return Ok(()) };
        self.require(count, &DataType::Int64);
        for (default, input) in rest.iter().zip(node.inputs()) {
            self.require(default, &value.get_type(input.schema())?);
        }
        Ok(())
    }

    fn require(&mut self, expr: &Expr, data_type: &DataType) {
        let known = number(expr).and_then(|number| self.types.get_mut(number - 1).map(|known| (number, known)));
        match known {
            Some((_, known)) if *known == DataType::Null => *known = data_type.clone(),
            // A conversion to the type of one place could lose a part that the other place needs.
            Some((number, known)) if plain(known.clone()) != plain(data_type.clone()) => {
                self.conflicting = Some(number)
            }
            Some(_) | None => {}
        }
    }

    /// The counts of LIMIT and OFFSET. DataFusion does not coerce them.
    fn add_limit(&mut self, limit: &Limit) -> Result<()> {
        for count in limit.skip.iter().chain(&limit.fetch) {
            count.apply(|part| match part {
                // A cast determines the type itself, and is found as an expression.
                Expr::Cast(_) | Expr::TryCast(_) => Ok(TreeNodeRecursion::Jump),
                _ => {
                    self.require(part, &DataType::Int64);
                    Ok(TreeNodeRecursion::Continue)
                }
            })?;
        }
        Ok(())
    }
}

/// The type without its special representation: values are bound in plain types.
fn plain(data_type: DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain(*values),
        other => other,
    }
}
