//! Lists, structs and maps as JSON text, for clients and formats without nested values.

use arrow::array::{Array, StringArray, StringBuilder};
use arrow::datatypes::FieldRef;
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};

/// Returns the values of a nested column as JSON text; NULL stays NULL.
///
/// # Errors
/// Arrow's, for a type that it cannot write as JSON.
pub fn nested_to_json(field: &FieldRef, column: &dyn Array) -> Result<StringArray, ArrowError> {
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
