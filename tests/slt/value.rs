//! Prints values and column types as DataFusion's own runner does.
//!
//! The rules are those of `src/engines/conversion.rs` and `src/engines/datafusion_engine/normalize.rs` in the crate
//! `datafusion-sqllogictest`.

use std::str::FromStr;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type,
    Float64Type, Schema,
};
use arrow::util::display::ArrayFormatter;
use bigdecimal::BigDecimal;
use datafusion::config::{ConfigField, FormatOptions};
use sqllogictest::ColumnType;

/// Decimal places of a float that are compared.
const FLOAT_PLACES: i64 = 12;
const NULL: &str = "NULL";

/// The type of a column, as far as the test files tell types apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Boolean,
    Date,
    Integer,
    Number,
    Text,
    Timestamp,
    Other,
}

impl ColumnType for Column {
    fn from_char(letter: char) -> Option<Self> {
        Some(match letter {
            'B' => Self::Boolean,
            'D' => Self::Date,
            'I' => Self::Integer,
            'P' => Self::Timestamp,
            'R' => Self::Number,
            'T' => Self::Text,
            _ => Self::Other,
        })
    }

    fn to_char(&self) -> char {
        match self {
            Self::Boolean => 'B',
            Self::Date => 'D',
            Self::Integer => 'I',
            Self::Timestamp => 'P',
            Self::Number => 'R',
            Self::Text => 'T',
            Self::Other => '?',
        }
    }
}

/// The types of a schema's columns.
pub(super) fn columns(schema: &Schema) -> Vec<Column> {
    schema.fields().iter().map(|field| column(field.data_type())).collect()
}

fn column(data_type: &DataType) -> Column {
    match data_type {
        DataType::Boolean => Column::Boolean,
        integer if integer.is_integer() => Column::Integer,
        number if number.is_floating() || number.is_decimal() => Column::Number,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Column::Text,
        DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) => Column::Date,
        DataType::Timestamp(_, _) => Column::Timestamp,
        DataType::Dictionary(_, values) if column(values) == Column::Text => Column::Text,
        _ => Column::Other,
    }
}

/// The rows, with a text for each value. If the last value of a row has several lines, each of them becomes a row.
pub(super) fn rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    (0..batch.num_rows())
        .map(|row| batch.columns().iter().map(|column| cell(column, row)).collect())
        .flat_map(lines_as_rows)
        .collect()
}

/// The row without its last value, then a row for each line of that value, numbered and with dashes for indentation.
fn lines_as_rows(mut row: Vec<String>) -> Vec<Vec<String>> {
    let Some(last) = row.pop_if(|last| last.contains('\n')) else { return vec![row] };
    let line = |(at, line): (usize, &str)| {
        let text = line.trim_start();
        vec![format!("{:02}){}{text}", at + 1, "-".repeat(line.len() - text.len()))]
    };
    let mut rows = vec![row];
    rows.extend(last.split('\n').enumerate().map(line));
    rows
}

fn cell(column: &ArrayRef, row: usize) -> String {
    if column.is_null(row) {
        return NULL.to_owned();
    }
    match column.data_type() {
        DataType::Null => NULL.to_owned(),
        DataType::Float16 => float(column.as_primitive::<Float16Type>().value(row).to_f64(), || {
            column.as_primitive::<Float16Type>().value(row).to_string()
        }),
        DataType::Float32 => float(column.as_primitive::<Float32Type>().value(row).into(), || {
            column.as_primitive::<Float32Type>().value(row).to_string()
        }),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row), || {
            column.as_primitive::<Float64Type>().value(row).to_string()
        }),
        DataType::Decimal32(_, scale) => decimal::<Decimal32Type>(column, row, *scale),
        DataType::Decimal64(_, scale) => decimal::<Decimal64Type>(column, row, *scale),
        DataType::Decimal128(_, scale) => decimal::<Decimal128Type>(column, row, *scale),
        DataType::Decimal256(_, scale) => decimal::<Decimal256Type>(column, row, *scale),
        DataType::Utf8 => text(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text(column.as_string::<i64>().value(row)),
        DataType::Utf8View => text(column.as_string_view().value(row)),
        DataType::Dictionary(_, _) => {
            let dictionary = column.as_any_dictionary();
            cell(dictionary.values(), dictionary.normalized_keys()[row])
        }
        _ => other(column, row),
    }
}

/// NaN is printed without its sign, which differs between machines.
fn float(value: f64, digits: impl FnOnce() -> String) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        rounded(&digits(), FLOAT_PLACES)
    }
}

fn decimal<T: DecimalType>(column: &ArrayRef, row: usize, scale: i8) -> String {
    // `format_decimal` does not use the precision.
    rounded(&T::format_decimal(column.as_primitive::<T>().value(row), u8::MAX, scale), scale.into())
}

fn rounded(digits: &str, places: i64) -> String {
    BigDecimal::from_str(digits).unwrap().round(places).normalized().to_plain_string()
}

fn text(value: &str) -> String {
    if value.is_empty() { "(empty)".to_owned() } else { value.trim_end_matches('\n').replace('\0', "\\0") }
}

fn other(column: &ArrayRef, row: usize) -> String {
    let mut options = FormatOptions::default();
    options.set("null", NULL).unwrap();
    let options = (&options).try_into().unwrap();
    ArrayFormatter::try_new(column.as_ref(), &options).unwrap().value(row).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StringArray};

    use super::*;

    fn printed(column: ArrayRef) -> Vec<String> {
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        rows(&batch).concat()
    }

    #[test]
    fn values_are_printed_as_in_the_test_files() {
        let floats = [1.0, -0.5, 1e20, 0.1 + 0.2, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        let printed_floats = ["1", "-0.5", "100000000000000000000", "0.3", "NaN", "Infinity", "-Infinity"];
        let decimals = Decimal128Array::from(vec![1200, -5]).with_precision_and_scale(10, 3).unwrap();

        assert_eq!(printed(Arc::new(Float64Array::from(floats.to_vec()))), printed_floats);
        assert_eq!(printed(Arc::new(decimals)), ["1.2", "-0.005"]);
        assert_eq!(printed(Arc::new(StringArray::from(vec![Some(""), Some("a"), None]))), ["(empty)", "a", "NULL"]);
        assert_eq!(printed(Arc::new(Int64Array::from(vec![None, Some(7)]))), ["NULL", "7"]);
    }

    #[test]
    fn the_lines_of_a_last_value_are_rows() {
        let plan = StringArray::from(vec!["Sort: a\n  Scan: t"]);

        assert_eq!(lines_as_rows(vec!["plan".into(), plan.value(0).into()])[1..], [["01)Sort: a"], ["02)--Scan: t"]]);
    }
}
