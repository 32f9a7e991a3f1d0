//! Batches for formats without nested values: structs, lists and maps become JSON text.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use arrow::error::ArrowError;

use crate::engine::nested_to_json;

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
    Ok((Arc::new(flat), Arc::new(nested_to_json(column)?)))
}
