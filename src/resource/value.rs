//! The value of a path parameter.

use std::fmt;

/// An id, or a name: what a request's path is filled in with, and what a key column is compared to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Of an Int64 column.
    Int(i64),
    /// Of a Utf8 column.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// The values that one request is made with, by column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binding(Vec<(String, Value)>);

impl Binding {
    /// One more column and its value.
    pub fn with(&self, column: &str, value: Value) -> Self {
        let mut values = self.0.clone();
        values.push((column.to_owned(), value));
        Self(values)
    }

    /// The value of a column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }

    /// The columns with their values, in the order in which they came.
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
