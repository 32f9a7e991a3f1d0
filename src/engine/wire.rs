//! The types that leave the engine.
//!
//! Many clients know no `Utf8View`, `BinaryView` or dictionaries (JDBC up to 18.3, ODBC), so a
//! result has the plain types, in prepare, FlightInfo and DoGet alike: all three take the
//! logical plan's schema through [`wire_schema`], and every batch is made to fit it.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;

/// The schema that a result with this one leaves with.
///
/// Every column is nullable: whether DataFusion thinks that one can be null depends on the values that are
/// bound, and a client that was told "never" refuses the rows. Metadata of fields stays behind: it describes
/// tables, and differs between plans of one statement.
pub(super) fn wire_schema(schema: &Schema) -> SchemaRef {
    let nullable = |field: &FieldRef| wire_field(field).as_ref().clone().with_nullable(true);
    Arc::new(Schema::new(schema.fields().iter().map(nullable).collect::<Vec<_>>()))
}

/// A table's columns in the wire's types, with their metadata.
pub(super) fn plain_types(schema: &Schema) -> SchemaRef {
    let plain = |field: &FieldRef| wire_field(field).as_ref().clone().with_metadata(field.metadata().clone());
    Arc::new(Schema::new(schema.fields().iter().map(plain).collect::<Vec<_>>()))
}

fn wire_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), wire_type(field.data_type()), field.is_nullable()))
}

fn wire_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, values) => wire_type(values),
        DataType::List(item) | DataType::ListView(item) => DataType::List(wire_field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(wire_field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(wire_field(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(wire_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(wire_field(entries), *sorted),
        plain => plain.clone(),
    }
}

/// The batch in the wire's types.
pub(super) fn to_wire(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| to_type(column, field.data_type()));
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns.collect::<Result<_, _>>()?, &rows)
}

fn to_type(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    if column.data_type() == data_type {
        return Ok(Arc::clone(column));
    }
    cast_with_options(column, data_type, &CastOptions { safe: false, ..CastOptions::default() })
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, StringViewArray};

    use super::*;

    #[test]
    fn views_leave_as_plain_text_also_inside_of_lists() {
        let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true)));
        let schema = Schema::new(vec![Field::new("a", DataType::Utf8View, false), Field::new("b", list, true)]);

        let wire = wire_schema(&schema);

        assert_eq!(wire.field(0).data_type(), &DataType::Utf8);
        assert!(wire.field(0).is_nullable());
        assert_eq!(wire.field(1).data_type(), &DataType::new_list(DataType::Utf8, true));
    }

    #[test]
    fn a_batch_is_made_to_fit() {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Utf8View, true)]));
        let batch =
            RecordBatch::try_new(Arc::clone(&schema), vec![Arc::new(StringViewArray::from(vec!["x"]))]).unwrap();

        let wire = to_wire(&batch, &wire_schema(&schema)).unwrap();

        assert_eq!(wire.column(0).as_string::<i32>().value(0), "x");
    }
}
