//! The value of a path parameter or of a filter's column.

use std::fmt;

use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

/// A value that a request's path is filled with, that a key column is compared to, or that a filter sends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Value {
    /// The value of an Int64 column.
    Int(i64),
    /// The value of a Utf8 column.
    Text(String),
    /// The value of a Boolean column. Only for query parameters, not for paths.
    Bool(bool),
}

impl Value {
    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Parses the text of a declaration into a value of this type.
    pub fn parse(text: &str, data_type: &DataType) -> Option<Self> {
        match data_type {
            DataType::Int64 => text.parse().ok().map(Self::Int),
            DataType::Boolean => text.parse().ok().map(Self::Bool),
            DataType::Utf8 => Some(Self::Text(text.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
        }
    }
}

/// The values of one request, by column.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Binding(Vec<(String, Value)>);

impl Binding {
    /// Adds a column and its value. The columns are kept in the order of their names.
    pub fn with(&self, column: &str, value: Value) -> Self {
        let mut values = self.0.clone();
        let place = values.partition_point(|(name, _)| name.as_str() < column);
        values.insert(place, (column.to_owned(), value));
        Self(values)
    }

    /// Adds a column and its value, unless the column has one already.
    #[must_use]
    pub fn with_default(self, column: &str, value: &Value) -> Self {
        if self.get(column).is_some() { self } else { self.with(column, value.clone()) }
    }

    /// Removes a column.
    pub fn without(&self, column: &str) -> Self {
        Self(self.0.iter().filter(|(name, _)| name != column).cloned().collect())
    }

    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }

    /// The columns with their values, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(column, value)| (column.as_str(), value))
    }
}

impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (column, value)) in self.0.iter().enumerate() {
            let and = if at == 0 { "" } else { " and " };
            write!(f, "{and}{column} {value}")?;
        }
        Ok(())
    }
}
