//! Decodes the JSON body of a response into a [`RecordBatch`], with a declaration's types. No side effects.
//!
//! ```text
//! body ─► arrow-json ─► one row: {actions: List<Struct<requested columns as text>>, links, meta}     (`envelope`)
//!   │                     │
//!   │                     └─► integers and timestamps parsed from text ─► columns ─► RecordBatch    (`typed_text`)
//!   └─► serde_json: no key twice                                                                (`duplicate_keys`)
//! ```
//!
//! arrow-json reads the body without an intermediate tree, and fields that are not requested are skipped. But on its
//! own it accepts too much: it reads `1.5` into an integer column as 1 and a number into a timestamp column as
//! nanoseconds, takes the last of two equal keys, and does not report that `actions` is missing. So integers and
//! timestamps are read as text and parsed here, equal keys are found in a second pass, and the presence of required
//! fields is checked. Its error messages do not name the field, so after an error [`Decoder::decode`] reads the body
//! again, field by field, to find the field and the row.
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
    pub out_of_range_times: Vec<OutOfRangeTimes>,
}

/// Decodes the responses of one method into some of its resource's columns.
#[derive(Debug)]
pub struct Decoder {
    response: ResponseShape,
    /// The fields read from each object, integers and timestamps as text.
    fields: Fields,
    /// The schema that arrow-json reads a whole body with.
    envelope: SchemaRef,
    columns: Vec<OutputColumn>,
    schema: SchemaRef,
    /// For a list: the index of the row id's column, if it is requested.
    id: Option<usize>,
    /// For a single object: the columns that are its path's parameters, with their indices.
    path_parameters: Vec<(String, usize)>,
}

#[derive(Debug)]
struct OutputColumn {
    field: FieldRef,
    /// Whether a row without it is an error. Independent of `field`, which is always nullable.
    required: bool,
    origin: Origin,
}

#[derive(Debug)]
enum Origin {
    /// The field at this index of `Decoder::fields`.
    Object(usize),
    /// The request: its value of this column.
    Request(String),
}

impl Decoder {
    /// A decoder for these columns (indices in the resource's schema), in this order.
    pub fn new(resource: &Resource, response: &ResponseShape, columns: &[usize]) -> Self {
        Self::with(resource, response, |_| None, columns)
    }

    /// A decoder for the responses of `method`, whose `columns_from` may map a parameter's column to a field.
    pub fn of_method(resource: &Resource, method: &Method, columns: &[usize]) -> Self {
        let decoder = Self::with(resource, &method.response, |column| method.field_for(column), columns);
        Self { path_parameters: path_parameters(resource, method, columns), ..decoder }
    }

