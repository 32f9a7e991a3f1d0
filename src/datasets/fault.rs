//! The errors of datasets.

use arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;

use crate::error::{Error, Failure, Kind};

/// Why a dataset cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no such file, folder or match.
    #[error("the dataset `{dataset}` has no files: there is nothing at {location}")]
    NoFiles {
        /// `deploys`.
        dataset: String,
        /// The location as declared.
        location: String,
    },
    /// The location is not valid.
    #[error("the dataset `{dataset}` can't be read: {location} is not a valid location: {why}")]
    Location {
        /// `deploys`.
        dataset: String,
        /// The location as declared.
        location: String,
        /// The reason.
        why: String,
    },
    /// A store cannot be set up.
    #[error("the bucket `{bucket}` can't be used: {why}")]
    Bucket {
        /// Its name.
        bucket: String,
        /// The reason.
        why: String,
    },
    /// The store of the files cannot be reached, or does not list them.
    #[error("the files of the dataset `{dataset}` can't be listed: {why}")]
    Listing {
        /// `deploys`.
        dataset: String,
        /// The store's error.
        why: String,
        /// What a caller can do about it.
        kind: Kind,
    },
    /// The extension of a file's name is not one of a format.
    #[error("{file} is in the dataset `{dataset}`, and its name gives no format that can be read")]
    UnknownFormat {
        /// `deploys`.
        dataset: String,
        /// The file.
        file: String,
    },
    /// A compression that cannot be read from a bucket: of several parts, only the first would be.
    #[error("{file} can't be read: from buckets, only gzip can")]
    Compression {
        /// The file.
        file: String,
    },
    /// The files have several formats.
    #[error("the dataset `{dataset}` has files of several formats: {one} and {other}")]
    SeveralFormats {
        /// `deploys`.
        dataset: String,
        /// A file.
        one: String,
        /// A file of another format.
        other: String,
    },
    /// The folders `key=value` of two files have different keys.
    #[error("the dataset `{dataset}` has files in folders with different keys: {one} and {other}")]
    PartitionKeys {
        /// `deploys`.
        dataset: String,
        /// A file.
        one: String,
        /// A file with other keys.
        other: String,
    },
    /// The columns of a file differ from those of the files before it, or from the declared ones.
    #[error("the columns of {file} differ from those of {other}: {difference}")]
    Columns {
        /// The file.
        file: String,
        /// The other file, or what declares the columns.
        other: String,
        /// The first difference.
        difference: String,
    },
    /// A file has two columns of one name, or none.
    #[error("{file} {problem}")]
    Names {
        /// The file.
        file: String,
        /// What is wrong with the names of its columns.
        problem: String,
    },
    /// A declared type is not one.
    #[error("the type of the column `{column}` of the dataset `{dataset}` is not valid: {why}")]
    Type {
        /// `deploys`.
        dataset: String,
        /// The column.
        column: String,
        /// The parser's error.
        why: String,
    },
    /// Clients may not make tables.
    #[error("this server does not take tables from its clients")]
    IngestOff,
    /// A temporary table, from a client that carries no session.
    #[error("a temporary table belongs to a session, and this client has none")]
    NoSession,
    /// The name of a table is not one.
    #[error("`{name}` is not the name of a table: write {wanted}")]
    TableName {
        /// As sent.
        name: String,
        /// What a name is.
        wanted: String,
    },
    /// Rows whose columns a table cannot have.
    #[error("the rows can't become the table `{table}`: {problem}")]
    Unfit {
        /// `datasets.public.x`.
        table: String,
        /// What is wrong with their columns.
        problem: String,
    },
    /// The name is that of a declared dataset or view.
    #[error("`{table}` is declared in the settings of the server, and cannot be changed")]
    Declared {
        /// `datasets.public.deploys`.
        table: String,
    },
    /// The table exists.
    #[error("the table `{table}` exists")]
    Exists {
        /// `datasets.public.x`.
        table: String,
    },
    /// The table does not exist.
    #[error("there is no table `{table}` that a client has made")]
    NoSuchTable {
        /// `datasets.public.x`.
        table: String,
    },
    /// The rows have other columns than the table that they are appended to.
    #[error("the rows do not fit the table `{table}`: {difference}")]
    OtherColumns {
        /// `datasets.public.x`.
        table: String,
        /// The first difference.
        difference: String,
    },
    /// The tables of all clients would be larger than they may.
    #[error("the tables of clients would have more than {} ({setting}); the other tables have {}", megabytes(*most), megabytes(*held))]
    TooLarge {
        /// The setting.
        setting: &'static str,
        /// The limit, in bytes.
        most: u64,
        /// What is held without the rows that were to be added.
        held: u64,
    },
    /// A batch that is too large.
    #[error("a batch of rows has {megabytes} MiB; the limit is {most}")]
    LargeBatch {
        /// Its size.
        megabytes: u64,
        /// The limit.
        most: u64,
    },
    /// Rows that cannot be taken.
    #[error("the rows can't be read: {0}")]
    Rows(String),
    /// The file of an ingest cannot be written.
    #[error("the rows of `{table}` can't be written: {why}")]
    Write {
        /// `datasets.public.x`.
        table: String,
        /// The error.
        why: String,
    },
    /// A file of a table in the data directory is not as it was written.
    #[error("the table `{table}` can't be read: {file}: {why}")]
    Part {
        /// `datasets.public.x`.
        table: String,
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The data directory cannot be used.
    #[error("the data directory {directory} can't be used: {why}")]
    DataDir {
        /// The directory.
        directory: String,
        /// The error.
        why: String,
    },
    /// The data directory is used by another process.
    #[error("the data directory {directory} is used by another process")]
    Locked {
        /// The directory.
        directory: String,
    },
    /// A fault of this program.
    #[error("internal error: {0}")]
    Internal(String),
    /// A file cannot be read.
    #[error("{file} can't be read: {why}")]
    File {
        /// The file.
        file: String,
        /// The reader's error.
        why: String,
        /// What a caller can do about it.
        kind: Kind,
        /// Whether a value does not have the type of its column.
        is_value: bool,
    },
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        match self {
            Self::NoFiles { .. }
            | Self::Location { .. }
            | Self::Bucket { .. }
            | Self::UnknownFormat { .. }
            | Self::Compression { .. }
            | Self::SeveralFormats { .. }
            | Self::PartitionKeys { .. }
            | Self::Columns { .. }
            | Self::Names { .. }
            | Self::Type { .. } => Kind::FailedPrecondition,
            Self::IngestOff | Self::NoSession | Self::Write { .. } | Self::DataDir { .. } | Self::Locked { .. } => {
                Kind::FailedPrecondition
            }
            Self::TableName { .. }
            | Self::Unfit { .. }
            | Self::Declared { .. }
            | Self::Exists { .. }
            | Self::OtherColumns { .. }
            | Self::Rows(_) => Kind::InvalidArgument,
            Self::NoSuchTable { .. } => Kind::NotFound,
            Self::TooLarge { .. } | Self::LargeBatch { .. } => Kind::ResourceExhausted,
            Self::Part { .. } => Kind::DataLoss,
            Self::Internal(_) => Kind::Internal,
            Self::Listing { kind, .. } | Self::File { kind, .. } => *kind,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoFiles { .. } => {
                "a relative path is one from the settings file, or for --dataset from the working directory".into()
            }
            Self::Location { .. } => "write a path, a pattern such as `logs/*.csv`, or `s3://bucket/folder/`".into(),
            Self::Bucket { .. } => "see the settings below `s3`".into(),
            Self::Listing { kind: Kind::PermissionDenied | Kind::Unauthenticated, .. } => {
                "set s3.access_key_id and s3.secret_key_file, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".into()
            }
            Self::UnknownFormat { .. } => {
                "name the files by a pattern, such as `folder/*.parquet`, or give the dataset a `format`: parquet, csv, \
                 json or arrow"
                    .into()
            }
            Self::Compression { .. } => "compress it with gzip, or copy it to this machine".into(),
            Self::SeveralFormats { .. } => "declare a dataset for each, such as `folder/*.csv`".into(),
            Self::PartitionKeys { .. } => "declare a dataset for each".into(),
            Self::Columns { .. } => {
                "declare a dataset for each, or give the dataset its `columns` in the settings file".into()
            }
            Self::Names { .. } => "give the dataset its `columns` in the settings file, or change the file".into(),
            Self::Type { .. } => "write a type of SQL: BIGINT, DOUBLE, VARCHAR, TIMESTAMP, DECIMAL(10, 2)".into(),
            Self::File { is_value: true, .. } => {
                "give the column another type in `columns` of the dataset, such as VARCHAR".into()
            }
            Self::IngestOff => "start it with --allow-ingest, or with --demo".into(),
            Self::NoSession => {
                "return the server's cookies (ADBC: adbc.flight.sql.rpc.with_cookie_middleware=true), or log in with any user and \
                 password; or make a table that is not temporary"
                    .into()
            }
            Self::Declared { .. } => "choose another name".into(),
            Self::Exists { .. } => "append to it or replace it, or choose another name".into(),
            Self::OtherColumns { .. } => "cast the columns before they are sent, or replace the table".into(),
            Self::NoSuchTable { .. } => {
                "`SELECT * FROM oceanflight.meta.datasets` lists those that there are".into()
            }
            Self::LargeBatch { .. } => "send the rows in smaller batches".into(),
            Self::TooLarge { setting, .. } => format!("drop a table, or raise {setting}"),
            Self::Write { .. } => "the table is as it was; free some space and send the rows again".into(),
            Self::Locked { .. } => "stop the other server, or choose another --data-dir".into(),
            Self::Part { .. } => "put the file back from a copy, or remove its table from tables.json".into(),
            Self::Listing { .. }
            | Self::File { .. }
            | Self::TableName { .. }
            | Self::Unfit { .. }
            | Self::Rows(_)
            | Self::DataDir { .. }
            | Self::Internal(_) => return None,
        })
    }
}

