//! Decodes the JSON body of a response into a [`RecordBatch`], with a declaration's types. No side effects.
//!
//! ```text
//! body ─► arrow-json ─► one row: {actions: List<Struct<requested columns as text>>, links, meta}     (`envelope`)
//!   │                     │
//!   │                     └─► integers and timestamps parsed from text ─► columns ─► RecordBatch    (`typed_text`)
//!   └─► serde_json: no key twice                                                                (`duplicate_keys`)
//! ```
//!
//! arrow-json reads the body without an intermediate tree, and fields that are not requested are skipped. But on its own
//! it accepts too much: it reads `1.5` into an integer column as 1 and a number into a timestamp column as nanoseconds,
//! takes the last of two equal keys, and does not report that `actions` is missing. So integers and timestamps are read
//! as text and parsed here, equal keys are found in a second pass, and the presence of required fields is checked. Its
//! error messages do not name the field, so after an error [`Decoder::decode`] reads the body again, field by field, to
//! find the field and the row.
//!
//! *A duplicate id within one page* is an error, even if the two rows are equal. A page is one response, made at one
//! moment, so concurrent changes of the list cannot explain it, and it is unknown which row is right. Whether it is an
//! error must not depend on the selected columns either, which may be the id alone.

mod duplicate_keys;
mod envelope;
mod fault;
mod typed_text;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    new_null_array,
};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use serde_json::Value as Json;

pub use self::fault::Fault;
pub use self::typed_text::OutOfRangeTimes;
use self::typed_text::{Parser, as_text};
use crate::resource::{Binding, ColumnSource, Method, Resource, ResponseShape, Value};

/// A decoded body.
#[derive(Debug)]
pub struct DecodedRows {
    /// The rows, in the decoder's schema.
    pub batch: RecordBatch,
    /// `meta.total`: the number of rows of the whole list.
    pub total: Option<u64>,
    /// `links.pages.next`.
    pub next: Option<String>,
    /// Whether there are `links`. Only then does the absence of `next` mean that this is the last page.
    pub has_links: bool,
    /// Times that are NULL in `batch` because they are out of range for nanoseconds.
    pub beyond: Vec<OutOfRangeTimes>,
}

/// Decodes the responses of one method into some of its resource's columns.
#[derive(Debug)]
pub struct Decoder {
    answer: ResponseShape,
    /// The fields read from each object, integers and timestamps as text.
    fields: Fields,
    /// The schema that arrow-json reads a whole body with.
    envelope: SchemaRef,
    columns: Vec<OutputColumn>,
    schema: SchemaRef,
    /// For a list: the index of the row id's column, if it is requested.
    id: Option<usize>,
    /// For a single object: the columns that are its path's parameters, with their indices.
    asked: Vec<(String, usize)>,
}

#[derive(Debug)]
struct OutputColumn {
    field: FieldRef,
    /// Whether a row without it is an error. Independent of `field`, which is always nullable.
    required: bool,
    from: From,
}

#[derive(Debug)]
enum From {
    /// The field at this index of `Decoder::fields`.
    Object(usize),
    /// The request: its value of this column.
    Request(String),
}

impl Decoder {
    /// A decoder for these columns (indices in the resource's schema), in this order.
    pub fn new(resource: &Resource, answer: &ResponseShape, columns: &[usize]) -> Self {
        Self::with(resource, answer, |_| None, columns)
    }

    /// A decoder for the responses of `method`, whose `columns_from` may map a parameter's column to a field.
    pub fn of_method(resource: &Resource, method: &Method, columns: &[usize]) -> Self {
        let decoder = Self::with(resource, &method.response, |column| method.field_for(column), columns);
        Self { asked: asked(resource, method, columns), ..decoder }
    }

