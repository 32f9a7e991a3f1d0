//! The errors of a body.

use std::fmt;

use crate::error::{Failure, Kind};

/// A body that does not match the declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body is not JSON, or has more text after the object.
    NotJson(String),
    /// The key that holds the rows is missing, or null.
    NoRows {
        /// `actions`.
        key: String,
    },
    /// The value of a field does not have the declared type, or is missing.
    Field {
        /// `started_at`.
        field: String,
        /// The row of the body, from 0, if it is known.
        row: Option<usize>,
        /// What is wrong with the value.
        problem: String,
    },
    /// A key occurs twice in an object. Only keys that are read are checked.
    Twice {
        /// `actions.id`.
        key: String,
    },
    /// Two rows of one page have the same id.
    Repeated {
        /// The field of the row id: `id`.
        field: String,
        /// The id.
        value: String,
        /// The two rows, from 0.
        rows: [usize; 2],
        /// The number of rows of the page.
        of: usize,
        /// The number of distinct ids.
        ids: usize,
    },
    /// The row is not the one that was requested.
    OtherRow {
        /// The field that is a parameter of the request: `id`.
        field: String,
        /// The requested value.
        asked: String,
        /// The value in the response.
        answered: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(problem) => write!(f, "the body is no JSON: {problem}"),
            Self::NoRows { key } => write!(f, "the body has no `{key}`"),
            Self::Field { field, row: Some(row), problem } => write!(f, "`{field}` of row {row}: {problem}"),
            Self::Field { field, row: None, problem } => write!(f, "`{field}`: {problem}"),
            Self::Twice { key } => write!(f, "the key `{key}` stands twice in the same object"),
            Self::Repeated { field, value, rows: [one, other], of, ids } => {
                write!(f, "rows {one} and {other} have the same {field}, {value}: {of} rows have only {ids} ids")
            }
            Self::OtherRow { field, asked, answered } => {
                write!(f, "the request asked for {field} {asked}, and the answer has {field} {answered}")
            }
        }
    }
}

impl std::error::Error for Fault {}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::DataLoss
    }
}
