//! The command line: parses arguments, runs a command, and returns an exit code.
//!
//! Each command is a file with its arguments and a function `run`. They use:
//!
//! - [`console`](Console): standard input, output and error as arguments.
//! - `flags`, `simulated`: arguments of several commands. `upstream`: the API that the engine calls. `without_demo`:
//!   `simulated` in a build without the feature `demo`.
//! - `finish_exec`: waits for POSTs before the process ends. `signal`: Ctrl-C, SIGTERM and SIGHUP.
//! - `format`, `table`, `nested_json`: output formats. `output`: standard output or a file. `copy`: from rows to
//!   output.
//! - `exit`: the exit codes. `error`: the errors of this layer.
//!
//! Results go to standard output, everything else to standard error.

mod banner;
mod completions;
mod console;
mod copy;
#[cfg(feature = "demo")]
mod demo;
mod error;
mod exit;
mod finish_exec;
mod flags;
mod format;
mod listing;
mod load;
mod log;
mod nested_json;
mod output;
mod plan_text;
mod progress;
mod query;
mod serve;
mod settings;
mod signal;
#[cfg_attr(not(feature = "demo"), path = "without_demo.rs")]
mod simulated;
mod table;
mod tables;
mod upstream;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

pub use self::console::{Console, Terminal};
pub use self::exit::{Exit, reference as error_reference};
pub use crate::config::Environment;

use self::console::say;
use crate::error::Error;
use crate::heap;

/// DigitalOcean's API as SQL tables, served over Arrow Flight SQL
#[derive(Debug, Parser)]
#[command(name = "oceanflight", version = env!("OCEANFLIGHT_VERSION"), after_help = exit::help())]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::ServeArgs>),
    Query(Box<query::QueryArgs>),
    Load(load::LoadArgs),
    Tables(tables::TablesArgs),
    Settings(Box<settings::SettingsArgs>),
    #[cfg(feature = "demo")]
    Demo(demo::DemoArgs),
    Completions(completions::CompletionsArgs),
}

/// Prepares arguments for clap: SQL that begins with a comment (`-- all of them\nSELECT …`) is not a flag, so it gets a
/// line break before it.
pub fn with_commented_sql(arguments: impl IntoIterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    arguments.into_iter().map(|argument| match argument.to_str().and_then(|text| text.strip_prefix("--")) {
        Some(comment) if comment.starts_with(char::is_whitespace) => format!("\n--{comment}").into(),
        _ => argument,
    })
}

/// The program: parses the process's arguments, runs the command, and returns the exit code.
///
/// It is in the library so that the async code of the commands is compiled there: `block_on` is generic over its
/// future, and in `src/main.rs` it would compile all of them a second time.
pub fn main() -> ExitCode {
    let arguments = Cli::parse_from(with_commented_sql(std::env::args_os()));
    let mut console = Console::of_process();
    let runtime = match Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(heap::give_back)
        .on_thread_stop(heap::end_of_thread)
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error::Error::Runtime(error).into(), &mut console).into(),
    };
    let exit = runtime.block_on(Box::pin(run(arguments, &Environment::of_process(), &mut console)));
    // Does not wait for tasks that still run; POSTs have been awaited before.
    runtime.shutdown_background();
    exit.into()
}

/// Runs a command, and prints its error.
pub async fn run(arguments: Cli, environment: &Environment, console: &mut Console) -> Exit {
    let ended = match arguments.command {
        Command::Serve(command) => Box::pin(serve::run(*command, environment, console)).await,
        Command::Query(command) => Box::pin(query::run(*command, environment, console)).await,
        Command::Load(command) => Box::pin(load::run(command, console)).await,
        Command::Tables(command) => tables::run(&command, console),
        Command::Settings(command) => settings::run(*command, environment, console),
        #[cfg(feature = "demo")]
        Command::Demo(command) => demo::run(command, console).await,
        Command::Completions(command) => completions::run(&command, console),
    };
    ended.unwrap_or_else(|error| failed(&error, console))
}

fn failed(error: &Error, console: &mut Console) -> Exit {
    say(&mut *console.stderr, &format!("error: {}", error.report()));
    Exit::of(error.kind())
}
