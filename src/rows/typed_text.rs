//! Parses integers and times, which arrow-json reads as text, into their declared types, at any depth.
//!
//! arrow-json itself would read `1.5` into an integer column as 1, and a number into a timestamp column as nanoseconds.
//!
//! ```text
//! declared type                                read by arrow-json as                      parsed here into
//! List<Struct<start: Timestamp, n: Int64>>  ─► List<Struct<start: Utf8, n: Utf8>>      ─► the declared type
//!                                 (`as_text`)                             (`Parser::column`)
//! ```
//!
//! Arrow stores the values of all lists of a column in one array, so the index of a wrong value in that array is not
//! its row. [`FieldPosition`] translates it: each list on the way down maps an index of its items to the index of the
//! list that owns it, up to the row.
//!
//! The API writes "never" as `""` or as the first moment of year 1 (Go's zero time): both become NULL. A time outside
//! the range of 64-bit nanoseconds (before 1677-09-21 or after 2262-04-11) also becomes NULL, since any other value
//! would be wrong. Because the API did not return NULL, [`OutOfRangeTimes`] reports it.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, Int64Builder, ListArray, StringArray, StructArray, TimestampNanosecondArray,
    TimestampNanosecondBuilder,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::kernels::cast_utils::string_to_datetime;
use arrow::datatypes::{DataType, FieldRef, Fields};
use chrono::{Datelike, Utc};

use super::fault::Fault;

/// Times of one field that are out of range for a column of nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfRangeTimes {
    /// `next_backup_window.start`.
    pub field: String,
    /// The first of them.
    pub text: String,
    /// The row of the first one, from 0.
    pub row: usize,
    /// The number of such times.
    pub count: usize,
}

/// The type with every integer and timestamp replaced by text.
pub(super) fn as_text(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Int64 | DataType::Timestamp(..) => DataType::Utf8,
        DataType::List(item) => DataType::List(field_as_text(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field_as_text).collect()),
        other => other.clone(),
    }
}

fn field_as_text(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(as_text(field.data_type())))
}

/// Parses columns, and collects the times that are out of range.
#[derive(Debug, Default)]
pub(super) struct Parser {
    pub(super) out_of_range_times: Vec<OutOfRangeTimes>,
}

/// The position of an array in the body, for errors.
struct FieldPosition<'a> {
    /// The path of the field: `next_backup_window.start`.
    field: &'a str,
    /// Maps an index of the array to the row of the body that it belongs to.
    row: &'a dyn Fn(usize) -> usize,
}

/// The text of a time, parsed.
enum Time {
    /// Nanoseconds since 1970.
    At(i64),
    /// One of the API's spellings of "never".
    Never,
    /// A time that nanoseconds cannot hold.
    OutOfRange,
}

impl Parser {
    /// Returns the column of a field in its declared type, parsed from `texts`.
    pub(super) fn column(&mut self, texts: &ArrayRef, wanted: &DataType, field: &str) -> Result<ArrayRef, Fault> {
        self.read(texts, wanted, &FieldPosition { field, row: &|at| at })
    }

    fn read(&mut self, texts: &ArrayRef, wanted: &DataType, place: &FieldPosition<'_>) -> Result<ArrayRef, Fault> {
        match wanted {
            _ if texts.data_type() == wanted => Ok(Arc::clone(texts)),
            DataType::Int64 => Ok(Arc::new(integers(texts.as_string(), place)?)),
            DataType::Timestamp(_, zone) => {
                Ok(Arc::new(self.times(texts.as_string(), place)?.with_timezone_opt(zone.clone())))
            }
            DataType::List(item) => self.list(texts.as_list(), item, place),
            DataType::Struct(fields) => self.object(texts.as_struct(), fields, place),
            other => unreachable!("`as_text` leaves a {other} as it is"),
        }
    }

    fn list(&mut self, texts: &ListArray, item: &FieldRef, place: &FieldPosition<'_>) -> Result<ArrayRef, Fault> {
        let row = |at| (place.row)(containing_list(texts.offsets(), at));
        let values = self.read(texts.values(), item.data_type(), &FieldPosition { field: place.field, row: &row })?;
        Ok(Arc::new(ListArray::new(Arc::clone(item), texts.offsets().clone(), values, texts.nulls().cloned())))
    }

    fn object(&mut self, texts: &StructArray, fields: &Fields, place: &FieldPosition<'_>) -> Result<ArrayRef, Fault> {
        let mut columns = Vec::with_capacity(fields.len());
        for (field, column) in fields.iter().zip(texts.columns()) {
            let path = format!("{}.{}", place.field, field.name());
            columns.push(self.read(column, field.data_type(), &FieldPosition { field: &path, row: place.row })?);
        }
        Ok(Arc::new(StructArray::new(fields.clone(), columns, texts.nulls().cloned())))
    }

    fn times(&mut self, texts: &StringArray, place: &FieldPosition<'_>) -> Result<TimestampNanosecondArray, Fault> {
        let mut times = TimestampNanosecondBuilder::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            let Some(text) = text else {
                times.append_null();
                continue;
            };
            match time(text) {
                Some(Time::At(nanoseconds)) => times.append_value(nanoseconds),
                Some(Time::Never) => times.append_null(),
                Some(Time::OutOfRange) => {
                    self.add_out_of_range(place, at, text);
                    times.append_null();
                }
                None => return Err(wrong_value(place, at, text, "a timestamp")),
            }
        }
        Ok(times.finish())
    }

    fn add_out_of_range(&mut self, place: &FieldPosition<'_>, at: usize, text: &str) {
        match self.out_of_range_times.iter_mut().find(|times| times.field == place.field) {
            Some(times) => times.count += 1,
            None => self.out_of_range_times.push(OutOfRangeTimes {
                field: place.field.to_owned(),
                text: text.to_owned(),
                row: (place.row)(at),
                count: 1,
            }),
        }
    }
}

