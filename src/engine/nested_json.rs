//! Lists, structs and maps as JSON text, for clients and formats without nested values.
//!
//! JSON may be much larger than the values: a struct's names are written for each of its values. So [`json_bytes`] computes
//! its size before it is made.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait, PrimitiveArray, StringArray, StringBuilder};
use arrow::compute::{can_cast_types, cast};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, FieldRef, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};

/// Whether values of a nested type can be written as JSON: the keys of its maps must have a text.
pub(super) fn has_json(data_type: &DataType) -> bool {
    can_cast_types(data_type, &with_text_keys(data_type))
}

/// Returns the values of a nested column as JSON text; NULL stays NULL. NaN and the infinities, which JSON does not have, are
/// texts in it.
///
/// # Errors
/// Arrow's, for a type that it cannot write as JSON.
pub fn nested_to_json(column: &ArrayRef) -> Result<StringArray, ArrowError> {
    let column = cast(column, &with_text_keys(column.data_type()))?;
    let field = Arc::new(Field::new_list_field(column.data_type().clone(), true));
    let options = EncoderOptions::default().with_explicit_nulls(true).with_encoder_factory(Arc::new(FloatEncoders));
    let mut encoder = make_encoder(&field, &column, &options)?;
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

/// The type with texts as the keys of its maps: JSON has no others.
fn with_text_keys(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| {
        let data_type = with_text_keys(field.data_type());
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    match data_type {
        DataType::List(item) => DataType::List(field(item)),
        DataType::LargeList(item) => DataType::LargeList(field(item)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(field(item), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        DataType::Map(entries, sorted) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                let key = Arc::new(fields[0].as_ref().clone().with_data_type(DataType::Utf8));
                let entry = DataType::Struct([key, field(&fields[1])].into_iter().collect());
                DataType::Map(Arc::new(entries.as_ref().clone().with_data_type(entry)), *sorted)
            }
            _ => data_type.clone(),
        },
        other => other.clone(),
    }
}

/// Writes numbers as Arrow does, except for NaN and the infinities: Arrow writes them as null.
#[derive(Debug)]
struct FloatEncoders;

impl EncoderFactory for FloatEncoders {
    fn make_default_encoder<'a>(
        &self,
        _: &'a FieldRef,
        array: &'a dyn Array,
        _: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float32 => Box::new(Floats(array.as_primitive::<Float32Type>())),
            DataType::Float64 => Box::new(Floats(array.as_primitive::<Float64Type>())),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct Floats<'a, T: ArrowPrimitiveType>(&'a PrimitiveArray<T>);

impl<T: ArrowPrimitiveType<Native: Into<f64> + serde::Serialize>> Encoder for Floats<'_, T> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = self.0.value(row);
        let text = match value.into() {
            number if number.is_nan() => "\"NaN\"",
            f64::INFINITY => "\"Infinity\"",
            f64::NEG_INFINITY => "\"-Infinity\"",
            _ => {
                // A vector takes all bytes.
                let _ = serde_json::to_writer(out, &value);
                return;
            }
        };
        out.extend_from_slice(text.as_bytes());
    }
}

/// An upper bound on the size of a column's values as JSON, in bytes. The column has wire types.
pub(super) fn json_bytes(array: &dyn Array) -> u64 {
    /// Brackets, a comma, or `null`.
    const AROUND: u64 = 8;
    let rows = array.len() as u64;
    let inside = match array.data_type() {
        DataType::Utf8 => bytes_of_texts(array.as_string::<i32>()),
        // In hexadecimal.
        DataType::Binary => array.as_binary::<i32>().iter().flatten().map(|value| 2 * value.len() as u64).sum(),
        DataType::FixedSizeBinary(size) => rows.saturating_mul(2 * u64::try_from(*size).unwrap_or(0)),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            bytes_of_items(list.values(), list.value_offsets())
        }
        DataType::FixedSizeList(..) => json_bytes(array.as_fixed_size_list().values()),
        DataType::Map(..) => {
            let map = array.as_map();
            bytes_of_items(&(Arc::new(map.entries().clone()) as ArrayRef), map.value_offsets())
        }
        DataType::Struct(fields) => {
            let names: u64 = fields.iter().map(|field| AROUND + escaped_bytes(field.name().as_bytes())).sum();
            let columns = array.as_struct().columns().iter().map(|column| json_bytes(column));
            columns.fold(rows.saturating_mul(names), u64::saturating_add)
        }
        // A timestamp of 8 bytes has 30 characters.
        other => rows.saturating_mul(6 * other.primitive_width().unwrap_or(1) as u64),
    };
    inside.saturating_add(rows.saturating_mul(AROUND))
}

fn bytes_of_items<O: OffsetSizeTrait>(items: &ArrayRef, offsets: &[O]) -> u64 {
    let (first, last) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    json_bytes(&items.slice(first, last - first))
}

fn bytes_of_texts(texts: &StringArray) -> u64 {
    texts.iter().flatten().map(|text| escaped_bytes(text.as_bytes())).sum()
}

/// The size of a text in JSON, without its quotes.
fn escaped_bytes(text: &[u8]) -> u64 {
    let escaped = |byte: &u8| match byte {
        // As `\u001f`.
        ..b' ' => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.iter().map(escaped).sum()
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, ListArray, MapBuilder, StructArray};
    use arrow::datatypes::Int64Type;

    use super::*;

    fn texts(column: &ArrayRef) -> Vec<Option<String>> {
        let json = nested_to_json(column).unwrap();
        assert!(json_bytes(column) >= json.value_data().len() as u64, "{json:?}");
        json.iter().map(|text| text.map(str::to_owned)).collect()
    }

    fn structs(name: &str, values: ArrayRef) -> ArrayRef {
        Arc::new(StructArray::from(vec![(Arc::new(Field::new(name, values.data_type().clone(), true)), values)]))
    }

    #[test]
    fn numbers_that_json_does_not_have_are_texts() {
        let numbers = [Some(1.5), None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY), Some(1e300)];

        let json = texts(&structs("a", Arc::new(Float64Array::from(numbers.to_vec()))));

        let values = ["1.5", "null", r#""NaN""#, r#""Infinity""#, r#""-Infinity""#, "1e+300"];
        assert_eq!(json, values.map(|value| Some(format!(r#"{{"a":{value}}}"#))));
    }

    #[test]
    fn keys_of_a_map_are_texts() {
        let mut map = MapBuilder::new(None, Int64Array::builder(1), Int64Array::builder(1));
        map.keys().append_value(7);
        map.values().append_value(8);
        map.append(true).unwrap();
        map.append(false).unwrap();

        assert_eq!(texts(&(Arc::new(map.finish()) as ArrayRef)), [Some(r#"{"7":8}"#.to_owned()), None]);
    }

    #[test]
    fn the_size_of_json_is_computed_before_it_is_made() {
        let text = "\u{1}\"ä".repeat(10);
        let long: ArrayRef = Arc::new(StringArray::from(vec![Some(text.as_str()), None]));
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(vec![Some(i64::MIN), None]), None]);

        for column in [structs(&text, long), Arc::new(list.clone()), structs("a", Arc::new(list.slice(1, 1)))] {
            texts(&column);
        }

        let name = "n".repeat(1_000);
        let many = structs(&name, Arc::new(Int64Array::from(vec![1; 1_000])));
        assert!((1_000_000..1_100_000).contains(&json_bytes(&many)), "the name of each");
        assert!(json_bytes(&many.slice(0, 10)) < 20_000);
    }
}
