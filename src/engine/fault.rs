//! The errors of the engine, and their translation from DataFusion's errors.
//!
//! An error of this crate that another layer sent through DataFusion is returned as it was. An error of DataFusion
//! becomes a [`Fault`], chosen by its variant and never by its text.

use std::io;
use std::time::Duration;

use arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};

use super::limit_fault::LimitFault;
use super::overflow::Overflow;
use super::wire_types::OtherType;
use crate::error::{Error, Failure, Kind, nearest};

/// A statement that cannot be planned or run.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// A statement that needs more than it may, or a server that is busy.
    #[error(transparent)]
    Limit(#[from] LimitFault),
    /// A value cannot be cast to the type that it is compared with or cast to. Arrow's message names both.
    #[error("{0}")]
    Cast(String),
    /// A correlated subquery that cannot be rewritten to a join.
    #[error(
        "a subquery uses a column of the outer query where that cannot be turned into a join: below a LIMIT, a UNION or a \
         window, in an outer join, or in an aggregate"
    )]
    Correlated,
    /// A scalar subquery that may return more than one row.
    #[error("a subquery used as a value may return more than one row")]
    SeveralRows,
    /// A subquery in a place where DataFusion does not support one.
    #[error("a subquery is not supported at this place of the statement")]
    Subquery,
    /// A subquery that has to be read more than once, and may return different rows each time.
    #[error("the subquery has to be read more than once, and {why} may return different rows each time")]
    Unrepeatable {
        /// Why the rows may differ.
        why: &'static str,
    },
    /// A table that would be made or removed elsewhere than below `datasets`.
    #[error("`{name}` is not in the catalog `datasets`: tables are made and dropped only there")]
    NotInDatasets {
        /// As written.
        name: String,
        /// The name below `datasets`.
        full: String,
    },
    /// A temporary table in another schema than theirs.
    #[error("`{name}` is not in the schema of temporary tables")]
    TemporarySchema {
        /// The name below `datasets`.
        name: String,
    },
    /// A view that cannot be planned for its reader.
    #[error("the view `{name}` can't be read: {}", .cause.line())]
    View {
        /// Its name.
        name: String,
        /// The error of its query.
        cause: Error,
    },
    /// Views that are nested too deep, or that read each other in a circle.
    #[error("the statement reads more than {views} views, or views that are nested more than {depth} deep")]
    ManyViews {
        /// The limit of nesting.
        depth: usize,
        /// The limit of views.
        views: usize,
    },
    /// A view whose text is not a query.
    #[error("its text is not a query")]
    NotAQuery,
    /// A query that certainly needs more requests than `query.max_requests`.
    #[error("the query needs at least {}; the limit is {most}", requests(*needed))]
    TooManyRequests {
        /// The limit.
        most: u64,
        /// The minimum number of requests that the query needs.
        needed: u64,
    },
    /// There is no such table.
    #[error("there is no table `{name}`")]
    UnknownTable {
        /// The name in the statement.
        name: String,
        /// The most similar known table.
        nearest: Option<String>,
    },
    /// A table name without its first parts that the defaults do not have, and several other places have.
    #[error("`{name}` is ambiguous: several services or catalogs have it")]
    AmbiguousTable {
        /// The name in the statement.
        name: String,
        /// The full names of the tables.
        tables: Vec<String>,
    },
    /// There is no such column.
    #[error("there is no column `{name}`")]
    UnknownColumn {
        /// The name in the statement.
        name: String,
        /// The most similar known column.
        nearest: Option<String>,
        /// The known columns.
        known: Vec<String>,
    },
    /// A name that refers to more than one column.
    #[error("`{0}` is the name of more than one column here")]
    AmbiguousColumn(String),
    /// There is no such method, service or provider.
    #[error("there is no {what} `{name}`")]
    Unknown {
        /// The kind of thing: `method`.
        what: &'static str,
        /// The name in the statement.
        name: String,
        /// The most similar known name.
        nearest: Option<String>,
    },
    /// EXEC of a method that is read with SELECT.
    #[error("`{method}` is read with SELECT, it cannot be called")]
    NotCalled {
        /// The method's full name.
        method: String,
        /// The query that reads it.
        query: String,
    },
    /// Syntax of another SQL dialect, or syntax in a place where it is not supported.
    #[error("`{written}` is not understood")]
    Dialect {
        /// The part of the statement.
        written: String,
        /// What to write.
        instead: String,
    },
    /// There is no such function.
    #[error("there is no function `{name}`")]
    UnknownFunction {
        /// The name in the statement.
        name: String,
        /// What to write instead, if there is a suggestion.
        hint: Option<String>,
    },
    /// A statement that would change something: DDL, DML, SET and similar ones.
    #[error("tables are read-only: {0}")]
    ReadOnly(String),
    /// A query that is executed as an update; only EXEC can be.
    #[error("the statement returns rows; it is not an update")]
    NotAnUpdate,
    /// More parameter rows than `query.max_writes`.
    #[error("{rows} rows were bound; the limit for one EXEC is {most}")]
    TooManyWrites {
        /// The number of bound rows.
        rows: usize,
        /// The limit.
        most: usize,
    },
    /// One of several rows of an EXEC failed.
    #[error("row {row} of {of}: {}{}", .cause.line(), rows_around(*.row, *.of, .done))]
    Row {
        /// The number of the row, from 1.
        row: usize,
        /// The number of rows.
        of: usize,
        /// What the rows before it started: `id 7`.
        done: Vec<String>,
        /// Why the row failed.
        cause: Error,
    },
    /// The statement is invalid; DataFusion's message.
    #[error("{0}")]
    Invalid(String),
    /// A result that does not fit its type.
    #[error("{0}")]
    Overflow(Overflow),
    /// A date plus an interval with hours, minutes or seconds. DataFusion drops them.
    #[error("a date has no hours: an interval that is added to it must be of whole days")]
    DateWithHours,
    /// A factor of an interval that is not an integer, or a quotient.
    #[error("an INTERVAL can only be multiplied, and by a whole number")]
    IntervalFactor,
    /// Values that an expression cannot be computed for; DataFusion's or Arrow's message.
    #[error("{0}")]
    Value(String),
    /// SQL that DataFusion does not support.
    #[error("{0}")]
    Unsupported(String),
    /// The number of bound parameters is wrong.
    #[error("the statement takes {wanted} parameters, and {bound} were bound")]
    ParameterCount {
        /// The number of the statement's parameters.
        wanted: usize,
        /// The number of bound columns.
        bound: usize,
    },
    /// Several rows of parameters for an EXEC that is executed as a query, which takes one.
    #[error("{rows} rows of parameters were bound to an EXEC that is executed as a query, which takes one")]
    ParameterRows {
        /// The number of bound rows.
        rows: usize,
    },
    /// A parameter in a place that has to be known when the statement is planned.
    #[error("a parameter cannot be {place}")]
    ParameterPlace {
        /// What the place is.
        place: &'static str,
        /// What to write.
        instead: &'static str,
    },
    /// A bound value of the wrong type.
    #[error("parameter {number} has the type {wanted} here: {problem}")]
    ParameterType {
        /// The parameter's number, from 1.
        number: usize,
        /// The type that the parameter has in the statement.
        wanted: String,
        /// Why the value cannot be converted to that type.
        problem: String,
        /// What to bind or to write instead, if there is a suggestion.
        instead: Option<&'static str>,
    },
    /// A value that is not text, bound to a parameter whose type the statement does not determine.
    #[error("the statement does not determine the type of parameter {number}; the bound value is of type {bound}")]
    UntypedParameter {
        /// The parameter's number, from 1.
        number: usize,
        /// The value's type.
        bound: String,
    },
    /// A parameter that two places of the statement use as different types.
    #[error("parameter {number} is used as two different types")]
    ConflictingParameter {
        /// The parameter's number, from 1.
        number: usize,
    },
    /// A column whose type depends on the value of a parameter. The value was bound after the column had been described
    /// to the client.
    #[error("column `{column}` was described as {described}, but with the bound value it is {found}")]
    TypeOfValue {
        /// The column.
        column: String,
        /// The type in the schema that the client received.
        described: String,
        /// The type with the bound value.
        found: String,
    },
    /// The query reached its time limit.
    #[error("the query took longer than {}", humantime::format_duration(*.0))]
    Timeout(Duration),
    /// The query was cancelled.
    #[error("the query was cancelled")]
    Cancelled {
        /// Whether it is an EXEC, whose request may have been sent.
        writes: bool,
    },
    /// An EXEC that was stopped at a limit. Its request may have been sent, so the limit's hint to try again would be wrong.
    #[error("{0}")]
    StoppedExec(LimitFault),
    /// The query exceeded the memory limit, or another of DataFusion's limits.
    #[error("the query exceeded a resource limit: {0}")]
    Resources(String),
    /// DataFusion failed with an internal error; its message.
    #[error("DataFusion cannot run this statement: {0}")]
    Engine(String),
    /// A bug of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Fault {
    /// The fault for rows whose type differs from the described one. If values are bound, a value may have changed the
    /// type, and the statement is at fault; otherwise it is a bug of this program.
    pub(super) fn of_other_type(OtherType { column, described, found }: OtherType, bound: bool) -> Self {
        let (described, found) = (described.to_string(), found.to_string());
        match bound {
            true => Self::TypeOfValue { column, described, found },
            false => Self::Internal(format!("column `{column}` was planned as {described}, and its rows are {found}")),
        }
    }
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Limit(limit) => limit.kind(),
            Self::View { cause, .. } => cause.kind(),
            Self::Row { done, cause, .. } => kind_of_row(cause.kind(), done.is_empty()),
            Self::UnknownTable { .. }
            | Self::AmbiguousTable { .. }
            | Self::NotInDatasets { .. }
            | Self::TemporarySchema { .. }
            | Self::ManyViews { .. }
            | Self::NotAQuery
            | Self::UnknownColumn { .. }
            | Self::AmbiguousColumn(_)
            | Self::Unknown { .. }
            | Self::NotCalled { .. }
            | Self::NotAnUpdate
            | Self::TooManyWrites { .. }
            | Self::Cast(_)
            | Self::Overflow(_)
            | Self::Correlated
            | Self::Subquery
            | Self::Unrepeatable { .. }
            | Self::SeveralRows
            | Self::Dialect { .. }
            | Self::UnknownFunction { .. }
            | Self::ReadOnly(_)
            | Self::Invalid(_)
            | Self::Value(_)
            | Self::DateWithHours
            | Self::IntervalFactor
            | Self::Unsupported(_)
            | Self::Engine(_)
            | Self::ParameterCount { .. }
            | Self::ParameterRows { .. }
            | Self::ParameterPlace { .. }
            | Self::ParameterType { .. }
            | Self::ConflictingParameter { .. }
            | Self::UntypedParameter { .. }
            | Self::TypeOfValue { .. } => Kind::InvalidArgument,
            Self::Timeout(_) => Kind::DeadlineExceeded,
            // Clients send a call again that was UNAVAILABLE; they do not after CANCELLED.
            Self::Cancelled { .. } | Self::StoppedExec(_) => Kind::Cancelled,
            Self::Resources(_) | Self::TooManyRequests { .. } => Kind::ResourceExhausted,
            Self::Internal(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Limit(limit) => return limit.hint(),
            Self::UnknownTable { nearest: Some(nearest), .. }
            | Self::UnknownColumn { nearest: Some(nearest), .. }
            | Self::Unknown { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`?")
            }
            Self::Unknown { nearest: None, .. } => {
                "`SELECT * FROM oceanflight.meta.methods` lists all services, tables and methods".into()
            }
            Self::NotCalled { query, .. } => format!("write {query}"),
            // ADBC's executemany executes an update, whose response contains a count and no rows.
            Self::NotAnUpdate => "execute it as a query; in Python, `cursor.execute(sql, record_batch)` in place of \
                                  executemany returns the rows of each row of parameters"
                .into(),
            Self::TooManyWrites { .. } => "bind fewer at a time, or raise query.max_writes".into(),
            Self::Row { row, done, cause, .. } if !done.is_empty() => {
                // The cause's hint is about one statement ("run it again"), which is wrong for a batch that is half
                // done.
                match cause.hint().filter(|_| cause.kind() == Kind::Unknown) {
                    Some(hint) => format!("{hint}; the rows before row {row} are done, too: do not bind them again"),
                    None => format!("the rows before it are done: bind only the rows from {row} on"),
                }
            }
            Self::Row { cause, .. } => return cause.hint(),
            Self::Subquery => "compute it in a derived table, and join that".into(),
            Self::SeveralRows => {
                "aggregate it, such as `(SELECT max(…) FROM … WHERE …)`; `= ANY (…)` compares with all rows".into()
            }
            Self::Unrepeatable { .. } => {
                "order the subquery by all columns that it selects, or by the table's id; or compute it once, in a \
                 derived table that is joined"
                    .into()
            }
            Self::AmbiguousColumn(_) => {
                "write the table's name before the column's, or give one of the columns another name with AS; where both are \
                 computed, compute one in a derived table"
                    .into()
            }
            Self::Overflow(overflow) => overflow.hint(),
            Self::Cast(_) => "TRY_CAST(… AS …) is NULL where a value is not of the type".into(),
            Self::Correlated => {
                "join a derived table that has the key and, for the first rows of each key, row_number() OVER (PARTITION \
                 BY … ORDER BY …); aggregate above the join"
                    .into()
            }
            Self::TooManyRequests { .. } => {
                "name fewer values, or raise query.max_requests; EXPLAIN shows the requests".into()
            }
            Self::NotInDatasets { full, .. } => format!("write `{full}`"),
            Self::TemporarySchema { .. } => "write the table's name alone: `CREATE TEMPORARY TABLE x AS …`".into(),
            Self::View { cause, .. } => return cause.hint(),
            Self::ManyViews { .. } => "read fewer views, and none that reads itself".into(),
            Self::NotAQuery => "a view is a SELECT without parameters".into(),
            Self::AmbiguousTable { tables, .. } => format!("write `{}`", tables.join("` or `")),
            Self::UnknownTable { nearest: None, .. } => "`SHOW TABLES` lists them".into(),
            Self::UnknownColumn { nearest: None, known, .. } if known.is_empty() => return None,
            Self::UnknownColumn { nearest: None, known, .. } => format!("there are {}", known.join(", ")),
            Self::Dialect { instead, .. } => instead.clone(),
            Self::UnknownFunction { hint: Some(hint), .. } => hint.clone(),
            Self::UnknownFunction { hint: None, .. } => {
                "`SELECT DISTINCT routine_name FROM information_schema.routines` lists the functions".into()
            }
            Self::ParameterCount { .. } => "bind a value to each `?` or `$n`; `oceanflight query` binds none".into(),
            Self::ParameterRows { .. } => {
                "execute it as an update (executemany), which runs it once for each row".into()
            }
            Self::ParameterPlace { instead, .. } => (*instead).into(),
            Self::ParameterType { instead, .. } => return instead.map(str::to_owned),
            Self::UntypedParameter { .. } => "write CAST(? AS type) in its place".into(),
            Self::ConflictingParameter { .. } => {
                "write CAST(… AS type) around each, with one type; or use a parameter for each place".into()
            }
            Self::TypeOfValue { .. } => "write the value into the statement, or cast the column to one type".into(),
            Self::Cancelled { writes: false } => return None,
            Self::Cancelled { writes: true } | Self::StoppedExec(_) => "a request that was already sent is not undone: check what it started".into(),
            Self::Timeout(_) => "read less, or raise query.timeout".into(),
            Self::Engine(_) => "write it another way, and please report it with the statement".into(),
            Self::Internal(_) => "this is a fault of oceanflight: please report it with the statement".into(),
            Self::Resources(_) => "read fewer rows, or raise query.memory_bytes".into(),
            Self::DateWithHours => "compute with a timestamp: `CAST(x AS TIMESTAMP) + INTERVAL '1 hour'`".into(),
            Self::IntervalFactor => {
                "take a smaller unit: `36 * INTERVAL '1 hour'` in place of `1.5 * INTERVAL '1 day'`".into()
            }
            Self::ReadOnly(_) | Self::Invalid(_) | Self::Value(_) | Self::Unsupported(_) => return None,
        })
    }
}

/// What happened to the other rows, at the end of the error of a row.
fn rows_around(row: usize, of: usize, done: &[String]) -> String {
    let before = if done.is_empty() { String::new() } else { format!("; done before it: {}", done.join(", ")) };
    let after = if row < of { "; the rows after it were not sent" } else { "" };
    format!("{before}{after}")
}

/// The kind of a failed row. Kinds that tell a client to retry become FailedPrecondition if other rows are done: a
/// retry would run these again.
fn kind_of_row(cause: Kind, nothing_done: bool) -> Kind {
    match cause {
        Kind::Unavailable | Kind::ResourceExhausted | Kind::DeadlineExceeded | Kind::Aborted if !nothing_done => {
            Kind::FailedPrecondition
        }
        other => other,
    }
}

/// Wraps a fault in an error of DataFusion. [`from_datafusion`] unwraps it.
pub(super) fn to_datafusion(fault: impl Into<Fault>) -> DataFusionError {
    DataFusionError::External(Box::new(Error::from(fault.into())))
}

/// Wraps a fault in an error of Arrow, which DataFusion wraps in turn.
pub(super) fn to_arrow(fault: Fault) -> ArrowError {
    ArrowError::ExternalError(Box::new(Error::from(fault)))
}

/// The error of this crate that a DataFusion error contains; otherwise the fault that it stands for.
pub(super) fn from_datafusion(error: DataFusionError) -> Error {
    let root = error.find_root();
    match carried(root) {
        Some(error) => error,
        None => read(root).into(),
    }
}

/// The [`Error`] that another layer sent through DataFusion.
pub(super) fn carried(error: &DataFusionError) -> Option<Error> {
    match error {
        DataFusionError::External(inner) => carried_by(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::ExternalError(inner) => carried_by(inner.as_ref()),
            _ => None,
        },
        _ => None,
    }
}

fn carried_by(error: &(dyn std::error::Error + 'static)) -> Option<Error> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return Some(error.clone());
    }
    error.downcast_ref::<DataFusionError>().and_then(|error| carried(error.find_root()))
}

fn read(error: &DataFusionError) -> Fault {
    match error {
        DataFusionError::Plan(message) | DataFusionError::Configuration(message) => {
            Fault::Invalid(first_lines(message))
        }
        DataFusionError::Internal(message) => Fault::Engine(first_lines(message)),
        DataFusionError::External(error) => Fault::Value(first_lines(&error.to_string())),
        DataFusionError::SQL(error, _) => Fault::Invalid(error.to_string()),
        DataFusionError::SchemaError(error, _) => read_schema(error),
        DataFusionError::NotImplemented(message) => Fault::Unsupported(first_lines(message)),
        DataFusionError::ArrowError(error, _) => read_arrow(error),
        DataFusionError::Execution(message) => Fault::Value(first_lines(message)),
        DataFusionError::ResourcesExhausted(message) => Fault::Resources(first_lines(message)),
        DataFusionError::IoError(error) => read_io(error),
        DataFusionError::Collection(errors) => errors
            .first()
            .map_or_else(|| Fault::Internal("an empty collection of errors".into()), |first| read(first.find_root())),
        // `find_root` has removed the first three of these.
        DataFusionError::ParquetError(_)
        | DataFusionError::Context(..)
        | DataFusionError::Shared(_)
        | DataFusionError::Diagnostic(..)
        | DataFusionError::ExecutionJoin(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_) => Fault::Internal(error.strip_backtrace()),
    }
}

fn requests(count: u64) -> String {
    match count {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }
}

fn read_schema(error: &SchemaError) -> Fault {
    let (field, valid_fields) = match error {
        SchemaError::FieldNotFound { field, valid_fields } => (field, valid_fields),
        SchemaError::AmbiguousReference { field } => return Fault::AmbiguousColumn(field.flat_name()),
        SchemaError::DuplicateQualifiedField { qualifier, name } => {
            return Fault::AmbiguousColumn(format!("{qualifier}.{name}"));
        }
        SchemaError::DuplicateUnqualifiedField { name } => return Fault::AmbiguousColumn(name.clone()),
    };
    let mut known: Vec<String> = Vec::new();
    for Column { name, .. } in valid_fields {
        // Two tables of a join may have it.
        if !known.contains(name) {
            known.push(name.clone());
        }
    }
    let nearest = nearest(&field.name, known.iter().map(String::as_str)).map(str::to_owned);
    Fault::UnknownColumn { name: field.flat_name(), nearest, known }
}

fn read_arrow(error: &ArrowError) -> Fault {
    match error {
        ArrowError::CastError(message) => Fault::Cast(message.clone()),
        ArrowError::ParseError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::InvalidArgumentError(message) => Fault::Value(message.clone()),
        // `corrections` reports the overflows of its own functions with their operands. This one is from Arrow.
        ArrowError::ArithmeticOverflow(_) => Fault::Overflow(Overflow::Unknown),
        ArrowError::DivideByZero => Fault::Value("division by zero".into()),
        ArrowError::NotYetImplemented(message) => Fault::Unsupported(message.clone()),
        ArrowError::MemoryError(message) => Fault::Resources(message.clone()),
        ArrowError::IoError(_, error) => read_io(error),
        ArrowError::ExternalError(_)
        | ArrowError::SchemaError(_)
        | ArrowError::CsvError(_)
        | ArrowError::JsonError(_)
        | ArrowError::AvroError(_)
        | ArrowError::IpcError(_)
        | ArrowError::ParquetError(_)
        | ArrowError::CDataInterface(_)
        | ArrowError::DictionaryKeyOverflowError
        | ArrowError::RunEndIndexOverflowError
        | ArrowError::OffsetOverflowError(_) => Fault::Internal(error.to_string()),
    }
}

/// An error of spilling: the disk is full, or the query has written as much as it may. DataFusion sends its own errors
/// through Arrow's writer as I/O errors.
fn read_io(error: &io::Error) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<DataFusionError>()) {
        Some(inner) => read(inner.find_root()),
        // DataFusion's error at its own limit has no kind.
        None => match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::Other => {
                LimitFault::NoDiskSpace.into()
            }
            _ => Fault::Internal(error.to_string()),
        },
    }
}

/// The message of the innermost error.
pub(super) fn message(error: &DataFusionError) -> String {
    read(error.find_root()).to_string()
}

/// A message of DataFusion without its backtrace and without its text for developers.
fn first_lines(message: &str) -> String {
    let without_backtrace = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let for_users =
        without_backtrace.split("\nThis issue was likely caused by a bug").next().unwrap_or(without_backtrace);
    let without_prefixes = for_users.replace("Internal error: ", "").replace("Error during planning: ", "");
    let text = without_prefixes.trim();
    match text.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The maximum length of a message, in characters. Some of DataFusion's messages contain a whole plan.
const MAX_MESSAGE_CHARS: usize = 600;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn carried_through(wrap: impl FnOnce(DataFusionError) -> DataFusionError) -> Error {
        let ours = Error::from(Fault::Timeout(Duration::from_secs(1)));
        from_datafusion(wrap(DataFusionError::External(Box::new(ours))))
    }

    #[test]
    fn an_error_of_this_crate_comes_back_from_datafusion_unchanged() {
        let wraps: [fn(DataFusionError) -> DataFusionError; 3] = [
            |error| error,
            |error| DataFusionError::Shared(Arc::new(error.context("while sorting"))),
            |error| DataFusionError::ArrowError(Box::new(ArrowError::ExternalError(Box::new(error))), None),
        ];

        for wrap in wraps {
            assert_eq!(carried_through(wrap).kind(), Kind::DeadlineExceeded);
        }
    }

    #[test]
    fn no_fault_is_chosen_by_the_text_of_an_error() {
        let read = |error: DataFusionError| match from_datafusion(error).downcast_ref() {
            Some(fault) => Fault::clone(fault),
            None => panic!("not a fault of the engine"),
        };
        for words in ["OuterReferenceColumn", "Physical plan does not support logical expression Exists", "no"] {
            let fault = read(DataFusionError::NotImplemented(words.into()));
            assert!(matches!(&fault, Fault::Unsupported(message) if message == words), "{fault:?}");
        }
        for words in ["Cannot cast string 'a' to value of Int64 type", "Can't cast value 300 to type Int8"] {
            let fault = read(ArrowError::CastError(words.into()).into());
            assert!(matches!(&fault, Fault::Cast(message) if message == words), "{fault:?}");
        }
    }

    #[test]
    fn errors_of_a_statement_are_invalid_arguments_and_others_are_internal() {
        let kind = |error| from_datafusion(error).kind();

        assert_eq!(kind(DataFusionError::Plan("no".into())), Kind::InvalidArgument);
        assert_eq!(kind(DataFusionError::NotImplemented("no".into())), Kind::InvalidArgument);
        assert_eq!(kind(ArrowError::DivideByZero.into()), Kind::InvalidArgument);
        assert_eq!(kind(DataFusionError::ResourcesExhausted("no".into())), Kind::ResourceExhausted);
        assert_eq!(kind(DataFusionError::Internal("no".into())), Kind::InvalidArgument);
        assert_eq!(kind(DataFusionError::Ffi("no".into())), Kind::Internal);
    }
}
