//! A request that a table is read with, and what its query string can say.
//!
//! ```toml
//! [methods.images_list]
//! verb = "select"
//! description = "…"
//! get = "/v2/images"                 # parameters in braces are columns
//! rows = "images"                    # the body's key; or `row = "image"` for a single object
//! paged = true                       # else one request, and pages only if its answer says that there are any
//!
//! # A predicate on a column becomes a query parameter. The first one that applies to a request is sent.
//! filters = [
//!     { column = "public", query_param = "private", value_map = { false = "true" }, exact = true, incompatible_with = ["tag_name"] },
//!     { column = "tags", contains = true, query_param = "tag_name", incompatible_with = ["private"] },
//! ]
//!
//! # Several requests instead of one, each with these parameters; a row of several is one row.
//! union = [{}, { type = "gpus" }]
//!
//! # Of a path without the table's parameter: which field gives it, and which rows are this table's.
//! columns_from = { image_id = "resource_id" }
//! where = { resource_type = "image" }
//! ```

use std::collections::BTreeMap;

use arrow::datatypes::DataType;
use serde::Deserialize;

use super::{Column, PathTemplate, Value};

/// A request that a [`Resource`](super::Resource) can be read with.
#[derive(Clone, Debug)]
pub struct Method {
    /// As StackQL's users know it: `image_actions_list`.
    pub name: String,
    /// What it reads.
    pub description: String,
    /// The path, whose parameters are columns.
    pub path: PathTemplate,
    /// What the body holds.
    pub response: ResponseShape,
    /// The predicates that its query parameters can express.
    pub filters: Vec<Filter>,
    /// The fixed query parameters of each request that it takes: at least one, mostly of none.
    pub union: Vec<Vec<(String, String)>>,
    /// The fields that rows of this table have these values in; others are no rows.
    pub conditions: Vec<(String, String)>,
    /// Columns that are not in the response under their own name, each with the field that holds its value.
    pub columns_from: Vec<(String, String)>,
}

/// What a [`Method`]'s answer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseShape {
    /// One object, under this key of the body.
    Row(String),
    /// A list, under this key of the body, over numbered pages where `paged`.
    Rows {
        /// The body's key.
        key: String,
        /// Whether `page` and `per_page` are sent from the first request on. Without it a list is one request, unless
        /// its answer says that there is more.
        paged: bool,
    },
}

/// A predicate on a column, and the query parameter that says it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// The column.
    pub column: String,
    /// The query parameter.
    pub query_param: String,
    /// Whether the column is a list, and the predicate that it has the value in it; else it is an equality.
    #[serde(default)]
    pub contains: bool,
    /// What is sent for a value of the column, both as text. Where there are none, the value itself.
    #[serde(default, deserialize_with = "pairs")]
    pub value_map: Vec<(String, String)>,
    /// Whether the API answers just the rows with that value, and all of them.
    #[serde(default)]
    pub exact: bool,
    /// Query parameters that it cannot be sent with.
    #[serde(default)]
    pub incompatible_with: Vec<String>,
}

impl Filter {
    /// What is sent for a value of the column; `None` where it cannot be said.
    pub fn sent(&self, value: &Value) -> Option<String> {
        let text = value.to_string();
        match &self.value_map[..] {
            [] => Some(text).filter(|text| !text.is_empty()),
            values => values.iter().find(|(own, _)| *own == text).map(|(_, sent)| sent.clone()),
        }
    }
}

impl Method {
    /// Whether it answers one object.
    pub fn is_get(&self) -> bool {
        matches!(self.response, ResponseShape::Row(_))
    }

    /// The field that gives a column which is no field.
    pub fn field_for(&self, column: &str) -> Option<&str> {
        self.columns_from.iter().find(|(own, _)| own == column).map(|(_, field)| field.as_str())
    }

    /// Whether what it names are columns, of types that can be sent.
    pub(super) fn check(&self, columns: &[Column]) -> Result<(), String> {
        let find = |name: &str| columns.iter().find(|column| column.name == name);
        for filter in &self.filters {
            let column = find(&filter.column).ok_or_else(|| format!("a filter names no column `{}`", filter.column))?;
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
                return Err(format!("`{column}` cannot be given by `{field}`"));
            }
        }
        for (field, _) in &self.conditions {
            if find(field).is_none_or(|column| column.data_type != DataType::Utf8) {
                return Err(format!("`where` names `{field}`, which is no text column"));
            }
        }
        Ok(())
    }
}

/// As a declaration writes it.
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
        let union = match union.is_empty() {
            true => vec![Vec::new()],
            false => union.into_iter().map(Vec::from_iter).collect(),
        };
        Ok(Method { name, description, path, response, filters, union, conditions, columns_from })
    }
}