    fn with<'a>(
        resource: &'a Resource,
        response: &ResponseShape,
        field_for: impl Fn(&str) -> Option<&'a str>,
        columns: &[usize],
    ) -> Self {
        let id = match response {
            ResponseShape::Rows { .. } => columns.iter().position(|at| resource.columns[*at].name == resource.row_id()),
            ResponseShape::Row(_) => None,
        };
        let mut fields: Vec<FieldRef> = Vec::new();
        let mut output = Vec::with_capacity(columns.len());
        for at in columns {
            let column = &resource.columns[*at];
            output.push(OutputColumn {
                field: Arc::clone(&resource.planned_schema().fields()[*at]),
                // A field that a parameter's column is read from may be missing: the response may hold rows that do not
                // belong to this table.
                required: !column.nullable && field_for(&column.name).is_none(),
                origin: origin(resource, &field_for, *at, &mut fields),
            });
        }
        let schema = Schema::new(output.iter().map(|column| Arc::clone(&column.field)).collect::<Vec<_>>());
        let fields = Fields::from(fields);
        Self {
            response: response.clone(),
            envelope: envelope::schema(response, &fields),
            fields,
            columns: output,
            schema: Arc::new(schema),
            id,
            path_parameters: Vec::new(),
        }
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
        let envelope = read(&self.envelope, body).map_err(|error| self.locate(body, &error))?;
        duplicate_keys::check(self.envelope.fields(), body)?;
        let objects = self.objects(envelope.column(0))?;
        let mut parser = Parser::default();
        let mut parsed = Vec::with_capacity(self.fields.len());
        for (at, field) in self.fields.iter().enumerate() {
            parsed.push(parser.column(objects.column(at), field_type(&self.columns, at), field.name())?);
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            columns.push(output(column, &parsed, binding, objects.len())?);
        }
        // The number of rows is explicit, because there may be no columns.
        let options = RecordBatchOptions::new().with_row_count(Some(objects.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .expect("the columns have the schema's types");
        self.check_ids(&batch)?;
        self.check_row(&batch, binding)?;
        Ok(DecodedRows {
            batch,
            total: envelope::total(&envelope)?,
            next: envelope::next(&envelope),
            has_links: envelope::has_links(&envelope),
            out_of_range_times: parser.out_of_range_times,
        })
    }

    /// Fails if an id occurs twice in the page.
    fn check_ids(&self, batch: &RecordBatch) -> Result<(), Fault> {
        let Some(id) = self.id else { return Ok(()) };
        let mut first_rows = HashMap::with_capacity(batch.num_rows());
        let mut duplicate = None;
        for row in 0..batch.num_rows() {
            let id = row_id_value(batch.column(id), row);
            if let Some(first) = first_rows.get(&id).copied() {
                duplicate = duplicate.or(Some([first, row]));
            } else {
                first_rows.insert(id, row);
            }
        }
        let Some(rows) = duplicate else { return Ok(()) };
        let (field, value) = (self.schema.field(id).name().clone(), cell(batch.column(id), rows[0]));
        Err(Fault::DuplicateId { field, value, rows, of: batch.num_rows(), ids: first_rows.len() })
    }

    /// Fails if the row is not the requested one. Text that differs only in case is another value in SQL, but not in
    /// every API: such a row is accepted here, and the query's filter drops it.
    fn check_row(&self, batch: &RecordBatch, binding: &Binding) -> Result<(), Fault> {
        for (column, at) in &self.path_parameters {
            let Some(requested) = binding.get(column).map(Value::to_string) else { continue };
            let returned = cell(batch.column(*at), 0);
            if !returned.eq_ignore_ascii_case(&requested) {
                return Err(Fault::OtherRow { field: column.clone(), requested, returned });
            }
        }
        Ok(())
    }

    /// The objects of the body, as one struct array.
    fn objects(&self, column: &ArrayRef) -> Result<StructArray, Fault> {
        if column.is_null(0) {
            return Err(Fault::NoRows { key: self.key().to_owned() });
        }
        Ok(match &self.response {
            ResponseShape::Row(_) => column.as_struct().clone(),
            ResponseShape::Rows { .. } => column.as_list::<i32>().value(0).as_struct().clone(),
        })
    }

    fn key(&self) -> &str {
        match &self.response {
            ResponseShape::Row(key) | ResponseShape::Rows { key, .. } => key,
        }
    }

    /// Finds the field and the row that arrow-json could not read.
    fn locate(&self, body: &[u8], error: &ArrowError) -> Fault {
        let json: Json = match serde_json::from_slice(body) {
            Ok(json) => json,
            Err(error) => return Fault::NotJson(error.to_string()),
        };
        let objects = match (json.get(self.key()), &self.response) {
            (Some(Json::Array(objects)), ResponseShape::Rows { .. }) => objects.iter().collect(),
            (Some(object @ Json::Object(_)), ResponseShape::Row(_)) => vec![object],
            (Some(other), _) => {
                let problem = format!("it is {}", kind_of(other));
                return Fault::Field { field: self.key().to_owned(), row: None, problem };
            }
            (None, _) => return Fault::NoRows { key: self.key().to_owned() },
        };
        let in_row = objects.into_iter().enumerate().find_map(|(row, object)| self.locate_in_row(row, object));
        in_row.unwrap_or_else(|| Fault::Field { field: "the envelope".into(), row: None, problem: error.to_string() })
    }

    fn locate_in_row(&self, row: usize, object: &Json) -> Option<Fault> {
        if !object.is_object() {
            let (field, problem) = (self.key().to_owned(), format!("it is {}", kind_of(object)));
            return Some(Fault::Field { field, row: Some(row), problem });
        }
        self.fields.iter().find_map(|field| {
            let value = object.get(field.name())?;
            let only_this_field = serde_json::json!({ field.name(): value }).to_string();
            let schema = Arc::new(Schema::new(vec![Arc::clone(field)]));
            let error = read(&schema, only_this_field.as_bytes()).err()?;
            Some(Fault::Field { field: field.name().clone(), row: Some(row), problem: message(&error) })
        })
    }
}

/// Where the column at index `at` comes from. If it is a field, adds it to `fields`, the fields to read.
fn origin<'a>(
    resource: &'a Resource,
    field_for: impl Fn(&str) -> Option<&'a str>,
    at: usize,
    fields: &mut Vec<FieldRef>,
) -> Origin {
    let name = resource.canonical(&resource.columns[at].name);
    let column = resource.column(name).expect("`canonical` returns a column");
    let field_name = match (&column.source, field_for(name)) {
        (ColumnSource::Parameter, None) => return Origin::Request(name.to_owned()),
        (_, Some(field)) => field,
        (_, None) => name,
    };
    if let Some(index) = fields.iter().position(|field| field.name() == field_name) {
        return Origin::Object(index);
    }
    fields.push(Arc::new(Field::new(field_name, as_text(&column.data_type), true)));
    Origin::Object(fields.len() - 1)
}

