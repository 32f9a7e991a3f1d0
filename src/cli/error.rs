//! Errors of the command line itself.

use std::io;
use std::path::{Path, PathBuf};

use arrow::error::ArrowError;

use super::format::Format;
use super::simulated::SimulatedError;
use crate::error::{Failure, Kind};

/// A failure of the command line itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No argument and no file, and standard input is a terminal.
    #[error("there is no statement")]
    NoSql,
    /// The argument, file or standard input is empty.
    #[error("there is no statement in {place}")]
    EmptySql { place: String },
    /// SQL that cannot be read.
    #[error("{place} cannot be read")]
    Sql { place: String, source: io::Error },
    /// SQL that is not UTF-8.
    #[error("{place} is not UTF-8")]
    SqlNotText { place: String },
    /// A file whose extension is not that of a format.
    #[error("the extension of {} is not a known format", .file.display())]
    Extension { file: PathBuf },
    /// A binary format on a terminal.
    #[error("{format} is binary, and standard output is a terminal")]
    Binary { format: Format },
    /// A file (or standard output, if there is none) that cannot be written.
    #[error("{} cannot be written", output_name(.file.as_deref()))]
    Output { file: Option<PathBuf>, source: io::Error },
    /// A value that the format cannot represent.
    #[error("the result cannot be written as {format}")]
    Encode { format: Format, source: ArrowError },
    /// The simulated account does not start, or one of its flags was given without `--demo`.
    #[error(transparent)]
    Simulated(SimulatedError),
    /// An unknown table.
    #[error("there is no table `{name}`")]
    NoSuchTable { name: String, nearest: Option<String> },
    /// A file's name that is not one.
    #[error("`{file}` is not {wanted}")]
    File { file: String, wanted: String },
    /// The process cannot listen for signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// The working directory is not known.
    #[error("the working directory can't be read")]
    WorkingDirectory(#[source] io::Error),
    /// The runtime does not start.
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    /// A signal, such as Ctrl-C.
    #[error("stopped")]
    Stopped,
}

fn output_name(file: Option<&Path>) -> String {
    file.map_or_else(|| "standard output".into(), |file| file.display().to_string())
}

impl Failure for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoSql
            | Self::EmptySql { .. }
            | Self::SqlNotText { .. }
            | Self::Extension { .. }
            | Self::Binary { .. } => Kind::InvalidArgument,
            Self::Simulated(error) => error.kind(),
            Self::NoSuchTable { .. } => Kind::NotFound,
            Self::File { .. } => Kind::InvalidArgument,
            Self::Sql { .. } | Self::Output { .. } => Kind::FailedPrecondition,
            Self::Encode { .. } => Kind::Unimplemented,
            Self::Signals(_) | Self::WorkingDirectory(_) | Self::Runtime(_) => Kind::Internal,
            Self::Stopped => Kind::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoSql => Some("`oceanflight query 'SELECT 1'`, or `--file FILE`, or pipe it in".into()),
            Self::Extension { .. } => {
                Some("use .txt, .csv, .json, .jsonl, .arrow or .parquet, or set `--format`".into())
            }
            Self::Binary { .. } => Some("write it to a file with `--output FILE`, or into a pipe".into()),
            Self::Encode { .. } => Some("try another `--format`, or cast the column".into()),
            Self::Simulated(error) => error.hint(),
            Self::NoSuchTable { nearest: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::NoSuchTable { nearest: None, .. } => Some("`oceanflight tables` lists them all".into()),
            Self::EmptySql { .. }
            | Self::Sql { .. }
            | Self::SqlNotText { .. }
            | Self::Output { .. }
            | Self::File { .. }
            | Self::Signals(_)
            | Self::WorkingDirectory(_)
            | Self::Runtime(_)
            | Self::Stopped => None,
        }
    }
}
