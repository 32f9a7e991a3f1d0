//! What can be asked, as tables: `oceanflight.meta.resources`, `.columns`, `.methods`, `.parameters`. SHOW and DESCRIBE
//! are queries of them. All of it derives from the declarations.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{CatalogProvider, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::error::Result;

use crate::resource::{Callable, Column, ColumnSource, Location, Method, Parameter, Registry, Resource, type_name};

/// The server's own catalog.
pub(super) const CATALOG: &str = "oceanflight";
/// Its only schema.
pub(super) const SCHEMA: &str = "meta";

/// The catalog with its tables.
pub(super) fn catalog(registry: &Registry) -> Result<Arc<dyn CatalogProvider>> {
    let schema = MemorySchemaProvider::new();
    for (name, description, columns) in
        [resources(registry), columns(registry), methods(registry), parameters(registry)]
    {
        let table = Arc::new(table(description, columns)?);
        schema.register_table(name.to_owned(), table)?;
    }
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(schema))?;
    Ok(Arc::new(catalog))
}

/// A name, what a row is, and the columns.
type MetaTable = (&'static str, &'static str, Vec<(&'static str, &'static str, ArrayRef)>);

fn table(description: &str, columns: Vec<(&str, &str, ArrayRef)>) -> Result<MemTable> {
    let describe = |text: &str| HashMap::from([("description".to_owned(), text.to_owned())]);
    let field = |(name, about, values): &(&str, &str, ArrayRef)| {
        Field::new(*name, values.data_type().clone(), true).with_metadata(describe(about))
    };
    let fields: Vec<Field> = columns.iter().map(field).collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, describe(description)));
    let values = columns.into_iter().map(|(_, _, values)| values).collect();
    MemTable::try_new(Arc::clone(&schema), vec![vec![RecordBatch::try_new(schema, values)?]])
}

fn resources(registry: &Registry) -> MetaTable {
    let all: Vec<&Resource> = registry.iter().map(Arc::as_ref).collect();
    let columns = with_names(
        all.clone(),
        vec![
            ("id", "Its full name, as a query writes it.", texts(all.iter().map(|own| Some(own.to_string())))),
            ("description", "What a row of it is.", texts(all.iter().map(|own| Some(own.description.clone())))),
            ("key", "The columns that make a row unique.", lists(all.iter().map(|own| own.key.clone()))),
        ],
    );
    ("resources", "The tables over the API.", columns)
}

fn columns(registry: &Registry) -> MetaTable {
    let all: Vec<(&Resource, usize, &Column)> = registry
        .iter()
        .flat_map(|own| own.columns.iter().enumerate().map(move |(at, column)| (own.as_ref(), at + 1, column)))
        .collect();
    let text = |of: fn(&Column) -> String| texts(all.iter().map(|(_, _, column)| Some(of(column))));
    let needs = all.iter().map(|(resource, _, column)| Some(is_required(resource, &column.name)));
    let columns = with_names(
        all.iter().map(|(resource, _, _)| *resource),
        vec![
            ("name", "The column's name.", text(|column| column.name.clone())),
            ("position", "Its place in SELECT *, from 1.", numbers(all.iter().map(|(_, at, _)| *at))),
            ("type", "Its type.", text(|column| type_name(&column.data_type))),
            (
                "nullable",
                "Whether a row may have none.",
                Arc::new(all.iter().map(|(_, _, column)| Some(column.nullable)).collect::<BooleanArray>()),
            ),
            ("description", "What it tells.", text(|column| column.description.clone())),
            ("required", "Whether every query has to name values of it.", Arc::new(needs.collect::<BooleanArray>())),
            (
                "pushed_down_to",
                "The methods whose requests take a value of it.",
                lists(all.iter().map(|(resource, _, column)| pushed_down_to(resource, &column.name))),
            ),
        ],
    );
    ("columns", "The columns of the tables over the API.", columns)
}

/// The methods whose path is filled in with a column's value, or whose query string can say it.
fn pushed_down_to(resource: &Resource, column: &str) -> Vec<String> {
    let own = resource.canonical(column);
    let takes = |method: &&Method| {
        let in_path = method.path.parameters().any(|name| resource.canonical(name) == own);
        in_path || method.filters.iter().any(|filter| filter.column == column)
    };
    resource.methods.iter().filter(takes).map(|method| method.name.clone()).collect()
}