    fn with<'a>(
        resource: &'a Resource,
        answer: &ResponseShape,
        field_for: impl Fn(&str) -> Option<&'a str>,
        columns: &[usize],
    ) -> Self {
        let mut fields: Vec<FieldRef> = Vec::new();
        let id = columns.iter().position(|at| resource.columns[*at].name == resource.row_id());
        let id = id.filter(|_| matches!(answer, ResponseShape::Rows { .. }));
        let columns: Vec<OutputColumn> = columns
            .iter()
            .map(|at| OutputColumn {
                field: Arc::clone(&resource.planned_schema().fields()[*at]),
                // A field that a parameter's column is read from may be missing: the response may hold rows that do not
                // belong to this table.
                required: !resource.columns[*at].nullable && field_for(&resource.columns[*at].name).is_none(),
                from: origin(resource, &field_for, *at, &mut fields),
            })
            .collect();
        let schema = Arc::new(Schema::new(columns.iter().map(|column| Arc::clone(&column.field)).collect::<Vec<_>>()));
        let fields = Fields::from(fields);
        let (answer, envelope) = (answer.clone(), envelope::schema(answer, &fields));
        Self { answer, envelope, fields, columns, schema, id, asked: Vec::new() }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Decodes the response to a request that was made with `binding`.
    ///
    /// # Errors
    /// [`Fault`], which names the field.
    pub fn decode(&self, body: &[u8], binding: &Binding) -> Result<DecodedRows, Fault> {
        let envelope = read(&self.envelope, body).map_err(|error| self.explain(body, &error))?;
        duplicate_keys::check(self.envelope.fields(), body)?;
        let objects = self.objects(envelope.column(0))?;
        let mut parser = Parser::default();
        let mut read = Vec::with_capacity(self.fields.len());
        for (at, field) in self.fields.iter().enumerate() {
            read.push(parser.column(objects.column(at), field_type(&self.columns, at), field.name())?);
        }
        let columns = self.columns.iter().map(|column| output(column, &read, binding, objects.len()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(objects.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)
            .expect("the columns have the schema's types, and no nulls where there must be none");
        self.check_ids(&batch)?;
        self.check_row(&batch, binding)?;
        let (total, next, has_links) =
            (envelope::total(&envelope)?, envelope::next(&envelope), envelope::has_links(&envelope));
        Ok(DecodedRows { batch, total, next, has_links, beyond: parser.beyond })
    }

    /// Fails if an id occurs twice in the page.
    fn check_ids(&self, batch: &RecordBatch) -> Result<(), Fault> {
        let Some(id) = self.id else { return Ok(()) };
        let mut first = HashMap::with_capacity(batch.num_rows());
        let mut again = None;
        for row in 0..batch.num_rows() {
            let id = key(batch.column(id), row);
            if let Some(before) = first.get(&id).copied() {
                again = again.or(Some([before, row]));
            } else {
                first.insert(id, row);
            }
        }
        let Some(rows) = again else { return Ok(()) };
        let (field, value) = (self.schema.field(id).name().clone(), cell(batch.column(id), rows[0]));
        Err(Fault::Repeated { field, value, rows, of: batch.num_rows(), ids: first.len() })
    }

    /// Fails if the row is not the requested one. Text that differs only in case is another value in SQL, but not in
    /// every API: such a row is accepted here, and the query's filter drops it.
    fn check_row(&self, batch: &RecordBatch, binding: &Binding) -> Result<(), Fault> {
        for (column, at) in &self.asked {
            let Some(asked) = binding.get(column).map(Value::to_string) else { continue };
            let answered = cell(batch.column(*at), 0);
            if !answered.eq_ignore_ascii_case(&asked) {
                return Err(Fault::OtherRow { field: column.clone(), asked, answered });
            }
        }
        Ok(())
    }

    /// The objects of the body, as one struct array.
    fn objects(&self, column: &ArrayRef) -> Result<StructArray, Fault> {
        if column.is_null(0) {
            return Err(Fault::NoRows { key: self.key().to_owned() });
        }
        Ok(match &self.answer {
            ResponseShape::Row(_) => column.as_struct().clone(),
            ResponseShape::Rows { .. } => column.as_list::<i32>().value(0).as_struct().clone(),
        })
    }

    fn key(&self) -> &str {
        match &self.answer {
            ResponseShape::Row(key) | ResponseShape::Rows { key, .. } => key,
        }
    }

    /// Finds the field and the row that arrow-json could not read.
    fn explain(&self, body: &[u8], error: &ArrowError) -> Fault {
        let json: Json = match serde_json::from_slice(body) {
            Ok(json) => json,
            Err(error) => return Fault::NotJson(error.to_string()),
        };
        let objects = match (json.get(self.key()), &self.answer) {
            (Some(Json::Array(objects)), ResponseShape::Rows { .. }) => objects.iter().collect(),
            (Some(object @ Json::Object(_)), ResponseShape::Row(_)) => vec![object],
            (Some(other), _) => {
                let problem = format!("it is {}", kind_of(other));
                return Fault::Field { field: self.key().to_owned(), row: None, problem };
            }
            (None, _) => return Fault::NoRows { key: self.key().to_owned() },
        };
        let first = objects.into_iter().enumerate().find_map(|(row, object)| self.explain_row(row, object));
        first.unwrap_or_else(|| Fault::Field { field: "the envelope".into(), row: None, problem: error.to_string() })
    }

    fn explain_row(&self, row: usize, object: &Json) -> Option<Fault> {
        if !object.is_object() {
            let (field, problem) = (self.key().to_owned(), format!("it is {}", kind_of(object)));
            return Some(Fault::Field { field, row: Some(row), problem });
        }
        self.fields.iter().find_map(|field| {
            let value = object.get(field.name())?;
            let alone = serde_json::json!({ field.name(): value }).to_string();
            let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
            let problem = read(&schema, alone.as_bytes()).err()?;
            Some(Fault::Field { field: field.name().clone(), row: Some(row), problem: plain(&problem) })
        })
    }
}

/// Where the column at index `at` comes from. If it is a field, adds it to `fields`, the fields to read.
fn origin<'a>(
    resource: &'a Resource,
    field_for: impl Fn(&str) -> Option<&'a str>,
    at: usize,
    fields: &mut Vec<FieldRef>,
) -> From {
    let name = resource.canonical(&resource.columns[at].name);
    let column = resource.column(name).expect("`canonical` answers a column");
    let name = match (&column.source, field_for(name)) {
        (ColumnSource::Parameter, None) => return From::Request(name.to_owned()),
        (_, Some(field)) => field,
        (_, None) => name,
    };
    let place = fields.iter().position(|field| field.name() == name).unwrap_or_else(|| {
        fields.push(Arc::new(Field::new(name, as_text(&column.data_type), true)));
        fields.len() - 1
    });
    From::Object(place)
}

fn field_type(columns: &[OutputColumn], place: usize) -> &DataType {
    let column = columns.iter().find(|column| matches!(column.from, From::Object(from) if from == place));
    column.expect("a field is read for a column").field.data_type()
}

/// Reads one JSON object as one row.
fn read(schema: &SchemaRef, body: &[u8]) -> Result<RecordBatch, ArrowError> {
    let builder = ReaderBuilder::new(Arc::clone(schema)).with_batch_size(1).with_coerce_primitive(true);
    let mut decoder = builder.build_decoder()?;
    let used = decoder.decode(body)?;
    let batch = decoder.flush()?;
    match batch {
        Some(batch) if body[used..].trim_ascii().is_empty() => Ok(batch),
        Some(_) => Err(ArrowError::JsonError("it goes on after its end".into())),
        None => Err(ArrowError::JsonError("it is empty".into())),
    }
}

/// The path parameters of a single object that are also fields of the response, with their indices in `columns`.
fn asked(resource: &Resource, method: &Method, columns: &[usize]) -> Vec<(String, usize)> {
    let is_field = |name: &str| resource.column(name).is_some_and(|column| column.source == ColumnSource::Field);
    let place = |name: &str| columns.iter().position(|at| resource.columns[*at].name == name);
    let names = method.path.parameters().map(|parameter| resource.canonical(parameter));
    let names = names.filter(|name| method.is_get() && is_field(name));
    names.filter_map(|name| Some((name.to_owned(), place(name)?))).collect()
}

/// The value of an id, for comparison.
#[derive(PartialEq, Eq, Hash)]
enum RowIdValue<'a> {
    Number(i64),
    Text(&'a str),
    Null,
}

fn key(column: &ArrayRef, row: usize) -> RowIdValue<'_> {
    match column.data_type() {
        _ if column.is_null(row) => RowIdValue::Null,
        DataType::Int64 => RowIdValue::Number(column.as_primitive::<Int64Type>().value(row)),
        _ => RowIdValue::Text(column.as_string::<i32>().value(row)),
    }
}

