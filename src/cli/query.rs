//! `oceanflight query`: runs one statement, in this process or on a server, and prints its rows.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::console::{Console, say};
use super::copy::{Copied, StatementRun, copy};
use super::error::Error;
use super::exit::{self, Exit};
use super::finish_exec;
use super::flags::{self, Flags};
use super::format::Format;
use super::log;
use super::output::Output;
use super::progress::{self, Line};
use super::signal::{self, Signals};
use super::simulated::{self, Simulated};
use super::upstream::Upstream;
use crate::config::{self, Environment, Settings};
use crate::datasets::IngestOptions;
use crate::engine::{Engine, Principal};
use crate::error::Result;
use crate::flight;

/// Logs warnings, except those about missing rows, which are notes below the rows.
const LOG: &str = "warn,oceanflight::table::scan_stream=error";

/// Run one statement and print its rows
#[derive(Args, Debug)]
#[command(after_help = exit::help())]
pub(super) struct QueryArgs {
    /// SQL to run; `-`, or a pipe, reads it from standard input
    #[arg(value_name = "SQL")]
    sql: Option<String>,

    /// Read the statement from a file
    #[arg(short, long, value_name = "FILE", conflicts_with = "sql")]
    file: Option<PathBuf>,

    /// Send the statement to a running server instead of calling the API
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = flags_without_server())]
    server: Option<String>,

    /// Output format [default: by the extension of --output, else table]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,

    /// Write the rows to a file; the file is created only if the query succeeds
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Exit with code 3 if the query returns any row (for checks in cron and CI)
    #[arg(long)]
    fail_if_rows: bool,

    #[command(flatten)]
    flags: Flags<false>,

    #[command(flatten)]
    simulated: Simulated,
}

/// Returns the flags that have no effect if the statement runs on a server.
fn flags_without_server() -> Vec<&'static str> {
    flags::upstream().into_iter().chain(simulated::NAMES).collect()
}

pub(super) async fn run(query: QueryArgs, environment: &Environment, console: &mut Console) -> Result<Exit> {
    let resolved = config::resolve(query.flags.layer()?, query.flags.file.as_deref(), environment)?;
    log::start(&resolved, LOG);
    let settings = resolved.settings;
    let format = Format::choose(query.format, query.output.as_deref())?;
    let sql = read_sql(&query, console)?;
    // The output is opened before the statement runs: an EXEC must not run if its row cannot be written.
    let mut output = match &query.output {
        Some(file) => Output::file(file)?,
        None => Output::stdout(&mut *console.stdout),
    };
    let place = output.place(console.terminal.stdout);
    format.check(place)?;

    let mut signals = Signals::listen().map_err(Error::Signals)?;
    let target = QueryTarget::of(&query, &settings).await?;
    let engine = target.engine();
    let writer = engine.clone();
    signal::end_if_stuck(Exit::Stopped, move || writer.as_ref().is_some_and(|engine| engine.writing() > 0));
    let mut run = tokio::select! {
        biased;
        () = signals.next() => return Err(Error::Stopped.into()),
        run = target.run(&sql) => run?,
    };
    let line = Line::new(console.terminal.stderr);
    let Copied { rows, result } = copy(&mut run, format, place, &mut output, line, &mut signals).await;
    if let Some(engine) = &engine {
        finish_exec::finish(engine, &mut *console.stderr).await;
    }

    let stderr = &mut *console.stderr;
    if output.is_closed() {
        return Ok(query.exit(rows));
    }
    if let Err(error) = result {
        let error = output.take_fault().map_or(error, Into::into);
        return Err(report_failure(error, rows, &run, output.file_name(), stderr));
    }
    output.keep()?;
    if format == Format::Table && query.output.is_none() {
        say(stderr, &progress::count(rows, "row"));
    }
    print_notices(&run, stderr);
    Ok(query.exit(rows))
}

/// Prints how much was written, and what an EXEC has started; returns the error to report.
fn report_failure(
    error: crate::error::Error,
    rows: u64,
    run: &StatementRun,
    file: Option<&Path>,
    stderr: &mut (dyn Write + Send),
) -> crate::error::Error {
    match file {
        Some(file) => say(stderr, &format!("{} was not written", file.display())),
        None if rows > 0 => say(stderr, "the rows above are incomplete"),
        None => {}
    }
    let error = match run.written() {
        Some(Ok(started)) => {
            say(stderr, &format!("note: {started}"));
            error
        }
        // The error of the EXEC is more important than that of the signal.
        Some(Err(failed)) if matches!(error.downcast_ref(), Some(Error::Stopped)) => failed,
        Some(Err(_)) | None => error,
    };
    print_notices(run, stderr);
    error
}

fn print_notices(run: &StatementRun, stderr: &mut (dyn Write + Send)) {
    for notice in run.notices() {
        say(stderr, &format!("note: {notice}"));
    }
}

impl QueryArgs {
    fn exit(&self, rows: u64) -> Exit {
        if self.fail_if_rows && rows > 0 { Exit::Rows } else { Exit::Done }
    }
}

/// The process that runs the statement.
enum QueryTarget {
    /// A server.
    Server(String),
    /// This process.
    Here(Box<Upstream>),
}

impl QueryTarget {
    async fn of(query: &QueryArgs, settings: &Settings) -> Result<Self> {
        Ok(match &query.server {
            Some(server) => Self::Server(server.clone()),
            // The user wrote the statement, so an EXEC needs no further permission.
            None => {
                Self::Here(Box::new(Upstream::open(settings, &query.simulated, true, IngestOptions::default()).await?))
            }
        })
    }

    fn engine(&self) -> Option<Engine> {
        match self {
            Self::Server(_) => None,
            Self::Here(upstream) => Some(upstream.engine.clone()),
        }
    }

    async fn run(self, sql: &str) -> Result<StatementRun> {
        match self {
            Self::Server(server) => {
                // No token: the account's token is only sent to the API's host.
                Ok(StatementRun::remote(sql, flight::client::query(&server, sql, None).await?))
            }
            Self::Here(upstream) => {
                let stream = upstream.engine.run(&Principal::local(), sql, None).await?;
                Ok(StatementRun::local(sql, stream, *upstream))
            }
        }
    }
}

/// Reads the SQL from the argument, the file or standard input.
fn read_sql(query: &QueryArgs, console: &mut Console) -> Result<String, Error> {
    let (place, bytes) = match (&query.sql, &query.file) {
        (Some(sql), _) if sql != "-" => ("the argument".to_owned(), Ok(sql.clone().into_bytes())),
        (None, Some(file)) if file != Path::new("-") => (file.display().to_string(), std::fs::read(file)),
        (None, None) if console.terminal.stdin => return Err(Error::NoSql),
        _ => ("standard input".to_owned(), read_all(&mut *console.stdin)),
    };
    let bytes = bytes.map_err(|source| Error::Sql { place: place.clone(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| Error::SqlNotText { place: place.clone() })?;
    match text.trim_start_matches('\u{feff}').trim() {
        "" => Err(Error::EmptySql { place }),
        sql => Ok(sql.to_owned()),
    }
}

fn read_all(from: &mut dyn Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes)
}
