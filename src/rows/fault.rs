//! The errors of a body.

use crate::error::{Failure, Kind};

/// A body that does not match the declaration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The body is not JSON, or has more text after the object.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// The key that holds the rows is missing, or null.
    #[error("the body has no `{key}`")]
    NoRows {
        /// `actions`.
        key: String,
    },
    /// The value of a field does not have the declared type, or is missing.
    #[error("`{field}`{}: {problem}", row_text(*.row))]
    Field {
        /// `started_at`.
        field: String,
        /// The row of the body, from 0, if it is known.
        row: Option<usize>,
        /// What is wrong with the value.
        problem: String,
    },
    /// A key occurs twice in an object. Only keys that are read are checked.
    #[error("the key `{key}` occurs twice in the same object")]
    DuplicateKey {
        /// `actions.id`.
        key: String,
    },
    /// Two rows of one page have the same id.
    #[error("rows {} and {} have the same {field}, {value}: {of} rows have only {ids} ids", .rows[0], .rows[1])]
    DuplicateId {
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
    #[error("the request was for {field} {requested}, but the response has {field} {returned}")]
    OtherRow {
        /// The field that is a parameter of the request: `id`.
        field: String,
        /// The requested value.
        requested: String,
        /// The value in the response.
        returned: String,
    },
}

fn row_text(row: Option<usize>) -> String {
    row.map(|row| format!(" of row {row}")).unwrap_or_default()
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::DataLoss
    }
}