fn cell(column: &ArrayRef, row: usize) -> String {
    match key(column, row) {
        RowIdValue::Number(number) => number.to_string(),
        RowIdValue::Text(text) => text.to_owned(),
        RowIdValue::Null => "null".into(),
    }
}

fn output(column: &OutputColumn, read: &[ArrayRef], binding: &Binding, rows: usize) -> Result<ArrayRef, Fault> {
    let array: ArrayRef = match &column.from {
        From::Object(place) => Arc::clone(&read[*place]),
        From::Request(name) => match binding.get(name) {
            Some(Value::Int(value)) => Arc::new(Int64Array::from_value(*value, rows)) as ArrayRef,
            Some(Value::Bool(value)) => Arc::new(BooleanArray::from(vec![*value; rows])),
            Some(Value::Text(value)) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows))),
            None => new_null_array(column.field.data_type(), rows),
        },
    };
    if column.required && array.null_count() > 0 {
        let row = (0..rows).find(|row| array.is_null(*row));
        return Err(Fault::Field { field: column.field.name().clone(), row, problem: "it is missing".into() });
    }
    Ok(array)
}

fn kind_of(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// Arrow's message without its prefix.
fn plain(error: &ArrowError) -> String {
    match error {
        ArrowError::JsonError(message) | ArrowError::CastError(message) | ArrowError::ParseError(message) => {
            message.clone()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Int64Type, TimestampNanosecondType};

    use super::*;
    use crate::resource::Registry;

    fn actions() -> &'static Resource {
        Registry::built_in().find("compute", "image_actions").unwrap()
    }

    fn decoder(method: &str, columns: &[&str]) -> Decoder {
        let resource = actions();
        let method = resource.methods.iter().find(|is| is.name == method).unwrap();
        let places: Vec<usize> = columns.iter().map(|name| resource.arrow_schema().index_of(name).unwrap()).collect();
        Decoder::of_method(resource, method, &places)
    }

    fn decode(columns: &[&str], body: &str) -> Result<DecodedRows, Fault> {
        let binding = Binding::default().with("image_id", Value::Int(7));
        decoder("image_actions_list", columns).decode(body.as_bytes(), &binding)
    }

    fn problem(body: &str) -> String {
        let all: Vec<_> = actions().columns.iter().map(|column| column.name.as_str()).collect();
        decode(&all, body).unwrap_err().to_string()
    }

    #[test]
    fn a_page_is_decoded_into_rows_total_and_next_link() {
        let body = r#"{"actions": [{"id": 3169590176, "unknown": [1], "started_at": "2020-11-14T16:29:21Z"}, {"id": 2}],
            "links": {"pages": {"next": "https://x/?page=2", "last": "y"}}, "meta": {"total": 366}}"#;

        let rows = decode(&["image_id", "id", "started_at", "action_id"], body).unwrap();

        let ids = rows.batch.column(1).as_primitive::<Int64Type>();
        assert_eq!(ids.values(), &[3_169_590_176, 2]);
        assert_eq!(rows.batch.column(0).as_primitive::<Int64Type>().values(), &[7, 7]);
        assert_eq!(rows.batch.column(3).as_ref(), rows.batch.column(1).as_ref());
        let started = rows.batch.column(2).as_primitive::<TimestampNanosecondType>();
        assert_eq!(started.value(0), 1_605_371_361_000_000_000);
        assert!(started.is_null(1));
        assert_eq!((rows.total, rows.next.as_deref()), (Some(366), Some("https://x/?page=2")));
    }

    #[test]
    fn an_object_under_its_key_is_one_row() {
        let binding = Binding::default().with("image_id", Value::Int(7));

        let rows = decoder("image_actions_get", &["id", "status"])
            .decode(br#"{"action": {"id": 5, "status": "completed"}}"#, &binding);

        let batch = rows.unwrap().batch;
        assert_eq!(batch.column(0).as_primitive::<Int64Type>().values(), &[5]);
        assert_eq!(batch.column(1).as_string::<i32>().value(0), "completed");
    }

    fn got(table: &str, method: &str, key: (&str, Value), body: &str) -> Result<DecodedRows, Fault> {
        let resource = Registry::built_in().find("compute", table).unwrap();
        let id = resource.arrow_schema().index_of(resource.row_id()).unwrap();
        let binding = Binding::default().with(key.0, key.1);
        Decoder::of_method(resource, resource.method(method).unwrap(), &[id]).decode(body.as_bytes(), &binding)
    }

    #[test]
    fn a_get_must_return_the_requested_row() {
        let action = |id| got("image_actions", "image_actions_get", ("id", Value::Int(5)), id);
        let snapshot = |id| got("snapshots", "snapshots_get", ("id", Value::Text("ab-1".into())), id);

        assert!(action(r#"{"action": {"id": 5}}"#).is_ok());
        assert!(snapshot(r#"{"snapshot": {"id": "ab-1"}}"#).is_ok());
        assert!(snapshot(r#"{"snapshot": {"id": "AB-1"}}"#).is_ok(), "for the query's own filter to drop");
        let other = |asked: &str, answered: &str| Fault::OtherRow {
            field: "id".into(),
            asked: asked.into(),
            answered: answered.into(),
        };
        assert_eq!(action(r#"{"action": {"id": 6}}"#).unwrap_err(), other("5", "6"));
        assert_eq!(snapshot(r#"{"snapshot": {"id": "ab-2"}}"#).unwrap_err(), other("ab-1", "ab-2"));
    }

    #[test]
    fn null_in_the_envelope_counts_as_absent() {
        for (links, has_links) in [
            ("", false),
            (r#", "links": null"#, false),
            (r#", "links": {"pages": null}, "meta": null"#, true),
            (r#", "links": {"pages": {"next": null}}, "meta": {"total": null}"#, true),
            (r#", "links": {"pages": {"next": ""}}, "meta": {}"#, true),
        ] {
            let rows = decode(&["id"], &format!(r#"{{"actions": []{links}}}"#)).unwrap();
            assert_eq!((rows.total, rows.next, rows.has_links), (None, None, has_links), "{links}");
        }
    }

    #[test]
    fn an_empty_list_and_absent_links_are_accepted() {
        for body in [
            r#"{"actions": []}"#,
            r#"{"actions": [], "links": {}, "meta": {"total": 0}}"#,
            r#"{"links": {"pages": {}}, "actions": []}"#,
        ] {
            let rows = decode(&["id"], body).unwrap();
            assert_eq!((rows.batch.num_rows(), rows.next), (0, None));
        }
    }

    #[test]
    fn a_quoted_id_and_a_null_region_are_accepted() {
        let rows = decode(&["id", "region"], r#"{"actions": [{"id": "36804636", "region": null}]}"#).unwrap();

        assert_eq!(rows.batch.column(0).as_primitive::<Int64Type>().value(0), 36_804_636);
        assert!(rows.batch.column(1).is_null(0));
    }

    #[test]
    fn errors_name_the_field_and_the_row() {
        let cases = [
            (r#"{"actions": [{"id": 1}, {"id": 1.5}]}"#, "`id` of row 1: `1.5` is no integer of 64 bits"),
            (r#"{"actions": [{"id": "x"}]}"#, "`id` of row 0: `x` is no integer of 64 bits"),
            (r#"{"actions": [{"id": 99999999999999999999}]}"#, "is no integer of 64 bits"),
            (r#"{"actions": [{"id": 1, "resource_id": 2.25}]}"#, "`resource_id` of row 0"),
            (r#"{"actions": [{"status": "completed"}]}"#, "`id` of row 0: it is missing"),
            (r#"{"actions": [null]}"#, "`id` of row 0: it is missing"),
            (r#"{"actions": [{"id": 1}, {"id": 2, "region": "nyc1"}]}"#, "`region` of row 1"),
            (r#"{"actions": [{"id": 1, "started_at": "yesterday"}]}"#, "`started_at` of row 0"),
            (r#"{"actions": [{"id": 1, "started_at": 1605371361}]}"#, "`1605371361` is no time"),
            (r#"{"actions": [{"id": 1, "completed_at": "0000-00-00T00:00:00Z"}]}"#, "is no time"),
            (r#"{"actions": [{"id": 1}], "meta": {"total": 1}, "actions": []}"#, "the key `actions` stands twice"),
            (r#"{"actions": [{"id": 1, "id": 2}]}"#, "the key `actions.id` stands twice"),
            (r#"{"actions": [], "links": {"pages": {"next": "x", "next": "y"}}}"#, "the key `links.pages.next` stands"),
            (r#"{"actions": [{"id": 2}, {"id": 1}, {"id": 2}]}"#, "rows 0 and 2 have the same id, 2: 3 rows have only"),
            (r#"{"actions": [7]}"#, "`actions` of row 0: it is a number"),
            (r#"{"actions": {"id": 1}}"#, "`actions`: it is an object"),
            (r#"{"actions": null}"#, "the body has no `actions`"),
            (r#"{"links": {}}"#, "the body has no `actions`"),
            (r#"{"actions": []} x"#, "the body is no JSON"),
            (r#"{"actions": [{"id": 1"#, "the body is no JSON"),
            (r#"{"actions": [], "meta": {"total": "many"}}"#, "`meta.total`: `many` is no number of rows"),
            ("<html></html>", "the body is no JSON"),
            ("", "the body is no JSON"),
        ];

        for (body, expected) in cases {
            let problem = problem(body);
            assert!(problem.contains(expected), "{body}: {problem}");
        }
    }
}
