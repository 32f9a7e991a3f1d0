//! The tables `oceanflight.meta.resources`, `.columns`, `.methods` and `.parameters`, which describe the tables over
//! the API. They derive from the declarations. (`.datasets` is in `dataset_list`.) SHOW and DESCRIBE are queries of them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::{CatalogProvider, MemTable, MemoryCatalogProvider, MemorySchemaProvider, SchemaProvider};
use datafusion::error::Result;

use super::dataset_list::DatasetsTable;
use crate::datasets::Datasets;
use crate::resource::{Callable, Column, ColumnSource, Location, Method, Parameter, Registry, Resource, type_name};

/// The server's own catalog.
pub(super) const CATALOG: &str = "oceanflight";
/// Its only schema.
pub(super) const SCHEMA: &str = "meta";

/// The catalog with its tables.
pub(super) fn catalog(registry: &Registry, datasets: &Arc<Datasets>) -> Result<Arc<dyn CatalogProvider>> {
    let schema = MemorySchemaProvider::new();
    for (name, description, columns) in
        [resources(registry), columns(registry), methods(registry), parameters(registry)]
    {
        let table = Arc::new(table(description, columns)?);
        schema.register_table(name.to_owned(), table)?;
    }
    schema.register_table("datasets".to_owned(), Arc::new(DatasetsTable::new(Arc::clone(datasets))))?;
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, Arc::new(schema))?;
    Ok(Arc::new(catalog))
}

/// A table's name, its description, and its columns: name, description, values.
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
            (
                "id",
                "Its full name, as a query writes it.",
                texts(all.iter().map(|resource| Some(resource.to_string()))),
            ),
            ("description", "What a row is.", texts(all.iter().map(|resource| Some(resource.description.clone())))),
            ("key", "The columns that make a row unique.", lists(all.iter().map(|resource| resource.key.clone()))),
        ],
    );
    ("resources", "The tables over the API.", columns)
}

fn columns(registry: &Registry) -> MetaTable {
    let mut all: Vec<(&Resource, usize, &Column)> = Vec::new();
    for resource in registry.iter() {
        all.extend(resource.columns.iter().enumerate().map(|(at, column)| (resource.as_ref(), at + 1, column)));
    }
    let text = |of: fn(&Column) -> String| texts(all.iter().map(|(_, _, column)| Some(of(column))));
    let needs = all.iter().map(|(resource, _, column)| Some(is_required(resource, &column.name)));
    let columns = with_names(
        all.iter().map(|(resource, _, _)| *resource),
        vec![
            ("name", "The column's name.", text(|column| column.name.clone())),
            ("position", "Its position in SELECT *, from 1.", numbers(all.iter().map(|(_, at, _)| *at))),
            ("type", "Its type.", text(|column| type_name(&column.data_type))),
            (
                "nullable",
                "Whether the value can be NULL.",
                Arc::new(all.iter().map(|(_, _, column)| Some(column.nullable)).collect::<BooleanArray>()),
            ),
            ("description", "What the value is.", text(|column| column.description.clone())),
            (
                "required",
                "Whether every query has to provide values for it.",
                Arc::new(needs.collect::<BooleanArray>()),
            ),
            (
                "pushed_down_to",
                "The methods that send its value with the request.",
                lists(all.iter().map(|(resource, _, column)| pushed_down_to(resource, &column.name))),
            ),
        ],
    );
    ("columns", "The columns of the tables over the API.", columns)
}

/// The methods that send a value of this column: in the path or in the query string.
fn pushed_down_to(resource: &Resource, column: &str) -> Vec<String> {
    let canonical = resource.canonical(column);
    let takes = |method: &&Method| {
        let in_path = method.path.parameters().any(|name| resource.canonical(name) == canonical);
        in_path || method.filters.iter().any(|filter| filter.column == column)
    };
    resource.methods.iter().filter(takes).map(|method| method.name.clone()).collect()
}

/// Whether every method needs a value of this column.
fn is_required(resource: &Resource, column: &str) -> bool {
    resource.column(column).is_some_and(|column| !matches!(column.source, ColumnSource::Alias(_)))
        && pushed_down_to(resource, column).len() == resource.methods.len()
}

/// A method of either kind.
enum AnyMethod<'a> {
    Select(&'a Resource, &'a Method),
    Exec(&'a Callable),
}

impl<'a> AnyMethod<'a> {
    fn all(registry: &'a Registry) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for resource in registry.iter() {
            all.extend(resource.methods.iter().map(|method| Self::Select(resource, method)));
            let calls = registry.callables().filter(|callable| Arc::ptr_eq(&callable.resource, resource));
            all.extend(calls.map(|callable| Self::Exec(callable)));
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

    /// The table whose rows it returns.
    fn returns(&self) -> String {
        match self {
            Self::Select(resource, _) => resource.to_string(),
            Self::Exec(callable) => callable.returns.to_string(),
        }
    }

    fn required(&self) -> Vec<String> {
        match self {
            Self::Select(_, method) => method.path.parameters().map(str::to_owned).collect(),
            Self::Exec(callable) => callable.procedure.required().map(|parameter| parameter.name.clone()).collect(),
        }
    }

    fn optional(&self) -> Vec<String> {
        match self {
            Self::Select(..) => Vec::new(),
            Self::Exec(callable) => callable.procedure.optional().map(|parameter| parameter.name.clone()).collect(),
        }
    }

    /// Whether AWAIT can wait for its completion; `None` for a method that reads.
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
                method.path.parameters().filter_map(column).map(|column| path_parameter(&column)).collect()
            }
        }
    }
}

