//! Errors of SQL text.

use super::depth::MAX_OPERATORS;
use crate::error::{Failure, Kind};

/// Text that is not one SQL statement.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It does not parse; the parser's message.
    #[error("the SQL does not parse: {0}")]
    Syntax(String),
    /// It does not parse at a parameter; the parser's message.
    #[error("the SQL does not parse: {0}")]
    AtParameter(String),
    /// Nothing but white space and comments.
    #[error("there is no SQL statement in the text")]
    Empty,
    /// More operators than can be planned.
    #[error("the statement has more than {MAX_OPERATORS} operators")]
    TooLong,
    /// Several statements in one text.
    #[error("the text has {0} statements; only one can be run at a time")]
    Several(usize),
    /// `?` and `$1` in one statement.
    #[error("the statement mixes `?` with `$1`")]
    MixedParameters,
    /// A parameter that is neither `?` nor `$1`, `$2`, …
    #[error("`{0}` is not a parameter")]
    Parameter(String),
    /// An argument of an EXEC that is a name instead of a value.
    #[error("{0} is a name; an argument must be a value")]
    Name(String),
    /// An argument of an EXEC that is a query.
    #[error("an argument must be a value, not a query")]
    Query,
    /// An argument of a CALL without a name.
    #[error("the argument {0} has no name")]
    Positional(String),
    /// An unknown hint in an EXEC.
    #[error("EXEC has no hint `{0}`")]
    Hint(String),
    /// EXPLAIN ANALYZE of an EXEC, which would run it.
    #[error("EXPLAIN ANALYZE would run the EXEC")]
    Analyze,
}

impl Failure for Fault {
    fn kind(&self) -> Kind {
        Kind::InvalidArgument
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax(_) | Self::Empty => None,
            Self::AtParameter(_) => Some(
                "a parameter can only be a value: write names, types and units in the statement, such as \
                 `extract(year FROM now())`"
                    .into(),
            ),
            Self::TooLong => {
                Some("write `x IN (…)` instead of `x = … OR x = …`; an IN list can have any length".into())
            }
            Self::Several(_) => Some("send them one after another".into()),
            Self::MixedParameters | Self::Parameter(_) => {
                Some("write parameters either as `?` or as `$1`, `$2`, …".into())
            }
            Self::Name(name) => Some(format!("write '{}' in single quotes", name.trim_matches('"'))),
            Self::Query => Some("run the query first, and bind its result as a parameter".into()),
            Self::Positional(_) => Some("write `name => value`; DESCRIBE METHOD shows the names".into()),
            Self::Hint(_) => Some("the hints are AWAIT and SHOWRESULTS".into()),
            Self::Analyze => Some("EXPLAIN alone shows the request, and sends nothing".into()),
        }
    }
}