/// Whether no method does without a column.
fn is_required(resource: &Resource, column: &str) -> bool {
    resource.column(column).is_some_and(|column| !matches!(column.source, ColumnSource::Alias(_)))
        && pushed_down_to(resource, column).len() == resource.methods.len()
}

/// A method of either kind.
enum Any<'a> {
    Select(&'a Resource, &'a Method),
    Exec(&'a Callable),
}

impl<'a> Any<'a> {
    fn all(registry: &'a Registry) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for resource in registry.iter() {
            all.extend(resource.methods.iter().map(|method| Self::Select(resource, method)));
            let own = registry.callables().filter(|callable| Arc::ptr_eq(&callable.resource, resource));
            all.extend(own.map(|callable| Self::Exec(callable)));
        }
        all
    }

    fn resource(&self) -> &'a Resource {
        match self {
            Self::Select(resource, _) => resource,
            Self::Exec(callable) => &callable.resource,
        }
    }

    fn name(&self) -> &'a str {
        match self {
            Self::Select(_, method) => &method.name,
            Self::Exec(callable) => &callable.procedure.name,
        }
    }

    fn id(&self) -> String {
        format!("{}.{}", self.resource(), self.name())
    }

    fn description(&self) -> &'a str {
        match self {
            Self::Select(_, method) => &method.description,
            Self::Exec(callable) => &callable.procedure.description,
        }
    }

    fn sql_verb(&self) -> &'static str {
        match self {
            Self::Select(..) => "SELECT",
            Self::Exec(_) => "EXEC",
        }
    }

    fn http_method(&self) -> &'static str {
        match self {
            Self::Select(..) => "GET",
            Self::Exec(_) => "POST",
        }
    }

    fn path(&self) -> String {
        match self {
            Self::Select(_, method) => method.path.to_string(),
            Self::Exec(callable) => callable.procedure.path.to_string(),
        }
    }

    /// The table whose rows it answers.
    fn answers(&self) -> String {
        match self {
            Self::Select(resource, _) => resource.to_string(),
            Self::Exec(callable) => callable.answers.to_string(),
        }
    }

    fn required(&self) -> Vec<String> {
        match self {
            Self::Select(_, method) => method.path.parameters().map(str::to_owned).collect(),
            Self::Exec(callable) => callable.procedure.required().map(|own| own.name.clone()).collect(),
        }
    }

    fn optional(&self) -> Vec<String> {
        match self {
            Self::Select(..) => Vec::new(),
            Self::Exec(callable) => callable.procedure.optional().map(|own| own.name.clone()).collect(),
        }
    }

    /// Whether AWAIT can wait for its end; of what is read there is none.
    fn awaits(&self) -> Option<bool> {
        match self {
            Self::Select(..) => None,
            Self::Exec(callable) => Some(callable.procedure.completion.is_some()),
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        match self {
            Self::Exec(callable) => callable.procedure.parameters.clone(),
            Self::Select(resource, method) => {
                let column = |name: &str| resource.column(name).cloned();
                method.path.parameters().filter_map(column).map(|column| of_path(&column)).collect()
            }
        }
    }
}

fn of_path(column: &Column) -> Parameter {
    Parameter {
        name: column.name.clone(),
        data_type: column.data_type.clone(),
        location: Location::Path,
        required: true,
        when: None,
        allowed: Vec::new(),
        example: String::new(),
        description: column.description.clone(),
    }
}