impl Fault {
    /// A file that is not what it should be.
    pub(super) fn broken_file(file: &str, why: &str) -> Self {
        Self::File { file: file.to_owned(), why: why.to_owned(), kind: Kind::DataLoss, is_value: false }
    }

    /// The error of reading a file. An error that is not about the file is returned as it is: the query was cancelled, or
    /// has no memory.
    pub(super) fn of_file(file: &str, error: DataFusionError) -> DataFusionError {
        match cause(&error) {
            Some(Cause { why, kind, is_value }) => {
                to_datafusion(Self::File { file: file.to_owned(), why, kind, is_value })
            }
            None => error,
        }
    }

    /// As [`Fault::of_file`], outside of a plan.
    pub(super) fn error_of_file(file: &str, error: DataFusionError) -> Error {
        let error = Self::of_file(file, error);
        let carried = match &error {
            DataFusionError::External(inner) => inner.downcast_ref::<Error>(),
            _ => None,
        };
        carried.cloned().unwrap_or_else(|| {
            let (file, why) = (file.to_owned(), error.strip_backtrace());
            Self::File { file, why, kind: Kind::ResourceExhausted, is_value: false }.into()
        })
    }
}

/// What the error of a reader says about the file.
struct Cause {
    why: String,
    kind: Kind,
    is_value: bool,
}

