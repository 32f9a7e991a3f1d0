//! Statements that need more than they may, and a server that is busy.

use std::time::Duration;

use crate::error::{Failure, Kind};
use crate::query::TooManyQueries;

/// A statement that needs more than a limit allows, or a server that cannot take it now.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LimitFault {
    /// A function whose result would be larger than `query.max_value_bytes`.
    #[error("{function} would make a value of {bytes} bytes; the limit is {most}")]
    LargeValue {
        /// The function.
        function: String,
        /// The size of the value.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// A function whose results for one batch of rows would be too large.
    #[error("{function} would make {rows} values of together {bytes} bytes; the limit is {most}")]
    LargeBatch {
        /// The function.
        function: String,
        /// The number of rows.
        rows: usize,
        /// The size of the values.
        bytes: u64,
        /// The limit: a quarter of `query.max_value_bytes`, or all of it for one row.
        most: u64,
    },
    /// A function whose results for all rows that it needs at once would be too large: smaller batches do not help.
    #[error("{function} would make {rows} values of together {bytes} bytes; the limit is {most}")]
    LargeResult {
        /// The function.
        function: String,
        /// The number of rows.
        rows: usize,
        /// The size of the values.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// A type whose values are large even if they are NULL.
    #[error("a value of this type has {bytes} bytes; the limit is {most}")]
    LargeType {
        /// The size of a value.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// A type in a text that is nested too deeply.
    #[error("a type is nested more than {most} times")]
    DeepType {
        /// The limit.
        most: usize,
    },
    /// A row that is too wide for batches of rows.
    #[error("a row has {bytes} bytes; the limit for this query is {most}")]
    WideRows {
        /// The size of the row.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// More aggregates than can be planned.
    #[error("the statement has more than {most} aggregates")]
    ManyAggregates {
        /// The limit.
        most: usize,
    },
    /// Escapes that have become too large. Some have an argument more than once, and they may be nested.
    #[error("the escapes `{{fn …}}` of the statement become more than {most} expressions")]
    ManyEscapes {
        /// The limit.
        most: usize,
    },
    /// More centroids than an approximation needs.
    #[error("an approximate percentile has at most {most} centroids")]
    ManyCentroids {
        /// The limit.
        most: i64,
    },
    /// A condition that has become too large, because columns were replaced by the expressions that compute them.
    #[error("a condition has more than {most} parts, once its columns are replaced by what computes them")]
    LargeCondition {
        /// The limit.
        most: usize,
    },
    /// A constant that the optimizer should not compute. It never reaches a client: the optimizer keeps the call.
    #[error("the value is too long for a plan")]
    NotFolded,
    /// A function that would compute for too long.
    #[error("{function} would need {steps} steps for one value; the limit is {most}")]
    LongComputation {
        /// The function.
        function: String,
        /// The number of steps: of characters or items that are compared.
        steps: u64,
        /// The limit.
        most: u64,
    },
    /// A pattern that is too long to be compiled.
    #[error("a pattern has {bytes} bytes; the limit is {most}")]
    LongPattern {
        /// The size of the pattern.
        bytes: usize,
        /// The limit.
        most: usize,
    },
    /// As many queries as `query.max_queries` or `query.max_queries_per_client` allow.
    #[error("{}", too_many(*.0))]
    TooManyQueries(TooManyQueries),
    /// A query that has waited for `query.max_queue_wait` until it may compute for long.
    #[error("the query has waited {} for one of the places of long queries", humantime::format_duration(*.waited))]
    NoPlace {
        /// How long it has waited.
        waited: Duration,
    },
    /// The process has allocated more than it may, and the query has much of it; or it is about to allocate much.
    #[error("there is no memory left for the query")]
    NoMemory,
    /// Rows that do not fit into memory, and not on disk either.
    #[error("there is no disk space left for rows that do not fit into memory")]
    NoDiskSpace,
    /// Threads that compute for queries that have ended, and that cannot be stopped.
    #[error("the server still computes for queries that have ended")]
    ThreadsTaken,
    /// More text than `query.max_statement_bytes`.
    #[error("the statement has {bytes} bytes; the limit is {most}")]
    LongStatement {
        /// The size of the text.
        bytes: usize,
        /// The limit.
        most: usize,
    },
}

fn too_many(queries: TooManyQueries) -> String {
    match queries {
        TooManyQueries::Together(most) => format!("the server runs {most} queries already, the maximum"),
        TooManyQueries::OfOneClient(most) => format!("this client runs {most} queries already, the maximum"),
    }
}

impl Failure for LimitFault {
    fn kind(&self) -> Kind {
        match self {
            Self::LongStatement { .. } | Self::ManyAggregates { .. } | Self::ManyEscapes { .. } => {
                Kind::InvalidArgument
            }
            Self::NoPlace { .. } | Self::ThreadsTaken => Kind::Unavailable,
            Self::TooManyQueries(_)
            | Self::NoMemory
            | Self::NoDiskSpace
            | Self::LargeValue { .. }
            | Self::LargeBatch { .. }
            | Self::LargeResult { .. }
            | Self::LargeType { .. }
            | Self::DeepType { .. }
            | Self::LongPattern { .. }
            | Self::LargeCondition { .. }
            | Self::ManyCentroids { .. }
            | Self::WideRows { .. }
            | Self::NotFolded
            | Self::LongComputation { .. } => Kind::ResourceExhausted,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::LargeValue { .. } | Self::LargeBatch { .. } | Self::LargeResult { .. } => {
                "raise query.max_value_bytes".into()
            }
            Self::LargeType { .. } => "use a type of variable size: Binary, List".into(),
            Self::DeepType { .. } => "nest it less deeply".into(),
            Self::LargeCondition { .. } => "compute the column with fewer nested queries".into(),
            Self::ManyEscapes { .. } => {
                "write fewer escapes in one another, or compute a part in a derived table".into()
            }
            Self::ManyAggregates { .. } => "compute them in several statements, or as rows of a GROUP BY".into(),
            Self::ManyCentroids { .. } => "leave the number out: there is a default".into(),
            Self::WideRows { .. } => {
                "select shorter values, such as `left(x, 1000)`, or raise query.max_value_bytes".into()
            }
            Self::LongPattern { .. } => "search for fewer texts at once, or join with a table of them".into(),
            Self::LongComputation { .. } => {
                "use shorter values, such as `left(x, 1000)` or `array_slice(x, 1, 1000)` in place of x".into()
            }
            Self::TooManyQueries(TooManyQueries::Together(_)) => {
                "try again when others have ended, or raise query.max_queries".into()
            }
            Self::TooManyQueries(TooManyQueries::OfOneClient(_)) => {
                "try again when others have ended, or raise query.max_queries_per_client".into()
            }
            Self::NoPlace { .. } => "try again later, or raise query.max_long_queries or query.max_queue_wait".into(),
            Self::NoMemory => {
                "read fewer or shorter rows, try again when others have ended, or raise query.memory_bytes".into()
            }
            Self::NoDiskSpace => {
                "read fewer rows, or raise spill_bytes; spill_dir says where the rows are written".into()
            }
            Self::ThreadsTaken => "try again in a minute; if it does not help, restart the server".into(),
            Self::LongStatement { .. } => "bind values as parameters, or raise query.max_statement_bytes".into(),
            Self::NotFolded => return None,
        })
    }
}
