//! The types of results.
//!
//! Many clients do not support `Utf8View`, `BinaryView`, dictionary or run-end encoding (JDBC up to 18.3, ODBC), so a
//! result has plain types, in prepare, FlightInfo and DoGet alike. All three take the schema of the *analysed* plan
//! through [`wire_schema`]: before type coercion, `SELECT 1 UNION ALL SELECT 2.5` is a column of integers.
//!
//! [`to_wire`] converts a batch to these types. It changes the representation of a value and never the value: a column
//! that would need any other cast is an error. DataFusion's optimizer changes the number type of some columns
//! (`round(x, 2)` has fewer decimal places once the 2 is a constant); such a cast is allowed if each value stays the
//! same.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

/// The schema in the wire's types.
///
/// Every column is nullable: what DataFusion infers depends on the bound values, and a client rejects a NULL in a
/// column that was described as not nullable. The metadata of fields is removed: it describes tables, and differs
/// between plans of one statement.
pub(super) fn wire_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| wire_field(field).with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A table's columns in the wire's types, with their metadata.
pub(super) fn plain_types(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| wire_field(field).with_metadata(field.metadata().clone()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn wire_field(field: &FieldRef) -> Field {
    Field::new(field.name(), wire_type(field.data_type()), field.is_nullable())
}

fn wire_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => wire_type(values),
        DataType::RunEndEncoded(_, values) => wire_type(values.data_type()),
        DataType::List(item) | DataType::ListView(item) => DataType::List(Arc::new(wire_field(item))),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(Arc::new(wire_field(item))),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(Arc::new(wire_field(item)), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(wire_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(Arc::new(wire_field(entries)), *sorted),
        plain => plain.clone(),
    }
}

/// A column whose rows have another type than the schema that the client received.
#[derive(Debug)]
pub(super) struct OtherType {
    /// The column's name.
    pub(super) column: String,
    /// The type in the schema that the client received.
    pub(super) described: DataType,
    /// The type of its rows.
    pub(super) found: DataType,
}

/// Checks that rows of the schema `rows` can be converted to `schema` without changing their values.
///
/// # Errors
/// [`OtherType`], with the first column that cannot.
pub(super) fn check(rows: &Schema, schema: &Schema) -> Result<(), OtherType> {
    for (row, described) in rows.fields().iter().zip(schema.fields()) {
        if !is_convertible(row.data_type(), described.data_type()) {
            return Err(OtherType {
                column: described.name().clone(),
                described: described.data_type().clone(),
                found: row.data_type().clone(),
            });
        }
    }
    Ok(())
}

/// Whether [`to_wire`] can convert the type. For two numeric types it checks each value.
fn is_convertible(from: &DataType, to: &DataType) -> bool {
    same(from, to) || (from.is_numeric() && to.is_numeric())
}

/// Whether two types become the same wire type. Names, metadata and nullability of nested fields do not matter: they
/// change no value.
fn same(one: &DataType, other: &DataType) -> bool {
    same_plain(&wire_type(one), &wire_type(other))
}

fn same_plain(one: &DataType, other: &DataType) -> bool {
    let same_fields = |one: &FieldRef, other: &FieldRef| same_plain(one.data_type(), other.data_type());
    match (one, other) {
        (DataType::List(one), DataType::List(other))
        | (DataType::LargeList(one), DataType::LargeList(other))
        | (DataType::Map(one, _), DataType::Map(other, _)) => same_fields(one, other),
        (DataType::FixedSizeList(one, length), DataType::FixedSizeList(other, other_length)) => {
            length == other_length && same_fields(one, other)
        }
        (DataType::Struct(one), DataType::Struct(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| one.name() == other.name() && same_fields(one, other))
        }
        _ => one == other,
    }
}

/// The batch in the wire's types. [`check`] has been called for its schema.
pub(super) fn to_wire(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        columns.push(to_type(column, field.data_type())?);
    }
    let row_count = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &row_count)
}

fn to_type(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let converted = cast_with_options(column, data_type, &options)?;
    let is_number = column.data_type().is_numeric() && data_type.is_numeric();
    if is_number && cast_with_options(&converted, column.data_type(), &options)?.as_ref() != column.as_ref() {
        let found = column.data_type();
        return Err(ArrowError::CastError(format!("a value of type {found} is another one as {data_type}")));
    }
    Ok(converted)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, Decimal128Array, Float64Array, Int32Array, RunArray, StringViewArray};

    use super::*;

    fn field(data_type: DataType) -> Field {
        Field::new("a", data_type, true)
    }

    #[test]
    fn views_become_plain_text_also_inside_of_lists() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true)));
        let schema = Schema::new(vec![Field::new("a", DataType::Utf8View, false), Field::new("b", list, true)]);

        let wire = wire_schema(&schema);

        assert_eq!(wire.field(0).data_type(), &DataType::Utf8);
        assert!(wire.field(0).is_nullable());
        assert_eq!(wire.field(1).data_type(), &DataType::new_list(DataType::Utf8, true));
    }

    #[test]
    fn a_batch_is_converted_to_the_wire_types() {
        let schema = Arc::new(Schema::new(vec![field(DataType::Utf8View)]));
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(StringViewArray::from(vec!["x"]))]).unwrap();

        let wire = to_wire(&batch, &wire_schema(&schema)).unwrap();

        assert_eq!(wire.column(0).as_string::<i32>().value(0), "x");
    }

    #[test]
    fn a_run_end_encoded_column_becomes_its_values() {
        let runs = RunArray::try_new(&Int32Array::from(vec![2, 3]), &StringViewArray::from(vec!["x", "y"])).unwrap();
        let schema = Arc::new(Schema::new(vec![field(runs.data_type().clone())]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(runs)]).unwrap();

        let wire = to_wire(&batch, &wire_schema(&schema)).unwrap();

        let texts: Vec<_> = wire.column(0).as_string::<i32>().iter().flatten().collect();
        assert_eq!(texts, ["x", "x", "y"]);
    }

    #[test]
    fn a_number_is_converted_to_another_type_only_if_its_value_stays_the_same() {
        let decimals = |value, scale| -> ArrayRef {
            Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap())
        };
        let one_and_a_half: ArrayRef = Arc::new(Float64Array::from(vec![1.5]));

        assert_eq!(&to_type(&decimals(155, 2), &DataType::Decimal128(38, 10)).unwrap(), &decimals(15_500_000_000, 10));
        assert!(to_type(&decimals(155, 2), &DataType::Decimal128(38, 1)).is_err());
        assert!(to_type(&one_and_a_half, &DataType::Int64).is_err());
    }

    #[test]
    fn only_the_representation_may_differ_from_the_described_type() {
        let list = |item: &str, data_type| DataType::List(Arc::new(Field::new(item, data_type, false)));
        let fits = |rows: DataType, described: DataType| {
            check(&Schema::new(vec![field(rows)]), &Schema::new(vec![field(described)])).is_ok()
        };
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View));

        assert!(fits(dictionary, DataType::Utf8));
        assert!(fits(list("element", DataType::Utf8View), list("item", DataType::Utf8)));
        for (rows, described) in [
            (DataType::Float64, DataType::Utf8),
            (DataType::Int64, DataType::Null),
            (DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None), DataType::Date32),
            (list("item", DataType::Int64), list("item", DataType::Int32)),
        ] {
            assert!(!fits(rows.clone(), described.clone()), "{rows} as {described}");
        }
    }
}
