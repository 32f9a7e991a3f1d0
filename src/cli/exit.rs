//! Exit codes: a contract with scripts, shown by `--help`.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::error::Kind;
use crate::flight;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Success. So is a closed pipe: `oceanflight query … | head`.
    Done,
    /// The API, the server or this program failed.
    Failed,
    /// The usage, SQL, a setting or a file is wrong, and retrying does not help.
    Refused,
    /// The query returned rows, and `--fail-if-rows` was set.
    Rows,
    /// The token is missing, invalid, or lacks a scope.
    Token,
    /// A temporary error: the same command may work later.
    Later,
    /// An EXEC with an unknown outcome.
    Unknown,
    /// A signal, such as Ctrl-C.
    Stopped,
}

/// All exit codes, with their meanings for `--help`.
const TABLE: &[(Exit, &str)] = &[
    (Exit::Done, "success"),
    (Exit::Failed, "the API, the server or oceanflight itself failed"),
    (Exit::Refused, "bad usage, SQL, setting or file: retrying will not help"),
    (Exit::Rows, "the query returned rows and --fail-if-rows was set"),
    (Exit::Token, "the token is missing, invalid, or lacks a scope"),
    (Exit::Later, "temporary: API unreachable, timeout, data changed while it was read, or a limit reached"),
    (Exit::Unknown, "an EXEC was or may have been executed, and its outcome is unknown: check before retrying"),
    (Exit::Stopped, "interrupted by Ctrl-C, SIGTERM or SIGHUP"),
];

impl Exit {
    /// Returns the number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Refused => 2,
            Self::Rows => 3,
            Self::Token => 4,
            Self::Later => 5,
            Self::Unknown => 6,
            Self::Stopped => 130,
        }
    }

    /// Returns the exit code for an error of this kind.
    pub const fn of(kind: Kind) -> Self {
        match kind {
            Kind::DataLoss | Kind::Internal => Self::Failed,
            Kind::InvalidArgument | Kind::NotFound | Kind::FailedPrecondition | Kind::Unimplemented => Self::Refused,
            Kind::Unauthenticated | Kind::PermissionDenied => Self::Token,
            Kind::ResourceExhausted | Kind::Aborted | Kind::DeadlineExceeded | Kind::Unavailable => Self::Later,
            Kind::Unknown => Self::Unknown,
            Kind::Cancelled => Self::Stopped,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Returns the tables of docs/errors.md, in Markdown: the kinds of errors with their gRPC codes and exit codes, and the
/// meaning of each exit code.
pub fn reference() -> String {
    let mut table = "| kind | gRPC code | exit code | meaning |\n|---|---|---|---|\n".to_owned();
    for kind in Kind::ALL {
        let (code, exit) = (flight::code_name(kind), Exit::of(kind).code());
        writeln!(table, "| {kind:?} | {code} | {exit} | {} |", kind.meaning()).expect("a String accepts everything");
    }
    table.push_str("\nExit codes of all commands:\n\n| exit code | meaning |\n|---|---|\n");
    for (exit, meaning) in TABLE {
        writeln!(table, "| {} | {meaning} |", exit.code()).expect("a String accepts everything");
    }
    table
}

/// Returns the section of `--help`.
pub(super) fn help() -> String {
    let mut text = "Exit codes:".to_owned();
    for (exit, meaning) in TABLE {
        write!(text, "\n  {:>3}  {meaning}", exit.code()).expect("a String accepts everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_once() {
        for (at, (exit, _)) in TABLE.iter().enumerate() {
            let twin = TABLE[..at].iter().find(|(other, _)| other.code() == exit.code());
            assert!(twin.is_none(), "{exit:?} and {twin:?} have one code");
        }
        assert_eq!(TABLE.len(), 8);
    }
}
