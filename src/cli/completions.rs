//! `oceanflight completions`: a script that completes commands and flags in a shell.

use std::io::Write as _;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::Cli;
use super::console::Console;
use super::error::Error;
use super::exit::Exit;
use super::output::Output;
use crate::error::Result;

/// Print a completion script for a shell
#[derive(Args, Debug)]
#[command(after_help = "bash: source <(oceanflight completions bash)
zsh:  source <(oceanflight completions zsh)
fish: oceanflight completions fish | source")]
pub(super) struct CompletionsArgs {
    /// The shell that is to complete commands and flags
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArgs, console: &mut Console) -> Result<Exit> {
    // Into memory first: `generate` panics if its writer fails, as a closed pipe does.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "oceanflight", &mut script);
    let mut output = Output::stdout(&mut *console.stdout);
    let written = output.write_all(&script);
    output.finish(written, |source| Error::Output { file: None, source })?;
    Ok(Exit::Done)
}
