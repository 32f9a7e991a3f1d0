//! What can be wrong between a plan and its rows.

use std::fmt;

use crate::api::Where;
use crate::error::{Error, Failure, Kind};
use crate::rows;

/// A scan that cannot be planned, or whose rows cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No request can be made without these columns.
    NeedsKey {
        /// `digitalocean.compute.image_actions`.
        table: String,
        /// `image_id`.
        columns: Vec<String>,
    },
    /// A key of a join that several numbers are equal to.
    InexactKey {
        /// As it is written.
        key: String,
        /// Its type in SQL.
        data_type: &'static str,
    },
    /// A row that was found without its parameter, and does not tell it.
    Untold {
        /// `digitalocean.compute.image_actions`.
        table: String,
        /// `image_id`.
        column: String,
        /// The field that should: `resource_id`.
        field: String,
    },
    /// An answer that does not hold what is declared.
    Unreadable {
        /// The request.
        at: Where,
        /// What is wrong with its body.
        fault: rows::Fault,
    },
    /// A list that was never the same twice.
    Changing {
        /// Its first page.
        at: Where,
        /// How often it was read.
        readings: u32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsKey { table, columns } => write!(f, "`{table}` needs a value of {}", columns.join(" and ")),
            Self::InexactKey { key, data_type } => {
                write!(f, "the key {key} is a {data_type}, to which several numbers are equal")
            }
            Self::Untold { table, column, field } => {
                write!(f, "DigitalOcean does not say the {column} of a row of `{table}`: its {field} is null")
            }
            Self::Unreadable { at, fault } => write!(f, "the answer to {at} cannot be read: {fault}"),
            Self::Changing { at, readings } => {
                write!(f, "the list of {at} changed while it was read, {readings} times")
            }
        }
    }
}

impl std::error::Error for Fault {}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::NeedsKey { .. } | Self::InexactKey { .. } => Kind::InvalidArgument,
            Self::Unreadable { fault, .. } => fault.kind(),
            Self::Untold { .. } => Kind::FailedPrecondition,
            Self::Changing { .. } => Kind::Aborted,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NeedsKey { table, columns } => {
                let terms: Vec<_> = columns.iter().map(|column| format!("{column} = …")).collect();
                format!(
                    "write `SELECT * FROM {table} WHERE {}`, IN (…) for several, or join it with a table that has them; \
                     `SHOW METHODS IN {table}` tells what can be asked",
                    terms.join(" AND ")
                )
            }
            Self::Untold { column, .. } => format!("name the {column} as well, or do not select it"),
            Self::InexactKey { .. } => "CAST the key to BIGINT".into(),
            Self::Unreadable { fault: rows::Fault::NotJson(_), .. } => "check --api-url, or try again".into(),
            Self::Unreadable { .. } => {
                "SELECT only the columns that you need; please report it, the API may have changed".into()
            }
            Self::Changing { .. } => "run the query again".into(),
        })
    }
}

/// The error on its way through DataFusion.
pub(super) fn to_datafusion(error: impl Into<Error>) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error.into()))
}
