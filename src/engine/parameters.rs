//! Bound values: by position, cast to what the statement wants.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::fault::{Fault, from_datafusion};
use crate::error::Result;

/// The parameters that a plan wants, "1", "2", … in the order of their numbers, all nullable.
///
/// Where the type cannot be inferred it is text, which is cast where it is used: JDBC cannot set
/// a value on a parameter of type null.
pub(super) fn schema(plan: &LogicalPlan, count: usize) -> Result<SchemaRef> {
    let types = plan.get_parameter_types().map_err(from_datafusion)?;
    let counts = counts(plan).map_err(from_datafusion)?;
    let field = |number: usize| {
        let name = format!("${number}");
        let counted = counts.contains(&name).then_some(DataType::Int64);
        let inferred = types.get(&name).cloned().flatten().or(counted);
        let data_type = inferred.filter(|inferred| *inferred != DataType::Null).unwrap_or(DataType::Utf8);
        Field::new(number.to_string(), data_type, true)
    };
    Ok(Arc::new(Schema::new((1..=count).map(field).collect::<Vec<_>>())))
}

/// The parameters of LIMIT and OFFSET, for which DataFusion infers no type, and takes nothing but an integer.
fn counts(plan: &LogicalPlan) -> Result<HashSet<String>, DataFusionError> {
    let mut names = HashSet::new();
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::Limit(limit) = node else { return Ok(TreeNodeRecursion::Continue) };
        for count in limit.skip.iter().chain(&limit.fetch) {
            count.apply(|part| {
                if let Expr::Placeholder(placeholder) = part {
                    names.insert(placeholder.id.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(names)
}

/// A NULL for each parameter, of its type: what a statement answers does not depend on the values.
pub(super) fn nulls(wanted: &Schema) -> Result<Vec<ScalarValue>> {
    let null = |field: &Arc<Field>| ScalarValue::try_new_null(field.data_type()).map_err(from_datafusion);
    wanted.fields().iter().map(null).collect()
}

/// The values of the one row that is bound, in the types of `wanted`.
pub(super) fn values(bound: Option<&RecordBatch>, wanted: &Schema) -> Result<Vec<ScalarValue>, Fault> {
    each(bound, wanted, |batch, at| value(batch, at, wanted.field(at).data_type()))
}

/// The same as they are bound: a cast makes an image of `true`, and an EXEC would act on it.
pub(super) fn plain_values(bound: Option<&RecordBatch>, wanted: &Schema) -> Result<Vec<ScalarValue>, Fault> {
    each(bound, wanted, |batch, at| {
        ScalarValue::try_from_array(batch.column(at), 0).map_err(|error| Fault::ParameterType {
            number: at + 1,
            wanted: wanted.field(at).data_type().to_string(),
            problem: error.to_string(),
        })
    })
}

fn each(
    bound: Option<&RecordBatch>,
    wanted: &Schema,
    value: impl Fn(&RecordBatch, usize) -> Result<ScalarValue, Fault>,
) -> Result<Vec<ScalarValue>, Fault> {
    let count = bound.map_or(0, RecordBatch::num_columns);
    if count != wanted.fields().len() {
        return Err(Fault::ParameterCount { wanted: wanted.fields().len(), bound: count });
    }
    match bound {
        Some(batch) if count > 0 && batch.num_rows() != 1 => Err(Fault::ParameterRows(batch.num_rows())),
        Some(batch) => (0..count).map(|at| value(batch, at)).collect(),
        None => Ok(Vec::new()),
    }
}

fn value(batch: &RecordBatch, at: usize, wanted: &DataType) -> Result<ScalarValue, Fault> {
    let problem = |problem: String| Fault::ParameterType { number: at + 1, wanted: wanted.to_string(), problem };
    let cast = cast_with_options(batch.column(at), wanted, &CastOptions { safe: false, ..CastOptions::default() });
    let column = cast.map_err(|error| match error {
        arrow::error::ArrowError::CastError(message) | arrow::error::ArrowError::ParseError(message) => {
            problem(message)
        }
        other => problem(other.to_string()),
    })?;
    if wanted.is_integer() && !is_whole(batch.column(at), &column) {
        return Err(problem("the value has a fraction".into()));
    }
    ScalarValue::try_from_array(&column, 0).map_err(|error| problem(error.to_string()))
}

/// Whether an integer is all of the value that was bound: Arrow casts 1.5 to 1 and says nothing.
fn is_whole(bound: &ArrayRef, integer: &ArrayRef) -> bool {
    !bound.data_type().is_numeric()
        || cast(integer, bound.data_type()).is_ok_and(|back| back.as_ref() == bound.as_ref())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int32Array, StringArray};

    use super::*;

    fn bound(columns: Vec<ArrayRef>) -> RecordBatch {
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|column| ("x", column, true))).unwrap()
    }

    fn wanted(data_type: DataType) -> Schema {
        Schema::new(vec![Field::new("1", data_type, true)])
    }

    #[test]
    fn text_and_smaller_integers_become_what_the_statement_wants() {
        for column in [Arc::new(StringArray::from(vec!["7"])) as ArrayRef, Arc::new(Int32Array::from(vec![7]))] {
            let values = values(Some(&bound(vec![column])), &wanted(DataType::Int64)).unwrap();
            assert_eq!(values, [ScalarValue::Int64(Some(7))]);
        }
    }

    #[test]
    fn a_null_is_a_null_of_the_wanted_type() {
        let column = Arc::new(StringArray::from(vec![None::<&str>]));

        let values = values(Some(&bound(vec![column])), &wanted(DataType::Int64)).unwrap();

        assert_eq!(values, [ScalarValue::Int64(None)]);
    }

    #[test]
    fn a_fraction_is_no_integer() {
        let whole = bound(vec![Arc::new(Float64Array::from(vec![7.0]))]);
        assert_eq!(values(Some(&whole), &wanted(DataType::Int64)).unwrap(), [ScalarValue::Int64(Some(7))]);

        let half = bound(vec![Arc::new(Float64Array::from(vec![7.5]))]);
        let refused = values(Some(&half), &wanted(DataType::Int64)).unwrap_err();
        assert!(refused.to_string().contains("has a fraction"), "{refused}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_number() {
        let text = Arc::new(StringArray::from(vec!["abc"]));
        let refused = values(Some(&bound(vec![text])), &wanted(DataType::Int64)).unwrap_err();
        assert!(refused.to_string().starts_with("parameter 1 is to be Int64: "), "{refused}");

        let none = values(None, &wanted(DataType::Int64)).unwrap_err();
        assert!(matches!(none, Fault::ParameterCount { wanted: 1, bound: 0 }));

        let rows = bound(vec![Arc::new(Int32Array::from(vec![1, 2]))]);
        assert!(matches!(values(Some(&rows), &wanted(DataType::Int64)), Err(Fault::ParameterRows(2))));
    }
}
