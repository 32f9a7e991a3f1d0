//! The columns of ingested rows, in the types that tables have here.
//!
//! pyarrow, Polars and Go send text in four types: `Utf8`, `LargeUtf8`, `Utf8View` and dictionaries. Two clients that append to
//! one table would not agree, and not every client can read each of them. So a table has the plain type of each.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use super::TableName;
use crate::datasets::columns::same_type;
use crate::datasets::fault::Fault;

/// The columns that a client sends, and those that they become.
pub(super) struct PlainColumns {
    sent: SchemaRef,
    pub(super) schema: SchemaRef,
}

impl PlainColumns {
    /// # Errors
    /// There is no column, two have one name, or a type is not one of a table.
    pub(super) fn of(name: &TableName, sent: &SchemaRef) -> Result<Self, Fault> {
        let wrong = |problem: String| Fault::Unfit { table: name.full(), problem };
        let mut seen = HashSet::new();
        let mut fields = Vec::with_capacity(sent.fields().len());
        for field in sent.fields() {
            if field.name().is_empty() {
                return Err(wrong("a column has no name".into()));
            }
            if !seen.insert(field.name()) {
                return Err(wrong(format!("two columns are called `{}`", field.name())));
            }
            let data_type = plain(field.data_type()).ok_or_else(|| {
                wrong(format!("`{}` is {}, a type that a table cannot have", field.name(), field.data_type()))
            })?;
            // A later ingest may have a NULL where this one has none.
            fields.push(Field::new(field.name(), data_type, true));
        }
        if fields.is_empty() {
            return Err(wrong("there is no column".into()));
        }
        Ok(Self { sent: Arc::clone(sent), schema: Arc::new(Schema::new(fields)) })
    }

    /// The rows of one batch.
    ///
    /// # Errors
    /// [`Fault::Rows`]
    pub(super) fn convert(&self, batch: &RecordBatch) -> Result<PlainBatch, Fault> {
        let failed = |error: arrow::error::ArrowError| Fault::Rows(error.to_string());
        if batch.schema().fields() != self.sent.fields() {
            return Err(Fault::Rows("a batch has other columns than the first one".into()));
        }
        // Before it is converted: text that is short in a dictionary may be long without it.
        let bytes = batch.columns().iter().map(|column| plain_bytes(column.as_ref())).fold(0, u64::saturating_add);
        if bytes > MAX_BATCH_BYTES {
            return Err(Fault::LargeBatch { megabytes: bytes >> 20, most: MAX_BATCH_BYTES >> 20 });
        }
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let convert = |(column, field): (&ArrayRef, &FieldRef)| match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast_with_options(column, field.data_type(), &options),
        };
        let columns = batch.columns().iter().zip(self.schema.fields()).map(convert).collect::<Result<_, _>>();
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns.map_err(failed)?, &rows);
        Ok(PlainBatch { rows: batch.map_err(failed)?, bytes })
    }
}

/// The maximum size of a batch in plain types.
const MAX_BATCH_BYTES: u64 = 256 << 20;

/// A batch in plain types.
pub(super) struct PlainBatch {
    pub(super) rows: RecordBatch,
    /// Its size, at most.
    pub(super) bytes: u64,
}

/// The size of an array after it was converted, at most.
fn plain_bytes(array: &dyn Array) -> u64 {
    const BYTES_OF_AN_OFFSET: u64 = 5;
    let offsets = (array.len() as u64).saturating_mul(BYTES_OF_AN_OFFSET);
    let with_offsets = |items: &dyn Array| plain_bytes(items).saturating_add(offsets);
    match array.data_type() {
        DataType::Null => offsets,
        DataType::Dictionary(..) => {
            let values = array.as_any_dictionary().values();
            let sizes = (0..values.len()).map(|at| plain_bytes(values.slice(at, 1).as_ref()));
            let largest = sizes.max().unwrap_or(0).saturating_add(BYTES_OF_AN_OFFSET);
            (array.len() as u64).saturating_mul(largest)
        }
        DataType::Utf8View => view_bytes(array.as_string_view().views()),
        DataType::BinaryView => view_bytes(array.as_binary_view().views()),
        DataType::Struct(_) => {
            let columns = array.as_struct().columns().iter().map(|column| plain_bytes(column.as_ref()));
            columns.fold(offsets, u64::saturating_add)
        }
        DataType::List(_) => with_offsets(array.as_list::<i32>().values().as_ref()),
        DataType::LargeList(_) => with_offsets(array.as_list::<i64>().values().as_ref()),
        DataType::FixedSizeList(..) => with_offsets(array.as_fixed_size_list().values().as_ref()),
        DataType::Map(..) => with_offsets(array.as_map().entries()),
        _ => array.to_data().get_slice_memory_size().map_or(u64::MAX, |bytes| bytes as u64),
    }
}

/// The length of a view's value is in its lowest 32 bits.
fn view_bytes(views: &[u128]) -> u64 {
    views.iter().map(|view| (view & u128::from(u32::MAX)) as u64 + 5).sum()
}

