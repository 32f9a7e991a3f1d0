//! The columns of a dataset, from those of its files and folders.
//!
//! DataFusion merges the schemas of files in silence: a column that a file lacks is NULL, and the columns of a CSV file are
//! read by position, whatever its header says. Here a difference is an error that names both files, except where a format
//! has no schema: the types of CSV columns are widened, and an object of JSON may lack a field.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use chrono::NaiveDate;
use datafusion::common::ScalarValue;

use super::fault::Fault;
use super::form::FileKind;

/// The columns of one file, with its name.
pub(super) struct FileColumns<'a> {
    pub(super) file: &'a str,
    pub(super) schema: &'a SchemaRef,
}

/// The columns of all files together.
///
/// # Errors
/// [`Fault::Columns`], with the first difference.
pub(super) fn merged(kind: FileKind, files: &[FileColumns<'_>]) -> Result<SchemaRef, Fault> {
    let Some(first) = files.first() else { return Ok(Arc::new(Schema::empty())) };
    let mut fields: Vec<FieldRef> = first.schema.fields().to_vec();
    for file in &files[1..] {
        fields = match kind {
            FileKind::Parquet | FileKind::Arrow => same_columns(&fields, file.schema.fields(), kind),
            FileKind::Csv => widened(&fields, file.schema.fields()),
            FileKind::Json => united(&fields, file.schema.fields()),
        }
        .map_err(|difference| columns_fault(file.file, first.file, difference))?;
    }
    let known = fields.iter().map(|field| Arc::new(without_null_type(field)));
    Ok(Arc::new(Schema::new(known.collect::<Vec<_>>())))
}

fn columns_fault(file: &str, other: &str, difference: String) -> Fault {
    Fault::Columns { file: file.to_owned(), other: other.to_owned(), difference }
}

/// Checks the columns of a file against the declared ones.
///
/// # Errors
/// [`Fault::Columns`]
pub(super) fn check_declared(
    kind: FileKind,
    declared: &Schema,
    file: &FileColumns<'_>,
    has_names: bool,
) -> Result<(), Fault> {
    let names =
        |fields: &Fields| fields.iter().map(|field| format!("`{}`", field.name())).collect::<Vec<_>>().join(", ");
    let differs = |difference| Err(columns_fault(file.file, "the declaration", difference));
    let (ours, theirs) = (declared.fields(), file.schema.fields());
    match kind {
        FileKind::Csv if ours.len() != theirs.len() => {
            differs(format!("it has {}, not {}", columns_count(theirs.len()), ours.len()))
        }
        FileKind::Csv if has_names && ours.iter().zip(theirs).any(|(one, other)| one.name() != other.name()) => {
            differs(format!("it has {}, not {}", names(theirs), names(ours)))
        }
        _ => Ok(()),
    }
}

/// Checks that each declared column is in all files, or for JSON in one: a column that is not would be one of NULLs.
///
/// # Errors
/// [`Fault::Columns`]
pub(super) fn check_used(kind: FileKind, declared: &Schema, files: &[FileColumns<'_>]) -> Result<(), Fault> {
    for field in declared.fields() {
        let lacks = |file: &&FileColumns<'_>| file.schema.column_with_name(field.name()).is_none();
        let lacking = match kind {
            FileKind::Parquet | FileKind::Arrow => files.iter().find(lacks),
            FileKind::Json => files.first().filter(|_| files.iter().all(|file| lacks(&file))),
            // Its columns are those of its header.
            FileKind::Csv => None,
        };
        if let Some(file) = lacking {
            return Err(columns_fault(file.file, "the declaration", format!("it has no `{}`", field.name())));
        }
    }
    Ok(())
}

/// Checks that each column has a name of its own, and names those of a CSV file that have none by their position.
///
/// # Errors
/// [`Fault::Names`]
pub(super) fn named(kind: FileKind, file: &str, schema: &Schema) -> Result<SchemaRef, Fault> {
    let mut seen = HashSet::new();
    let mut fields = Vec::with_capacity(schema.fields().len());
    for (at, field) in schema.fields().iter().enumerate() {
        let mut name = field.name().as_str();
        let by_position = format!("column_{}", at + 1);
        if kind == FileKind::Csv {
            // Excel begins a file with a byte order mark.
            name = name.trim_start_matches('\u{feff}');
            name = if name.is_empty() { &by_position } else { name };
        }
        if !seen.insert(name.to_owned()) {
            return Err(Fault::Names { file: file.to_owned(), problem: format!("has two columns `{name}`") });
        }
        fields.push(Arc::new(field.as_ref().clone().with_name(name)));
    }
    if fields.is_empty() {
        return Err(Fault::Names { file: file.to_owned(), problem: "has no columns".into() });
    }
    Ok(Arc::new(Schema::new(fields)))
}

/// The fields, if both have the same names and types. The fields of a Parquet file are found by name; those of an Arrow file
/// by position.
fn same_columns(ours: &[FieldRef], theirs: &Fields, kind: FileKind) -> Result<Vec<FieldRef>, String> {
    let mut fields = Vec::with_capacity(ours.len());
    for (at, field) in ours.iter().enumerate() {
        let other = match kind {
            FileKind::Arrow => theirs.get(at).filter(|other| other.name() == field.name()),
            _ => theirs.iter().find(|other| other.name() == field.name()),
        };
        let Some(other) = other else {
            return Err(format!("it has no `{}`{}", field.name(), position(kind, at)));
        };
        if !same_type(field.data_type(), other.data_type()) {
            return Err(differing_types(field, other));
        }
        let nullable = field.is_nullable() || other.is_nullable();
        fields.push(Arc::new(field.as_ref().clone().with_nullable(nullable)));
    }
    match theirs.iter().find(|other| !ours.iter().any(|field| field.name() == other.name())) {
        Some(other) => Err(format!("it also has `{}`", other.name())),
        None => Ok(fields),
    }
}

/// Whether two types are the same, with the same names in structs. Whether a value in them may be NULL does not matter.
pub(super) fn same_type(one: &DataType, other: &DataType) -> bool {
    match (one, other) {
        (DataType::Struct(one), DataType::Struct(other)) => {
            let same = |(one, other): (&FieldRef, &FieldRef)| {
                one.name() == other.name() && same_type(one.data_type(), other.data_type())
            };
            one.len() == other.len() && one.iter().zip(other).all(same)
        }
        (DataType::List(one), DataType::List(other)) | (DataType::LargeList(one), DataType::LargeList(other)) => {
            same_type(one.data_type(), other.data_type())
        }
        (one, other) => one.equals_datatype(other),
    }
}

fn columns_count(count: usize) -> String {
    if count == 1 { "1 column".to_owned() } else { format!("{count} columns") }
}

fn differing_types(ours: &Field, theirs: &Field) -> String {
    format!("`{}` is {}, not {}", theirs.name(), theirs.data_type(), ours.data_type())
}

fn position(kind: FileKind, at: usize) -> String {
    if kind == FileKind::Arrow { format!(" as column {}", at + 1) } else { String::new() }
}

/// The fields of CSV files, which are read by position: with the same names, and types that fit both.
fn widened(ours: &[FieldRef], theirs: &Fields) -> Result<Vec<FieldRef>, String> {
    if ours.len() != theirs.len() {
        return Err(format!("it has {}, not {}", columns_count(theirs.len()), ours.len()));
    }
    let wider = |(at, (one, other)): (usize, (&FieldRef, &FieldRef))| match one.name() == other.name() {
        true => Ok(Arc::new(Field::new(one.name(), wider(one.data_type(), other.data_type()), true))),
        false => Err(format!("column {} is `{}`, not `{}`", at + 1, other.name(), one.name())),
    };
    ours.iter().zip(theirs).enumerate().map(wider).collect()
}

/// A type for the values of both: text, unless both are numbers.
fn wider(one: &DataType, other: &DataType) -> DataType {
    match (one, other) {
        (one, other) if one == other => one.clone(),
        (DataType::Null, known) | (known, DataType::Null) => known.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        _ => DataType::Utf8,
    }
}

/// The fields of the objects of both files.
fn united(ours: &[FieldRef], theirs: &Fields) -> Result<Vec<FieldRef>, String> {
    let mut fields: Vec<FieldRef> = ours.to_vec();
    for other in theirs {
        match fields.iter_mut().find(|field| field.name() == other.name()) {
            None => fields.push(Arc::clone(other)),
            Some(field) => {
                let both =
                    of_both(field.data_type(), other.data_type()).ok_or_else(|| differing_types(field, other))?;
                *field = Arc::new(Field::new(field.name(), both, true));
            }
        }
    }
    Ok(fields)
}

/// A type that the values of JSON of both types can be read as.
fn of_both(one: &DataType, other: &DataType) -> Option<DataType> {
    Some(match (one, other) {
        (one, other) if one == other => one.clone(),
        (DataType::Null, known) | (known, DataType::Null) => known.clone(),
        (DataType::Int64, DataType::Float64) | (DataType::Float64, DataType::Int64) => DataType::Float64,
        (DataType::Struct(one), DataType::Struct(other)) => DataType::Struct(united(one, other).ok()?.into()),
        (DataType::List(one), DataType::List(other)) => {
            let item = of_both(one.data_type(), other.data_type())?;
            DataType::List(Arc::new(Field::new(one.name(), item, true)))
        }
        _ => return None,
    })
}

/// A column without any value is one of text.
fn without_null_type(field: &FieldRef) -> Field {
    match field.data_type() {
        DataType::Null => Field::new(field.name(), DataType::Utf8, true),
        _ => field.as_ref().clone(),
    }
}

/// The columns of folders `key=value`, and the values of each file. A key that the files have as a column is left out: the
/// value in the file counts.
pub(super) struct FolderColumns {
    pub(super) fields: Vec<FieldRef>,
    /// The values of each file.
    pub(super) values: Vec<Vec<ScalarValue>>,
}

impl FolderColumns {
    /// `values`: those of each file, one for each key.
    pub(super) fn of(keys: &[String], values: &[&[Option<String>]], in_files: &Schema) -> Self {
        let used: Vec<usize> = (0..keys.len()).filter(|at| in_files.column_with_name(&keys[*at]).is_none()).collect();
        let texts = |at: usize| values.iter().map(move |values| values[at].as_deref());
        let types: Vec<DataType> = used.iter().map(|at| folder_type(texts(*at).flatten())).collect();
        let field = |(at, data_type): (&usize, &DataType)| {
            let nullable = texts(*at).any(|text| text.is_none());
            Arc::new(Field::new(&keys[*at], data_type.clone(), nullable))
        };
        let fields = used.iter().zip(&types).map(field).collect();
        let of_file = |values: &&[Option<String>]| {
            used.iter().zip(&types).map(|(at, data_type)| folder_value(values[*at].as_deref(), data_type)).collect()
        };
        Self { fields, values: values.iter().map(of_file).collect() }
    }
}

/// The type that all values of a folder's key have. `01` is text: as a number it would be another value.
fn folder_type<'a>(values: impl Iterator<Item = &'a str> + Clone) -> DataType {
    if values.clone().next().is_none() {
        return DataType::Utf8;
    }
    if values.clone().all(|text| text.parse::<i64>().is_ok_and(|number| number.to_string() == text)) {
        return DataType::Int64;
    }
    let mut dates = values;
    match dates.all(|text| text.parse::<NaiveDate>().is_ok_and(|date| date.to_string() == text)) {
        true => DataType::Date32,
        false => DataType::Utf8,
    }
}

fn folder_value(text: Option<&str>, data_type: &DataType) -> ScalarValue {
    let number = || text.and_then(|text| text.parse().ok());
    let days = || {
        let date: NaiveDate = text?.parse().ok()?;
        i32::try_from(date.signed_duration_since(NaiveDate::default()).num_days()).ok()
    };
    match data_type {
        DataType::Int64 => ScalarValue::Int64(number()),
        DataType::Date32 => ScalarValue::Date32(days()),
        _ => ScalarValue::Utf8(text.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
        let fields = fields.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    fn merge(kind: FileKind, one: &[(&str, DataType)], other: &[(&str, DataType)]) -> Result<String, String> {
        let (one, other) = (schema(one), schema(other));
        let files = [FileColumns { file: "1", schema: &one }, FileColumns { file: "2", schema: &other }];
        let columns = |schema: SchemaRef| {
            schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect::<Vec<_>>()
        };
        merged(kind, &files).map(|schema| columns(schema).join(", ")).map_err(|fault| fault.to_string())
    }

    const A: (&str, DataType) = ("a", DataType::Int64);
    const B: (&str, DataType) = ("b", DataType::Utf8);

    #[test]
    fn parquet_files_have_the_same_columns_in_any_order() {
        assert_eq!(merge(FileKind::Parquet, &[A, B], &[B, A]).unwrap(), "a Int64, b Utf8");
        insta::assert_snapshot!(merge(FileKind::Parquet, &[A, B], &[A]).unwrap_err(), @"the columns of 2 differ from those of 1: it has no `b`");
        insta::assert_snapshot!(merge(FileKind::Parquet, &[A], &[A, B]).unwrap_err(), @"the columns of 2 differ from those of 1: it also has `b`");
        insta::assert_snapshot!(merge(FileKind::Parquet, &[A], &[("a", DataType::Utf8)]).unwrap_err(), @"the columns of 2 differ from those of 1: `a` is Utf8, not Int64");
        insta::assert_snapshot!(merge(FileKind::Arrow, &[A, B], &[B, A]).unwrap_err(), @"the columns of 2 differ from those of 1: it has no `a` as column 1");
    }

    #[test]
    fn csv_files_have_the_same_columns_in_the_same_order_and_types_that_fit_both() {
        let float = ("a", DataType::Float64);
        assert_eq!(merge(FileKind::Csv, &[A, B], &[float.clone(), B]).unwrap(), "a Float64, b Utf8");
        assert_eq!(merge(FileKind::Csv, &[A], &[("a", DataType::Date32)]).unwrap(), "a Utf8");
        assert_eq!(merge(FileKind::Csv, &[("a", DataType::Null)], &[A]).unwrap(), "a Int64");
        assert_eq!(merge(FileKind::Csv, &[("a", DataType::Null)], &[("a", DataType::Null)]).unwrap(), "a Utf8");
        insta::assert_snapshot!(merge(FileKind::Csv, &[A, B], &[B, A]).unwrap_err(), @"the columns of 2 differ from those of 1: column 1 is `b`, not `a`");
        insta::assert_snapshot!(merge(FileKind::Csv, &[A, B], &[A]).unwrap_err(), @"the columns of 2 differ from those of 1: it has 1 column, not 2");
    }

    #[test]
    fn objects_of_json_may_lack_fields() {
        assert_eq!(merge(FileKind::Json, &[A], &[B]).unwrap(), "a Int64, b Utf8");
        let object = |fields: &[(&str, DataType)]| ("o", DataType::Struct(schema(fields).fields().clone()));
        let both = merge(FileKind::Json, &[object(&[A])], &[object(&[("a", DataType::Float64), B])]).unwrap();
        assert_eq!(both, r#"o Struct("a": Float64, "b": Utf8)"#);
        insta::assert_snapshot!(merge(FileKind::Json, &[A], &[("a", DataType::Utf8)]).unwrap_err(), @"the columns of 2 differ from those of 1: `a` is Utf8, not Int64");
    }

    #[test]
    fn the_keys_of_folders_have_types_unless_a_value_would_change() {
        let type_of = |values: &[&str]| folder_type(values.iter().copied());
        assert_eq!(type_of(&["2026", "-1"]), DataType::Int64);
        assert_eq!(type_of(&["1", "01"]), DataType::Utf8);
        assert_eq!(type_of(&["+1"]), DataType::Utf8);
        assert_eq!(type_of(&["2026-11-27", "1969-12-31"]), DataType::Date32);
        assert_eq!(type_of(&["2026-11-27", "2026"]), DataType::Utf8);
        assert_eq!(type_of(&[]), DataType::Utf8);
        assert_eq!(folder_value(Some("1969-12-31"), &DataType::Date32), ScalarValue::Date32(Some(-1)));
        assert_eq!(folder_value(None, &DataType::Int64), ScalarValue::Int64(None));
    }

    #[test]
    fn a_key_that_the_files_have_as_a_column_is_left_out() {
        let values = [Some("1".to_owned()), None];
        let folders = FolderColumns::of(&["a".into(), "c".into()], &[&values], &schema(&[A]));
        assert_eq!(folders.fields.len(), 1);
        assert_eq!((folders.fields[0].name().as_str(), folders.fields[0].is_nullable()), ("c", true));
        assert_eq!(folders.values, [[ScalarValue::Utf8(None)]]);
    }

    #[test]
    fn each_column_has_a_name_of_its_own() {
        let named = |kind, names: &[&str]| {
            let fields: Vec<_> = names.iter().map(|name| (*name, DataType::Int64)).collect();
            named(kind, "x", &schema(&fields))
                .map(|schema| schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>())
        };
        assert_eq!(named(FileKind::Csv, &["\u{feff}id", "", "b"]).unwrap(), ["id", "column_2", "b"]);
        assert_eq!(named(FileKind::Csv, &["a", "a"]).unwrap_err().to_string(), "x has two columns `a`");
        assert_eq!(named(FileKind::Parquet, &[]).unwrap_err().to_string(), "x has no columns");
    }
}