impl Cause {
    fn broken(why: String) -> Option<Self> {
        Some(Self { why, kind: Kind::DataLoss, is_value: false })
    }

    fn value(why: String) -> Option<Self> {
        Some(Self { why, kind: Kind::FailedPrecondition, is_value: true })
    }
}

/// `None`: the error is not about the file.
fn cause(error: &DataFusionError) -> Option<Cause> {
    let root = error.find_root();
    match root {
        DataFusionError::ResourcesExhausted(_) => None,
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(_) => None,
            None => Cause::broken(inner.to_string()),
        },
        DataFusionError::ObjectStore(error) => {
            Some(Cause { why: error.to_string(), kind: kind_of_store(error), is_value: false })
        }
        DataFusionError::ArrowError(error, _) => arrow_cause(error),
        DataFusionError::ParquetError(error) => match error.as_ref() {
            ParquetError::External(inner) => match inner.downcast_ref::<object_store::Error>() {
                Some(error) => Some(Cause { why: error.to_string(), kind: kind_of_store(error), is_value: false }),
                None => Cause::broken(inner.to_string()),
            },
            error => Cause::broken(error.to_string()),
        },
        error => Cause::broken(error.strip_backtrace()),
    }
}

fn arrow_cause(error: &ArrowError) -> Option<Cause> {
    match error {
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => cause(inner),
            None if inner.is::<Error>() => None,
            None => Cause::broken(inner.to_string()),
        },
        ArrowError::ParseError(message) | ArrowError::CastError(message) => Cause::value(message.clone()),
        ArrowError::JsonError(message) => Cause::value(message.clone()),
        ArrowError::CsvError(message) => Cause::broken(message.clone()),
        error => Cause::broken(error.to_string()),
    }
}

/// What a caller can do about the error of a store.
pub(super) fn kind_of_store(error: &object_store::Error) -> Kind {
    match error {
        object_store::Error::NotFound { .. } => Kind::FailedPrecondition,
        object_store::Error::PermissionDenied { .. } => Kind::PermissionDenied,
        object_store::Error::Unauthenticated { .. } => Kind::Unauthenticated,
        _ => Kind::Unavailable,
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}

/// Wraps a fault in an error of DataFusion, from which the engine unwraps it.
pub(super) fn to_datafusion(fault: Fault) -> DataFusionError {
    DataFusionError::External(Box::new(Error::from(fault)))
}