fn path_parameter(column: &Column) -> Parameter {
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
    let all = AnyMethod::all(registry);
    let text = |of: fn(&AnyMethod<'_>) -> String| texts(all.iter().map(|method| Some(of(method))));
    let columns = with_names(
        all.iter().map(AnyMethod::resource),
        vec![
            ("method", "Its name.", text(|method| method.name().to_owned())),
            ("id", "Its full name, as EXEC writes it.", text(|method| method.id())),
            ("sql_verb", "The statement that uses it: SELECT or EXEC.", text(|method| method.sql_verb().to_owned())),
            ("required_params", "The parameters that are required.", lists(all.iter().map(AnyMethod::required))),
            (
                "optional_params",
                "The parameters that are optional, or required under a condition.",
                lists(all.iter().map(AnyMethod::optional)),
            ),
            ("http_method", "The HTTP method: GET or POST.", text(|method| method.http_method().to_owned())),
            ("path", "The path of the URL.", text(|method| method.path())),
            ("returns", "The table whose rows it returns.", text(|method| method.returns())),
            (
                "can_await",
                "Whether EXEC can wait until the action that it starts has ended.",
                Arc::new(all.iter().map(AnyMethod::awaits).collect::<BooleanArray>()),
            ),
            ("description", "What it does.", text(|method| method.description().to_owned())),
        ],
    );
    ("methods", "The methods of the tables: those that SELECT reads, and those that EXEC calls.", columns)
}

fn parameters(registry: &Registry) -> MetaTable {
    let methods = AnyMethod::all(registry);
    let mut all: Vec<(&AnyMethod<'_>, usize, Parameter)> = Vec::new();
    for method in &methods {
        all.extend(method.parameters().into_iter().enumerate().map(|(at, parameter)| (method, at + 1, parameter)));
    }
    let text = |of: fn(&Parameter) -> Option<String>| texts(all.iter().map(|(_, _, parameter)| of(parameter)));
    let of_method = |of: fn(&AnyMethod<'_>) -> String| texts(all.iter().map(|(method, _, _)| Some(of(method))));
    let columns = with_names(
        all.iter().map(|(method, _, _)| method.resource()),
        vec![
            ("method", "The method that takes it.", of_method(|method| method.name().to_owned())),
            ("method_id", "The method's full name.", of_method(|method| method.id())),
            ("name", "Its name.", text(|parameter| Some(parameter.name.clone()))),
            ("position", "Its position, from 1.", numbers(all.iter().map(|(_, at, _)| *at))),
            ("type", "Its type.", text(|parameter| Some(type_name(&parameter.data_type)))),
            (
                "required",
                "Whether it is required: always, or if the condition in `applies_when` is true.",
                Arc::new(all.iter().map(|(_, _, parameter)| Some(parameter.required)).collect::<BooleanArray>()),
            ),
            (
                "applies_when",
                "The condition under which the parameter applies; NULL if it always does.",
                text(condition),
            ),
            (
                "allowed_values",
                "The allowed values; NULL if any value is.",
                optional_lists(all.iter().map(|(_, _, parameter)| parameter.allowed.clone())),
            ),
            (
                "location",
                "Where it is sent: path or body.",
                text(|parameter| Some(location(parameter.location).to_owned())),
            ),
            ("http_method", "The HTTP method: GET or POST.", of_method(|method| method.http_method().to_owned())),
            ("path", "The path of the URL.", of_method(|method| method.path())),
            (
                "example",
                "An example value.",
                text(|parameter| Some(parameter.example.clone()).filter(|example| !example.is_empty())),
            ),
            ("description", "What it is.", text(|parameter| Some(parameter.description.clone()))),
        ],
    );
    ("parameters", "The parameters of the methods.", columns)
}

/// The condition under which a parameter applies, in SQL.
fn condition(parameter: &Parameter) -> Option<String> {
    let when = parameter.when.as_ref()?;
    let values: Vec<_> = when.is.iter().map(|value| format!("'{value}'")).collect();
    Some(format!("{} IN ({})", when.parameter, values.join(", ")))
}

fn location(location: Location) -> &'static str {
    match location {
        Location::Path => "path",
        Location::Body => "body",
    }
}

/// The columns, after the four columns that name the table that each row is about.
fn with_names<'a>(
    resources: impl IntoIterator<Item = &'a Resource>,
    columns: Vec<(&'static str, &'static str, ArrayRef)>,
) -> Vec<(&'static str, &'static str, ArrayRef)> {
    let resources: Vec<&Resource> = resources.into_iter().collect();
    let text = |of: fn(&Resource) -> &str| texts(resources.iter().map(|resource| Some(of(resource).to_owned())));
    let names = [
        ("provider", "The API.", text(|resource| &resource.provider)),
        ("catalog", "The account; the first part of the table's name.", text(|resource| &resource.catalog)),
        ("service", "The part of the API, which is also the schema.", text(|resource| &resource.schema)),
        ("resource", "The table.", text(|resource| &resource.table)),
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
