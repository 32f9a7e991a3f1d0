//! The errors of planning and executing a scan.

use datafusion::error::DataFusionError;

use super::expr_codec::Unencodable;
use crate::api::{Hole, MAX_PROOF_PAGES, RequestLine, TooFar};
use crate::error::{Error, Failure, Kind};
use crate::rows;

/// Why a scan cannot be planned, or cannot return its rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No request can be made without values for these columns.
    #[error("`{table}` needs a value of {}", .columns.join(" and "))]
    NeedsKey {
        /// `digitalocean.compute.image_actions`.
        table: String,
        /// `image_id`.
        columns: Vec<String>,
    },
    /// The plan is executed by a session without a run (`Run`).
    #[error("the plan is executed outside of a query")]
    NoRun,
    /// The plan names an account that the session does not have.
    #[error("the plan needs the account `{name}`, which this session does not have")]
    NoAccount {
        /// `digitalocean`.
        name: String,
    },
    /// The scan was planned with another declaration of its table.
    #[error("the scan of `{name}` was planned with another declaration of the table")]
    OtherTable {
        /// `digitalocean.compute.images`.
        name: String,
    },
    /// A filter cannot be encoded as bytes.
    #[error("the filter `{expression}` cannot be encoded: {why}")]
    Unencodable {
        /// The filter as EXPLAIN shows it.
        expression: String,
        /// The reason.
        why: Unencodable,
    },
    /// Bytes cannot be decoded as filters in this session.
    #[error("a filter cannot be decoded: {words}")]
    Undecodable {
        /// The decoder's error.
        words: String,
    },
    /// A list that several scans share panicked while one of them read it.
    #[error("a list of `{table}` stopped before its end: the scan that fetched its rows panicked")]
    Panicked {
        /// `digitalocean.compute.image_actions`.
        table: String,
    },
    /// A page does not fit into the memory of all queries.
    #[error("no memory is left for a page of `{table}` ({bytes} bytes)")]
    NoMemory {
        /// `digitalocean.compute.image_actions`.
        table: String,
        /// The size of the page.
        bytes: usize,
    },
    /// A key of a join is equal to several numbers.
    #[error("the key {key} is a {data_type} that is equal to more than one integer")]
    InexactKey {
        /// The key as text.
        key: String,
        /// Its type in SQL.
        data_type: &'static str,
    },
    /// A row was requested without its path parameter, and its field with that value is null.
    #[error("the {column} of a row of `{table}` is unknown: its {field} is null")]
    Untold {
        /// `digitalocean.compute.image_actions`.
        table: String,
        /// `image_id`.
        column: String,
        /// The field with the value: `resource_id`.
        field: String,
    },
    /// A body does not have the declared form.
    #[error("the response to {at} can't be read: {fault}")]
    Unreadable {
        /// The request.
        at: RequestLine,
        /// What is wrong with its body.
        fault: rows::Fault,
    },
    /// A list was different in each reading.
    #[error("the list of {at} changed while it was read, {readings} times: {}", rows_found(*found, *total))]
    Changing {
        /// Its first page.
        at: RequestLine,
        /// The number of readings.
        readings: u32,
        /// The number of rows that the last reading found.
        found: u64,
        /// The list's total, if its pages have one.
        total: Option<u64>,
    },
    /// The pages of a list contradict each other about its length.
    #[error("the list of {at} is incomplete: {}; {lack}", rows_found(*found, *total))]
    Incomplete {
        /// Its first page.
        at: RequestLine,
        /// The number of rows that were found.
        found: u64,
        /// The list's total, if its pages have one.
        total: Option<u64>,
        /// Why these rows are not the whole list.
        lack: Lack,
    },
}

/// Why a list is incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// A page that is not the last has fewer rows than others, each time it is read.
    #[error("page {} has {} rows, others have {}, and it is not the last", .0.page, .0.rows, .0.size)]
    Hole(Hole),
    /// Rows have the ids of other rows.
    #[error("its pages repeat ids of rows that came before")]
    Repeated,
    /// Page after page is empty, and still names a next page.
    #[error("more pages follow, and all of them are empty")]
    Endless,
    /// The API returns 404 for the next page.
    #[error("the API returns 404 for the next page")]
    Unknown,
    /// The pages are smaller than requested, and may be truncated.
    #[error("its pages have fewer rows than requested and may be truncated")]
    Small,
    /// Too many pages would have to be empty to prove that there are no more rows.
    #[error("{}", too_far(.0))]
    Far(TooFar),
    /// The pages have different totals, and the same ones when they are read again.
    #[error("its pages disagree on the number of rows")]
    Contradicting,
}

