//! The program `oceanflight`.

use std::process::ExitCode;
use std::thread;

use clap::Parser as _;
use oceanflight::cli::{self, Console, Environment};
use tokio::runtime::Builder;

/// A thread's stack; memory is taken as far as it is touched. Planning goes down an expression by recursion, and
/// `a OR b OR …` is as deep as it is long: 64 MiB hold the longest that `sql` lets through, also in a debug build.
const STACK_BYTES: usize = 64 << 20;

fn main() -> ExitCode {
    let main = thread::Builder::new().name("main".into()).stack_size(STACK_BYTES).spawn(program);
    main.expect("a system that cannot start a thread cannot run a server").join().unwrap_or(ExitCode::from(101))
}

fn program() -> ExitCode {
    let arguments = cli::Arguments::parse();
    let mut console = Console::of_process();
    let runtime = match Builder::new_multi_thread().enable_all().thread_stack_size(STACK_BYTES).build() {
        Ok(runtime) => runtime,
        Err(error) => return cli::no_runtime(error, &mut console).into(),
    };
    let exit = runtime.block_on(cli::run(arguments, &Environment::of_process(), &mut console));
    // Whatever still runs by then, nobody waits for.
    runtime.shutdown_background();
    exit.into()
}
