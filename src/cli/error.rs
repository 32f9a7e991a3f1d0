//! Errors of the command line itself.

use std::fmt;
use std::io;
use std::path::PathBuf;

use arrow::error::ArrowError;

use super::format::Format;
use super::simulated::SimulatedError;
use crate::error::{Failure, Kind};

/// A failure of the command line itself.
#[derive(Debug)]
pub(super) enum Error {
    /// No argument and no file, and standard input is a terminal.
    NoSql,
    /// The argument, file or standard input is empty.
    EmptySql { place: String },
    /// SQL that cannot be read.
    Sql { place: String, source: io::Error },
    /// SQL that is not UTF-8.
    SqlNotText { place: String },
    /// A file whose extension is not that of a format.
    Extension { file: PathBuf },
    /// A binary format on a terminal.
    Binary { format: Format },
    /// A file (or standard output, if there is none) that cannot be written.
    Output { file: Option<PathBuf>, source: io::Error },
    /// A value that the format cannot represent.
    Encode { format: Format, source: ArrowError },
    /// The simulated account does not start, or one of its flags was given without `--demo`.
    Simulated(SimulatedError),
    /// An unknown table.
    NoSuchTable { name: String, nearest: Option<String> },
    /// The process cannot listen for signals.
    Signals(io::Error),
    /// The runtime does not start.
    Runtime(io::Error),
    /// A signal, such as Ctrl-C.
    Stopped,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSql => f.write_str("there is no statement"),
            Self::EmptySql { place } => write!(f, "there is no statement in {place}"),
            Self::Sql { place, .. } => write!(f, "{place} cannot be read"),
            Self::SqlNotText { place } => write!(f, "{place} is not UTF-8"),
            Self::Extension { file } => write!(f, "the extension of {} is not a known format", file.display()),
            Self::Binary { format } => write!(f, "{format} is binary, and standard output is a terminal"),
            Self::Output { file: Some(file), .. } => write!(f, "{} cannot be written", file.display()),
            Self::Output { file: None, .. } => f.write_str("standard output cannot be written"),
            Self::Encode { format, .. } => write!(f, "the result cannot be written as {format}"),
            Self::Simulated(error) => error.fmt(f),
            Self::NoSuchTable { name, .. } => write!(f, "there is no table `{name}`"),
            Self::Signals(_) => f.write_str("cannot listen for signals"),
            Self::Runtime(_) => f.write_str("the runtime does not start"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sql { source, .. } | Self::Output { source, .. } | Self::Signals(source) | Self::Runtime(source) => {
                Some(source)
            }
            Self::Encode { source, .. } => Some(source),
            Self::Simulated(error) => error.source(),
            Self::NoSql
            | Self::EmptySql { .. }
            | Self::SqlNotText { .. }
            | Self::Extension { .. }
            | Self::Binary { .. }
            | Self::NoSuchTable { .. }
            | Self::Stopped => None,
        }
    }
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
            Self::Sql { .. } | Self::Output { .. } => Kind::FailedPrecondition,
            Self::Encode { .. } => Kind::Unimplemented,
            Self::Signals(_) | Self::Runtime(_) => Kind::Internal,
            Self::Stopped => Kind::Cancelled,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoSql => Some("`oceanflight query 'SELECT 1'`, or `--file FILE`, or pipe it in".into()),
            Self::Extension { .. } => {
                Some("end it with .txt, .csv, .json, .jsonl, .arrow or .parquet, or say `--format`".into())
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
            | Self::Signals(_)
            | Self::Runtime(_)
            | Self::Stopped => None,
        }
    }
}