fn methods(registry: &Registry) -> MetaTable {
    let all = Any::all(registry);
    let text = |of: fn(&Any<'_>) -> String| texts(all.iter().map(|own| Some(of(own))));
    let columns = with_names(
        all.iter().map(Any::resource),
        vec![
            ("method", "Its name.", text(|own| own.name().to_owned())),
            ("id", "Its full name, as EXEC writes it.", text(|own| own.id())),
            ("sql_verb", "The statement that uses it: SELECT or EXEC.", text(|own| own.sql_verb().to_owned())),
            ("required_params", "The parameters that it needs.", lists(all.iter().map(Any::required))),
            (
                "optional_params",
                "Those that it can do without, or needs at times.",
                lists(all.iter().map(Any::optional)),
            ),
            ("http_method", "What is sent: GET or POST.", text(|own| own.http_method().to_owned())),
            ("path", "Where to.", text(|own| own.path())),
            ("answers", "The table whose rows it answers.", text(|own| own.answers())),
            (
                "can_await",
                "Whether EXEC can wait for the end of what it starts.",
                Arc::new(all.iter().map(Any::awaits).collect::<BooleanArray>()),
            ),
            ("description", "What it does.", text(|own| own.description().to_owned())),
        ],
    );
    ("methods", "What the tables can be asked, and what can be started with EXEC.", columns)
}

fn parameters(registry: &Registry) -> MetaTable {
    let methods = Any::all(registry);
    let all: Vec<(&Any<'_>, usize, Parameter)> = methods
        .iter()
        .flat_map(|method| method.parameters().into_iter().enumerate().map(move |(at, own)| (method, at + 1, own)))
        .collect();
    let text = |of: fn(&Parameter) -> Option<String>| texts(all.iter().map(|(_, _, own)| of(own)));
    let of_method = |of: fn(&Any<'_>) -> String| texts(all.iter().map(|(method, _, _)| Some(of(method))));
    let goes_with = |own: &Parameter| {
        let when = own.when.as_ref()?;
        let is: Vec<_> = when.is.iter().map(|value| format!("'{value}'")).collect();
        Some(format!("{} IN ({})", when.parameter, is.join(", ")))
    };
    let columns = with_names(
        all.iter().map(|(method, _, _)| method.resource()),
        vec![
            ("method", "The method that takes it.", of_method(|method| method.name().to_owned())),
            ("method_id", "The method's full name.", of_method(|method| method.id())),
            ("name", "Its name.", text(|own| Some(own.name.clone()))),
            ("position", "Its place, from 1.", numbers(all.iter().map(|(_, at, _)| *at))),
            ("type", "Its type.", text(|own| Some(type_name(&own.data_type)))),
            (
                "required",
                "Whether it has to be given: always, or where `goes_with` holds.",
                Arc::new(all.iter().map(|(_, _, own)| Some(own.required)).collect::<BooleanArray>()),
            ),
            ("goes_with", "The condition that it is given under; null where there is none.", text(goes_with)),
            (
                "allowed_values",
                "The values that it may have; null where any is taken.",
                optional_lists(all.iter().map(|(_, _, own)| own.allowed.clone())),
            ),
            ("location", "Where it is sent: path or body.", text(|own| Some(location(own.location).to_owned()))),
            ("http_method", "What is sent: GET or POST.", of_method(|method| method.http_method().to_owned())),
            ("path", "Where to.", of_method(|method| method.path())),
            (
                "example",
                "A value that may work.",
                text(|own| Some(own.example.clone()).filter(|example| !example.is_empty())),
            ),
            ("description", "What it is.", text(|own| Some(own.description.clone()))),
        ],
    );
    ("parameters", "What the methods take.", columns)
}

fn location(location: Location) -> &'static str {
    match location {
        Location::Path => "path",
        Location::Body => "body",
    }
}

/// The columns, and before them where each row belongs.
fn with_names<'a>(
    resources: impl IntoIterator<Item = &'a Resource>,
    columns: Vec<(&'static str, &'static str, ArrayRef)>,
) -> Vec<(&'static str, &'static str, ArrayRef)> {
    let resources: Vec<&Resource> = resources.into_iter().collect();
    let text = |of: fn(&Resource) -> &str| texts(resources.iter().map(|own| Some(of(own).to_owned())));
    let names = [
        ("provider", "The API.", text(|own| &own.provider)),
        ("catalog", "The account; the first part of the table's name.", text(|own| &own.catalog)),
        ("service", "The part of the API, which is also the schema.", text(|own| &own.schema)),
        ("resource", "The table.", text(|own| &own.table)),
    ];
    names.into_iter().chain(columns).collect()
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn numbers(values: impl Iterator<Item = usize>) -> ArrayRef {
    Arc::new(values.map(|value| i64::try_from(value).ok()).collect::<Int64Array>())
}

fn lists(values: impl Iterator<Item = Vec<String>>) -> ArrayRef {
    list_array(values.map(Some))
}

fn optional_lists(values: impl Iterator<Item = Vec<String>>) -> ArrayRef {
    list_array(values.map(|values| (!values.is_empty()).then_some(values)))
}

fn list_array(values: impl Iterator<Item = Option<Vec<String>>>) -> ArrayRef {
    let item = Field::new_list_field(DataType::Utf8, true);
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(item);
    for value in values {
        builder.append_option(value.map(|value| value.into_iter().map(Some)));
    }
    Arc::new(builder.finish())
}
