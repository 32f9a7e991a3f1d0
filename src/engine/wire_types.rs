//! The types of results.
//!
//! Many clients do not support `Utf8View`, `BinaryView`, dictionary or run-end encoding (JDBC up to 18.3, ODBC), `Null` or
//! `LargeUtf8` (ODBC), or read large unsigned integers as negative ones (JDBC). So a result has plain types, in prepare, FlightInfo and DoGet alike. All three take the schema of the *analysed* plan
//! through [`wire_schema`]: before type coercion, `SELECT 1 UNION ALL SELECT 2.5` is a column of integers.
//!
//! [`to_wire`] converts a batch to these types. It changes the representation of a value and never the value: a column
//! that would need any other cast is an error, and so is an unsigned integer that BIGINT does not have. DataFusion's optimizer changes the number type of some columns
//! (`round(x, 2)` has fewer decimal places once the 2 is a constant); such a cast is allowed if each value stays the
//! same.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast_with_options;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::format::DEFAULT_CAST_OPTIONS;

use super::fault::Fault;
use super::function_guards::{check_query, max_value_bytes};
use super::limit_fault::LimitFault;
use super::nested_json::{has_json, json_bytes, nested_to_json};
use super::overflow::Overflow;
use crate::heap::Room;
use crate::query::{Intervals, Nested, ResultTypes, Timestamps};

/// The schema in the wire's types, and in those that the session wants.
///
/// Every column is nullable: what DataFusion infers depends on the bound values, and a client rejects a NULL in a
/// column that was described as not nullable. The metadata of fields is removed: it describes tables, and differs
/// between plans of one statement.
pub(super) fn wire_schema(schema: &Schema, types: ResultTypes) -> SchemaRef {
    let wire = |field: &FieldRef| {
        let field = wire_field(field).with_nullable(true);
        let data_type = wanted_type(field.data_type(), types);
        field.with_data_type(data_type)
    };
    Arc::new(Schema::new(schema.fields().iter().map(wire).collect::<Vec<_>>()))
}

/// The type as the session wants it. Types in lists and structs are left: the clients that cannot read a time zone or an
/// interval read these as text.
fn wanted_type(data_type: &DataType, types: ResultTypes) -> DataType {
    match data_type {
        DataType::Timestamp(unit, Some(_)) if types.timestamps == Timestamps::WithoutZone => {
            DataType::Timestamp(*unit, None)
        }
        DataType::Interval(_) | DataType::Duration(_) if types.intervals == Intervals::Text => DataType::Utf8,
        nested if nested.is_nested() && types.nested == Nested::Json && has_json(nested) => DataType::Utf8,
        other => other.clone(),
    }
}