impl Lack {
    /// Whether the cause is a wrong total, which the next reading would find as well, and not a page that may be
    /// complete the next time.
    pub(super) fn is_lasting(self) -> bool {
        match self {
            Self::Small | Self::Far(_) | Self::Unknown => true,
            Self::Hole(_) | Self::Repeated | Self::Endless | Self::Contradicting => false,
        }
    }
}

/// `300 rows were found of 302`, if the total is known.
fn rows_found(found: u64, total: Option<u64>) -> String {
    let of_total = total.map(|total| format!(" of {total}")).unwrap_or_default();
    format!("{found} rows were found{of_total}")
}

fn too_far(far: &TooFar) -> String {
    let TooFar { page, pages } = far;
    format!(
        "page {page} is empty, and there are {pages} pages up to that total: no more than {MAX_PROOF_PAGES} are checked"
    )
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::NeedsKey { .. } | Self::InexactKey { .. } => Kind::InvalidArgument,
            Self::Unreadable { fault, .. } => fault.kind(),
            Self::NoRun
            | Self::NoAccount { .. }
            | Self::OtherTable { .. }
            | Self::Undecodable { .. }
            | Self::Panicked { .. } => Kind::Internal,
            Self::Unencodable { .. } => Kind::Unimplemented,
            Self::NoMemory { .. } => Kind::ResourceExhausted,
            Self::Untold { .. } => Kind::FailedPrecondition,
            Self::Changing { .. } | Self::Incomplete { .. } => Kind::Aborted,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NeedsKey { table, columns } => {
                let terms: Vec<_> = columns.iter().map(|column| format!("{column} = …")).collect();
                format!(
                    "write `SELECT * FROM {table} WHERE {}`, IN (…) for several, or join it with a table that has them; \
                     `SHOW METHODS IN {table}` lists the requests",
                    terms.join(" AND ")
                )
            }
            Self::NoRun
            | Self::NoAccount { .. }
            | Self::OtherTable { .. }
            | Self::Unencodable { .. }
            | Self::Undecodable { .. } => return None,
            Self::Panicked { .. } => "this is a fault of oceanflight: please report it with the statement".into(),
            Self::NoMemory { .. } => "run fewer queries at a time, or raise query.memory_bytes".into(),
            Self::Untold { column, .. } => format!("add a condition on {column}, or do not select it"),
            Self::InexactKey { .. } => "CAST the key to BIGINT".into(),
            Self::Unreadable { fault: rows::Fault::NotJson(_), .. } => "check --api-url, or try again".into(),
            Self::Unreadable { fault: rows::Fault::DuplicateId { .. } | rows::Fault::OtherRow { .. }, .. } => {
                "run the query again; if that does not help, report it to DigitalOcean".into()
            }
            Self::Unreadable { .. } => {
                "SELECT only the columns that you need; please report it, the API may have changed".into()
            }
            Self::Changing { .. } => "run the query again".into(),
            Self::Incomplete { lack, total: Some(_), .. } if lack.is_lasting() => {
                "this is remembered for 10 minutes, as long as the list has these rows and this total: run the query again \
                 after that; a LIMIT, or a WHERE that selects single ids, may still work"
                    .into()
            }
            Self::Incomplete { .. } => {
                "run the query again; if that does not help, DigitalOcean's pages of this list are wrong: a LIMIT, or a \
                 WHERE that selects single ids, may still work"
                    .into()
            }
        })
    }
}

/// Wraps an error for the way through DataFusion.
pub(super) fn to_datafusion(error: impl Into<Error>) -> DataFusionError {
    DataFusionError::External(Box::new(error.into()))
}

/// The fault that [`to_datafusion`] has wrapped, if the error is one.
pub(super) fn from_datafusion(error: &DataFusionError) -> Option<Fault> {
    match error.find_root() {
        DataFusionError::External(inner) => inner.downcast_ref::<Error>()?.downcast_ref::<Fault>().cloned(),
        _ => None,
    }
}
