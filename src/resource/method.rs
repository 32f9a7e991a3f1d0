//! The requests that read a table, and the predicates that they can send.
//!
//! ```toml
//! [methods.images_list]
//! verb = "select"
//! description = "…"
//! get = "/v2/images"                 # parameters in braces are columns
//! rows = "images"                    # the body's key; or `row = "image"` for a single object
//! paged = true                       # default: one request, and pages only if its response announces more
//!
//! # A predicate on a column becomes a query parameter. The first filter that applies to a request is sent.
//! filters = [
//!     { column = "public", query_param = "private", value_map = { false = "true" }, exact = true, incompatible_with = ["tag_name"] },
//!     { column = "tags", contains = true, query_param = "tag_name", incompatible_with = ["private"] },
//! ]
//!
//! # Several requests instead of one, each with these parameters; a row that several return counts once.
//! union = [{}, { type = "gpus" }]
//!
//! # For a path without the table's parameter: the field with its value, and the rows that belong to this table.
//! columns_from = { image_id = "resource_id" }
//! where = { resource_type = "image" }
//! ```

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use serde::Deserialize;

use super::{Column, PathTemplate, Value};

/// A request that reads a [`Resource`](super::Resource).
#[derive(Clone, Debug)]
pub struct Method {
    /// The same name as in StackQL: `image_actions_list`.
    pub name: String,
    /// What it reads.
    pub description: String,
    /// The path, whose parameters are columns.
    pub path: PathTemplate,
    /// The shape of the body.
    pub response: ResponseShape,
    /// The predicates that it can send as query parameters.
    pub filters: Vec<Filter>,
    /// The fixed query parameters of each of its requests. Usually one request without any.
    pub union: Vec<Vec<(String, String)>>,
    /// Fields and their values in the rows that belong to this table. Other rows are ignored.
    pub conditions: Vec<(String, String)>,
    /// Columns that are not in the response under their own name, each with the field that holds its value.
    pub columns_from: Vec<(String, String)>,
}

/// The shape of a [`Method`]'s response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseShape {
    /// One object, under this key of the body.
    Row(String),
    /// A list, under this key of the body.
    Rows {
        /// The body's key.
        key: String,
        /// Whether `page` and `per_page` are sent with the first request. If not, the list is one request, unless its
        /// response announces more pages.
        paged: bool,
    },
}

/// A predicate on a column, and the query parameter that expresses it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// The query parameter.
    pub query_param: String,
    /// Whether the predicate is "the list contains the value". If not, it is an equality.
    #[serde(default)]
    pub contains: bool,
    /// The query parameter's value for each value of the column, as text. If empty, the column's value is sent.
    #[serde(default, deserialize_with = "pairs")]
    pub value_map: Vec<(String, String)>,
    /// Whether the API returns all rows with that value, and no others.
    #[serde(default)]
    pub exact: bool,
    /// Query parameters that it cannot be combined with.
    #[serde(default)]
    pub incompatible_with: Vec<String>,
}

impl Filter {
    /// The query parameter's value for a value of the column; `None` if it cannot be expressed.
    pub fn param_value(&self, value: &Value) -> Option<String> {
        let text = value.to_string();
        match &self.value_map[..] {
            [] => Some(text).filter(|text| !text.is_empty()),
            values => values.iter().find(|(from, _)| *from == text).map(|(_, sent)| sent.clone()),
        }
    }
}

impl Method {
    /// Whether it returns one object.
    pub fn is_get(&self) -> bool {
        matches!(self.response, ResponseShape::Row(_))
    }

    /// The field with the value of a column that is not a field itself.
    pub fn field_for(&self, column: &str) -> Option<&str> {
        self.columns_from.iter().find(|(name, _)| name == column).map(|(_, field)| field.as_str())
    }

    /// Checks that filters and conditions name columns, and that these have types that can be sent.
    pub(super) fn check(&self, columns: &[Column]) -> Result<(), String> {
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        for filter in &self.filters {
            let column = find(&filter.column)
                .ok_or_else(|| format!("the column `{}` of a filter does not exist", filter.column))?;
            let fits = match (&column.data_type, filter.contains) {
                (DataType::List(item), true) => *item.data_type() == DataType::Utf8,
                (DataType::Int64 | DataType::Utf8 | DataType::Boolean, false) => true,
                _ => false,
            };
            if !fits || (filter.contains && filter.exact) {
                return Err(format!("the filter on `{}` does not fit its type", filter.column));
            }
        }
        for (column, field) in &self.columns_from {
            if find(column).zip(find(field)).is_none_or(|(column, field)| column.data_type != field.data_type) {
                return Err(format!("`columns_from` cannot read `{column}` from `{field}`"));
            }
        }
        for (field, _) in &self.conditions {
            if find(field).is_none_or(|column| column.data_type != DataType::Utf8) {
                return Err(format!("`{field}` in `where` is not a text column"));
            }
        }
        Ok(())
    }
}

/// A method in a declaration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MethodToml {
    description: String,
    get: String,
    row: Option<String>,
    rows: Option<String>,
    #[serde(default)]
    paged: bool,
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    union: Vec<BTreeMap<String, String>>,
    #[serde(default, rename = "where", deserialize_with = "pairs")]
    conditions: Vec<(String, String)>,
    #[serde(default, deserialize_with = "pairs")]
    columns_from: Vec<(String, String)>,
}

pub(super) fn pairs<'de, D: serde::Deserializer<'de>>(table: D) -> Result<Vec<(String, String)>, D::Error> {
    BTreeMap::deserialize(table).map(Vec::from_iter)
}

impl MethodToml {
    pub(super) fn read(self, name: String) -> Result<Method, String> {
        let Self { description, get, row, rows, paged, filters, union, conditions, columns_from } = self;
        let path = PathTemplate::parse(&get).map_err(|error| format!("{name}: {error}"))?;
        let response = match (row, rows) {
            (Some(key), None) if !paged && filters.is_empty() && union.is_empty() => ResponseShape::Row(key),
            (None, Some(key)) => ResponseShape::Rows { key, paged },
            _ => {
                return Err(format!(
                    "{name}: a method has either `row` or `rows`, and only `rows` have `paged`, `filters` and `union`"
                ));
            }
        };
        let union = if union.is_empty() { vec![Vec::new()] } else { union.into_iter().map(Vec::from_iter).collect() };
        Ok(Method { name, description, path, response, filters, union, conditions, columns_from })
    }
}
