//! What can be wrong with a statement, and what DataFusion's errors mean.

use std::fmt;
use std::time::Duration;

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

use super::overflow::Overflow;
use super::wire_types::OtherType;
use crate::error::{Error, Failure, Kind, nearest};

/// A statement that cannot be planned or run.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A value that is not of the type that it is compared with or cast to; Arrow's message has both.
    Cast(String),
    /// A subquery whose rows cannot be found for all rows of the outer query at once.
    Correlated,
    /// A subquery in place of one value, which may have several rows.
    SeveralRows,
    /// A subquery in a place where DataFusion has none.
    Subquery,
    /// A subquery that has to be read more than once, and may have other rows each time.
    Unrepeatable {
        /// What makes its rows differ.
        why: &'static str,
    },
    /// A query that is sure to need more requests than it may send.
    TooManyRequests {
        /// How many it may send.
        most: u64,
        /// How many it takes at least.
        needed: u64,
    },
    /// A table that there is none of.
    UnknownTable {
        /// As it was written.
        name: String,
        /// The table that was meant, perhaps.
        nearest: Option<String>,
    },
    /// A bare name of a table that several services have, and the default one has not.
    AmbiguousTable {
        /// As it was written.
        name: String,
        /// Those there are, in full.
        tables: Vec<String>,
    },
    /// A column that there is none of.
    UnknownColumn {
        /// As it was written.
        name: String,
        /// The column that was meant, perhaps.
        nearest: Option<String>,
        /// Those there are.
        known: Vec<String>,
    },
    /// A name that more than one column has.
    AmbiguousColumn(String),
    /// A method, a service or a provider that there is none of.
    Unknown {
        /// `method`.
        what: &'static str,
        /// As it was written.
        name: String,
        /// The one that was meant, perhaps.
        nearest: Option<String>,
    },
    /// EXEC of a method that is read with SELECT.
    NotCalled {
        /// The method.
        method: String,
        /// The query that uses it.
        query: String,
    },
    /// Something that other dialects of SQL have, or that this one has in another place.
    Dialect {
        /// As it was written.
        written: String,
        /// What to write.
        instead: String,
    },
    /// A function that there is none of.
    UnknownFunction {
        /// As it was written.
        name: String,
        /// What to write, perhaps.
        instead: Option<String>,
    },
    /// DDL, DML, SET and the like.
    ReadOnly(String),
    /// A query where an EXEC belongs.
    NotAnUpdate,
    /// More rows than may be written at once.
    TooManyWrites {
        /// The rows.
        rows: usize,
        /// How many may be.
        most: usize,
    },
    /// One of several rows was not carried out.
    Row {
        /// Which one, from 1.
        row: usize,
        /// Of how many.
        of: usize,
        /// What the rows before it started: `id 7`.
        done: Vec<String>,
        /// What happened to it.
        cause: Error,
    },
    /// The statement means nothing; the planner's words.
    Invalid(String),
    /// A result that its type has not enough bits or digits for.
    Overflow(Overflow),
    /// Values that the statement cannot be computed with; the engine's words.
    Value(String),
    /// SQL that DataFusion does not do.
    Unsupported(String),
    /// Bound parameters, too many or too few.
    ParameterCount {
        /// What the statement takes.
        wanted: usize,
        /// What was bound.
        bound: usize,
    },
    /// Not one row of parameters for an execution of an EXEC that answers its row.
    ParameterRows {
        /// How many were bound.
        rows: usize,
    },
    /// A parameter where only something that is written in the statement can stand.
    ParameterPlace {
        /// What it would be there.
        place: &'static str,
        /// What to write.
        instead: &'static str,
    },
    /// A bound value of the wrong type.
    ParameterType {
        /// From 1.
        number: usize,
        /// What the statement wants.
        wanted: String,
        /// Why the value is not that.
        problem: String,
        /// What to bind or to write, perhaps.
        instead: Option<&'static str>,
    },
    /// A value that is no text, bound to a parameter of which the statement does not say the type.
    UntoldParameter {
        /// From 1.
        number: usize,
        /// The value's type.
        bound: String,
    },
    /// A parameter that is used as two types.
    TornParameter {
        /// From 1.
        number: usize,
    },
    /// A column whose type depends on the value of a parameter, which is bound after the type was told.
    TypeOfValue {
        /// The column.
        column: String,
        /// The type that the client was told.
        told: String,
        /// The type that it has with the bound value.
        found: String,
    },
    /// The query's time is up.
    Timeout(Duration),
    /// Somebody has cancelled it.
    Cancelled {
        /// Whether it is an EXEC, whose request may have been sent.
        writes: bool,
    },
    /// Memory or another of DataFusion's own limits.
    Resources(String),
    /// A statement that DataFusion plans or computes into a contradiction; its own words.
    Engine(String),
    /// A fault of this program.
    Internal(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cast(message) => f.write_str(message),
            Self::AmbiguousColumn(name) => write!(f, "`{name}` is the name of more than one column here"),
            Self::Overflow(overflow) => overflow.fmt(f),
            Self::Subquery => f.write_str("a subquery is not supported at this place of the statement"),
            Self::Unrepeatable { why } => {
                write!(f, "the subquery has to be read more than once, and {why} may return different rows each time")
            }
            Self::SeveralRows => f.write_str("a subquery used as a value may return more than one row"),
            Self::Correlated => f.write_str(
                "a subquery uses a column of the outer query where that cannot be turned into a join: below a LIMIT, a \
                 UNION or a window, in an outer join, or in an aggregate",
            ),
            Self::TooManyRequests { most, needed } => {
                write!(f, "the query needs at least {needed} requests; the limit is {most}")
            }
            Self::UnknownTable { name, .. } => write!(f, "there is no table `{name}`"),
            Self::AmbiguousTable { name, .. } => write!(f, "several services have a table `{name}`"),
            Self::UnknownColumn { name, .. } => write!(f, "there is no column `{name}`"),
            Self::Unknown { what, name, .. } => write!(f, "there is no {what} `{name}`"),
            Self::NotCalled { method, .. } => write!(f, "`{method}` is read with SELECT, it cannot be called"),
            Self::Dialect { written, .. } => write!(f, "`{written}` is not understood"),
            Self::UnknownFunction { name, .. } => write!(f, "there is no function `{name}`"),
            Self::ReadOnly(what) => write!(f, "tables are read-only: {what}"),
            Self::NotAnUpdate => f.write_str("the statement returns rows; it is not an update"),
            Self::TooManyWrites { rows, most } => {
                write!(f, "{rows} rows were bound; the limit for one EXEC is {most}")
            }
            Self::Row { row, of, done, cause } => {
                write!(f, "row {row} of {of}: {}", cause.line())?;
                if !done.is_empty() {
                    write!(f, "; done before it: {}", done.join(", "))?;
                }
                if row < of {
                    f.write_str("; the rows after it were not sent")?;
                }
                Ok(())
            }
            Self::Invalid(message) | Self::Value(message) | Self::Unsupported(message) => f.write_str(message),
            Self::ParameterCount { wanted, bound } => {
                write!(f, "the statement takes {wanted} parameters, and {bound} were bound")
            }
            Self::ParameterRows { rows } => {
                write!(
                    f,
                    "{rows} rows of parameters were bound to an EXEC that is executed as a query, which takes one"
                )
            }
            Self::ParameterPlace { place, .. } => write!(f, "a parameter cannot be {place}"),
            Self::ParameterType { number, wanted, problem, .. } => {
                write!(f, "parameter {number} has the type {wanted} here: {problem}")
            }
            Self::UntoldParameter { number, bound } => write!(
                f,
                "the statement does not determine the type of parameter {number}; the bound value is of type {bound}"
            ),
            Self::TornParameter { number } => write!(f, "parameter {number} is used as two different types"),
            Self::TypeOfValue { column, told, found } => {
                write!(f, "column `{column}` was described as {told}, but with the bound value it is {found}")
            }
            Self::Cancelled { .. } => f.write_str("the query was cancelled"),
            Self::Timeout(limit) => write!(f, "the query took longer than {}", humantime::format_duration(*limit)),
            Self::Resources(message) => write!(f, "the query exceeded a resource limit: {message}"),
            Self::Engine(message) => write!(f, "DataFusion cannot run this statement: {message}"),
            Self::Internal(message) => write!(f, "internal error: {message}"),
        }
    }
}

