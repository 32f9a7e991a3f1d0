//! `oceanflight load`: makes a table of a server from files.

use clap::{Args, ValueEnum};

use super::console::{Console, say};
use super::error::Error;
use super::exit::{self, Exit};
use super::progress;
use super::signal::Signals;
use crate::datasets::{self, Dataset, FileOptions, Location};
use crate::engine::{IfExists, IfMissing, IngestRequest, PUBLIC, TableName};
use crate::error::Result;
use crate::flight;

/// Make a table of a server from a file
#[derive(Args, Debug)]
#[command(after_help = exit::help())]
pub(super) struct LoadArgs {
    /// A file, folder or pattern: Parquet, CSV, JSON or Arrow
    #[arg(value_name = "FILE")]
    file: String,

    /// The table's name in the catalog datasets
    #[arg(long, value_name = "NAME")]
    into: String,

    /// The table's schema
    #[arg(long, value_name = "NAME", default_value = PUBLIC)]
    schema: String,

    /// What to do with a table of that name
    #[arg(long, value_enum, value_name = "MODE", default_value_t = Mode::Create)]
    mode: Mode,

    /// The server
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:50051")]
    server: String,
}

/// What to do with a table of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Fail if it exists
    Create,
    /// Add the rows to it; fail if there is none
    Append,
    /// Replace it, if it exists
    Replace,
    /// Add the rows to it, or make it
    CreateAppend,
}

impl Mode {
    fn options(self) -> (IfExists, IfMissing) {
        match self {
            Self::Create => (IfExists::Fail, IfMissing::Create),
            Self::Append => (IfExists::Append, IfMissing::Fail),
            Self::Replace => (IfExists::Replace, IfMissing::Create),
            Self::CreateAppend => (IfExists::Append, IfMissing::Create),
        }
    }
}

pub(super) async fn run(load: LoadArgs, console: &mut Console) -> Result<Exit> {
    let directory = std::env::current_dir().map_err(Error::WorkingDirectory)?;
    let location =
        Location::parse(&load.file, &directory).map_err(|wanted| Error::File { file: load.file.clone(), wanted })?;
    if location.bucket().is_some() {
        let wanted = "a file on this machine; a bucket can be a dataset of the server".into();
        return Err(Error::File { file: load.file, wanted }.into());
    }
    let dataset = Dataset { name: load.into.clone(), location, options: FileOptions::default() };
    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let (if_exists, if_missing) = load.mode.options();
    let name = TableName { schema: load.schema, table: load.into };
    let full = name.full();
    let loading = async {
        let (schema, rows) = datasets::rows_of(dataset).await?;
        let request = IngestRequest { name, if_exists, if_missing };
        flight::client_ingest::ingest(&load.server, request, schema, rows).await
    };
    let rows = tokio::select! {
        biased;
        () = signals.next() => return Err(Error::Stopped.into()),
        loaded = loading => loaded?,
    };
    say(&mut *console.stderr, &format!("{} in {full}", progress::count(rows, "row")));
    Ok(Exit::Done)
}
