//! What can be wrong with a body.

use std::fmt;

use crate::error::{Failure, Kind};

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
    /// An object has a key twice, so that it has two values. Only keys that are read are looked at.
    Twice {
        /// `actions.id`.
        key: String,
    },
    /// Two rows of one page have the same id.
    Repeated {
        /// The field that tells rows apart: `id`.
        field: String,
        /// The id.
        value: String,
        /// The two rows, from 0.
        rows: [usize; 2],
        /// How many rows the page has.
        of: usize,
        /// How many ids they have.
        ids: usize,
    },
    /// The row is another one than the request asked for.
    OtherRow {
        /// The field that the request named: `id`.
        field: String,
        /// The value that was asked for.
        asked: String,
        /// The value that came.
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
