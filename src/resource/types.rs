//! The types of a declaration, and the Arrow types that they stand for.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use serde::Deserialize;

/// The name of a type in a declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Name {
    Boolean,
    Int64,
    Float64,
    Utf8,
    /// RFC 3339 text in JSON; nanoseconds in UTC in Arrow, DataFusion's default unit.
    Timestamp,
    /// Has `items`.
    List,
    /// Has `fields`.
    Struct,
}

/// A field of a struct in a declaration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StructField {
    name: String,
    r#type: Name,
    #[serde(default)]
    fields: Vec<StructField>,
    items: Option<Box<ItemsToml>>,
}

/// The items of a list in a declaration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemsToml {
    r#type: Name,
    #[serde(default)]
    fields: Vec<StructField>,
    items: Option<Box<ItemsToml>>,
}

/// Returns the Arrow type of a name with its `fields` and `items`. Everything inside a struct or a list is nullable:
/// the API guarantees nothing about it.
pub(super) fn to_arrow(name: Name, fields: &[StructField], items: Option<&ItemsToml>) -> Result<DataType, String> {
    match (name, items, fields) {
        (Name::Boolean, None, []) => Ok(DataType::Boolean),
        (Name::Int64, None, []) => Ok(DataType::Int64),
        (Name::Float64, None, []) => Ok(DataType::Float64),
        (Name::Utf8, None, []) => Ok(DataType::Utf8),
        (Name::Timestamp, None, []) => Ok(DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))),
        (Name::List, Some(items), []) => Ok(DataType::List(Arc::new(Field::new_list_field(items.to_arrow()?, true)))),
        (Name::Struct, None, [_, ..]) => Ok(DataType::Struct(struct_fields(fields)?)),
        (Name::List, _, _) => Err("a List takes `items` and no `fields`".into()),
        (Name::Struct, _, _) => Err("a Struct takes `fields` and no `items`".into()),
        (scalar, _, _) => Err(format!("{scalar:?} takes no `items` and no `fields`")),
    }
}

/// The name of an Arrow type as in a declaration, with its items or fields.
pub fn type_name(data_type: &DataType) -> String {
    let field = |field: &Arc<Field>| format!("{} {}", field.name(), type_name(field.data_type()));
    match data_type {
        DataType::Timestamp(..) => "Timestamp".into(),
        DataType::List(items) => format!("List<{}>", type_name(items.data_type())),
        DataType::Struct(fields) => format!("Struct<{}>", fields.iter().map(field).collect::<Vec<_>>().join(", ")),
        scalar => scalar.to_string(),
    }
}

fn struct_fields(fields: &[StructField]) -> Result<Fields, String> {
    fields.iter().map(|field| Ok(Field::new(&field.name, field.to_arrow()?, true))).collect()
}

impl StructField {
    fn to_arrow(&self) -> Result<DataType, String> {
        to_arrow(self.r#type, &self.fields, self.items.as_deref())
    }
}

impl ItemsToml {
    fn to_arrow(&self) -> Result<DataType, String> {
        to_arrow(self.r#type, &self.fields, self.items.as_deref())
    }
}
