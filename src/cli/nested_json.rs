//! Converts structs, lists and maps to JSON text, for formats without nested values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};

/// Returns the batch with its nested columns as JSON text; NULL stays NULL.
pub(super) fn flatten(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        let (field, column) = flatten_column(field, column)?;
        fields.push(field);
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn flatten_column(field: &FieldRef, column: &ArrayRef) -> Result<(FieldRef, ArrayRef), ArrowError> {
    if !field.data_type().is_nested() {
        return Ok((field.clone(), column.clone()));
    }
    let flat = Field::new(field.name(), DataType::Utf8, field.is_nullable());
    Ok((Arc::new(flat), Arc::new(to_json(field, column)?)))
}

fn to_json(field: &FieldRef, column: &dyn Array) -> Result<arrow::array::StringArray, ArrowError> {
    let options = EncoderOptions::default().with_explicit_nulls(true);
    let mut encoder = make_encoder(field, column, &options)?;
    let mut cells = StringBuilder::new();
    let mut cell = Vec::new();
    for row in 0..column.len() {
        if encoder.is_null(row) {
            cells.append_null();
            continue;
        }
        cell.clear();
        encoder.encode(row, &mut cell);
        cells.append_value(String::from_utf8_lossy(&cell));
    }
    Ok(cells.finish())
}