fn integers(texts: &StringArray, place: &FieldPosition<'_>) -> Result<Int64Array, Fault> {
    let mut integers = Int64Builder::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        let integer = text.map(|text| text.parse().map_err(|_| wrong_value(place, at, text, "a 64-bit integer")));
        integers.append_option(integer.transpose()?);
    }
    Ok(integers.finish())
}

fn wrong_value(place: &FieldPosition<'_>, at: usize, text: &str, expected: &str) -> Fault {
    let problem = format!("`{text}` is not {expected}");
    Fault::Field { field: place.field.to_owned(), row: Some((place.row)(at)), problem }
}

fn time(text: &str) -> Option<Time> {
    if text.is_empty() {
        return Some(Time::Never);
    }
    let at = string_to_datetime(&Utc, text).ok()?;
    Some(match at.timestamp_nanos_opt() {
        Some(nanoseconds) => Time::At(nanoseconds),
        None if at.year() == 1 => Time::Never,
        None => Time::OutOfRange,
    })
}

/// The index of the list that contains the item at index `at`. List `i` holds the items from `offsets[i]` to
/// `offsets[i + 1]`, so it is the last one that starts at or before `at`. Empty lists start at the same offset as the
/// next list, and are before it.
fn containing_list(offsets: &OffsetBuffer<i32>, at: usize) -> usize {
    offsets.partition_point(|offset| usize::try_from(*offset).is_ok_and(|offset| offset <= at)) - 1
}

#[cfg(test)]
mod tests {
    use arrow::array::{ListBuilder, StringBuilder};
    use arrow::datatypes::{Field, Int64Type, TimeUnit, TimestampNanosecondType};

    use super::*;

    fn timestamp() -> DataType {
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
    }

    fn texts(values: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    #[test]
    fn every_spelling_of_never_is_null() {
        let never = ["", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00", "0001-01-01T00:00:00.000Z", "0001-01-01"];
        let mut parser = Parser::default();

        let column = parser.column(&texts(&never.map(Some)), &timestamp(), "ended_at").unwrap();

        assert_eq!(column.null_count(), never.len());
        assert!(parser.out_of_range_times.is_empty());
    }

    #[test]
    fn the_first_and_the_last_nanosecond_are_values() {
        let values = ["1677-09-21T00:12:43.145224193Z", "2262-04-11T23:47:16.854775807Z", "1969-12-31T23:59:59Z"];

        let column = Parser::default().column(&texts(&values.map(Some)), &timestamp(), "ended_at").unwrap();

        let times = column.as_primitive::<TimestampNanosecondType>();
        assert_eq!(times.values()[1..], [i64::MAX, -1_000_000_000]);
        assert_eq!(times.null_count(), 0);
    }

    #[test]
    fn a_time_out_of_range_is_null_and_reported() {
        let values = [Some("2020-11-14T16:29:21Z"), Some("9999-12-31T23:59:59Z"), None, Some("1600-01-01T00:00:00Z")];
        let mut parser = Parser::default();

        let column = parser.column(&texts(&values), &timestamp(), "ended_at").unwrap();

        assert_eq!(column.null_count(), 3);
        let text = "9999-12-31T23:59:59Z".to_owned();
        assert_eq!(parser.out_of_range_times, [OutOfRangeTimes { field: "ended_at".into(), text, row: 1, count: 2 }]);
    }

    /// `[["1"], [], ["2", "x"]]`
    fn lists() -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        for values in [&["1"][..], &[], &["2", "x"]] {
            lists.append_value(values.iter().map(|value| Some(*value)));
        }
        Arc::new(lists.finish())
    }

    #[test]
    fn an_error_inside_a_list_names_the_row() {
        let wanted = DataType::new_list(DataType::Int64, true);

        let fault = Parser::default().column(&lists(), &wanted, "ids").unwrap_err();

        assert_eq!(fault.to_string(), "`ids` of row 2: `x` is not a 64-bit integer");
    }

    #[test]
    fn lists_and_objects_keep_their_shape() {
        let object = |times: ArrayRef| -> ArrayRef {
            let field = Field::new("start", times.data_type().clone(), true);
            let nulls = Some(vec![true, false, true].into());
            Arc::new(StructArray::new(Fields::from(vec![field]), vec![times], nulls))
        };
        let window = object(texts(&[Some("1970-01-01T00:00:01Z"), None, Some("0001-01-01T00:00:00Z")]));
        let wanted = DataType::Struct(Fields::from(vec![Field::new("start", timestamp(), true)]));

        let read = Parser::default().column(&window, &wanted, "window").unwrap();
        let ids = Parser::default().column(&numbers(), &DataType::new_list(DataType::Int64, true), "ids").unwrap();

        let start = read.as_struct().column(0).as_primitive::<TimestampNanosecondType>();
        assert_eq!((start.value(0), start.is_null(2), read.is_null(1)), (1_000_000_000, true, true));
        let expected = [Some(vec![Some(1)]), Some(vec![]), None, Some(vec![Some(2), Some(3)])];
        assert_eq!(*ids.as_list::<i32>(), ListArray::from_iter_primitive::<Int64Type, _, _>(expected));
    }

    /// `[["1"], [], null, ["2", "3"]]`
    fn numbers() -> ArrayRef {
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("1")]);
        lists.append_value([None::<&str>; 0]);
        lists.append_null();
        lists.append_value([Some("2"), Some("3")]);
        Arc::new(lists.finish())
    }
}