impl Fault {
    /// Rows of another type than the one that the client was told: the statement's doing where a bound value decides
    /// on the type, and ours otherwise.
    pub(super) fn of_other_type(OtherType { column, told, found }: OtherType, bound: bool) -> Self {
        let (told, found) = (told.to_string(), found.to_string());
        match bound {
            true => Self::TypeOfValue { column, told, found },
            false => Self::Internal(format!("column `{column}` was planned as {told}, and its rows are {found}")),
        }
    }
}

impl std::error::Error for Fault {}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::Row { done, cause, .. } => kind_of_row(cause.kind(), done.is_empty()),
            Self::UnknownTable { .. }
            | Self::AmbiguousTable { .. }
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
            | Self::Unsupported(_)
            | Self::Engine(_)
            | Self::ParameterCount { .. }
            | Self::ParameterRows { .. }
            | Self::ParameterPlace { .. }
            | Self::ParameterType { .. }
            | Self::TornParameter { .. }
            | Self::UntoldParameter { .. }
            | Self::TypeOfValue { .. } => Kind::InvalidArgument,
            Self::Timeout(_) => Kind::DeadlineExceeded,
            Self::Cancelled { .. } => Kind::Cancelled,
            Self::Resources(_) | Self::TooManyRequests { .. } => Kind::ResourceExhausted,
            Self::Internal(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownTable { nearest: Some(nearest), .. }
            | Self::UnknownColumn { nearest: Some(nearest), .. }
            | Self::Unknown { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`?")
            }
            Self::Unknown { nearest: None, .. } => {
                "`SELECT * FROM oceanflight.meta.methods` lists what there is".into()
            }
            Self::NotCalled { query, .. } => format!("write {query}"),
            // ADBC's executemany asks for an update, whose answer has a place for a count alone.
            Self::NotAnUpdate => "execute it as a query; in Python, `cursor.execute(sql, record_batch)` in place of \
                                  executemany returns the rows of each row of parameters"
                .into(),
            Self::TooManyWrites { .. } => "bind fewer at a time, or raise query.max_writes".into(),
            Self::Row { row, done, cause, .. } if !done.is_empty() => {
                // What is true of one statement ("ask again") is not of a batch that is half done.
                match cause.hint().filter(|_| cause.kind() == Kind::Unknown) {
                    Some(own) => format!("{own}; the rows before row {row} are done, too: bind none of them again"),
                    None => format!("the rows before it are done: bind those from row {row} on, and no others"),
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
            Self::AmbiguousTable { tables, .. } => format!("write `{}`", tables.join("` or `")),
            Self::UnknownTable { nearest: None, .. } => "`SHOW TABLES` lists them".into(),
            Self::UnknownColumn { nearest: None, known, .. } if known.is_empty() => return None,
            Self::UnknownColumn { nearest: None, known, .. } => format!("there are {}", known.join(", ")),
            Self::Dialect { instead, .. } => instead.clone(),
            Self::UnknownFunction { instead: Some(instead), .. } => format!("write {instead}"),
            Self::UnknownFunction { instead: None, .. } => {
                "`SELECT DISTINCT routine_name FROM information_schema.routines` lists the functions".into()
            }
            Self::ParameterCount { .. } => "bind a value to each `?` or `$n`; `oceanflight query` binds none".into(),
            Self::ParameterRows { .. } => {
                "execute it as an update (executemany), which carries it out once for each row".into()
            }
            Self::ParameterPlace { instead, .. } => (*instead).into(),
            Self::ParameterType { instead, .. } => return instead.map(str::to_owned),
            Self::UntoldParameter { .. } => "write CAST(? AS type) in its place".into(),
            Self::TornParameter { .. } => {
                "write CAST(… AS type) around each, with one type; or use a parameter for each place".into()
            }
            Self::TypeOfValue { .. } => "write the value into the statement, or cast the column to one type".into(),
            Self::Cancelled { writes: false } => return None,
            Self::Cancelled { writes: true } => "a request that was already sent is not undone: check what it started".into(),
            Self::Timeout(_) => "ask for less, or raise query.timeout".into(),
            Self::Engine(_) => "write it another way, and please report it with the statement".into(),
            Self::Internal(_) => "this is a fault of oceanflight: please report it with the statement".into(),
            Self::ReadOnly(_) | Self::Invalid(_) | Self::Value(_) | Self::Unsupported(_) | Self::Resources(_) => {
                return None;
            }
        })
    }
}

/// What invites to do all of it again is not said of rows of which some are done.
fn kind_of_row(cause: Kind, nothing_done: bool) -> Kind {
    match cause {
        Kind::Unavailable | Kind::ResourceExhausted | Kind::DeadlineExceeded | Kind::Aborted if !nothing_done => {
            Kind::FailedPrecondition
        }
        other => other,
    }
}

/// A fault on its way through DataFusion, out of which [`from_datafusion`] takes it again.
pub(super) fn to_datafusion(fault: Fault) -> DataFusionError {
    DataFusionError::External(Box::new(Error::from(fault)))
}

/// A fault on its way through a kernel of Arrow's, and then through DataFusion.
pub(super) fn to_arrow(fault: Fault) -> ArrowError {
    ArrowError::ExternalError(Box::new(Error::from(fault)))
}

/// Our own error again where there is one inside; else what DataFusion's own means.
pub(super) fn from_datafusion(error: DataFusionError) -> Error {
    let root = error.find_root();
    match carried(root) {
        Some(error) => error,
        None => read(root).into(),
    }
}

/// The [`Error`] that another layer sent through DataFusion.
fn carried(error: &DataFusionError) -> Option<Error> {
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
        DataFusionError::Collection(errors) => errors
            .first()
            .map_or_else(|| Fault::Internal("an empty collection of errors".into()), |first| read(first.find_root())),
        // `find_root` looks through the first three of these.
        DataFusionError::Context(..)
        | DataFusionError::Shared(_)
        | DataFusionError::Diagnostic(..)
        | DataFusionError::ExecutionJoin(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::ParquetError(_)
        | DataFusionError::IoError(_)
        | DataFusionError::Substrait(_)
        | DataFusionError::Ffi(_) => Fault::Internal(error.strip_backtrace()),
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
    let known: Vec<String> = valid_fields.iter().map(|column| column.name.clone()).collect();
    let nearest = nearest(&field.name, known.iter().map(String::as_str)).map(str::to_owned);
    Fault::UnknownColumn { name: field.flat_name(), nearest, known }
}

fn read_arrow(error: &ArrowError) -> Fault {
    match error {
        ArrowError::CastError(message) => Fault::Cast(message.clone()),
        ArrowError::ParseError(message)
        | ArrowError::ComputeError(message)
        | ArrowError::InvalidArgumentError(message) => Fault::Value(message.clone()),
        // What `corrections` computes tells what it was.
        ArrowError::ArithmeticOverflow(_) => Fault::Overflow(Overflow::Untold),
        ArrowError::DivideByZero => Fault::Value("division by zero".into()),
        ArrowError::NotYetImplemented(message) => Fault::Unsupported(message.clone()),
        ArrowError::MemoryError(message) => Fault::Resources(message.clone()),
        ArrowError::ExternalError(_)
        | ArrowError::SchemaError(_)
        | ArrowError::CsvError(_)
        | ArrowError::JsonError(_)
        | ArrowError::AvroError(_)
        | ArrowError::IoError(..)
        | ArrowError::IpcError(_)
        | ArrowError::ParquetError(_)
        | ArrowError::CDataInterface(_)
        | ArrowError::DictionaryKeyOverflowError
        | ArrowError::RunEndIndexOverflowError
        | ArrowError::OffsetOverflowError(_) => Fault::Internal(error.to_string()),
    }
}

/// The innermost error's own words.
pub(super) fn message(error: &DataFusionError) -> String {
    read(error.find_root()).to_string()
}

/// Without the backtrace that DataFusion may have put behind a message, and without what it tells its developers.
fn first_lines(message: &str) -> String {
    let message = message.split("\n\nbacktrace:").next().unwrap_or(message);
    let message = message.split("\nThis issue was likely caused by a bug").next().unwrap_or(message);
    let message = message.replace("Internal error: ", "").replace("Error during planning: ", "");
    let message = message.trim();
    match message.char_indices().nth(MOST_OF_A_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// In characters. Some of DataFusion's messages hold a whole plan.
const MOST_OF_A_MESSAGE: usize = 600;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn carried_through(wrap: impl FnOnce(DataFusionError) -> DataFusionError) -> Error {
        let ours = Error::from(Fault::Timeout(Duration::from_secs(1)));
        from_datafusion(wrap(DataFusionError::External(Box::new(ours))))
    }

    #[test]
    fn our_own_errors_come_through_datafusion_as_they_were() {
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
    fn no_fault_is_chosen_by_the_words_of_an_error() {
        let read = |error: DataFusionError| match from_datafusion(error).downcast_ref() {
            Some(fault) => Fault::clone(fault),
            None => panic!("no fault of this layer"),
        };
        for words in ["OuterReferenceColumn", "Physical plan does not support logical expression Exists", "no"] {
            let fault = read(DataFusionError::NotImplemented(words.into()));
            assert!(matches!(&fault, Fault::Unsupported(own) if own == words), "{fault:?}");
        }
        for words in ["Cannot cast string 'a' to value of Int64 type", "Can't cast value 300 to type Int8"] {
            let fault = read(ArrowError::CastError(words.into()).into());
            assert!(matches!(&fault, Fault::Cast(own) if own == words), "{fault:?}");
        }
    }

    #[test]
    fn what_a_statement_asks_for_is_its_mistake_and_the_rest_is_ours() {
        let kind = |error| from_datafusion(error).kind();

        assert_eq!(kind(DataFusionError::Plan("no".into())), Kind::InvalidArgument);
        assert_eq!(kind(DataFusionError::NotImplemented("no".into())), Kind::InvalidArgument);
        assert_eq!(kind(ArrowError::DivideByZero.into()), Kind::InvalidArgument);
        assert_eq!(kind(DataFusionError::ResourcesExhausted("no".into())), Kind::ResourceExhausted);
        assert_eq!(kind(DataFusionError::Internal("no".into())), Kind::InvalidArgument);
        assert_eq!(kind(DataFusionError::Ffi("no".into())), Kind::Internal);
    }
}
