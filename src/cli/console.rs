//! Standard input, output and error as arguments: a test reads what was written.

use std::io::{self, IsTerminal, Read, Write};

/// Where a command reads and writes.
pub struct Console {
    /// Where SQL comes from if no argument has it.
    pub stdin: Box<dyn Read + Send>,
    /// Results, and nothing else.
    pub stdout: Box<dyn Write + Send>,
    /// Everything that is said about them.
    pub stderr: Box<dyn Write + Send>,
    /// Who is at the other ends.
    pub terminal: Terminal,
}

/// Which of the three are a person's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Somebody would have to type the SQL.
    pub stdin: bool,
    /// Somebody reads the rows; columns that fit.
    pub stdout: Option<usize>,
    /// Somebody watches the progress.
    pub stderr: bool,
}

impl Console {
    /// The process's own.
    pub fn of_process() -> Self {
        Self {
            stdin: Box::new(io::stdin()),
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            terminal: Terminal {
                stdin: io::stdin().is_terminal(),
                stdout: io::stdout().is_terminal().then(width),
                stderr: io::stderr().is_terminal(),
            },
        }
    }
}

/// Says a line on standard error.
pub(super) fn say(stderr: &mut (dyn Write + Send), line: &str) {
    // Whoever closed standard error does not want to know, and there is no other place to tell.
    let _ = writeln!(stderr, "{line}");
    let _ = stderr.flush();
}

/// A terminal that does not tell is a wide one: what does not fit is wrapped by it.
fn width() -> usize {
    console::Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns))
}
