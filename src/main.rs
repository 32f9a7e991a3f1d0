//! The program `oceanflight`: [`oceanflight::cli::main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    oceanflight::cli::main()
}
