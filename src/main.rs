//! The program `oceanflight`: [`oceanflight::cli::main`].

use std::process::ExitCode;

use mimalloc::MiMalloc;
use oceanflight::heap::Counting;

#[global_allocator]
static ALLOCATOR: Counting<MiMalloc> = Counting(MiMalloc);

fn main() -> ExitCode {
    oceanflight::cli::main()
}