/// The declared type of the field at this index.
fn field_type(columns: &[OutputColumn], index: usize) -> &DataType {
    let column = columns.iter().find(|column| matches!(column.origin, Origin::Object(field) if field == index));
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
        Some(_) => Err(ArrowError::JsonError("there is more text after the object".into())),
        None => Err(ArrowError::JsonError("it is empty".into())),
    }
}

/// The path parameters of a single object that are also fields of the response, with their indices in `columns`.
fn path_parameters(resource: &Resource, method: &Method, columns: &[usize]) -> Vec<(String, usize)> {
    let mut parameters = Vec::new();
    if !method.is_get() {
        return parameters;
    }
    for name in method.path.parameters().map(|parameter| resource.canonical(parameter)) {
        let is_field = resource.column(name).is_some_and(|column| column.source == ColumnSource::Field);
        let index = columns.iter().position(|at| resource.columns[*at].name == name);
        if let Some(index) = index.filter(|_| is_field) {
            parameters.push((name.to_owned(), index));
        }
    }
    parameters
}

/// The value of an id, for comparison.
#[derive(PartialEq, Eq, Hash)]
enum RowIdValue<'a> {
    Number(i64),
    Text(&'a str),
    Null,
}

fn row_id_value(column: &ArrayRef, row: usize) -> RowIdValue<'_> {
    match column.data_type() {
        _ if column.is_null(row) => RowIdValue::Null,
        DataType::Int64 => RowIdValue::Number(column.as_primitive::<Int64Type>().value(row)),
        _ => RowIdValue::Text(column.as_string::<i32>().value(row)),
    }
}

fn cell(column: &ArrayRef, row: usize) -> String {
    match row_id_value(column, row) {
        RowIdValue::Number(number) => number.to_string(),
        RowIdValue::Text(text) => text.to_owned(),
        RowIdValue::Null => "null".into(),
    }
}