/// The type that a table has for values of this type. `None`: a table cannot have them.
fn plain(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => plain(values)?,
        // Clients call the items `item`, `element` or `l`.
        DataType::LargeList(item) | DataType::List(item) => {
            DataType::List(Arc::new(Field::new_list_field(plain(item.data_type())?, true)))
        }
        DataType::FixedSizeList(item, size) if *size > 0 => DataType::FixedSizeList(plain_field(item)?, *size),
        DataType::Struct(fields) if fields.is_empty() => return None,
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(plain_field).collect::<Option<Fields>>()?),
        DataType::Map(entries, sorted) => DataType::Map(plain_entries(entries)?, *sorted),
        // Parquet has no interval, and no union.
        DataType::Interval(_) | DataType::Union(..) | DataType::RunEndEncoded(..) => return None,
        // Their items may overlap, so that a small message becomes a large table. No client sends them.
        DataType::ListView(_) | DataType::LargeListView(_) => return None,
        // A message without a byte may have any number of them.
        DataType::FixedSizeBinary(0) | DataType::FixedSizeList(_, 0) => return None,
        // A column without any value, as pandas sends it.
        DataType::Null => DataType::Utf8,
        other => other.clone(),
    })
}

fn plain_field(field: &FieldRef) -> Option<FieldRef> {
    Some(Arc::new(Field::new(field.name(), plain(field.data_type())?, true)))
}

/// The key of a map is never NULL.
fn plain_entries(entries: &FieldRef) -> Option<FieldRef> {
    let DataType::Struct(fields) = entries.data_type() else { return None };
    let plain = |field: &FieldRef| Some(Field::new(field.name(), plain(field.data_type())?, field.is_nullable()));
    let fields: Fields = fields.iter().map(plain).collect::<Option<Vec<_>>>()?.into();
    Some(Arc::new(Field::new(entries.name(), DataType::Struct(fields), false)))
}

/// The first difference of columns that are to be appended to a table. They are in the table's order.
pub(super) fn difference(table: &Schema, sent: &Schema) -> Option<String> {
    let (ours, theirs) = (table.fields(), sent.fields());
    let kind = |field: &Field| format!("`{}` {}", field.name(), field.data_type());
    for (ours, theirs) in ours.iter().zip(theirs) {
        if ours.name() != theirs.name() || !same_type(ours.data_type(), theirs.data_type()) {
            return Some(format!("the table has {}, the rows have {}", kind(ours), kind(theirs)));
        }
    }
    match (ours.get(theirs.len()), theirs.get(ours.len())) {
        (Some(missing), _) => Some(format!("the rows lack {}", kind(missing))),
        (None, Some(more)) => Some(format!("the rows also have {}", kind(more))),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, NullArray, StringViewArray};
    use arrow::datatypes::{Int32Type, IntervalUnit};

    use super::*;

    fn name() -> TableName {
        TableName { schema: "public".into(), table: "t".into() }
    }

    #[test]
    fn text_has_one_type_whatever_the_client_sends() {
        let view: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None]));
        let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int32Type>::from_iter([Some("b"), None]));
        let null: ArrayRef = Arc::new(NullArray::new(2));
        let batch = RecordBatch::try_from_iter([("v", view), ("d", dictionary), ("n", null)]).unwrap();

        let plain = PlainColumns::of(&name(), &batch.schema()).unwrap();
        let converted = plain.convert(&batch).unwrap().rows;

        assert!(converted.columns().iter().all(|column| *column.data_type() == DataType::Utf8));
        assert_eq!(converted.column(2).null_count(), 2);
    }

    #[test]
    fn columns_that_a_table_cannot_have_are_an_error() {
        let error =
            |fields: Vec<Field>| PlainColumns::of(&name(), &Arc::new(Schema::new(fields))).err().unwrap().to_string();
        let number = |name: &str| Field::new(name, DataType::Int64, true);

        assert!(error(vec![number("a"), number("a")]).ends_with("two columns are called `a`"));
        assert!(error(vec![number("")]).ends_with("a column has no name"));
        assert!(error(vec![]).ends_with("there is no column"));
        assert!(
            error(vec![Field::new("i", DataType::Interval(IntervalUnit::DayTime), true)])
                .contains("a type that a table cannot have")
        );
    }

    #[test]
    fn the_columns_of_appended_rows_are_those_of_the_table() {
        let schema = |fields: &[(&str, DataType)]| {
            Schema::new(
                fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect::<Vec<_>>(),
            )
        };
        let table = schema(&[("a", DataType::Int64), ("b", DataType::Utf8)]);

        assert_eq!(difference(&table, &table), None);
        assert_eq!(
            difference(&table, &schema(&[("b", DataType::Utf8), ("a", DataType::Int64)])).unwrap(),
            "the table has `a` Int64, the rows have `b` Utf8"
        );
        assert_eq!(difference(&table, &schema(&[("a", DataType::Int64)])).unwrap(), "the rows lack `b` Utf8");
        assert_eq!(difference(&schema(&[("a", DataType::Int64)]), &table).unwrap(), "the rows also have `b` Utf8");
    }
}
