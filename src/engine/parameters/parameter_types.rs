//! The types of parameters, read from a plan after type coercion.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, Limit, LogicalPlan};

use super::parameter_function::number;
use crate::engine::fault::{Fault, to_datafusion};

/// The types that are asked for, Null where none is. The first place that asks for one counts.
///
/// A place that asks for a REAL gets a DOUBLE, except for a CAST of the statement's own (`cast`). Drivers bind floats as
/// DOUBLE, and `real_column = 0.1` compares the two as DOUBLE in Postgres, and in DataFusion where 0.1 is written: the REAL
/// next to 0.1 is another number, so the answer is false. Rounding the value to REAL would answer true.
pub(super) fn asked_for(plan: &LogicalPlan, guess: &[DataType], cast: &BTreeSet<usize>) -> Result<Vec<DataType>> {
    let mut asked = RequestedTypes { types: guess.to_vec(), torn: None };
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::Limit(limit) = node {
            asked.by_limit(limit)?;
        }
        node.apply_expressions(|expr| asked.by(expr, node))
    })?;
    if let Some(number) = asked.torn {
        return Err(to_datafusion(Fault::TornParameter { number }));
    }
    let bound_as = |(at, data_type): (usize, DataType)| match plain(data_type) {
        DataType::Float32 | DataType::Float16 if !cast.contains(&(at + 1)) => DataType::Float64,
        other => other,
    };
    Ok(asked.types.into_iter().enumerate().map(bound_as).collect())
}

/// The parameters that are more than shown: compared, ordered by, or given to a function. Of a column that is a
/// parameter, and of `? IS NULL`, nobody needs a type.
pub(super) fn used(plan: &LogicalPlan) -> Result<BTreeSet<usize>> {
    let mut used = BTreeSet::new();
    plan.apply_with_subqueries(|node| {
        let shows = matches!(node, LogicalPlan::Projection(_));
        node.apply_expressions(|expr| {
            let shown = shows.then(|| number(&expr.clone().unalias())).flatten();
            expr.apply(|part| {
                match part {
                    Expr::IsNull(inner) | Expr::IsNotNull(inner) if number(inner).is_some() => {
                        return Ok(TreeNodeRecursion::Jump);
                    }
                    _ => used.extend(number(part).filter(|own| Some(*own) != shown)),
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(used)
}

struct RequestedTypes {
    types: Vec<DataType>,
    /// A parameter that two places ask for as different types.
    torn: Option<usize>,
}

impl RequestedTypes {
    fn by(&mut self, expr: &Expr, node: &LogicalPlan) -> Result<TreeNodeRecursion> {
        expr.apply(|part| {
            match part {
                // TRY_CAST asks for nothing: it is there for values that are perhaps of another type.
                Expr::Cast(Cast { expr, field }) => self.note(expr, field.data_type()),
                Expr::WindowFunction(window) if matches!(window.fun.name(), "lag" | "lead" | "nth_value") => {
                    self.by_window(&window.params.args, node)?;
                }
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
        let known = number(expr).and_then(|number| self.types.get_mut(number - 1).map(|known| (number, known)));
        match known {
            Some((_, known)) if *known == DataType::Null => *known = data_type.clone(),
            // As the type of one place the value could lose what the other needs.
            Some((number, known)) if plain(known.clone()) != plain(data_type.clone()) => self.torn = Some(number),
            Some(_) | None => {}
        }
    }

    /// The counts of LIMIT and OFFSET, which are not coerced.
    fn by_limit(&mut self, limit: &Limit) -> Result<()> {
        for count in limit.skip.iter().chain(&limit.fetch) {
            count.apply(|part| match part {
                // It says the type, and is noted as a cast.
                Expr::Cast(_) | Expr::TryCast(_) => Ok(TreeNodeRecursion::Jump),
                _ => {
                    self.note(part, &DataType::Int64);
                    Ok(TreeNodeRecursion::Continue)
                }
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