fn output(column: &OutputColumn, parsed: &[ArrayRef], binding: &Binding, rows: usize) -> Result<ArrayRef, Fault> {
    let array: ArrayRef = match &column.origin {
        Origin::Object(field) => Arc::clone(&parsed[*field]),
        Origin::Request(name) => match binding.get(name) {
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
fn message(error: &ArrowError) -> String {
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

    fn get(table: &str, method: &str, key: (&str, Value), body: &str) -> Result<DecodedRows, Fault> {
        let resource = Registry::built_in().find("compute", table).unwrap();
        let id = resource.arrow_schema().index_of(resource.row_id()).unwrap();
        let binding = Binding::default().with(key.0, key.1);
        Decoder::of_method(resource, resource.method(method).unwrap(), &[id]).decode(body.as_bytes(), &binding)
    }

    #[test]
    fn a_get_must_return_the_requested_row() {
        let action = |id| get("image_actions", "image_actions_get", ("id", Value::Int(5)), id);
        let snapshot = |id| get("snapshots", "snapshots_get", ("id", Value::Text("ab-1".into())), id);

        assert!(action(r#"{"action": {"id": 5}}"#).is_ok());
        assert!(snapshot(r#"{"snapshot": {"id": "ab-1"}}"#).is_ok());
        assert!(snapshot(r#"{"snapshot": {"id": "AB-1"}}"#).is_ok(), "for the query's own filter to drop");
        let other = |requested: &str, returned: &str| Fault::OtherRow {
            field: "id".into(),
            requested: requested.into(),
            returned: returned.into(),
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
            (r#"{"actions": [{"id": 1}, {"id": 1.5}]}"#, "`id` of row 1: `1.5` is not a 64-bit integer"),
            (r#"{"actions": [{"id": "x"}]}"#, "`id` of row 0: `x` is not a 64-bit integer"),
            (r#"{"actions": [{"id": 99999999999999999999}]}"#, "is not a 64-bit integer"),
            (r#"{"actions": [{"id": 1, "resource_id": 2.25}]}"#, "`resource_id` of row 0"),
            (r#"{"actions": [{"status": "completed"}]}"#, "`id` of row 0: it is missing"),
            (r#"{"actions": [null]}"#, "`id` of row 0: it is missing"),
            (r#"{"actions": [{"id": 1}, {"id": 2, "region": "nyc1"}]}"#, "`region` of row 1"),
            (r#"{"actions": [{"id": 1, "started_at": "yesterday"}]}"#, "`started_at` of row 0"),
            (r#"{"actions": [{"id": 1, "started_at": 1605371361}]}"#, "`1605371361` is not a timestamp"),
            (r#"{"actions": [{"id": 1, "completed_at": "0000-00-00T00:00:00Z"}]}"#, "is not a timestamp"),
            (r#"{"actions": [{"id": 1}], "meta": {"total": 1}, "actions": []}"#, "the key `actions` occurs twice"),
            (r#"{"actions": [{"id": 1, "id": 2}]}"#, "the key `actions.id` occurs twice"),
            (r#"{"actions": [], "links": {"pages": {"next": "x", "next": "y"}}}"#, "the key `links.pages.next` occurs"),
            (r#"{"actions": [{"id": 2}, {"id": 1}, {"id": 2}]}"#, "rows 0 and 2 have the same id, 2: 3 rows have only"),
            (r#"{"actions": [7]}"#, "`actions` of row 0: it is a number"),
            (r#"{"actions": {"id": 1}}"#, "`actions`: it is an object"),
            (r#"{"actions": null}"#, "the body has no `actions`"),
            (r#"{"links": {}}"#, "the body has no `actions`"),
            (r#"{"actions": []} x"#, "the body is not JSON"),
            (r#"{"actions": [{"id": 1"#, "the body is not JSON"),
            (r#"{"actions": [], "meta": {"total": "many"}}"#, "`meta.total`: `many` is not a number of rows"),
            ("<html></html>", "the body is not JSON"),
            ("", "the body is not JSON"),
        ];

        for (body, expected) in cases {
            let problem = problem(body);
            assert!(problem.contains(expected), "{body}: {problem}");
        }
    }
}
