//! The program `oceanflight`.

use std::process::ExitCode;

use clap::Parser as _;
use oceanflight::cli::{self, Console, Environment};

fn main() -> ExitCode {
    let arguments = cli::Cli::parse_from(cli::with_commented_sql(std::env::args_os()));
    let mut console = Console::of_process();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return cli::no_runtime(error, &mut console).into(),
    };
    let exit = runtime.block_on(cli::run(arguments, &Environment::of_process(), &mut console));
    // Does not wait for tasks that still run; POSTs have been awaited before.
    runtime.shutdown_background();
    exit.into()
}