/// A table's columns in the types that the session wants.
pub(super) fn table_schema(schema: SchemaRef, types: ResultTypes) -> SchemaRef {
    if types == ResultTypes::default() {
        return schema;
    }
    let column = |field: &FieldRef| field.as_ref().clone().with_data_type(wanted_type(field.data_type(), types));
    let columns: Vec<Field> = schema.fields().iter().map(column).collect();
    Arc::new(Schema::new_with_metadata(columns, schema.metadata().clone()))
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
        DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::UInt64 => DataType::Int64,
        DataType::UInt32 => DataType::Int64,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt8 => DataType::Int16,
        DataType::Float16 => DataType::Float32,
        DataType::Dictionary(_, values) => wire_type(values),
        DataType::RunEndEncoded(_, values) => wire_type(values.data_type()),
        DataType::List(item) | DataType::ListView(item) | DataType::LargeList(item) | DataType::LargeListView(item) => {
            DataType::List(Arc::new(wire_field(item)))
        }
        // Arrow's cast of lists without values loses the rows.
        DataType::FixedSizeList(_, 0) => data_type.clone(),
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

/// Checks that rows of the schema `rows` can be converted to `schema`, which has the types that the session wants, without
/// changing their values.
///
/// # Errors
/// [`OtherType`], with the first column that cannot.
pub(super) fn check(rows: &Schema, schema: &Schema, types: ResultTypes) -> Result<(), OtherType> {
    for (row, described) in rows.fields().iter().zip(schema.fields()) {
        if !is_convertible(row.data_type(), described.data_type(), types) {
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
fn is_convertible(from: &DataType, to: &DataType, types: ResultTypes) -> bool {
    same(&wanted_type(&wire_type(from), types), to) || (from.is_numeric() && to.is_numeric())
}

/// Whether two wire types are the same. Names, metadata and nullability of nested fields do not matter: they change no value.
fn same(one: &DataType, other: &DataType) -> bool {
    let same_fields = |one: &FieldRef, other: &FieldRef| same(one.data_type(), other.data_type());
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
///
/// # Errors
/// [`Overflow::Unsigned`]; [`Fault::Internal`], because the client has the schema already: other rows that do not fit it are a
/// bug of this program.
pub(super) fn to_wire(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, Fault> {
    let internal = |error: ArrowError| Fault::Internal(error.to_string());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        let problem = |error: ArrowError| match has_unsigned(column.data_type()) {
            true => Fault::Overflow(Overflow::Unsigned(field.name().clone())),
            false => internal(error),
        };
        columns.push(match becomes_json(column, field) {
            true => json_column(&plain_column(column).map_err(problem)?)?,
            false => to_type(column, field.data_type()).map_err(problem)?,
        });
    }
    let row_count = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &row_count).map_err(internal)
}

fn becomes_json(column: &ArrayRef, field: &Field) -> bool {
    column.data_type().is_nested() && *field.data_type() == DataType::Utf8
}

/// The column in the wire's type.
fn plain_column(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    cast_with_options(column, &wire_type(column.data_type()), &DEFAULT_CAST_OPTIONS)
}

/// # Errors
/// [`LimitFault::LargeValue`], [`LimitFault::NoMemory`]; [`Fault::Internal`], because [`has_json`] was asked.
fn json_column(plain: &ArrayRef) -> Result<ArrayRef, Fault> {
    check_query()?;
    let (bytes, most) = (json_bytes(plain), max_value_bytes());
    if plain.len() == 1 && bytes > most {
        return Err(LimitFault::LargeValue { function: "nested=json".to_owned(), bytes, most }.into());
    }
    // A text that grows has its size twice for a moment.
    let _room = Room::take(bytes.saturating_mul(2)).map_err(|_| LimitFault::NoMemory)?;
    Ok(Arc::new(nested_to_json(plain).map_err(|error| Fault::Internal(error.to_string()))?))
}

/// The batch, cut where its nested columns would be large as JSON.
pub(super) fn pieces(batch: RecordBatch, schema: &Schema) -> Vec<RecordBatch> {
    /// The maximum size of the JSON of several rows, in bytes.
    const MAX_BYTES: u64 = 8 << 20;
    let mut bytes = 0_u64;
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        if becomes_json(column, field) {
            // What cannot be converted is reported when it is.
            bytes = bytes.saturating_add(plain_column(column).map_or(0, |plain| json_bytes(&plain)));
        }
    }
    let rows = batch.num_rows();
    if bytes <= MAX_BYTES || rows <= 1 {
        return vec![batch];
    }
    let mut both = pieces(batch.slice(0, rows / 2), schema);
    both.extend(pieces(batch.slice(rows / 2, rows - rows / 2), schema));
    both
}

/// Whether values of the type have unsigned integers that BIGINT may not have.
fn has_unsigned(data_type: &DataType) -> bool {
    match data_type {
        DataType::UInt64 => true,
        DataType::Dictionary(_, values) => has_unsigned(values),
        DataType::RunEndEncoded(_, field)
        | DataType::List(field)
        | DataType::ListView(field)
        | DataType::LargeList(field)
        | DataType::LargeListView(field)
        | DataType::FixedSizeList(field, _)
        | DataType::Map(field, _) => has_unsigned(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_unsigned(field.data_type())),
        _ => false,
    }
}

fn to_type(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    // Those of CAST: a duration has the same text.
    let options = DEFAULT_CAST_OPTIONS;
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
    use arrow::array::{
        Array, AsArray, Decimal128Array, Float64Array, Int32Array, ListArray, NullArray, RunArray, StringViewArray,
        UInt64Array,
    };
    use arrow::datatypes::{Int64Type, UInt64Type};

    use super::*;

    fn field(data_type: DataType) -> Field {
        Field::new("a", data_type, true)
    }

    #[test]
    fn views_become_plain_text_also_inside_of_lists() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true)));
        let schema = Schema::new(vec![Field::new("a", DataType::Utf8View, false), Field::new("b", list, true)]);

        let wire = wire_schema(&schema, ResultTypes::default());

        assert_eq!(wire.field(0).data_type(), &DataType::Utf8);
        assert!(wire.field(0).is_nullable());
        assert_eq!(wire.field(1).data_type(), &DataType::new_list(DataType::Utf8, true));
    }

    #[test]
    fn a_batch_is_converted_to_the_wire_types() {
        let schema = Arc::new(Schema::new(vec![field(DataType::Utf8View)]));
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(StringViewArray::from(vec!["x"]))]).unwrap();

        let wire = to_wire(&batch, &wire_schema(&schema, ResultTypes::default())).unwrap();

        assert_eq!(wire.column(0).as_string::<i32>().value(0), "x");
    }

    #[test]
    fn an_unsigned_integer_becomes_a_signed_one_or_is_an_error() {
        let to_wire = |value: u64| {
            let schema = Arc::new(Schema::new(vec![field(DataType::UInt64)]));
            let batch =
                RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(UInt64Array::from(vec![value]))]).unwrap();
            to_wire(&batch, &wire_schema(&schema, ResultTypes::default()))
        };

        let in_a_list = |value| {
            let list = ListArray::from_iter_primitive::<UInt64Type, _, _>([Some([Some(value)])]);
            let schema = Arc::new(Schema::new(vec![field(list.data_type().clone())]));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(list)]).unwrap();
            super::to_wire(&batch, &wire_schema(&schema, ResultTypes::default()))
        };
        assert!(in_a_list(7).is_ok());
        assert!(matches!(in_a_list(u64::MAX), Err(Fault::Overflow(Overflow::Unsigned(_)))));

        let number = to_wire(i64::MAX as u64).unwrap().column(0).as_primitive::<Int64Type>().value(0);
        assert_eq!(number, i64::MAX);
        let fault = to_wire(u64::MAX).unwrap_err();
        assert!(matches!(&fault, Fault::Overflow(Overflow::Unsigned(column)) if column == "a"), "{fault}");
    }

    #[test]
    fn a_column_of_nothing_but_null_is_a_column_of_texts() {
        let schema = Arc::new(Schema::new(vec![field(DataType::Null)]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(NullArray::new(2))]).unwrap();

        let wire = to_wire(&batch, &wire_schema(&schema, ResultTypes::default())).unwrap();

        assert_eq!((wire.column(0).data_type(), wire.column(0).null_count()), (&DataType::Utf8, 2));
    }

    #[test]
    fn a_run_end_encoded_column_becomes_its_values() {
        let runs = RunArray::try_new(&Int32Array::from(vec![2, 3]), &StringViewArray::from(vec!["x", "y"])).unwrap();
        let schema = Arc::new(Schema::new(vec![field(runs.data_type().clone())]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(runs)]).unwrap();

        let wire = to_wire(&batch, &wire_schema(&schema, ResultTypes::default())).unwrap();

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
            check(&Schema::new(vec![field(rows)]), &Schema::new(vec![field(described)]), ResultTypes::default()).is_ok()
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
