//! JSON bytes and a declaration to a [`RecordBatch`]. Pure.
//!
//! The whole body, envelope included, is read as one row of a schema made from the declaration
//! (`{actions: List<Struct<the columns wanted>>, links, meta}`) by arrow-json, straight from the
//! bytes; fields that nobody asked for become no arrays.
//!
//! arrow-json alone would be too kind: it reads `1.5` into an integer as 1, a number into a timestamp
//! as nanoseconds, and says nothing where `actions` is missing. So integers and timestamps are read as
//! text and parsed here, and what must be there is looked for. Where it fails, its message has no field in it: [`Decoder::decode`] then looks again,
//! slowly, for the field and the row.

use std::fmt;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, StringArray, StructArray,
    TimestampNanosecondArray, new_null_array,
};
use arrow::compute::kernels::cast_utils::string_to_timestamp_nanos;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use serde_json::Value as Json;

use crate::error::{Failure, Kind};
use crate::resource::{Answer, Binding, Method, Resource, Source, Value};

/// A body that does not hold what the declaration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no JSON, or goes on after its end.
    NotJson(String),
    /// The key that holds the rows is missing, or null.
    NoRows {
        /// `actions`.
        key: String,
    },
    /// A field is not what it is declared to be.
    Field {
        /// `started_at`.
        field: String,
        /// Which row of the body, from 0, where that is known.
        row: Option<usize>,
        /// What is wrong with it.
        problem: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(problem) => write!(f, "the body is no JSON: {problem}"),
            Self::NoRows { key } => write!(f, "the body has no `{key}`"),
            Self::Field { field, row: Some(row), problem } => write!(f, "`{field}` of row {row}: {problem}"),
            Self::Field { field, row: None, problem } => write!(f, "`{field}`: {problem}"),
        }
    }
}

impl std::error::Error for Fault {}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::DataLoss
    }
}

/// What a body holds.
#[derive(Debug)]
pub struct Rows {
    /// In the decoder's schema.
    pub batch: RecordBatch,
    /// `meta.total`: how many rows the whole list has.
    pub total: Option<u64>,
    /// `links.pages.next`.
    pub next: Option<String>,
}

/// Reads the bodies of one kind of answer into some of its resource's columns.
#[derive(Debug)]
pub struct Decoder {
    answer: Answer,
    /// The fields read from each object, integers and timestamps as text.
    fields: Fields,
    /// What arrow-json reads a whole body into.
    envelope: SchemaRef,
    columns: Vec<OutputColumn>,
    schema: SchemaRef,
}

#[derive(Debug)]
struct OutputColumn {
    field: FieldRef,
    /// Whether a row without it is an error, whatever the field says.
    required: bool,
    from: From,
}

#[derive(Debug)]
enum From {
    /// The object's field at this place.
    Object(usize),
    /// The request, filled in with this column's value.
    Request(String),
}

impl Decoder {
    /// For these columns (places in the resource's schema), in this order.
    pub fn new(resource: &Resource, answer: &Answer, columns: &[usize]) -> Self {
        Self::with(resource, answer, |_| None, columns)
    }

    /// For the answers of a method, which may give a parameter's column in a field.
    pub fn of_method(resource: &Resource, method: &Method, columns: &[usize]) -> Self {
        Self::with(resource, &method.answer, |column| method.gives(column), columns)
    }

