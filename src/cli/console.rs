//! Standard input, output and error as arguments, so that tests can read what a command writes.

use std::io::{self, IsTerminal, Read, Write};

/// The standard streams of a command.
pub struct Console {
    /// The SQL, if it is not in an argument.
    pub stdin: Box<dyn Read + Send>,
    /// Results only.
    pub stdout: Box<dyn Write + Send>,
    /// Notes, progress, errors and the log.
    pub stderr: Box<dyn Write + Send>,
    /// Which of the streams are terminals.
    pub terminal: Terminal,
}

/// The streams that are terminals.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terminal {
    /// Whether standard input is a terminal. SQL is not read from one.
    pub stdin: bool,
    /// The width of the terminal that is standard output, in columns.
    pub stdout: Option<usize>,
    /// Whether standard error is a terminal: progress is shown only there.
    pub stderr: bool,
}

impl Console {
    /// Returns the streams of this process.
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

/// Writes a line to standard error.
pub(super) fn say(stderr: &mut (dyn Write + Send), line: &str) {
    // If standard error is closed, there is no other place to report that.
    let _ = writeln!(stderr, "{line}");
    let _ = stderr.flush();
}

/// Returns the width of the terminal; unlimited if it is unknown: the terminal wraps long lines.
fn width() -> usize {
    console::Term::stdout().size_checked().map_or(usize::MAX, |(_, columns)| usize::from(columns))
}