    fn with<'a>(
        resource: &'a Resource,
        answer: &Answer,
        gives: impl Fn(&str) -> Option<&'a str>,
        columns: &[usize],
    ) -> Self {
        let mut fields: Vec<FieldRef> = Vec::new();
        let columns: Vec<OutputColumn> = columns
            .iter()
            .map(|at| OutputColumn {
                field: Arc::clone(&resource.planned_schema().fields()[*at]),
                // A field that gives a parameter may be missing, in rows of other kinds as well.
                required: !resource.columns[*at].nullable && gives(&resource.columns[*at].name).is_none(),
                from: origin(resource, &gives, *at, &mut fields),
            })
            .collect();
        let schema = Arc::new(Schema::new(columns.iter().map(|column| Arc::clone(&column.field)).collect::<Vec<_>>()));
        let fields = Fields::from(fields);
        Self { answer: answer.clone(), envelope: envelope(answer, &fields), fields, columns, schema }
    }

    /// The schema of the batches.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Reads a body that answered a request made with `binding`.
    ///
    /// # Errors
    /// [`Fault`], which names the field.
    pub fn decode(&self, body: &[u8], binding: &Binding) -> Result<Rows, Fault> {
        let envelope = read(&self.envelope, body).map_err(|error| self.explain(body, &error))?;
        let objects = self.objects(envelope.column(0))?;
        let mut read = Vec::with_capacity(self.fields.len());
        for (at, field) in self.fields.iter().enumerate() {
            read.push(from_text(objects.column(at), field.name(), field_type(&self.columns, at))?);
        }
        let columns = self.columns.iter().map(|column| output(column, &read, binding, objects.len()));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(objects.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &rows)
            .expect("the columns have the schema's types, and no nulls where there must be none");
        Ok(Rows { batch, total: total(&envelope)?, next: next(&envelope) })
    }

    /// The objects of the body, as one struct array.
    fn objects(&self, column: &ArrayRef) -> Result<StructArray, Fault> {
        if column.is_null(0) {
            return Err(Fault::NoRows { key: self.key().to_owned() });
        }
        Ok(match &self.answer {
            Answer::Row(_) => column.as_struct().clone(),
            Answer::Rows { .. } => column.as_list::<i32>().value(0).as_struct().clone(),
        })
    }

    fn key(&self) -> &str {
        match &self.answer {
            Answer::Row(key) | Answer::Rows { key, .. } => key,
        }
    }

    /// Why a body was refused: which field of which row, found one by one.
    fn explain(&self, body: &[u8], error: &ArrowError) -> Fault {
        let json: Json = match serde_json::from_slice(body) {
            Ok(json) => json,
            Err(error) => return Fault::NotJson(error.to_string()),
        };
        let objects = match (json.get(self.key()), &self.answer) {
            (Some(Json::Array(objects)), Answer::Rows { .. }) => objects.iter().collect(),
            (Some(object @ Json::Object(_)), Answer::Row(_)) => vec![object],
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

/// Where the column at `at` comes from; adds what has to be read to `fields`.
fn origin<'a>(
    resource: &'a Resource,
    gives: impl Fn(&str) -> Option<&'a str>,
    at: usize,
    fields: &mut Vec<FieldRef>,
) -> From {
    let name = resource.canonical(&resource.columns[at].name);
    let column = resource.column(name).expect("`canonical` answers a column");
    let name = match (&column.source, gives(name)) {
        (Source::Parameter, None) => return From::Request(name.to_owned()),
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

/// `{actions: List<Struct<…>>, links: {pages: {next}}, meta: {total}}`
fn envelope(answer: &Answer, fields: &Fields) -> SchemaRef {
    let object = DataType::Struct(fields.clone());
    Arc::new(Schema::new(match answer {
        Answer::Row(key) => vec![Field::new(key, object, true)],
        Answer::Rows { key, .. } => {
            let next = Fields::from(vec![Field::new("next", DataType::Utf8, true)]);
            let pages = Fields::from(vec![Field::new("pages", DataType::Struct(next), true)]);
            let total = Fields::from(vec![Field::new("total", DataType::Utf8, true)]);
            vec![
                Field::new(key, DataType::new_list(object, true), true),
                Field::new("links", DataType::Struct(pages), true),
                Field::new("meta", DataType::Struct(total), true),
            ]
        }
    }))
}

/// The type with every integer and timestamp as text.
fn as_text(data_type: &DataType) -> DataType {
    let field = |field: &FieldRef| Arc::new(field.as_ref().clone().with_data_type(as_text(field.data_type())));
    match data_type {
        DataType::Int64 | DataType::Timestamp(..) => DataType::Utf8,
        DataType::List(item) => DataType::List(field(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(field).collect()),
        other => other.clone(),
    }
}

/// One JSON object as one row.
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

/// The column in its declared type, integers and timestamps parsed.
fn from_text(column: &ArrayRef, name: &str, wanted: &DataType) -> Result<ArrayRef, Fault> {
    match wanted {
        DataType::Int64 => {
            let integers = parsed(column.as_string(), name, "no integer of 64 bits", |text| text.parse::<i64>().ok())?;
            return Ok(Arc::new(Int64Array::from(integers)));
        }
        DataType::Timestamp(_, zone) => {
            let times = parsed(column.as_string(), name, "no time", |text| string_to_timestamp_nanos(text).ok())?;
            return Ok(Arc::new(TimestampNanosecondArray::from(times).with_timezone_opt(zone.clone())));
        }
        _ => {}
    }
    if column.data_type() == wanted {
        return Ok(Arc::clone(column));
    }
    let cast = cast_with_options(column, wanted, &CastOptions { safe: false, ..CastOptions::default() });
    cast.map_err(|error| Fault::Field { field: name.to_owned(), row: None, problem: plain(&error) })
}

fn parsed<T>(
    texts: &StringArray,
    name: &str,
    otherwise: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<Option<T>>, Fault> {
    let parse = |(row, text): (usize, Option<&str>)| match text {
        None => Ok(None),
        Some(text) => parse(text).map(Some).ok_or_else(|| {
            let problem = format!("`{text}` is {otherwise}");
            Fault::Field { field: name.to_owned(), row: Some(row), problem }
        }),
    };
    texts.iter().enumerate().map(parse).collect()
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

fn total(envelope: &RecordBatch) -> Result<Option<u64>, Fault> {
    let Some(meta) = envelope.column_by_name("meta").filter(|meta| meta.is_valid(0)) else { return Ok(None) };
    let total = meta.as_struct().column(0).as_string::<i32>();
    let problem = |text: &str| Fault::Field {
        field: "meta.total".into(),
        row: None,
        problem: format!("`{text}` is no number of rows"),
    };
    total.is_valid(0).then(|| total.value(0).parse().map_err(|_| problem(total.value(0)))).transpose()
}

fn next(envelope: &RecordBatch) -> Option<String> {
    let links = envelope.column_by_name("links").filter(|links| links.is_valid(0))?;
    let pages = links.as_struct().column(0);
    let next = pages.is_valid(0).then(|| pages.as_struct().column(0).as_string::<i32>())?;
    next.is_valid(0).then(|| next.value(0).to_owned())
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

/// Arrow's message without its own name in front.
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

    fn decode(columns: &[&str], body: &str) -> Result<Rows, Fault> {
        let binding = Binding::default().with("image_id", Value::Int(7));
        decoder("image_actions_list", columns).decode(body.as_bytes(), &binding)
    }

    fn problem(body: &str) -> String {
        let all: Vec<_> = actions().columns.iter().map(|column| column.name.as_str()).collect();
        decode(&all, body).unwrap_err().to_string()
    }

    #[test]
    fn a_page_gives_its_rows_its_total_and_its_next() {
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

    #[test]
    fn an_empty_list_and_absent_links_are_no_error() {
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
    fn an_id_in_quotes_and_a_null_region_are_taken() {
        let rows = decode(&["id", "region"], r#"{"actions": [{"id": "36804636", "region": null}]}"#).unwrap();

        assert_eq!(rows.batch.column(0).as_primitive::<Int64Type>().value(0), 36_804_636);
        assert!(rows.batch.column(1).is_null(0));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field_and_row() {
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
            (r#"{"actions": [{"id": 1, "completed_at": "0001-01-01T00:00:00Z"}]}"#, "is no time"),
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
